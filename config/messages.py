"""What a page says once after something was done, on its way to the next page."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class HostCookieStorage(CookieStorage):
    """Django's, under a name by which browsers take it from this very host only."""

    cookie_name = settings.MESSAGE_COOKIE_NAME


class MessageStorage(FallbackStorage):
    """In a cookie; what is too long for one in the session."""

    storage_classes = (HostCookieStorage, SessionStorage)
