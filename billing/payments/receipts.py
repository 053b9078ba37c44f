"""Who sold and who bought, on the receipt of a payment.

A receipt keeps what it said when the payment was confirmed, whatever the settings and the account
say later.
"""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from billing.models import Account, Payment, Receipt


@dataclass(frozen=True, slots=True)
class Party:
    """A seller or a buyer. ``address`` has a line break between its lines."""

    name: str = ""
    address: str = ""
    tax_number: str = ""

    @property
    def lines(self) -> list[str]:
        """What a receipt says of them, line by line; nothing where nothing is known."""
        number = f"Tax number {self.tax_number}" if self.tax_number else ""
        return [line for line in (self.name, *self.address.splitlines(), number) if line]


@dataclass(frozen=True, slots=True)
class Parties:
    """Who sold, and who bought."""

    seller: Party
    buyer: Party


def seller() -> Party:
    """Who sells from now on: the settings SELLER_…."""
    lines = [line.strip() for line in settings.SELLER_ADDRESS.split("|")]
    return Party(settings.SELLER_NAME, "\n".join(filter(None, lines)), settings.SELLER_TAX_NUMBER)


def buyer(account: Account) -> Party:
    """What the receipts of ``account`` say from now on."""
    return Party(account.company_name or account.name, account.company_address, account.tax_number)


def make_receipt(payment: Payment, *, now: datetime) -> None:
    """Keep who sells and who buys for the receipt of ``payment``, once."""
    sold, bought = seller(), buyer(payment.top_up.account)
    Receipt.objects.get_or_create(
        payment=payment,
        defaults={
            "seller_name": sold.name,
            "seller_address": sold.address,
            "seller_tax_number": sold.tax_number,
            "buyer_name": bought.name,
            "buyer_address": bought.address,
            "buyer_tax_number": bought.tax_number,
            "made_at": now,
        },
    )


def parties_of(payment: Payment) -> Parties:
    """Who stands on the receipt of ``payment``. One query.

    A payment from before receipts named anybody goes on naming its account alone.
    """
    made = Receipt.objects.filter(payment=payment).first()
    if made is None:
        return Parties(Party(), Party(payment.top_up.account.name))
    return Parties(
        Party(made.seller_name, made.seller_address, made.seller_tax_number),
        Party(made.buyer_name, made.buyer_address, made.buyer_tax_number),
    )
