"""The demonstration shows what it promises: stored once, and looked at from all sides."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.db.models import Count, Q, Sum

from billing.models import (
    Account,
    ApiKey,
    DailyUsage,
    Kind,
    LedgerEntry,
    Membership,
    TopUp,
    TopUpState,
    User,
)
from billing.notices.levels import CreditState
from billing.payments.states import with_state
from billing.plans.rating import UsageType
from billing.plans.tariffs import agreement_at
from calls.inbox.pulling import due
from calls.inbox.selectors import heard_at, sources_of
from calls.models import Call, CallSource, EventState, OpenEvent, Status
from calls.reporters import of_source
from dashboard.demo.story import PASSWORD, seed, sign_ins
from dashboard.sources.page import Standing
from tests.dashboard.demo.standing import credit_state_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.xdist_group("demo"),  # one worker: it is stored once for all of them
]

# A Monday evening in London: night in Kolkata, afternoon in New York.
NOW = datetime(2026, 11, 23, 20, 40, tzinfo=UTC)


@pytest.fixture(scope="module")
def demo(stored_for_module: None) -> int:
    """The whole demonstration as of NOW, stored once for these tests; how many calls it has."""
    return seed(now=NOW)


def entries(slug: str) -> dict[str, int]:
    rows = LedgerEntry.objects.filter(account__slug=slug).order_by("kind")
    return dict(rows.values_list("kind").annotate(Count("id")))


def test_the_ledger_is_clean(demo: int) -> None:
    call_command("audit_ledger")


@pytest.mark.parametrize(
    ("slug", "plan", "zone", "increment", "credits"),
    [
        ("lotus", "Professional", "Asia/Kolkata", 30, 1),
        ("thames", "Base", "Europe/London", 60, 2),
        ("hudson", "Enterprise", "America/New_York", 6, 1),
    ],
)
def test_each_company_has_its_plan_zone_and_tariff(
    demo: int, slug: str, plan: str, zone: str, increment: int, credits: int
) -> None:
    account = Account.objects.get(slug=slug)
    agreement = agreement_at(account=account, at=NOW)
    tariff = agreement.terms.tariff
    assert (agreement.plan.name, account.time_zone) == (plan, zone)
    assert agreement.terms.price_in(account.currency)
    assert (tariff.increment_seconds, tariff.credits_per_increment) == (increment, credits)


@pytest.mark.parametrize("slug", ["lotus", "hudson"])
def test_two_companies_have_enough_credits(demo: int, slug: str) -> None:
    assert credit_state_of(slug, NOW) == CreditState.OK


def test_one_company_runs_low(demo: int) -> None:
    assert credit_state_of("thames", NOW) == CreditState.LOW


@pytest.mark.parametrize("slug", ["lotus", "thames", "hudson"])
def test_the_past_is_at_least_90_days_long(demo: int, slug: str) -> None:
    first = Call.objects.filter(account__slug=slug).order_by("started_at").first()
    assert first is not None
    assert timedelta(days=90) <= NOW - first.started_at <= timedelta(days=125)


@pytest.mark.parametrize("slug", ["lotus", "thames", "hudson"])
def test_the_last_call_ended_within_the_last_three_hours(demo: int, slug: str) -> None:
    last = Call.objects.filter(account__slug=slug).order_by("-ended_at").first()
    assert last is not None
    assert last.ended_at is not None
    assert NOW - timedelta(hours=3) < last.ended_at <= NOW


def test_nothing_is_in_the_future(demo: int) -> None:
    assert not LedgerEntry.objects.filter(Q(occurred_at__gt=NOW) | Q(posted_at__gt=NOW)).exists()
    assert not Call.objects.filter(Q(ended_at__gt=NOW) | Q(recorded_at__gt=NOW)).exists()


def test_entries_are_booked_in_the_order_of_time(demo: int) -> None:
    for slug in ("lotus", "thames", "hudson"):
        booked = list(
            LedgerEntry.objects.filter(account__slug=slug)
            .order_by("seq")
            .values_list("posted_at", flat=True)
        )
        assert booked == sorted(booked)


def test_the_busy_company_makes_150_to_270_calls_a_working_day(demo: int) -> None:
    days = DailyUsage.objects.filter(account__slug="lotus").values("day").annotate(n=Sum("calls"))
    working = sorted(row["n"] for row in days if row["day"].weekday() < 5)
    middle = working[3:-3]  # without the day under way and the campaign
    assert min(middle) >= 150
    assert max(middle) <= 275


def test_weekends_are_quiet(demo: int) -> None:
    days = DailyUsage.objects.filter(account__slug="lotus").values("day").annotate(n=Sum("calls"))
    weekend = [row["n"] for row in days if row["day"].weekday() >= 5]
    assert 0 < max(weekend) < 60


def test_one_day_of_the_last_week_is_a_spike(demo: int) -> None:
    days = DailyUsage.objects.filter(account__slug="lotus", day__gt=NOW.date() - timedelta(days=7))
    calls = sorted(row["n"] for row in days.values("day").annotate(n=Sum("calls")))
    assert calls[-1] > 1.7 * calls[-2]


@pytest.mark.parametrize("status", Status.values)
def test_calls_end_in_every_way(demo: int, status: str) -> None:
    assert Call.objects.filter(account__slug="lotus", status=status).count() > 50


@pytest.mark.parametrize("usage_type", list(UsageType))
def test_calls_are_of_every_type(demo: int, usage_type: UsageType) -> None:
    assert Call.objects.filter(account__slug="hudson", usage_type=usage_type).count() > 500


def test_every_call_has_a_named_agent(demo: int) -> None:
    assert not Call.objects.filter(agent="").exists()
    assert Call.objects.values("agent").distinct().count() == 9


def test_numbers_are_from_ranges_reserved_for_fiction(demo: int) -> None:
    fiction = r"^\+(1\d{3}55501\d\d|4420794609\d\d|447700900\d{3}|442079460\d{3})$"
    strange = Call.objects.exclude(from_number__regex=fiction, to_number__regex=fiction)
    assert list(strange.values_list("from_number", "to_number")[:3]) == []


def test_kinds_of_entries_of_the_busy_company(demo: int) -> None:
    kinds = entries("lotus")
    assert kinds[Kind.TOP_UP] > 5
    assert kinds[Kind.PLAN_CREDITS] == 4
    assert kinds[Kind.ADJUSTMENT] == 1
    assert kinds[Kind.CORRECTION] == 1


def test_plan_credits_that_were_not_used_expired(demo: int) -> None:
    assert entries("hudson")[Kind.EXPIRY] >= 1


def test_one_correction_charges_more_and_one_gives_back(demo: int) -> None:
    corrections = LedgerEntry.objects.filter(kind=Kind.CORRECTION).order_by("credits")
    assert [entry.credits < 0 for entry in corrections] == [True, False]


def test_the_companies_that_top_up_in_time_were_never_in_debt(demo: int) -> None:
    in_debt = LedgerEntry.objects.filter(balance_after__lt=0)
    assert not in_debt.exclude(account__slug="thames").exists()


def test_each_account_has_each_role(demo: int) -> None:
    for account in Account.objects.all():
        roles = set(Membership.objects.filter(account=account).values_list("role", flat=True))
        assert roles == {"superadmin", "admin", "member"}


def test_every_sign_in_has_its_person(demo: int) -> None:
    people = User.objects.values_list("email", flat=True)
    assert sorted(people) == sorted(sign_in.email for sign_in in sign_ins())


@pytest.mark.parametrize("email", ["superadmin@lotus.example", "operator@demo.example"])
def test_people_sign_in_by_e_mail_and_password(demo: int, email: str) -> None:
    assert authenticate(None, email=email, password=PASSWORD) is not None


def test_the_operator_is_staff_and_nobody_else_is(demo: int) -> None:
    staff = User.objects.filter(is_staff=True)
    assert list(staff.values_list("email", "is_superuser")) == [("operator@demo.example", True)]


def test_one_person_belongs_to_two_accounts(demo: int) -> None:
    consultant = User.objects.get(email="consultant@demo.example")
    assert consultant.memberships.count() == 2


def test_sign_ins_are_shown_without_storing(demo: int, capsys) -> None:
    calls = Call.objects.count()
    call_command("seed_demo", "--show-sign-ins")
    shown = capsys.readouterr().out
    assert "operator@demo.example" in shown
    assert PASSWORD in shown
    assert Call.objects.count() == calls


def test_every_top_up_in_the_log_is_a_purchase_with_a_receipt(demo: int) -> None:
    entries = LedgerEntry.objects.filter(kind=Kind.TOP_UP)
    credited = with_state(TopUp.objects.all()).filter(state=TopUpState.CREDITED)
    assert {f"top-up:{top_up.pk}" for top_up in credited} == set(
        entries.values_list("reference", flat=True)
    )
    assert with_state(TopUp.objects.all()).filter(state=TopUpState.FAILED).exists()


def test_a_platform_and_a_carrier_report_calls_of_the_first_company(demo: int) -> None:
    vapi, twilio = sources_of(Account.objects.get(slug="lotus"))
    assert (vapi.kind, twilio.kind) == ("vapi", "twilio")
    for source in (vapi, twilio):
        standing = Standing(source, heard_at=heard_at(source), failures=0, now=NOW)
        assert standing.state == "fine"
    told = Call.objects.filter(reporter=of_source(vapi.pk))
    assert told.count() > 100
    assert not told.filter(has_reports=False).exists()
    assert set(told.values_list("agent", flat=True)) == {"Reminder line"}
    assert not Call.objects.filter(reporter=of_source(twilio.pk)).exists()


def test_one_message_of_a_platform_failed_and_says_why(demo: int) -> None:
    (failed,) = OpenEvent.objects.all()
    assert (failed.state, failed.field) == (EventState.FAILED, "message.endedAt")
    assert NOW - failed.event.received_at < timedelta(days=3)


def test_nobody_is_asked_over_a_network(demo: int) -> None:
    assert due(now=NOW + timedelta(days=365)) == []


def test_programs_have_keys_that_they_use(demo: int) -> None:
    keys = ApiKey.objects.filter(account__slug="lotus")
    assert [key.is_valid_at(NOW) for key in keys] == [True, True]
    assert all(key.last_used_at and key.created_at < key.last_used_at < NOW for key in keys)


@pytest.mark.parametrize("slug", ["lotus", "thames", "hudson"])
def test_the_balance_in_the_log_goes_on_from_row_to_row(demo: int, slug: str) -> None:
    rows = LedgerEntry.objects.filter(account__slug=slug).order_by("occurred_at", "id")
    # What a platform reports is booked by itself, after what else is told of the same hours.
    connected = CallSource.objects.filter(account__slug=slug).order_by("created_at").first()
    if connected is not None:
        rows = rows.filter(occurred_at__lt=connected.created_at)
    breaks = [
        later
        for (_, before), later in pairwise(rows.values_list("credits", "balance_after"))
        if before + later[0] != later[1]
    ]
    # A correction happens at its call's time and is booked later: it stands between others' rows.
    assert len(breaks) <= 3 * rows.filter(kind=Kind.CORRECTION).count()


@pytest.mark.parametrize("slug", ["lotus", "thames", "hudson"])
def test_each_company_was_opened_when_its_plan_began(demo: int, slug: str) -> None:
    account = Account.objects.get(slug=slug)
    assert account.created_at == account.subscriptions.earliest("effective_from").effective_from
