"""The pages on which people look after their sign-in stand in the frame of their account.

allauth answers them, and knows no account. Who is in none, such as an operator, sees them alone.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.template.response import SimpleTemplateResponse

from dashboard.access import enter_last_seen

FRAMED = frozenset(
    {
        "account_change_password",
        "account_reauthenticate",
        "mfa_index",
        "mfa_activate_totp",
        "mfa_deactivate_totp",
        "mfa_generate_recovery_codes",
        "mfa_reauthenticate",
        "mfa_view_recovery_codes",
        "usersessions_list",
    }
)


class FrameMiddleware:
    """Puts the frame of the account that the person saw last around the pages of `FRAMED`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Leave all else as it is."""
        return self.get_response(request)

    def process_template_response(
        self, request: HttpRequest, response: SimpleTemplateResponse
    ) -> SimpleTemplateResponse:
        """Choose the layout when the page is about to be rendered: a redirect needs none."""
        match = request.resolver_match
        if match is not None and match.url_name in FRAMED and enter_last_seen(request):
            context: dict[str, Any] = response.context_data or {}
            response.context_data = {**context, "layout": "frame.html"}
        return response
