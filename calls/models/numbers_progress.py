"""How far the numbers of an account's old calls are deleted. Only `calls.numbers` writes it."""

from django.db import models

from billing.models import Account


class NumbersProgress(models.Model):
    """Calls of ``account`` whose entries come before a place in its log have no numbers any more.

    The place is the time ``until`` and the entry ``until_id``. What is booked later at an earlier
    time is found by ``seq``: entries up to that number have been looked at.
    """

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True)
    until = models.DateTimeField()
    until_id = models.BigIntegerField()
    seq = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "numbers progress"

    def __str__(self) -> str:
        return f"{self.account}: until {self.until}"
