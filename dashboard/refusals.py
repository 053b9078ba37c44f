"""How pages show what the domain refuses: beside the input that has to change."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django import forms

from billing.refusals import Refusal

SAME_NAMES: Mapping[str, str] = {}


def add_refusal(
    form: forms.BaseForm, refusal: Refusal, *, inputs: Mapping[str, str] = SAME_NAMES
) -> None:
    """Add the message of ``refusal`` to the errors of ``form``.

    It stands beside the input of the refusal's field, which ``inputs`` names where the form calls
    it otherwise; above the form where the form has no such input.
    """
    name = inputs.get(refusal.field, refusal.field)
    form.add_error(name if name in form.fields else None, refusal.message)


@contextmanager
def refusals_beside(form: forms.BaseForm) -> Iterator[None]:
    """While ``form`` is cleaned, add what the domain refuses in this block to its errors."""
    try:
        yield
    except Refusal as refusal:
        add_refusal(form, refusal)
