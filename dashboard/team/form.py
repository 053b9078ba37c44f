"""The forms of the team: whom to invite, and what somebody may do."""

from collections.abc import Sequence
from typing import Any

from django import forms

from billing.models import Role
from billing.texts import UNSTORABLE

EMAIL_LENGTH_MAX = 254
NO_ADDRESS = "Write an address like asha@example.com."
TOO_LONG = f"An address has at most {EMAIL_LENGTH_MAX} characters."
ABOUT_ROLES = {
    Role.SUPERADMIN: "everything, also top-ups, plans and the subscription",
    Role.ADMIN: "call usage, people, API keys, imports and call sources; nothing that costs money",
    Role.MEMBER: "call usage and call logs",
}


def as_stored(email: str) -> str:
    """Give an address as it is stored: in small letters, which may be longer.

    Raises ValidationError where it can't be.
    """
    email = email.lower()
    if UNSTORABLE.search(email):  # which may stand between quotation marks
        raise forms.ValidationError(NO_ADDRESS)
    if len(email) > EMAIL_LENGTH_MAX:
        raise forms.ValidationError(TOO_LONG)
    return email


class RoleForm(forms.Form):
    """A role. ``offered`` are those that the person may give."""

    role = forms.ChoiceField(
        label="Role",
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choose what they may do.",
            "invalid_choice": "Nobody can give a role that they do not have themselves.",
        },
    )

    def __init__(self, *args: Any, offered: Sequence[Role], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["role"].choices = [  # type: ignore[attr-defined]
            (role.value, f"{role.label}: {ABOUT_ROLES[role]}") for role in offered
        ]


class InvitationForm(RoleForm):
    """Whom to invite, and as what."""

    email = forms.EmailField(
        label="E-mail",
        max_length=EMAIL_LENGTH_MAX,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": "Write the address of the person to invite.",
            "invalid": NO_ADDRESS,
            "max_length": TOO_LONG,
        },
    )

    def clean_email(self) -> str:
        """Give the address as it is stored."""
        return as_stored(self.cleaned_data["email"])
