"""The forms that connect and change a source. What may be entered is decided in `calls.inbox`."""

from typing import Any

from django import forms

from billing.texts import in_a_sentence
from calls.models.call_source import NAME_LENGTH_MAX
from calls.platforms import Platform, Setting

# What was entered as a secret is never sent back to a page.
SECRET_WIDGET = {"autocomplete": "off", "spellcheck": "false"}


def _secret_field(setting: Setting, *, is_required: bool) -> forms.CharField:
    return forms.CharField(
        label=setting.label,
        help_text=setting.help,
        required=is_required,
        max_length=2_000,
        widget=forms.PasswordInput(attrs=SECRET_WIDGET),
        error_messages={"required": f"Enter the {in_a_sentence(setting.label)}."},
    )


class NameForm(forms.Form):
    """What people call a source."""

    name = forms.CharField(
        label="Name",
        max_length=NAME_LENGTH_MAX,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Give it a name."},
    )


class SettingsForm(forms.Form):
    """What a platform has to be known for, besides its secret."""

    def __init__(self, data: Any = None, *, platform: Platform, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self._platform = platform
        for setting in platform.options:
            self.fields[setting.name] = forms.CharField(
                label=setting.label,
                help_text=setting.help,
                required=setting.is_required and not setting.default,
                initial=setting.default,
                max_length=2_000,
                widget=forms.TextInput(attrs=SECRET_WIDGET),
                error_messages={"required": f"Enter the {setting.label}."},
            )

    @property
    def options(self) -> dict[str, str]:
        """What was entered."""
        return {
            setting.name: self.cleaned_data.get(setting.name, "")
            for setting in self._platform.options
        }


class SecretForm(forms.Form):
    """The secret that a platform has made."""

    def __init__(self, data: Any = None, *, platform: Platform) -> None:
        super().__init__(data)
        self.fields["secret"] = _secret_field(platform.secret, is_required=True)


class KeyForm(forms.Form):
    """The key with which a platform's list of calls is asked."""

    def __init__(self, data: Any = None, *, platform: Platform) -> None:
        super().__init__(data)
        if platform.api_key is not None:
            self.fields["api_key"] = _secret_field(platform.api_key, is_required=False)


class ConnectForm(SettingsForm, NameForm):
    """Everything with which a source begins; secrets may follow later."""

    def __init__(self, data: Any = None, *, platform: Platform) -> None:
        super().__init__(data, platform=platform, initial={"name": platform.label})
        if not platform.makes_secret:
            self.fields["secret"] = _secret_field(platform.secret, is_required=False)
            self.fields["secret"].help_text += " You can also enter it later."
        if platform.api_key is not None:
            self.fields["api_key"] = _secret_field(platform.api_key, is_required=False)
