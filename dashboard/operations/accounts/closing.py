"""An operator closes an account, or reopens one."""

from typing import Any, cast

from django import forms
from django.http import HttpResponse

from billing.accounts.closing import WhatEnds, reopen_account, what_ends
from billing.ledger.balances import grants_left
from billing.models import Account, User
from billing.plans.granting import credits_with_change
from billing.plans.tariffs import TariffBook
from billing.texts import in_credits
from billing.zones import local
from calls.closing import close_account, imports_under_way, sources_of
from dashboard.operations.accounts.action import AccountAction
from dashboard.operations.accounts.plan_change import PlanField
from dashboard.operations.record_actions import Outcome, Preview, reason_field

GRANTS_NAMED_MAX = 5


class CloseForm(forms.Form):
    """Why the account is closed."""

    reason = reason_field("The account’s Superadmins read it under Activity.")


class CloseAccount(AccountAction):
    """End all that charges or renews, and let its members go on reading."""

    name = "close"
    path = "close"
    label = "Close the account"

    def instead(self) -> HttpResponse | None:
        """Lead back where it is closed already."""
        closed_at = self.record.closed_at
        if closed_at is None:
            return None
        return self.back(f"It was closed on {local(closed_at, self.record.zone)} already.")

    def form(self, data: Any) -> CloseForm:
        return CloseForm(data)

    def preview(self) -> Preview:
        account = self.record
        return self.account_preview(
            title="Close the account",
            about=[
                "From now on no billing cycle begins, and no call that starts later is taken. "
                "Calls that started before are still charged when they come: what its sources "
                "have sent already, imports that are under way, and files that you import for it.",
                *_what_ends(account, what_ends(account=account, now=self.now), self._sources()),
                *self._imports(),
                *self._credits(),
                "Its members go on reading and downloading, and its Superadmins are told by "
                "e-mail. To take the access from somebody, remove them from the account.",
            ],
            button="Close the account",
        )

    def do(self, form: CloseForm) -> Outcome:
        close_account(
            account=self.record,
            by=cast(User, self.request.user),
            reason=form.cleaned_data["reason"],
            now=self.now,
        )
        left = sum(grant.remaining for grant in grants_left(account=self.record, now=self.now))
        rest = f" {in_credits(left)} stay until they expire." if left else ""
        return Outcome(
            told=f"{self.record} is closed.{rest}",
            recorded=f"Closed: {form.cleaned_data['reason']}",
        )

    def _sources(self) -> list[str]:
        return [source.name for source in sources_of(self.record)]

    def _imports(self) -> list[str]:
        names = ", ".join(each.file_name for each in imports_under_way(self.record))
        if not names:
            return []
        return [f"Imports that are under way go on: {names}."]

    def _credits(self) -> list[str]:
        """What is left, and when it expires."""
        account = self.record
        grants = grants_left(account=account, now=self.now)
        if not grants:
            return ["No credits are left."]
        named = [
            f"{in_credits(grant.remaining)} ({grant.get_source_display().lower()}) "
            + (f"until {local(grant.expires_at, account.zone)}" if grant.expires_at else "for ever")
            for grant in grants[:GRANTS_NAMED_MAX]
        ]
        more = sum(grant.remaining for grant in grants[GRANTS_NAMED_MAX:])
        if more:
            named.append(f"{in_credits(more)} later")
        return [
            f"Credits that are left stay until they expire: {'; '.join(named)}. Nothing is paid "
            "back by itself: refund a top-up on its own page, if that was agreed."
        ]


class ReopenForm(forms.Form):
    """The plan to go on with."""

    plan = PlanField(
        help_text="A new billing cycle begins now, and its credits are granted, unless the account "
        "was granted credits of this plan within the month before.",
    )


class ReopenAccount(AccountAction):
    """Let a closed account go on. The facts of its page link to it."""

    name = "reopen"
    path = "reopen"

    def instead(self) -> HttpResponse | None:
        """Lead back where it is open."""
        return None if self.record.closed_at is not None else self.back("It is open.")

    def form(self, data: Any) -> ReopenForm:
        latest = self.record.subscriptions.first()
        return ReopenForm(data, initial={"plan": latest.plan_id if latest else None})

    def preview(self) -> Preview:
        account = self.record
        assert account.closed_at is not None
        return self.account_preview(
            title="Reopen the account",
            about=[
                f"It was closed on {local(account.closed_at, account.zone)}. No cycle is granted "
                "for the time since, and calls of that time are not taken.",
                "API keys and call sources do not come back: its people make new ones.",
            ],
            button="Reopen the account",
        )

    def do(self, form: ReopenForm) -> Outcome:
        account, plan = self.record, form.cleaned_data["plan"]
        subscription = reopen_account(account=account, plan=plan, now=self.now)
        credits = credits_with_change(book=TariffBook([account.pk]), subscription=subscription)
        comes = f"{in_credits(credits) if credits else 'No credits'} come with it."
        return Outcome(
            told=f"{account} is open, on {plan}. {comes}", recorded=f"Reopened on {plan}"
        )


def _what_ends(account: Account, ends: WhatEnds, sources: list[str]) -> list[str]:
    """What ends with it, each in a sentence."""
    said = [
        f"The change to {one.plan} planned for {local(one.effective_from, account.zone)} is "
        "cancelled."
        for one in ends.planned
    ]
    if ends.asked_for is not None:
        said.append(f"Its request for {ends.asked_for} is withdrawn.")
    if sources:
        said.append(f"Its call sources are deleted for good: {', '.join(sources)}.")
    if ends.keys:
        said.append(f"API keys that are revoked: {ends.keys}.")
    if ends.payment_pages:
        said.append(
            f"Payment pages that are open: {ends.payment_pages}. They are closed within a minute; "
            "what is paid there all the same is credited, and can be refunded."
        )
    return said
