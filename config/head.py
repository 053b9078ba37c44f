"""HEAD is answered as GET is, without computing or sending a body.

Django leaves the body to the server. gunicorn drops it with a warning, and a file that is
generated while it is sent would be generated in vain.
"""

from collections.abc import Callable
from typing import cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse


class HeadMiddleware:
    """Empties the answers to HEAD; the headers, Content-Length too, stay those of GET."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass everything on, and keep back what HEAD did not ask for."""
        response = self.get_response(request)
        if not response.streaming and not response.has_header("Content-Length"):
            # Without it the server has to close the connection.
            response["Content-Length"] = str(len(cast(HttpResponse, response).content))
        if request.method == "HEAD":
            if response.streaming:
                cast(StreamingHttpResponse, response).streaming_content = ()
            else:
                cast(HttpResponse, response).content = b""
        return response
