"""``manage.py createsuperuser``: Django's own, noted in the activity log."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db import transaction

from billing.accounts.people import note_person
from billing.acting import ActingCommand
from billing.models import User


class Command(ActingCommand, createsuperuser.Command):
    """Make an operator who may do everything."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Make one, and note who it is."""
        with transaction.atomic():
            known = set(User.objects.values_list("pk", flat=True))
            super().handle(*args, **options)
            for person in User.objects.exclude(pk__in=known).order_by("pk"):
                note_person(before=None, after=person)
