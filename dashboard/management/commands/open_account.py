"""``manage.py open_account``: open an account, if need be with a start in the past."""

import inspect
import re
from argparse import ArgumentParser
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import transaction
from django.utils.dateparse import parse_date, parse_datetime

from billing import clock
from billing.accounts.opening import credits_of_opening, granted_in_words, open_account
from billing.accounts.people import add_person, email_taken
from billing.acting import ActingCommand
from billing.models import Account, CustomTerms, Plan, User
from billing.models.currency import prices_in_minor_units
from billing.money import minor_units
from billing.refusals import Refusal
from dashboard.sign_in.invitations import mails_go_out, password_link, send_password_link

TARIFF = ("increment_seconds", "credits_per_increment")
OWN_TERMS = (*TARIFF, "credits_per_cycle", "concurrent_calls")


class Command(ActingCommand):
    """Open an account on a plan, with its first superadmin, and say which credits that grants.

    The first superadmin is a person who signs in here already, or is added and sent a link to
    choose a password; where no mail goes out, the link is printed. Terms of its own need at least
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
        parser.add_argument(
            "--add-owner", action="store_true", help="The first superadmin is new here: add them."
        )
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
        now = clock.now()
        account = Account(
            name=options["name"],
            slug=options["slug"],
            time_zone=options["time_zone"],
            currency=options["currency"],
        )
        try:
            account.full_clean()
            plan = _plan(options["plan"])
            owner = _owner(options["owner"], may_be_new=options["add_owner"])
            terms = _own_terms(options, account)
            starts_at = _start(options["starts"], account) or now
            granted = credits_of_opening(
                account=account, plan=plan, now=now, starts_at=starts_at, custom_terms=terms
            )
            is_new = owner.pk is None
            if not options["dry_run"]:
                with transaction.atomic():
                    open_account(
                        account=account,
                        plan=plan,
                        owner=add_person(email=owner.email) if is_new else owner,
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
        if is_new:
            self._invite(owner.email, dry_run=options["dry_run"])

    def _invite(self, email: str, *, dry_run: bool) -> None:
        """Have whoever is new choose a password; nobody else ever knows it."""
        if dry_run:
            self.stdout.write(f"{email} would be added, and get a link to choose a password.")
            return
        owner = User.objects.get(email=email)
        if mails_go_out() and send_password_link(owner):
            self.stdout.write(f"{email} gets a link to choose a password.")
        else:
            link = password_link(owner)
            self.stdout.write(f"No mail goes out. Give {email} this link, for a day:\n{link}")


def _plan(name: str) -> Plan:
    plan = Plan.objects.filter(name__iexact=name, is_active=True).first()
    if plan is None:
        names = ", ".join(Plan.objects.filter(is_active=True).values_list("name", flat=True))
        raise CommandError(f"--plan: “{name}” is not on offer. There are: {names}.")
    return plan


def _owner(email: str, *, may_be_new: bool) -> User:
    """Who owns the account; not stored yet where they are to be added."""
    email = email.strip().lower()
    owner = User.objects.filter(email=email, is_active=True).first()
    if owner is not None:
        return owner
    if not may_be_new:
        raise CommandError(
            f"--owner: nobody signs in with {email}. Is it spelled right? --add-owner adds them."
        )
    owner = User(email=email)
    owner.clean_fields(exclude={"password"})
    if email_taken(email=email, user=owner):
        raise CommandError(f"--owner: {email} is not active, or in use by somebody else.")
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
