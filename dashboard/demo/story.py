"""The demonstration: three companies with about a hundred days behind them, and who signs in.

Everything goes through the domain functions, in the order of time and at the time it pretends to
be, so that the demonstration cannot show what the product cannot do. It ends at ``now``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django.db import transaction

from billing.accounts.opening import open_account
from billing.accounts.people import add_person
from billing.ledger.balances import balance_of
from billing.models import Account, CustomTerms, Membership, Plan, PlanTerms, Role, User
from billing.payments import buying, pricing, settling
from billing.plans.cycles import add_months, cycles
from billing.plans.movements import adjust
from billing.plans.rating import rate
from billing.plans.subscriptions import renew
from billing.plans.tariffs import agreement_at
from billing.plans.terms import change_terms
from calls.charging import Result, record_calls
from calls.models import Status
from calls.records import CallRecord
from dashboard.demo import OPERATOR
from dashboard.demo.companies import COMPANIES, Company
from dashboard.demo.connections import Connections, make_keys
from dashboard.demo.traffic import SATURDAY, calls_of_day, latest_calls

PASSWORD = "try-call-credits"  # noqa: S105 - printed for everybody who starts the demonstration
CONSULTANT = "consultant@demo.example"

ONE_DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)
MONTHS_OF_HISTORY = 3
CAMPAIGN_DAYS_AGO = 4
CAMPAIGN_TIMES = 2.6
TOP_UP_HOUR = 8
GOODWILL_DAYS_AGO = 38
GOODWILL_HOUR = 15
CORRECTION_DAYS_AGO = 2
CONNECTED_DAYS_AGO = 9
CONNECTED_HOUR = 7
FAILURE_DAYS_AGO = 1
FAILURE_HOUR = 11
DECLINED_AT_FIRST = 2  # which top-up of each company
LATEST_MINUTES_AGO = (9, 34, 71, 128)
# The last days of the company that runs low, in which its balance is led to where it should end.
LAST_DAYS = 5
LOW_AT_THE_END = range(10, 19)
SHORT_ENOUGH_TO_LENGTHEN = 18  # hours: a call that began later might reach into the next day

# Of plans, in minor units by currency; they stand in INR already.
PRICES = {
    "Base": {"GBP": 1_900, "USD": 2_400},
    "Professional": {"GBP": 9_500, "USD": 11_900},
}
DAYS_OF_PRICES = 200

HUDSON_TERMS = {
    "prices": {"USD": 90_000},
    "credits_per_cycle": 50_000,
    "increment_seconds": 6,
    "credits_per_increment": 1,
    "concurrent_calls": 25,
}


@dataclass(frozen=True, slots=True)
class SignIn:
    """One row of the table of sign-ins."""

    email: str
    name: str
    account: str
    role: str


def sign_ins() -> list[SignIn]:
    """Who signs in, all with ``PASSWORD``."""
    people = [
        SignIn(f"{role}@{company.slug}.example", name, company.name, role.label)
        for company in COMPANIES
        for role, name in _people_of(company)
    ]
    first, _, last = COMPANIES
    return [
        *people,
        SignIn(CONSULTANT, "Noor Haddad", f"{first.name}, {last.name}", "Member, Admin"),
        SignIn(OPERATOR, "Operator", "(all, in /admin/)", "Operator"),
    ]


def seed(*, now: datetime) -> int:
    """Store the demonstration as of ``now``; return how many calls it has. One transaction."""
    with transaction.atomic():
        people = {
            sign_in.email: add_person(
                email=sign_in.email,
                password=PASSWORD,
                name=sign_in.name,
                is_operator=sign_in.email == OPERATOR,
            )
            for sign_in in sign_ins()
        }
        _price_plans(now)
        stories = [Story(company, people, now) for company in COMPANIES]
        for story in stories:
            story.play()
        for story, role in ((stories[0], Role.MEMBER), (stories[-1], Role.ADMIN)):
            Membership.objects.create(user=people[CONSULTANT], account=story.account, role=role)
    return sum(story.calls for story in stories)


def _price_plans(now: datetime) -> None:
    """Give the plans prices in the currencies of the companies, from before the first one opens."""
    long_ago = now - DAYS_OF_PRICES * ONE_DAY
    for name, prices in PRICES.items():
        plan = Plan.objects.get(name=name)
        terms = plan.terms.filter(effective_from__lte=long_ago).first()
        assert terms is not None
        priced = PlanTerms(
            prices=terms.prices | prices,
            credits_per_cycle=terms.credits_per_cycle,
            increment_seconds=terms.increment_seconds,
            credits_per_increment=terms.credits_per_increment,
            concurrent_calls=terms.concurrent_calls,
        )
        change_terms(plan=plan, terms=priced, effective_from=None, now=long_ago)


def _people_of(company: Company) -> list[tuple[Role, str]]:
    return [
        (Role.SUPERADMIN, company.superadmin),
        (Role.ADMIN, company.admin),
        (Role.MEMBER, company.member),
    ]


class Story:
    """What happens to one company, day by day."""

    def __init__(self, company: Company, people: dict[str, User], now: datetime) -> None:
        self.company = company
        self.zone = company.traffic.zone
        self.now = now
        self.today = now.astimezone(self.zone).date()
        self.opened_at = add_months(
            self._at(self.today - company.cycle_days * ONE_DAY), -MONTHS_OF_HISTORY, self.zone
        )
        self.cycle_starts = {
            cycle.starts_at for cycle in cycles(anchor=self.opened_at, zone=self.zone, until=now)
        }
        self.campaign_on = _working_day(self.today - CAMPAIGN_DAYS_AGO * ONE_DAY)
        self.correction_on = _working_day(self.today - CORRECTION_DAYS_AGO * ONE_DAY)
        self.calls = 0
        self.top_ups = 0
        self.connections: Connections | None = None
        self.account = self._open(people)

    def play(self) -> None:
        """Go through the days up to now."""
        company = self.company
        last_days = [self.today - days * ONE_DAY for days in range(LAST_DAYS - 1, -1, -1)]
        planned = {day: self._calls_of(day) for day in last_days}
        for day in self._days():
            if company.reported_agent and day == self.today - CONNECTED_DAYS_AGO * ONE_DAY:
                self._connect(self._at(day, CONNECTED_HOUR))
            if self._at(day) in self.cycle_starts:
                renew(account=self.account, now=self._at(day))
            records = planned.get(day) or self._calls_of(day)
            # What is added in the course of a day is added to what its calls have left by then.
            planned[day] = self._record(records, self._at(day, TOP_UP_HOUR))
            if not (company.runs_low and day in last_days):
                if self._credits() < company.tops_up_below:
                    self._top_up(self._at(day, TOP_UP_HOUR))
            elif day == last_days[0]:
                self._run_low(planned, last_days)
            if company.goodwill_credits and day == self.today - GOODWILL_DAYS_AGO * ONE_DAY:
                planned[day] = self._record(planned[day], self._at(day, GOODWILL_HOUR))
                self._goodwill(self._at(day, GOODWILL_HOUR))
            if self.connections is not None and day == self.today - FAILURE_DAYS_AGO * ONE_DAY:
                self.connections.tell_what_fails(at=self._at(day, FAILURE_HOUR, 40))
            # Just before the cycle that may begin with the next day.
            self._record(planned[day], self._at(day + ONE_DAY) - A_MOMENT)
            if company.correction_seconds and day == self.correction_on:
                self._correct(records, self._at(day + ONE_DAY, 0, 20))
        if self.connections is not None:
            self.connections.hang_up()

    def _open(self, people: dict[str, User]) -> Account:
        company = self.company
        account = Account(
            name=company.name,
            slug=company.slug,
            time_zone=self.zone.key,
            currency=company.currency,
        )
        plan = Plan.objects.get(name=company.plan)
        custom = CustomTerms(**HUDSON_TERMS) if company.plan == "Enterprise" else None
        emails = {role: f"{role}@{company.slug}.example" for role, _ in _people_of(company)}
        self.owner = people[emails.pop(Role.SUPERADMIN)]
        open_account(
            account=account,
            plan=plan,
            owner=self.owner,
            now=self.opened_at,
            custom_terms=custom,
        )
        for role, email in emails.items():
            Membership.objects.create(user=people[email], account=account, role=role)
        return account

    def _days(self) -> Iterator[date]:
        day = self.opened_at.astimezone(self.zone).date()
        while day <= self.today:
            yield day
            day += ONE_DAY

    def _at(self, day: date, hour: int = 0, minute: int = 0) -> datetime:
        return datetime.combine(day, time(hour, minute), self.zone).astimezone(UTC)

    def _credits(self) -> int:
        return balance_of(self.account).credits

    def _calls_of(self, day: date) -> list[CallRecord]:
        campaign = self.company.has_campaign and day == self.campaign_on
        records = calls_of_day(
            traffic=self.company.traffic,
            account_id=self.account.pk,
            day=day,
            until=min(self.now, self._at(day + ONE_DAY)),
            busier=CAMPAIGN_TIMES if campaign else 1,
        )
        if day == self.today:
            records += latest_calls(
                traffic=self.company.traffic,
                account_id=self.account.pk,
                until=self.now,
                minutes_ago=LATEST_MINUTES_AGO,
                agent=self.company.reported_agent,
            )
            records.sort(key=lambda record: record.started_at)
        return records

    def _record(self, records: Sequence[CallRecord], until: datetime) -> list[CallRecord]:
        """Record those that have ended by then; return the others."""
        until = min(until, self.now)
        ended = [record for record in records if record.ended_at and record.ended_at <= until]
        reported = [record for record in ended if self._is_reported(record)]
        others = [record for record in ended if not self._is_reported(record)]
        outcomes = record_calls(records=others, now=until)
        assert all(outcome.result is Result.CREATED for outcome in outcomes)
        if self.connections is not None:
            self.connections.tell(reported, now=until)
        self.calls += len(ended)
        return [record for record in records if not record.ended_at or record.ended_at > until]

    def _top_up(self, at: datetime) -> None:
        if at > self.now:
            return
        self.top_ups += 1
        if self.top_ups == DECLINED_AT_FIRST:
            self._buy(at - timedelta(minutes=4), is_declined=True)
        self._buy(at)

    def _buy(self, at: datetime, *, is_declined: bool = False) -> None:
        """Go through a top-up, as its superadmin would on the pages."""
        # Here, because the sandbox can be deleted: the rest of the product never needs it.
        from dashboard.sandbox.gateway import Decision, decide  # noqa: PLC0415

        credits = self.company.top_up_credits
        pack = pricing.packs_in(self.account.currency).filter(credits=credits).first()
        payment = buying.start(
            account=self.account,
            user_id=self.owner.pk,
            email=self.owner.email,
            quoted=pricing.quote(account=self.account, pack=pack, credits=credits),
            form_key=f"demo-{at.timestamp():.0f}",
            return_url=f"{settings.SITE_URL}/",
            now=at,
        )
        decision = Decision.DECLINE if is_declined else Decision.PAY
        decide(checkout_id=payment.checkout_id, decision=decision, now=at)
        settling.reconcile(payment_pk=payment.pk, now=at)

    def _goodwill(self, at: datetime) -> None:
        adjust(
            account=self.account,
            credits=self.company.goodwill_credits,
            reason="Goodwill for the interruption of outbound calls",
            reference="demo-goodwill",
            at=at,
            expires_at=add_months(at, 6, self.zone),
        )

    def _connect(self, at: datetime) -> None:
        """Connect sources, and make keys of programs."""
        company = self.company
        self.connections = Connections(
            self.account, self.owner, agent=company.reported_agent, at=at
        )
        people = Membership.objects.filter(account=self.account).select_related("user", "account")
        make_keys({person.role: person for person in people}, now=self.now)

    def _is_reported(self, record: CallRecord) -> bool:
        return self.connections is not None and self.connections.report(record)

    def _correct(self, records: Sequence[CallRecord], at: datetime) -> None:
        """The source sends one of the day's calls again, with another end."""
        by = timedelta(seconds=self.company.correction_seconds)
        for record in records:
            if self._is_reported(record):
                continue
            if _talked(record) > abs(by) and record.ended_at is not None:
                corrected = record._replace(ended_at=record.ended_at + by)
                (outcome,) = record_calls(records=[corrected], now=at)
                assert outcome.result is Result.CORRECTED
                return

    def _run_low(self, planned: dict[date, list[CallRecord]], last_days: Sequence[date]) -> None:
        """Lead the balance so that the calls of the last days leave few credits, but some."""
        top_up_at = self._at(last_days[0], TOP_UP_HOUR)
        used = sum(self._cost(record) for day in last_days for record in planned[day])
        while self._credits() - used < LOW_AT_THE_END.start:
            self._top_up(top_up_at)
            top_up_at += timedelta(minutes=7)
        left = self._credits() - used
        if left in LOW_AT_THE_END:
            return
        tariff = agreement_at(account=self.account, at=self.now).terms.tariff
        too_much = left - LOW_AT_THE_END.start - tariff.credits_per_increment
        increments = too_much // tariff.credits_per_increment
        for day in last_days[:-1]:
            for position, record in enumerate(planned[day]):
                in_time = record.started_at < self._at(day, SHORT_ENOUGH_TO_LENGTHEN)
                if record.status is Status.COMPLETED and record.ended_at and in_time:
                    longer = timedelta(seconds=increments * tariff.increment_seconds)
                    planned[day][position] = record._replace(ended_at=record.ended_at + longer)
                    return

    def _cost(self, record: CallRecord) -> int:
        agreement = agreement_at(account=self.account, at=record.started_at)
        return rate(
            tariff=agreement.terms.tariff,
            usage_type=record.usage_type,
            started_at=record.started_at,
            connected_at=record.connected_at,
            ended_at=record.ended_at,
        ).credits


def _working_day(day: date) -> date:
    while day.weekday() >= SATURDAY:
        day -= ONE_DAY
    return day


def _talked(record: CallRecord) -> timedelta:
    if record.connected_at is None or record.ended_at is None:
        return timedelta(0)
    return record.ended_at - record.connected_at
