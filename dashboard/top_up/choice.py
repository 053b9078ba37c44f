"""What is on sale for an account, and what somebody has chosen of it.

Owns the forms of buying. A choice is read from an address, so that a review can be reloaded,
bookmarked and linked to; only the form that pays is posted.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from billing import topups
from billing.models import Account, Pack, TopUp, TopUpPricing

OWN = "own"
PACK = "pack-"
# Commas and the spaces, thin and unbreakable ones too, that people put between thousands (and in
# India between hundreds of thousands). Anywhere else a comma may be meant for decimals.
_SEPARATOR = "[, \u00a0\u2009\u202f]"
_WHOLE_NUMBER = re.compile(
    rf"[0-9]+|[0-9]{{1,3}}(?:{_SEPARATOR}[0-9]{{2,3}})*{_SEPARATOR}[0-9]{{3}}"
)


@dataclass(frozen=True, slots=True)
class Offer:
    """One pack as it is offered. ``price_per_credit_minor`` is rounded to a minor unit, half up."""

    value: str
    credits: int
    price_minor: int
    price_per_credit_minor: int
    is_best_value: bool


@dataclass(frozen=True, slots=True)
class OnSale:
    """What an account can buy in its currency: packs, and credits of its own number."""

    packs: Sequence[Pack]
    pricing: TopUpPricing | None

    @property
    def offers(self) -> list[Offer]:
        """The packs in the operators' order."""
        return [
            Offer(
                value=f"{PACK}{pack.pk}",
                credits=pack.credits,
                price_minor=pack.price_minor,
                price_per_credit_minor=(2 * pack.price_minor + pack.credits) // (2 * pack.credits),
                is_best_value=pack.is_best_value,
            )
            for pack in self.packs
        ]

    @property
    def tax_words(self) -> str:
        """What comes on top of every price, such as ``18 % GST``; empty without tax."""
        if self.pricing is None or not self.pricing.tax_basis_points:
            return ""
        whole, hundredths = divmod(self.pricing.tax_basis_points, 100)
        percent = f"{whole}.{hundredths:02d}".rstrip("0").rstrip(".")
        return f"{percent} % {self.pricing.tax_name or 'tax'}"

    def __bool__(self) -> bool:
        return bool(self.packs) or self.pricing is not None


def on_sale(account: Account) -> OnSale:
    """What ``account`` can buy now; two queries."""
    return OnSale(list(topups.packs_for(account)), topups.pricing_for(account))


def same_again(*, top_up: TopUp, sale: OnSale) -> dict[str, str]:
    """The parameters that choose what ``top_up`` was: its pack if it is still offered."""
    for pack in sale.packs:
        if (pack.credits, pack.price_minor) == (top_up.credits, top_up.price_minor):
            return {"choice": f"{PACK}{pack.pk}"}
    return {"choice": OWN, "credits": str(top_up.credits)}


class ChoiceForm(forms.Form):
    """What was chosen; valid, it has a price in `quoted`."""

    choice = forms.CharField(max_length=30, required=False)
    credits = forms.CharField(max_length=20, required=False)

    quoted: topups.Quote

    def __init__(self, data: Mapping[str, Any], *, account: Account, sale: OnSale) -> None:
        self._account = account
        self._sale = sale
        super().__init__(data)

    def clean(self) -> dict[str, Any]:
        """Price the choice. A number of credits without a choice is the number that is meant."""
        chosen = self.cleaned_data.get("choice", "")
        number = _number(self.cleaned_data.get("credits", ""))
        if not chosen and not self.cleaned_data.get("credits"):
            self.add_error("choice", "Choose a pack, or enter a number of credits.")
            return self.cleaned_data
        try:
            if chosen.startswith(PACK):
                self.quoted = topups.quote(account=self._account, pack=self._pack(chosen))
            else:
                self.quoted = topups.quote(account=self._account, credits=number)
        except topups.TopUpError as error:
            self.add_error("choice" if error.field == "pack" else error.field, str(error))
        return self.cleaned_data

    def _pack(self, chosen: str) -> Pack:
        for pack in self._sale.packs:
            if f"{PACK}{pack.pk}" == chosen:
                return pack
        raise topups.TopUpError("pack", "This pack is no longer on offer. Choose another one.")


class PurchaseForm(ChoiceForm):
    """A choice to be paid: what the person saw when they agreed to it, and the form's key."""

    form_key = forms.RegexField(r"\A\d{1,19}-\d{1,19}\Z")
    total_minor = forms.IntegerField(min_value=0)
    for_credits = forms.IntegerField(min_value=0)

    def was_seen_by(self, user_id: int) -> bool:
        """Whether this person was shown this form, and with the credits and the price of now."""
        shown_to, _, _ = str(self.cleaned_data["form_key"]).partition("-")
        seen = (self.cleaned_data["for_credits"], self.cleaned_data["total_minor"])
        now = (self.quoted.credits, self.quoted.total_minor)
        return shown_to == str(user_id) and seen == now


def _number(text: str) -> int | None:
    """A whole number as people type it, ``1,500`` or ``1 500``; None where it isn't one."""
    if not _WHOLE_NUMBER.fullmatch(text):
        return None
    return int(re.sub(_SEPARATOR, "", text))
