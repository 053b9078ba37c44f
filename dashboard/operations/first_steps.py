"""The first steps of an installation: from nobody's account to the first call.

They stand on the operators' front page until an account has calls, or an operator puts them away,
and for good on a page of their own. What is done is read from the database each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from billing.accounts.team import INVITATION_LIVES, is_invited
from billing.activity import ActivityKind, note
from billing.ledger.balances import balance_read_with
from billing.models import Account, Activity, Membership, Plan, Role, User
from billing.plans.tariffs import TariffBook
from billing.texts import in_credits
from billing.zones import local
from calls.imports.selectors import imports_of
from calls.models import Call
from dashboard.imports.standing import Standing as ImportStanding
from dashboard.mail.testing import Tried, send_test_mail
from dashboard.operations.filters import ACCOUNT_PARAMETER
from dashboard.sign_in.invitations import mails_go_out
from dashboard.sign_in.second_step import has_second_step
from dashboard.sources.page import standings_of
from dashboard.sources.reach import is_private
from dashboard.team.listing import newest_invitations

SOURCES_SHOWN: Final = 3
WHOM: Final = "email"  # in the address of an invitation


class State(StrEnum):
    """How a step stands. Only one step is the next one."""

    DONE = "Done"
    NEXT = "Next"
    WAITING = "Waiting"
    LATER = "Later"
    TO_DO = "To do"


@dataclass(frozen=True, slots=True)
class Link:
    """Where a step is done, or what came of it is seen."""

    words: str
    url: str


@dataclass(slots=True)
class Step:
    """One step: how it stands, in sentences, and where it is done.

    ``button`` sends the test mail. One that need not be done now holds nobody up: it has a
    ``state`` of its own.
    """

    name: str
    title: str
    is_done: bool
    sentences: Sequence[str]
    links: Sequence[Link] = ()
    button: str = ""
    state: State = State.TO_DO


# ── Shown, put away ───────────────────────────────────────────────────────────────────────────
def are_shown() -> bool:
    """Whether they stand on the front page; one query, two before the first call."""
    return not is_under_way() and not _noted(ActivityKind.FIRST_STEPS_PUT_AWAY)


def is_under_way() -> bool:
    """Whether any account has calls; one query."""
    return Call.objects.exists()


def put_away() -> None:
    """Take them off the front page of all operators."""
    with transaction.atomic():
        note(ActivityKind.FIRST_STEPS_PUT_AWAY, account=None)


def try_mail(*, operator: User) -> Tried:
    """Send ``operator`` a test mail; note it where a mail server has taken it."""
    tried = send_test_mail(to=operator.email)
    if tried.is_taken:
        with transaction.atomic():
            note(ActivityKind.TEST_MAIL_SENT, account=None, subject=operator.email)
    return tried


def _noted(kind: ActivityKind) -> Activity | None:
    """The latest activity of ``kind`` of those that concern no single account."""
    return Activity.objects.filter(account=None, kind=kind).first()


# ── The steps ─────────────────────────────────────────────────────────────────────────────────
def first_steps(*, operator: User, now: datetime) -> list[Step]:
    """Read how each step stands, about the account that was opened last; at most 13 queries."""
    account = Account.objects.select_related("balance").order_by("-pk").first()
    steps = [
        _sign_in(operator),
        _mail(operator),
        _open(account, now),
        _invite(account, now),
        _bring_calls(account, now),
    ]
    for step in steps:
        if step.is_done:
            step.state = State.DONE
    following = next((step for step in steps if step.state == State.TO_DO), None)
    if following is not None:
        following.state = State.NEXT
    return steps


def _sign_in(operator: User) -> Step:
    sentences = [f"You are signed in as {operator.email}."]
    links = []
    due = operator.second_step_due_at
    if due is not None and not has_second_step(operator):
        sentences.append(
            "Operators need a second step too: a code from an app. Without it these pages are "
            f"closed from {local(due, UTC)} on."
        )
        links.append(Link("Set up the second step", reverse("mfa_activate_totp")))
    return Step("sign-in", "Sign in as operator", True, sentences, links)


def _mail(operator: User) -> Step:
    sent = _noted(ActivityKind.TEST_MAIL_SENT)
    goes_out = mails_go_out()
    sentences = []
    if sent is not None:
        sentences.append(
            f"The mail server took a test mail to {sent.subject} on {local(sent.at, UTC)}."
        )
    if not goes_out:
        sentences.append(
            "No mail leaves this server: EMAIL_URL names no mail server. To try the product out "
            "you can go on without; links for people are then shown to you."
        )
    elif sent is None:
        sentences.append("Invitations, warnings and receipts are mails. See whether they go out.")
    if is_private(settings.SITE_URL):
        sentences.append(
            f"Links in mails begin with {settings.SITE_URL}, which nobody outside of this network "
            "reaches, and neither does a platform that reports calls. Set SITE_URL to the "
            "address at which people find the site."
        )
    return Step(
        "mail",
        "Send yourself a test mail",
        is_done=sent is not None and goes_out,
        sentences=sentences,
        button=f"Send a test mail to {operator.email}",
        state=State.TO_DO if goes_out else State.LATER,
    )


def _open(account: Account | None, now: datetime) -> Step:
    title = "Open the first account"
    add = Link("Open an account", reverse("admin:billing_account_add"))
    if account is None:
        if not Plan.objects.filter(is_active=True, terms__isnull=False).exists():
            plans = Link("Add a plan", reverse("admin:billing_plan_add"))
            return Step("open", title, False, ["First there must be a plan on offer."], [plans])
        about = (
            "A company with its plan, its time zone, and from when on its calls are charged. That "
            "may be in the past."
        )
        return Step("open", title, False, [about], [add])
    page = Link(f"Look at {account}", reverse("admin:billing_account_change", args=[account.pk]))
    agreement = TariffBook([account.pk]).find(account.pk, now)
    if agreement is None:
        change = Link(
            "Give it a plan", reverse("admin:billing_account_change_plan", args=[account.pk])
        )
        said = f"{account} has no plan, so it takes no calls."
        return Step("open", title, False, [said], [change, page])
    begins = local(agreement.subscription.effective_from, account.zone)
    credits = in_credits(balance_read_with(account).credits)
    said = f"{account} is on {agreement.plan} from {begins} on, and has {credits}."
    return Step("open", title, True, [said], [page])


def _invite(account: Account | None, now: datetime) -> Step:
    title = "Invite its Superadmin"
    if account is None:
        about = "Opening the account invites them, with a link by which they choose a password."
        return Step("invite", title, False, [about])
    people = [
        one.user
        for one in Membership.objects.filter(account=account, role=Role.SUPERADMIN)
        .select_related("user")
        .order_by("pk")
        if one.user.is_active
    ]
    page = reverse("admin:billing_account_invite", args=[account.pk])
    ready = next((person for person in people if not is_invited(person)), None)
    if ready is not None:
        said = f"{ready.email} can sign in, and invites everybody else on the page Team."
        return Step("invite", title, True, [said])
    if not people:
        return Step(
            "invite",
            title,
            False,
            [f"{account} has nobody who may top up or invite others."],
            [Link("Invite somebody", page)],
        )
    email = people[0].email
    again = Link("Send the link again", f"{page}?{WHOM}={quote(email)}")
    invitation = newest_invitations(account, [email]).get(email)
    if invitation is None:
        return Step("invite", title, False, [f"{email} has not chosen a password yet."], [again])
    ends_at = invitation.at + INVITATION_LIVES
    until = local(ends_at, account.zone)
    if ends_at <= now:
        said = f"The link of {email} worked until {until}. They have not chosen a password."
        return Step("invite", title, False, [said], [again])
    said = f"{email} has a link that works until {until}, and has not chosen a password yet."
    return Step("invite", title, False, [said], [again], state=State.WAITING)


def _bring_calls(account: Account | None, now: datetime) -> Step:
    title = "Import calls, or connect what reports them"
    if account is None:
        about = "A file of call records of any system, or a platform that reports by itself."
        return Step("calls", title, False, [about])
    if Call.objects.filter(account=account).exists():
        calls = reverse("admin:calls_call_changelist", query={ACCOUNT_PARAMETER: account.pk})
        return Step("calls", title, True, [f"{account} has calls."], [Link("See them", calls)])
    sentences = []
    links = [
        Link("Import a file", reverse("dashboard:import_new", args=[account.slug])),
        Link("Connect a source", reverse("dashboard:sources", args=[account.slug])),
    ]
    latest = imports_of(account).first()
    if latest is not None:
        title = ImportStanding(latest, account=account, by=None, now=now).title
        sentences.append(f"{latest.file_name}: {title[:1].lower()}{title[1:]}.")
        address = reverse("dashboard:import_page", args=[account.slug, latest.public_id])
        links.insert(0, Link(f"Go on with {latest.file_name}", address))
    for standing in standings_of(account, now=now)[:SOURCES_SHOWN]:
        sentences.append(f"{standing.source.name}: {standing.word.lower()}.")
    if not sentences:
        sentences.append(
            "A file of call records of any system, which is tried before it is charged, or a "
            "platform that reports by itself."
        )
    return Step("calls", title, False, sentences, links)
