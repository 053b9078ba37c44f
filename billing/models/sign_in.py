"""What sign-in remembers of attempts, so that limits hold whatever else is away.

Rows live for a day: `billing.accounts.attempts` reads, writes and clears them.
"""

from django.conf import settings
from django.db import models


class SignInAttempts(models.Model):
    """How often one visitor failed to prove to be one person.

    ``visitor`` is where attempts come from; ``target`` is a digest of whom they are for. Either
    is "" in a row that counts all of the other's.
    """

    visitor = models.CharField(max_length=45)
    target = models.CharField(max_length=64)
    failures = models.PositiveIntegerField(default=0)
    last_failed_at = models.DateTimeField(db_index=True)
    blocked_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["visitor", "target"], name="sign_in_attempts_once"),
        ]

    def __str__(self) -> str:
        return f"{self.failures} failures from {self.visitor or 'anywhere'}"


class UsedCode(models.Model):
    """A code of a second step that was used: it must not sign in again while it is valid."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "digest"], name="used_code_once"),
        ]

    def __str__(self) -> str:
        return f"a code of {self.user_id}"
