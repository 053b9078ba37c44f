"""What waits for somebody, counted by the same choices as the lists that it leads to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from billing.money import format_money
from billing.notices.levels import CreditState
from billing.payments.attention import Attention, disputed
from billing.plans.requests import open_requests
from billing.texts import grouped
from billing.zones import local
from dashboard.operations import exports, imports, notices, plan_requests, sources
from dashboard.operations.accounts.pages import CreditStateFilter
from dashboard.operations.filters import ChosenFilter
from dashboard.operations.top_ups import records
from dashboard.sign_in.invitations import mails_go_out

DETAILS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Detail:
    """One of the things that wait, or one kind of them."""

    words: str
    url: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows of a list that a choice of one of its filters keeps: how many, and where.

    ``url`` is empty where no one list has them all.
    """

    count: int
    url: str


@dataclass(frozen=True, slots=True)
class Row:
    """How many things of one kind wait, what that means, the first of them, and how many ``more``.

    ``is_said_always``: what it means is to be known even where nothing waits.
    """

    words: str
    about: str
    listed: Listed
    details: Sequence[Detail] = ()
    more: int = 0
    is_said_always: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under a heading."""

    title: str
    rows: Sequence[Row]


def waiting(*, now: datetime) -> list[Group]:
    """Read what waits for somebody; 14 queries, however many accounts there are."""
    return [
        Group("Plans and payments", [_requests(now), _reviews(now), _disputes(now)]),
        Group("Credits", _credits(now)),
        Group("Calls and mails", [_imports(now), _sources(now), _mails(now)]),
    ]


def listed(model: str, chosen_by: type[ChosenFilter], name: str, *, now: datetime) -> Listed:
    """The rows of the list of ``model`` that the choice called ``name`` keeps; one query."""
    address = reverse(f"admin:{model}_changelist", query={chosen_by.parameter_name: name})
    return Listed(chosen_by.rows(name, now).count(), address)


# ── Plans and payments ────────────────────────────────────────────────────────────────────────
def _requests(now: datetime) -> Row:
    found = open_requests().select_related("account", "plan")[:DETAILS_SHOWN]
    all_of_them = listed("billing_planrequest", plan_requests.AttentionFilter, "answer", now=now)
    return Row(
        "Requests for plans",
        "Approve or decline them; the account is told.",
        all_of_them,
        [
            Detail(
                str(request),
                reverse("admin:billing_planrequest_change", args=[request.pk]),
                f"since {local(request.asked_at, request.account.zone)}",
            )
            for request in found
        ],
        more=max(0, all_of_them.count - DETAILS_SHOWN),
    )


def _reviews(now: datetime) -> Row:
    return Row(
        "Top-ups to review",
        "What was paid does not fit what was ordered. Nothing is credited before you decide.",
        listed("billing_topup", records.AttentionFilter, Attention.REVIEW, now=now),
    )


def _disputes(now: datetime) -> Row:
    found = disputed().select_related("account")[:DETAILS_SHOWN]
    all_of_them = listed("billing_topup", records.AttentionFilter, Attention.DISPUTE, now=now)
    return Row(
        "Top-ups in dispute",
        "Answer the disputes at the payment provider before their deadlines.",
        all_of_them,
        [_disputed(top_up, now) for top_up in found],
        more=max(0, all_of_them.count - DETAILS_SHOWN),
    )


def _disputed(top_up: Any, now: datetime) -> Detail:
    """One that `disputed` found, with what is annotated there."""
    amount = format_money(top_up.disputed_minor, top_up.disputed_in or top_up.currency)
    note = "no deadline known"
    if top_up.due_by is not None:
        by = local(top_up.due_by, top_up.account.zone)
        note = f"answer by {by}" if top_up.due_by > now else f"the deadline was {by}"
    if top_up.open_disputes > 1:
        note = f"{top_up.open_disputes} disputes, {note}"
    return Detail(
        f"{top_up.account}: {amount}, {top_up.receipt_number}",
        reverse("admin:billing_topup_change", args=[top_up.pk]),
        note,
    )


# ── Credits ───────────────────────────────────────────────────────────────────────────────────
def _credits(now: datetime) -> list[Row]:
    return [
        Row(words, about, listed("billing_account", CreditStateFilter, state, now=now))
        for state, words, about in (
            (
                CreditState.NEGATIVE,
                "Accounts below zero",
                "In debt: what is added next pays it first.",
            ),
            (
                CreditState.ZERO,
                "Accounts without credits",
                "Used up, or there never were any.",
            ),
            (
                CreditState.LOW,
                "Accounts with low credits",
                "At or below the highest warning that the account keeps.",
            ),
        )
    ]


# ── Calls and mails ───────────────────────────────────────────────────────────────────────────
def _imports(now: datetime) -> Row:
    return Row(
        "Failed imports",
        "Something went wrong on our side. They can go on where they stopped.",
        listed("calls_fileimport", imports.AttentionFilter, "failed", now=now),
    )


def _sources(now: datetime) -> Row:
    hours = settings.SOURCE_SILENCE_HOURS
    return Row(
        "Sources that fell silent",
        f"They reported calls before, and none for more than {hours} h."
        if hours
        else "Nobody is told of silence: SOURCE_SILENCE_HOURS is 0.",
        listed("calls_callsource", sources.AttentionFilter, "silent", now=now),
        is_said_always=not hours,
    )


def _mails(now: datetime) -> Row:
    """What is owed to people by mail and does not go, by what it is about."""
    kinds = [
        (words, listed(model, chosen_by, "mail", now=now))
        for words, model, chosen_by in (
            ("about credits", "billing_notice", notices.AttentionFilter),
            ("about requests for plans", "billing_planrequest", plan_requests.AttentionFilter),
            ("about downloads", "calls_export", exports.AttentionFilter),
            ("about silent sources", "calls_callsource", sources.AttentionFilter),
        )
    ]
    stuck = [(words, each) for words, each in kinds if each.count]
    _, first = next(iter(stuck), kinds[0])
    url = first.url if len(stuck) < 2 else ""
    about = "The mail server is away, or no worker runs. They are tried again until they go."
    if not mails_go_out():
        about = "No mail leaves this server: EMAIL_URL names no mail server."
    return Row(
        "Mails that do not go out",
        about,
        Listed(sum(each.count for _, each in kinds), url),
        [
            *(Detail(words, each.url, grouped(each.count)) for words, each in stuck),
            Detail("Send yourself a test mail", reverse("operators_first_steps") + "#step-mail"),
        ],
        is_said_always=not mails_go_out(),
    )
