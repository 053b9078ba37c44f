"""Where people write who have a question that no page answers: the setting CONTACT_ADDRESS."""

from urllib.parse import quote

from django.conf import settings


def contact_url() -> str:
    """Where "Talk to us" leads: a page, or a new mail to an address."""
    address: str = settings.CONTACT_ADDRESS
    if address.startswith(("http://", "https://")):
        return address
    return f"mailto:{quote(address, safe='@')}"
