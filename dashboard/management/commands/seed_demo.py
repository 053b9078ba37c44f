"""``manage.py seed_demo``: the demonstration, on an empty database."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from billing import clock
from billing.acting import ActingCommand
from billing.models import Account, User
from dashboard.demo.story import PASSWORD, seed, sign_ins


class Command(ActingCommand):
    """Store three companies with a past, and print who signs in."""

    help = "Store three demonstration companies with 90 days of calls, and print their sign-ins."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """When to do nothing, what to print only, and how to insist."""
        parser.add_argument(
            "--if-empty", action="store_true", help="Do nothing where there are accounts already."
        )
        parser.add_argument(
            "--show-sign-ins", action="store_true", help="Store nothing, print the sign-ins."
        )
        parser.add_argument(
            "--force", action="store_true", help="Also where DEBUG is off: the password is public."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Store the demonstration and print its sign-ins; refuse where it would mix with others."""
        if options["show_sign_ins"]:
            self._print_sign_ins()
            return
        if Account.objects.exists():
            if options["if_empty"]:
                return
            raise CommandError(
                "There are accounts already, and the demonstration is not mixed with them. "
                "Use an empty database."
            )
        if not settings.DEBUG and not options["force"]:
            raise CommandError(
                "DEBUG is off, and everybody knows the password of the demonstration. "
                "Add --force where that does no harm."
            )
        if settings.PAYMENT_GATEWAY != "sandbox":
            raise CommandError(
                "The demonstration's top-ups are paid in the sandbox. Set PAYMENT_GATEWAY=sandbox, "
                "or SEED_DEMO=false for `make run` without the demonstration."
            )
        calls = seed(now=clock.now())
        self.stdout.write(self.style.SUCCESS(f"Stored 3 companies with {calls:,} calls."))
        self._print_sign_ins()

    def _print_sign_ins(self) -> None:
        known = set(User.objects.values_list("email", flat=True))
        here = [sign_in for sign_in in sign_ins() if sign_in.email in known]
        if not here:
            self.stdout.write("There are no demonstration sign-ins in this database.")
            return
        self.stdout.write(f"Sign in with the password {PASSWORD} as:")
        for sign_in in here:
            self.stdout.write(
                f"  {sign_in.email:28} {sign_in.role:14} {sign_in.account} ({sign_in.name})"
            )
