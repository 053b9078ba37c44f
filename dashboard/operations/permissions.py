"""Who may do what on the operators' pages. The only place that answers this to Django's admin."""

from typing import Any

from django.http import HttpRequest

from billing.models import User

EVERYTHING = frozenset({"add", "change", "delete"})
NOTHING: frozenset[str] = frozenset()


def is_operator(request: HttpRequest) -> bool:
    """Whether the request comes from active staff."""
    return request.user.is_active and request.user.is_staff


def may_change(request: HttpRequest, person: User) -> bool:
    """Whether the operator may change ``person``, or what ``person`` signs in with."""
    protected = person.is_staff or person.is_superuser
    return request.user.is_superuser or not protected


class StaffPermissions:
    """Being staff is the permission: every operator may do an operator's work.

    All records can be looked at. What else can be done to those of a page is in ``allowed``: "add",
    "change", "delete". Only operators themselves are reserved, for superusers to change
    (`may_change`).
    """

    allowed = NOTHING
    in_menu = True

    def permits(self, request: HttpRequest, record: Any) -> bool:
        """Whether this operator may do to this very ``record`` what ``allowed`` names."""
        return True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.in_menu and is_operator(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request) and "add" in self.allowed

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows("change", request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows("delete", request, obj)

    def _allows(self, what: str, request: HttpRequest, record: Any) -> bool:
        if not is_operator(request) or what not in self.allowed:
            return False
        return record is None or self.permits(request, record)
