"""Lists in parts: an opaque cursor says where the next one begins.

It is signed, so that nobody builds one by hand and then relies on what is in it. Of one place it is
always the same, so that a list that did not change keeps its ETag.
"""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.signing import BadSignature, Signer
from rest_framework.request import Request
from rest_framework.response import Response

from api.problems import at_parameter

SIGNER = Signer(salt="api.v1 cursor")
# The longest holds the name of an agent, each letter of it in up to twelve.
CURSOR_LENGTH_MAX = 2_000


def position_in(query: dict[str, Any], name: str) -> list[Any] | None:
    """Where the part of the list ``name`` begins; None at its beginning. Raises Problem."""
    cursor = query.get("cursor")
    if not cursor:
        return None
    try:
        of, *position = SIGNER.unsign_object(cursor)
    except (BadSignature, ValueError, TypeError):
        of, position = "", []
    if of != name:
        raise at_parameter("cursor", "Take the address that the header Link calls next as it is.")
    return list(position)


def paged(
    request: Request, name: str, rows: list[Any], *, after: list[Any] | None, **more: Any
) -> Response:
    """Answer with a part of the list ``name``, and the address of the next one, if there is one."""
    response = Response({name: rows, **more, "next": None})
    if after is not None:
        query = request.query_params.copy()
        query["cursor"] = SIGNER.sign_object([name, *after])
        address = f"{settings.SITE_URL}{request.path}?{urlencode(list(query.items()))}"
        response.data["next"] = address
        response["Link"] = f'<{address}>; rel="next"'
    return response
