"""``manage.py open_account``: open an account, if need be with a start in the past."""

import inspect
import re
from argparse import ArgumentParser
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from billing.accounts.opening import credits_of_opening, granted_in_words, open_account
from billing.models import Account, CustomTerms, Plan, User
from billing.models.currency import prices_in_minor_units
from billing.money import minor_units
from billing.refusals import Refusal

TARIFF = ("increment_seconds", "credits_per_increment")
OWN_TERMS = (*TARIFF, "credits_per_cycle", "concurrent_calls")


class Command(BaseCommand):
    """Open an account on a plan, with its first superadmin, and say which credits that grants.

    The first superadmin must be a person who signs in here already. Terms of its own need at least
    the increment and the credits per increment.
    """

    help = inspect.cleandoc(__doc__)
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who, on which plan, since when, and on which terms."""
        parser.add_argument("name", help="What the company is called.")
        parser.add_argument(
            "--slug", required=True, help="Names the account in addresses and on the command line."
        )
        parser.add_argument("--plan", required=True, help="Its name, such as Base.")
        parser.add_argument("--owner", required=True, metavar="E-MAIL", help="First superadmin.")
        parser.add_argument("--time-zone", default="UTC", metavar="NAME")
        parser.add_argument("--currency", default="INR", metavar="CODE")
        parser.add_argument(
            "--starts",
            metavar="WHEN",
            help="2025-01-03 or 2025-01-03T09:30 on the account's clock (now). Calls since then "
            "are charged, and the cycles since then are granted and expired in order.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Say which credits it grants; open nothing."
        )
        own = parser.add_argument_group("terms of its own, from the start on")
        for name in OWN_TERMS:
            own.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="NUMBER")
        own.add_argument("--price", metavar="AMOUNT", help="A cycle, in its currency: 1999.00.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Open it, and say what came of it."""
        now = timezone.now()
        account = Account(
            name=options["name"],
            slug=options["slug"],
            time_zone=options["time_zone"],
            currency=options["currency"],
        )
        try:
            account.full_clean()
            plan = _plan(options["plan"])
            owner = _owner(options["owner"])
            terms = _own_terms(options, account)
            starts_at = _start(options["starts"], account) or now
            granted = credits_of_opening(
                account=account, plan=plan, now=now, starts_at=starts_at, custom_terms=terms
            )
            if not options["dry_run"]:
                open_account(
                    account=account,
                    plan=plan,
                    owner=owner,
                    now=now,
                    starts_at=starts_at,
                    custom_terms=terms,
                )
        except Refusal as refusal:
            raise CommandError(f"--starts: {refusal.message}") from refusal
        except ValidationError as error:
            raise CommandError(_in_lines(error)) from error
        done = "would be open" if options["dry_run"] else "is open"
        said = f"{account} ({account.slug}) {done} on {plan}. {granted_in_words(granted, account)}"
        self.stdout.write(said)


def _plan(name: str) -> Plan:
    plan = Plan.objects.filter(name__iexact=name, is_active=True).first()
    if plan is None:
        names = ", ".join(Plan.objects.filter(is_active=True).values_list("name", flat=True))
        raise CommandError(f"--plan: “{name}” is not on offer. There are: {names}.")
    return plan


def _owner(email: str) -> User:
    owner = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if owner is None:
        raise CommandError(
            f"--owner: nobody signs in with {email}. Add the person first, in Django admin under "
            "People."
        )
    return owner


def _start(text: str | None, account: Account) -> datetime | None:
    """The instant that the account's clock shows as ``text``."""
    if text is None:
        return None
    try:
        at = parse_datetime(text)
        if at is None and (day := parse_date(text)):
            at = datetime(day.year, day.month, day.day)
    except ValueError:
        at = None
    if at is None:
        raise CommandError(f"--starts: “{text}” is no day or time; write 2025-01-03T09:30.")
    return at if at.tzinfo else at.replace(tzinfo=account.zone)


def _own_terms(options: dict[str, Any], account: Account) -> CustomTerms | None:
    """The terms that the options agree; None where they name none."""
    entered = {name: options[name] for name in OWN_TERMS if options[name] is not None}
    price = options["price"]
    if not entered and price is None:
        return None
    for name in TARIFF:
        if name not in entered:
            raise CommandError(f"--{name.replace('_', '-')} is missing: own terms need it too.")
    terms = CustomTerms(**entered)
    if price is not None:
        terms.prices = {account.currency: _price_in_minor_units(price, account.currency)}
    terms.clean_fields(exclude={"effective_from", "subscription"})
    return terms


def _price_in_minor_units(text: str, currency: str) -> int:
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) is None:
        raise CommandError(f"--price: “{text[:40]}” is no amount; write it like 1999.00.")
    try:
        price = minor_units(Decimal(text), currency)
        prices_in_minor_units({currency: price})
    except ValueError as error:
        raise CommandError(f"--price: {error}") from error
    except ValidationError as error:
        raise CommandError(f"--price: {' '.join(error.messages)}") from error
    return price


def _in_lines(error: ValidationError) -> str:
    """What is wrong with each argument, one a line."""
    return "\n".join(
        f"--{field.replace('_', '-')}: {' '.join(messages)}"
        for field, messages in error.message_dict.items()
    )
