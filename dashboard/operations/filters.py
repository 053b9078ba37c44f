"""Filters of the operators' lists that belong to no single page."""

from datetime import date, datetime, time, timedelta

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter
from unfold.utils import parse_date_str

from billing.models import Account

ACCOUNT_PARAMETER = "account__id__exact"
YEARS = range(1970, 3000)
UNREADABLE = date.max


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
