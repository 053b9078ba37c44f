"""Under which address platforms report to a source, and whether they can reach it at all."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from calls.models import CallSource

PATH: Final = "/webhooks/calls/{kind}/{public_id}/"
# Names that no other network resolves.
PRIVATE_ENDINGS: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test")


def address_of(source: CallSource) -> str:
    """The address that the platform is given, on the site's own host."""
    return settings.SITE_URL + PATH.format(kind=source.kind, public_id=source.public_id)


def is_private(site_url: str) -> bool:
    """Whether nobody outside of a private network can reach ``site_url``."""
    host = (urlsplit(site_url).hostname or "").rstrip(".").lower()
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(PRIVATE_ENDINGS)
