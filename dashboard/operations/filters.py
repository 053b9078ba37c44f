"""Filters of the operators' lists that belong to no single page."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter
from unfold.utils import parse_date_str

from billing import clock
from billing.models import Account
from dashboard.operations.months import Month

ACCOUNT_PARAMETER = "account__id__exact"
YEARS = range(1970, 3000)
UNREADABLE = date.max
MONTHS_OFFERED = 13

# Rows of one model, as of an instant.
Rows = Callable[[datetime], QuerySet]


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


class ChosenFilter(DropdownFilter):
    """Rows that the domain chooses. The front page counts by the same choice, and leads here.

    ``chosen`` names each choice by what the address says: its words, and its rows.
    """

    chosen: Mapping[str, tuple[str, Rows]]

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _) in self.chosen.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the rows of the choice."""
        if self.value() not in self.chosen:
            return queryset
        return queryset.filter(pk__in=self.rows(str(self.value()), clock.now()).values("pk"))

    @classmethod
    def rows(cls, name: str, now: datetime) -> QuerySet:
        """The rows of the choice called ``name``, as of ``now``."""
        _, rows = cls.chosen[name]
        return rows(now)


class MonthFilter(DropdownFilter):
    """Rows of one month; `in_month` says which those are."""

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        latest = Month.of(clock.now())
        return [(each.name, each.words) for each in latest.and_before(MONTHS_OFFERED)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the rows of the month."""
        month = Month.read(self.value() or "")
        return queryset if month is None else queryset.filter(self.in_month(month))

    def in_month(self, month: Month) -> Q:
        """Which rows are of ``month``."""
        raise NotImplementedError


class StandingFilter(DropdownFilter):
    """Balances by their sign."""

    title = "balance"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("debt", "Below zero"), ("empty", "Zero"), ("credit", "Above zero")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the balances with that sign."""
        conditions = {
            "debt": Q(credits__lt=0),
            "empty": Q(credits=0),
            "credit": Q(credits__gt=0),
        }
        return queryset.filter(conditions.get(self.value() or "", Q()))


def _account_asked_for(request: HttpRequest) -> Account | None:
    asked = request.GET.get(ACCOUNT_PARAMETER, "")
    return Account.objects.filter(pk=asked).first() if asked.isdecimal() else None
