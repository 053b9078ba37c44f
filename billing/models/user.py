"""People who sign in: with their e-mail address, which is their name here."""

from typing import Any, ClassVar

import pgtrigger
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

from billing.models.look_again import look_again


class PersonManager(BaseUserManager["User"]):
    """Makes people by their address; there is no user name."""

    def create_user(self, email: str, password: str | None = None, **more: Any) -> "User":
        """Store somebody who signs in with ``email``; no operator unless ``more`` says so."""
        user = self.model(email=email, **more)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **more: Any) -> "User":
        """Store an operator who may do everything."""
        more = {"is_staff": True, "is_superuser": True, **more}
        return self.create_user(email, password, **more)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find somebody by address, however it is written."""
        return self.get(email=(username or "").lower())


class User(AbstractUser):
    """A person. The address is stored in small letters, whoever stores it."""

    username = None  # type: ignore[assignment]  # leaves out the field of Django's own model
    email = models.EmailField(
        "e-mail address",
        max_length=254,
        unique=True,
        error_messages={"unique": "Somebody signs in with this address already."},
    )

    second_step_due_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="From when on an operator needs a second step; none before the first visit.",
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[PersonManager] = PersonManager()  # type: ignore[assignment]

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="user_email_in_small_letters"
            ),
        ]
        triggers = [
            look_again(
                pgtrigger.UpdateOf("is_active", "email"),
                accounts="SELECT account_id FROM billing_membership WHERE user_id = changed.id",
            ),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store the address in small letters: sign-in looks for nothing else."""
        self.email = self.email.lower()
        super().save(*args, **kwargs)
