"""Receipts: who sold and who bought, as it was when a payment was confirmed.

Only `billing.payments.receipts` writes them. What else a receipt says stands in the rows of the
top-up and its payment, whose facts never change either.
"""

import pgtrigger
from django.db import models

from billing.models.account import Account
from billing.models.payment import Payment


def _copied(name: str) -> models.CharField:
    """A column for what an account's field ``name`` may hold."""
    field = Account._meta.get_field(name)
    assert isinstance(field, models.CharField)
    return models.CharField(max_length=field.max_length, blank=True, db_default="")


class Receipt(models.Model):
    """Seller and buyer of one payment. The database refuses to change one: what a
    receipt said stays.

    Empty where nothing was entered then. A payment from before there were such rows has none.
    """

    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="receipt")
    seller_name = _copied("company_name")
    seller_address = _copied("company_address")
    seller_tax_number = _copied("tax_number")
    buyer_name = _copied("company_name")
    buyer_address = _copied("company_address")
    buyer_tax_number = _copied("tax_number")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.payment}: {self.seller_name} to {self.buyer_name}"
