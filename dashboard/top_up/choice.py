"""What is on sale for an account, and what somebody has chosen of it.

Owns the forms of buying. A choice is read from an address, so that a review can be reloaded,
bookmarked and linked to; only the form that pays is posted.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django import forms

from billing.models import Account, Pack, TopUp, TopUpPricing
from billing.money import decimals
from billing.payments.pricing import Quote, TopUpError, cheapest, packs_in, pricing_in, quote
from billing.refusals import Refusal
from dashboard.refusals import add_refusal

OWN = "own"
PACK = "pack-"
UNREADABLE = (
    "This link could not be read, so nothing is chosen. "
    "Choose a pack, or enter a number of credits."
)

_CHOICE = re.compile(rf"|{OWN}|{PACK}[0-9]{{1,19}}")
_DIGITS_READ = 20
# Commas and the spaces, thin and unbreakable ones too, that people put between thousands (and in
# India between hundreds of thousands). Anywhere else a comma may be meant for decimals.
_SEPARATOR = "[, \u00a0\u2009\u202f]"
_WHOLE_NUMBER = re.compile(
    rf"[0-9]+|[0-9]{{1,3}}(?:{_SEPARATOR}[0-9]{{2,3}})*{_SEPARATOR}[0-9]{{3}}"
)


@dataclass(frozen=True, slots=True)
class Offer:
    """One pack as it is offered. ``price_per_credit_minor`` is rounded to a minor unit, half up.

    ``is_best_value``: operators say so, and nothing else on offer costs as little per credit.
    """

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
        best = cheapest(self.packs, self.pricing)
        return [
            Offer(
                value=f"{PACK}{pack.pk}",
                credits=pack.credits,
                price_minor=pack.price_minor,
                price_per_credit_minor=(2 * pack.price_minor + pack.credits) // (2 * pack.credits),
                is_best_value=pack.is_best_value and pack == best,
            )
            for pack in self.packs
        ]

    def for_less(self, quoted: Quote) -> Offer | None:
        """The cheapest pack with as many credits or more for less money, if there is one."""
        offers = (
            offer
            for offer in self.offers
            if offer.credits >= quoted.credits and offer.price_minor < quoted.price_minor
        )
        return min(offers, key=attrgetter("price_minor"), default=None)

    @property
    def tax_words(self) -> str:
        """What comes on top of every price, such as ``18 % GST``; empty without tax."""
        if self.pricing is None or not self.pricing.tax_basis_points:
            return ""
        whole, hundredths = divmod(self.pricing.tax_basis_points, 100)
        percent = f"{whole}.{hundredths:02d}".rstrip("0").rstrip(".")
        return f"{percent} % {self.pricing.tax_name or 'tax'}"

    @property
    def decimals(self) -> int:
        """How many digits the minor units of the price per credit take, for the page's script."""
        return decimals(self.pricing.currency) if self.pricing else 0

    def __bool__(self) -> bool:
        return bool(self.packs) or self.pricing is not None


def on_sale(account: Account) -> OnSale:
    """What ``account`` can buy now; two queries."""
    currency = account.currency
    return OnSale(list(packs_in(currency)), pricing_in(currency))


def same_again(*, top_up: TopUp, sale: OnSale) -> dict[str, str]:
    """The parameters that choose what ``top_up`` was: its pack if it is still offered."""
    for pack in sale.packs:
        if (pack.credits, pack.price_minor) == (top_up.credits, top_up.price_minor):
            return {"choice": f"{PACK}{pack.pk}"}
    return {"choice": OWN, "credits": str(top_up.credits)}


class ChoiceForm(forms.Form):
    """What was chosen; valid, it has a price in `quoted`.

    It may come from any link, so its fields take any text: what can't be read is said in words.
    """

    choice = forms.Field(required=False)
    credits = forms.Field(required=False)

    quoted: Quote

    def __init__(self, data: Mapping[str, Any], *, account: Account, sale: OnSale) -> None:
        self._account = account
        self._sale = sale
        super().__init__(data)

    @property
    def is_readable(self) -> bool:
        """Whether the choice is one that a page of ours offers, or offered once."""
        return not self.has_error("choice", "unreadable")

    def clean_choice(self) -> str:
        """Refuse what none of our pages says."""
        chosen = self.cleaned_data["choice"] or ""
        if not _CHOICE.fullmatch(chosen):
            raise forms.ValidationError(UNREADABLE, "unreadable")
        return str(chosen)

    def clean(self) -> dict[str, Any]:
        """Price the choice. A number of credits without a choice is the number that is meant."""
        chosen = self.cleaned_data.get("choice")
        typed = (self.cleaned_data.get("credits") or "").strip()
        if chosen is None:
            return self.cleaned_data
        if not chosen and not typed:
            self.add_error("choice", "Choose a pack, or enter a number of credits.")
            return self.cleaned_data
        try:
            if chosen.startswith(PACK):
                self.quoted = quote(account=self._account, pack=self._pack(chosen))
            else:
                self.quoted = quote(account=self._account, credits=self._own(typed))
        except Refusal as refusal:
            add_refusal(self, refusal, inputs={"pack": "choice"})
        return self.cleaned_data

    def _pack(self, chosen: str) -> Pack:
        for pack in self._sale.packs:
            if f"{PACK}{pack.pk}" == chosen:
                return pack
        raise TopUpError("This pack is no longer on offer. Choose another one.", field="pack")

    def _own(self, typed: str) -> int:
        """The number that was typed. Raises TopUpError, which says what is wrong with it."""
        pricing = self._sale.pricing
        if pricing is None:
            raise TopUpError("Only packs are on offer. Choose one.", field="pack")
        least, most = f"{pricing.credits_min:,}", f"{pricing.credits_max:,}"
        if not typed:
            raise TopUpError(f"Enter how many credits, from {least} to {most}.", field="credits")
        number = _number(typed)
        if number is None:
            raise TopUpError(
                f"Enter a whole number in digits, from {least} to {most}.", field="credits"
            )
        if number < pricing.credits_min:
            raise TopUpError(f"That is too few: enter {least} credits or more.", field="credits")
        if number > pricing.credits_max:
            raise TopUpError(f"That is too many: enter {most} credits or fewer.", field="credits")
        return number


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
    digits = re.sub(_SEPARATOR, "", text).lstrip("0")
    # Python refuses to read very long numbers; of those, the beginning is too many as well.
    return int(digits[:_DIGITS_READ] or "0")
