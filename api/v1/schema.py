"""The schema of the API (OpenAPI 3.1), which stands in docs/openapi.yaml; a test compares them.

`manage.py spectacular --file docs/openapi.yaml` writes it.
"""

from typing import Any

from drf_spectacular.generators import SchemaGenerator

from api.v1.calls.recording import RECORDS_MAX

TEXT = {"type": "string"}
PROBLEM = {
    "type": "object",
    "description": "Why a request failed (RFC 9457).",
    "properties": {
        "type": {**TEXT, "format": "uri", "description": "Leads to the words about it."},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": {**TEXT, "description": "What to do."},
        "request_id": TEXT,
        "errors": {
            "type": "array",
            "description": "What is wrong where: in the body (a JSON pointer), a parameter of the "
            "query, or a header.",
            "items": {
                "type": "object",
                "properties": {
                    "detail": TEXT,
                    "pointer": TEXT,
                    "parameter": TEXT,
                    "header": TEXT,
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "request_id"],
}
# What any request may be answered, and what those with a body may be answered as well.
ALWAYS = {
    "400": "The address or the body can’t be read.",
    "401": "No valid key.",
    "403": "The key lacks the scope.",
    "429": "Too many requests: wait as long as Retry-After says.",
    "503": "Not available for the moment: try again.",
}
WITH_PATH = {"404": "There is no such thing in this account."}
WITH_BODY = {
    "413": "The body is larger than 8 MiB.",
    "415": "The body is no JSON.",
    "422": "The body as a whole can’t be used.",
}
OF = {
    "withdraw_call": {"409": "It is too late, or a file brought the call."},
    "begin_top_up": {"502": "The payment provider did not accept the payment."},
}
HEADERS = {
    "X-Request-Id": "Names the request: tell it to us where something failed.",
    "RateLimit-Policy": "How many requests (q) in how many seconds (w).",
    "RateLimit": "How many are left (r), and when a new window begins (t).",
}


def complete(result: dict[str, Any], generator: SchemaGenerator, **_: Any) -> dict[str, Any]:
    """Add what is the same for all operations: problems and headers, and the list of records."""
    for path, operations in result["paths"].items():
        for operation in operations.values():
            _complete(operation, has_path="{" in path)
    schemas = result["components"]["schemas"]
    schemas["Problem"] = PROBLEM
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    record = {"$ref": "#/components/schemas/CallRecord"}
    body = result["paths"]["/api/v1/calls/"]["post"]["requestBody"]
    body["content"]["application/json"]["schema"] = {
        "oneOf": [
            record,
            {"type": "array", "items": record, "minItems": 1, "maxItems": RECORDS_MAX},
        ]
    }
    return result


def _complete(operation: dict[str, Any], *, has_path: bool) -> None:
    problems = ALWAYS | (WITH_PATH if has_path else {})
    if "requestBody" in operation:
        problems |= WITH_BODY
        operation["requestBody"]["required"] = True
    problems |= OF.get(operation["operationId"], {})
    for status, description in problems.items():
        operation["responses"][status] = {
            "description": description,
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
    operation["responses"] = dict(sorted(operation["responses"].items()))
    operation["responses"]["200"]["headers"] = {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in HEADERS.items()
    }
