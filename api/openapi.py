"""What the schema says of keys: how one is sent, and which scope an operation needs."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class KeyedSchema(AutoSchema):
    """Says which scope a key needs, as the role of its security scheme."""

    def get_auth(self) -> list[dict[str, list[str]]]:
        """The scope of the method."""
        scope = self.view.scopes.get(self.method)
        return [{KeyScheme.name: [scope.value] if scope is not None else []}]


class KeyScheme(OpenApiAuthenticationExtension):
    """How a key is sent."""

    target_class = "api.keys.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """In the header Authorization."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "ccl_live_…",
            "description": "A key of your account, made under Settings → API keys. It sees "
            "exactly that account, and may do what its scopes say.",
        }
