"""Who may sign in: people whom an operator added. Nobody signs up by themselves."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class ClosedSignUpAdapter(DefaultAccountAdapter):
    """allauth, with open sign-up closed."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse: an admin of the account adds its users."""
        return False
