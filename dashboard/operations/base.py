"""What the operators' pages share: who may, how instants read, lists that count no large table."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite, ShowFacets, display
from django.db.models import DateTimeField, Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold import paginator as unfold_paginator
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter
from unfold.utils import parse_date_str

from billing.models import Account
from billing.zones import local

ACCOUNT_PARAMETER = "account__id__exact"
SEARCH_RESULTS_MAX = 200
YEARS = range(1970, 3000)
UNREADABLE = date.max


def local_time(at: datetime | None, zone: tzinfo, *, seconds: bool = False) -> SafeString | str:
    """``at`` as `local` writes it, with the exact instant in UTC on hover; a dash for none."""
    if at is None:
        return "–"
    return format_html(
        '<time datetime="{}" title="{} UTC" class="whitespace-nowrap">{}</time>',
        at.isoformat(),
        f"{at:%Y-%m-%d %H:%M:%S.%f}",
        local(at, zone, seconds=seconds),
    )


def signed(credits: int, *, plus: str = "+") -> str:
    """``+1,500``, ``−3`` (a true minus), ``0``."""
    if credits < 0:
        return f"−{-credits:,}"
    return f"{plus if credits else ''}{credits:,}"


class OperatorAdmin(ModelAdmin):
    """Pages for staff. Being staff is the permission: every operator may do an operator's work.

    Only who may become staff is reserved, to superusers (`dashboard.operations.people`).
    """

    actions = None  # nothing here is safe to do to many rows at once
    list_per_page = 50
    sortable_by = ()
    shows_seconds = False

    def __init__(self, model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        self._local_names = {}
        for field in model._meta.fields:
            if isinstance(field, DateTimeField):
                name = f"{field.name}_local"
                setattr(self, name, self._local_column(field))
                self._local_names[field.name] = name

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """All rows; none where an address asks for a NUL, which no row can hold."""
        queryset: QuerySet = super().get_queryset(request)
        return queryset.none() if "%00" in request.META["QUERY_STRING"] else queryset

    def zone_of(self, record: Any) -> tzinfo:
        """On whose clock the times of ``record`` are shown."""
        return UTC

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [self._local_names.get(name, name) for name in super().get_list_display(request)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Times that are not to be edited are shown as they are everywhere else."""
        fieldsets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return fieldsets
        return [
            (title, {**options, "fields": self._with_local_names(options["fields"])})
            for title, options in fieldsets
        ]

    def _with_local_names(self, fields: Iterable[Any]) -> list[Any]:
        return [
            self._local_names.get(each, each)
            if isinstance(each, str)
            else self._with_local_names(each)
            for each in fields
        ]

    def _local_column(self, field: DateTimeField) -> Callable[[Any], SafeString | str]:
        @display(description=capfirst(str(field.verbose_name)))
        def column(record: Any) -> SafeString | str:
            zone = self.zone_of(record)
            return local_time(getattr(record, field.name), zone, seconds=self.shows_seconds)

        return column

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_operator(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)


def is_operator(request: HttpRequest) -> bool:
    """Whether the request comes from active staff."""
    return request.user.is_active and request.user.is_staff


class InfinitePaginator(unfold_paginator.InfinitePaginator):
    """Pages forward and back without counting the rows, and not so deep that OFFSET gets slow.

    It keeps its parent's name, by which the theme knows not to show the count.
    """

    count = 50_000


class RecordAdmin(OperatorAdmin):
    """Rows that only the domain writes: to read, never to add, change or delete.

    The tables are large, so lists are in the order of an index, uncounted, and searched by the
    start of an identifier (`identified_by`) within an index.
    """

    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_select_related: bool | tuple[str, ...] = ("account",)
    # Each (field, whether its beginning is enough), with an index on (account, field).
    identified_by: Iterable[tuple[str, bool]] = ()
    ordering_within_account: tuple[str, ...] = ("-id",)

    def zone_of(self, record: Any) -> tzinfo:
        """The account's own."""
        zone: tzinfo = record.account.zone
        return zone

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The order of an index: one of the account's, once the list is one account's."""
        if request.GET.get(ACCOUNT_PARAMETER):
            return self.ordering_within_account
        return ("-pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Find by identifier, through the indexes: all of them begin with the account."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found: set[int] = set()
        for field, prefix in self.identified_by:
            lookup = f"{field}__startswith" if prefix else field
            rows = self.model._default_manager.filter(
                account__in=Account.objects.values("pk"), **{lookup: term}
            ).exclude(**{field: ""})
            found.update(rows.values_list("pk", flat=True)[:SEARCH_RESULTS_MAX])
        return queryset.filter(pk__in=found), False


class AccountDayFilter(RangeDateFilter):
    """From one day to another, both included: days of the account's time zone, like its pages'."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the rows between the two days; none, with the reason, where that can't be."""
        first, last = (self._day(request, end) for end in ("from", "to"))
        if first is None and last is None:
            return queryset
        if first is UNREADABLE or last is UNREADABLE:
            return queryset.none()
        account = _account_asked_for(request)
        if account is None:
            messages.warning(request, "Choose an account too: its time zone says what a day is.")
            return queryset.none()
        if first is not None:
            queryset = queryset.filter(
                **{f"{self.field_path}__gte": datetime.combine(first, time.min, account.zone)}
            )
        if last is not None:
            after = datetime.combine(last + timedelta(days=1), time.min, account.zone)
            queryset = queryset.filter(**{f"{self.field_path}__lt": after})
        return queryset

    def _day(self, request: HttpRequest, end: str) -> date | None:
        value = self.used_parameters.get(f"{self.parameter_name}_{end}")
        if not value:
            return None
        day: date | None = parse_date_str(value)
        if day is None or day.year not in YEARS:
            messages.warning(request, f"“{value}” is not a day. Write 2026-11-23.")
            return UNREADABLE
        return day


class StandingFilter(DropdownFilter):
    """Accounts by the sign of their balance."""

    title = "balance"
    parameter_name = "standing"
    path = "credits"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("debt", "Below zero"), ("empty", "Zero"), ("credit", "Above zero")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the accounts that stand so."""
        conditions = {
            "debt": {f"{self.path}__lt": 0},
            "empty": {self.path: 0},
            "credit": {f"{self.path}__gt": 0},
        }
        return queryset.filter(**conditions.get(self.value() or "", {}))


def _account_asked_for(request: HttpRequest) -> Account | None:
    asked = request.GET.get(ACCOUNT_PARAMETER, "")
    return Account.objects.filter(pk=asked).first() if asked.isdecimal() else None
