"""What every view of the API has in common: the key, its limit, request ids, ETags, only JSON."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, cast
from uuid import uuid4

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api import limits
from api.bodies import is_larger
from api.keys import KeyAuthentication, count_request, require
from api.openapi import KeyedSchema
from api.problems import Problem, at_pointer
from billing.models import Account, ApiKey, Scope

BODY_BYTES_MAX = 8 * 1024 * 1024
# May be kept by the program that asked, which has to ask whether it still holds.
CACHE_CONTROL = "private, no-cache"


class JsonBody(BaseParser):
    """Reads a body as JSON in UTF-8. A byte that is none spoils the text that it is in, no more."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Return what the body says. Raises Problem and ParseError."""
        body = stream.read()
        try:
            return json.loads(body.decode(errors="surrogateescape"), parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is no JSON in UTF-8: {_fault(body, error)}.") from None


def _fault(body: bytes, error: Exception) -> str:
    """What is wrong, in words of ours: those of the decoder advise whoever wrote the decoder."""
    if isinstance(error, json.JSONDecodeError):
        try:
            body.decode()
        except UnicodeDecodeError as undecoded:
            return f"byte {undecoded.start} is no text. Send it uncompressed"
        return f"it can't be read from line {error.lineno}, column {error.colno} on"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it has something that is no number, or one of too many digits"


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


class OnlyJson(BaseContentNegotiation):
    """Whatever a client says that it accepts, it gets JSON."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        """JSON, where the body says that it is JSON."""
        media_type = request.content_type.partition(";")[0].strip().lower()
        return next((one for one in parsers if one.media_type == media_type), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: Any = None
    ) -> tuple[BaseRenderer, str]:
        """The only one."""
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """A view of version 1. ``scopes`` says by method what a key needs."""

    scopes: ClassVar[Mapping[str, Scope]] = {}

    authentication_classes = [KeyAuthentication]
    permission_classes = []
    throttle_classes = []
    parser_classes = [JsonBody]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = OnlyJson
    metadata_class = None
    schema = KeyedSchema()

    request_id: str
    # What an answer says of itself alone: it does not make it another one.
    not_in_etag: ClassVar[tuple[str, ...]] = ()
    _counted: limits.Counted | None = None

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Give the request its name."""
        super().setup(request, *args, **kwargs)
        self.request_id = uuid4().hex

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let nobody in without a valid key that may do this, and not too often."""
        super().initial(request, *args, **kwargs)
        self._counted = count_request(self.key)
        scope = self.scopes.get("GET" if request.method == "HEAD" else request.method or "")
        if scope is not None:
            require(self.key, scope)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """Add what each answer says, and answer 304 where the client has it already."""
        finalized = super().finalize_response(request, response, *args, **kwargs)
        finalized["X-Request-Id"] = self.request_id
        if self._counted is not None:
            for name, value in self._counted.headers.items():
                finalized[name] = value
        if request.method in ("GET", "HEAD") and finalized.status_code == 200:
            finalized["Cache-Control"] = CACHE_CONTROL
            finalized["Vary"] = "Authorization"
            finalized.add_post_render_callback(self._unless_known)
        return finalized

    def _unless_known(self, response: HttpResponse) -> HttpResponseBase:
        told = response.content
        if self.not_in_etag:
            facts = json.loads(told)
            kept = [facts[name] for name in facts if name not in self.not_in_etag]
            told = json.dumps(kept).encode()
        etag = f'"{hashlib.sha256(told).hexdigest()[:32]}"'
        response["ETag"] = etag
        known = get_conditional_response(self.request._request, etag=etag, response=response)
        if known is not response and known is not None:
            for name in ("X-Request-Id", "RateLimit", "RateLimit-Policy"):
                if response.has_header(name):
                    known[name] = response[name]
        return known or response

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """Say in the header Allow which methods the address takes, and nothing more."""
        return Response(status=204)

    def body(self) -> Any:
        """What the body says. Raises Problem where there is none, or too much, or no JSON."""
        if is_larger(self.request._request, BODY_BYTES_MAX):
            raise Problem(
                "too-large", f"A body may have {BODY_BYTES_MAX:,} bytes. Send fewer calls."
            )
        if self.request.stream is None:
            raise at_pointer("", "The body is empty.", code="bad-request")
        return self.request.data

    @property
    def key(self) -> ApiKey:
        """The key that asks."""
        return cast(ApiKey, self.request.auth)

    @property
    def account(self) -> Account:
        """Its account: nothing of any other is ever read."""
        return self.key.account
