"""What programs send: their views read it themselves, and say in their own notation what is wrong.

Of a body that is larger than the server takes a view sees the length alone.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest

View = TypeVar("View", bound=Callable[..., Any])


def reads_bodies(view: View) -> View:
    """Let ``view`` judge bodies itself: nothing before it refuses one by its size."""
    view.body_bytes_max = None  # type: ignore[attr-defined]
    return view


def is_larger(request: HttpRequest, bytes_max: int) -> bool:
    """Whether the body has more than ``bytes_max``, by its length: nothing is read."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return not length.isdecimal() or int(length) > bytes_max
