"""Requests for another plan: what a customer asked for, and what became of it.

Only `billing.plans.requests` writes them, but for what was mailed (`billing.notices.requests`).
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing.models.account import Account
from billing.models.ledger import REMARKS_LENGTH_MAX
from billing.models.plan import Plan, Subscription


class PlanRequestState(models.TextChoices):
    """How a request stands. Only an open one can still change."""

    OPEN = "open", "Open"
    WITHDRAWN = "withdrawn", "Withdrawn"
    APPROVED = "approved", "Approved"
    DECLINED = "declined", "Declined"


class PlanRequest(models.Model):
    """An account asks for ``plan``, at the price and credits that were shown when it asked.

    It is one step between wanting a plan and being on it: what approves it is an operator today,
    and can be a payment. ``subscription`` is what it led to. ``mailed_state`` is the state that
    people were last told of.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="plan_requests")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="requests")
    price_minor = models.BigIntegerField("price a month, in minor units")
    currency = models.CharField(max_length=3)
    credits_per_cycle = models.BigIntegerField()
    increment_seconds = models.PositiveIntegerField()
    credits_per_increment = models.PositiveIntegerField()
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    asked_at = models.DateTimeField("asked")
    state = models.CharField(max_length=9, choices=PlanRequestState, default=PlanRequestState.OPEN)
    state_since = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    reason = models.CharField(max_length=REMARKS_LENGTH_MAX, blank=True)
    subscription = models.OneToOneField(
        Subscription, on_delete=models.PROTECT, null=True, related_name="request"
    )
    mailed_state = models.CharField(max_length=9, choices=PlanRequestState, blank=True)
    mail_tried_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(state=PlanRequestState.OPEN),
                name="plan_request_one_open",
            ),
            models.CheckConstraint(
                condition=Q(state__in=PlanRequestState.values), name="plan_request_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state=PlanRequestState.APPROVED, subscription__isnull=False)
                | ~Q(state=PlanRequestState.APPROVED) & Q(subscription__isnull=True),
                name="plan_request_approved_leads_to_plan",
            ),
            models.CheckConstraint(
                condition=~Q(state=PlanRequestState.DECLINED) | ~Q(reason=""),
                name="plan_request_declined_with_reason",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state_since"],
                name="plan_request_untold",
                condition=~Q(state=PlanRequestState.WITHDRAWN) & ~Q(mailed_state=F("state")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} asks for {self.plan}"
