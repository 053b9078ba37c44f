"""The companies of the demonstration: who they are, what they call about, and how much."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from billing.plans.rating import UsageType
from dashboard.demo.traffic import Agent, Traffic


@dataclass(frozen=True, slots=True)
class Company:
    """One company of the demonstration.

    It tops up ``top_up_credits`` in the morning when it has less than ``tops_up_below``. Its
    present billing cycle began ``cycle_days`` ago. ``runs_low``: it ends with few credits.
    ``reported_agent`` is the one whose calls are reported by connected sources lately.
    """

    slug: str
    name: str
    currency: str
    plan: str
    traffic: Traffic
    cycle_days: int
    tops_up_below: int
    top_up_credits: int
    superadmin: str
    admin: str
    member: str
    runs_low: bool = False
    has_campaign: bool = False
    goodwill_credits: int = 0
    correction_seconds: int = 0
    reported_agent: str = ""


COMPANIES = (
    Company(
        slug="lotus",
        name="Lotus Travel Desk",
        currency="INR",
        plan="Professional",
        traffic=Traffic(
            code="call_",
            zone=ZoneInfo("Asia/Kolkata"),
            agents=(
                Agent("Asha (bookings)", UsageType.OUTBOUND, 38),
                Agent("Reminder line", UsageType.OUTBOUND, 22),
                Agent("Kiran (support)", UsageType.INBOUND, 30),
                Agent("Interpreter", UsageType.TRANSLATION, 10),
            ),
            calls_a_working_day=(165, 235),
            weekend_percent=14,
            own_number="+12025550142",
            numbers=("+141555501{:02d}", "+121255501{:02d}", "+131255501{:02d}"),
        ),
        cycle_days=11,
        tops_up_below=3_000,
        top_up_credits=5_000,
        superadmin="Priya Nair",
        admin="Arjun Mehta",
        member="Sana Iqbal",
        has_campaign=True,
        goodwill_credits=250,
        correction_seconds=73,
        reported_agent="Reminder line",
    ),
    Company(
        slug="thames",
        name="Thames Dental Care",
        currency="GBP",
        plan="Base",
        traffic=Traffic(
            code="asterisk",
            zone=ZoneInfo("Europe/London"),
            agents=(
                Agent("Front desk", UsageType.INBOUND, 70),
                Agent("Recall", UsageType.OUTBOUND, 30),
            ),
            calls_a_working_day=(2, 4),
            weekend_percent=20,
            own_number="+442079460018",
            numbers=("+4420794609{:02d}", "+4477009001{:02d}", "+4477009007{:02d}"),
        ),
        cycle_days=24,
        tops_up_below=60,
        top_up_credits=50,
        superadmin="Grace Holloway",
        admin="Tom Whitfield",
        member="Ellie Marsh",
        runs_low=True,
    ),
    Company(
        slug="hudson",
        name="Hudson Freight",
        currency="USD",
        plan="Enterprise",
        traffic=Traffic(
            code="uuid",
            zone=ZoneInfo("America/New_York"),
            agents=(
                Agent("Dispatch", UsageType.OUTBOUND, 45),
                Agent("Driver hotline", UsageType.INBOUND, 35),
                Agent("Customs interpreter", UsageType.TRANSLATION, 20),
            ),
            calls_a_working_day=(70, 110),
            weekend_percent=25,
            own_number="+16465550119",
            numbers=("+120155501{:02d}", "+161755501{:02d}", "+130555501{:02d}"),
        ),
        cycle_days=17,
        tops_up_below=3_000,
        top_up_credits=10_000,
        superadmin="Marcus Bell",
        admin="Dana Ruiz",
        member="Leo Park",
        correction_seconds=-40,
    ),
)
