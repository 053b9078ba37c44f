"""What somebody has chosen to buy: the only place where a typed number of credits is read.

A choice is read from an address, so that a review can be reloaded, bookmarked and linked to; only
the form that pays is posted.
"""

import re
from collections.abc import Mapping
from typing import Any

from django import forms

from billing.models import Account, Pack
from billing.payments.pricing import Quote, TopUpError, quote
from billing.refusals import Refusal
from dashboard.refusals import add_refusal
from dashboard.top_up.on_sale import OWN, PACK, OnSale

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


class ChoiceForm(forms.Form):
    """What was chosen. If valid, its price is in `quoted`.

    The choice may come from any link, so its fields take any text: words say what can't be read.
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
        """Refuse a choice that none of our pages offers."""
        chosen = self.cleaned_data["choice"] or ""
        if not _CHOICE.fullmatch(chosen):
            raise forms.ValidationError(UNREADABLE, "unreadable")
        return str(chosen)

    def clean(self) -> dict[str, Any]:
        """Price the choice. A number of credits without a choice means that number."""
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
        """Read the number that was typed. Raises TopUpError, which says what is wrong with it."""
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


class PaymentForm(ChoiceForm):
    """A choice to be paid for: what the person saw when they agreed, and the form's key."""

    form_key = forms.RegexField(r"\A\d{1,19}-\d{1,19}\Z")
    total_minor = forms.IntegerField(min_value=0)
    for_credits = forms.IntegerField(min_value=0)

    def was_seen_by(self, user_id: int) -> bool:
        """Return whether this person saw this form, with the credits and the price of now."""
        shown_to, _, _ = str(self.cleaned_data["form_key"]).partition("-")
        seen = (self.cleaned_data["for_credits"], self.cleaned_data["total_minor"])
        now = (self.quoted.credits, self.quoted.total_minor)
        return shown_to == str(user_id) and seen == now


def _number(text: str) -> int | None:
    """Read a whole number as people type it, ``1,500`` or ``1 500``; None where it isn't one."""
    if not _WHOLE_NUMBER.fullmatch(text):
        return None
    digits = re.sub(_SEPARATOR, "", text).lstrip("0")
    # Python refuses to read very long numbers; of those, the beginning is too many as well.
    return int(digits[:_DIGITS_READ] or "0")
