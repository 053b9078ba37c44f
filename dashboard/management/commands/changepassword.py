"""``manage.py changepassword``: Django's own, noted in the activity log."""

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from billing.acting import ActingCommand
from billing.activity import ActivityKind, note_about_person
from billing.models import User


class Command(ActingCommand, changepassword.Command):
    """Set somebody's password, where nobody can sign in to send them a link."""

    def handle(self, *args: Any, **options: Any) -> Any:
        """Set it, and note whose."""
        with transaction.atomic():
            said = super().handle(*args, **options)
            email = str(options["username"]).strip().lower()
            person = User.objects.filter(email=email).first()
            if person is not None:
                note_about_person(ActivityKind.PASSWORD_CHANGED, person=person)
        return said
