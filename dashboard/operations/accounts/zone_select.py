"""The time zones of the world to choose from."""

from typing import Any

from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelect2Widget


class ZoneSelect(UnfoldAdminSelect2Widget):
    """Options whose values are their labels, written at once.

    Django renders a template for each: with 600 of them, that was most of what a page took.
    """

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        """The element, as `forms.Select` writes it."""
        chosen = self.format_value(value)
        options = format_html_join(
            "",
            '<option value="{0}"{1}>{0}</option>',
            ((zone, flatatt({"selected": zone in chosen})) for zone, _ in self.choices),
        )
        all_attrs = self.build_attrs(self.attrs, {**(attrs or {}), "name": name})
        return format_html("<select{}>{}</select>", flatatt(all_attrs), options)
