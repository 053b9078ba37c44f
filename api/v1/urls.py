"""The addresses of version 1."""

from django.urls import path, re_path, register_converter

from api.bodies import reads_bodies
from api.v1.calls.views import CallsView, CallView, WithdrawView
from api.v1.credits import BalanceView, LedgerView
from api.v1.document import no_such_address, openapi
from api.v1.plans import PlansView, SubscriptionView
from api.v1.top_ups import TopUpsView, TopUpView
from api.v1.usage import AgentsView, DailyView, SummaryView


class AnyCallId:
    """Any text: call IDs are made by others, and may have slashes in them."""

    regex = r"(?s:.+)"

    def to_python(self, value: str) -> str:
        """Leave it as it is."""
        return value

    def to_url(self, value: str) -> str:
        """Leave it as it is; Django quotes it."""
        return value


register_converter(AnyCallId, "any_call_id")

app_name = "api"

views = [
    path("calls/", CallsView.as_view(), name="calls"),
    path("calls/<any_call_id:call_id>/withdraw/", WithdrawView.as_view(), name="withdraw"),
    path("calls/<any_call_id:call_id>/", CallView.as_view(), name="call"),
    path("usage/summary/", SummaryView.as_view(), name="summary"),
    path("usage/daily/", DailyView.as_view(), name="daily"),
    path("usage/agents/", AgentsView.as_view(), name="agents"),
    path("ledger/", LedgerView.as_view(), name="ledger"),
    path("balance/", BalanceView.as_view(), name="balance"),
    path("plans/", PlansView.as_view(), name="plans"),
    path("subscription/", SubscriptionView.as_view(), name="subscription"),
    path("top-ups/", TopUpsView.as_view(), name="top_ups"),
    path("top-ups/<uuid:public_id>/", TopUpView.as_view(), name="top_up"),
]
urlpatterns = [
    *views,
    path("openapi.yaml", openapi, name="openapi"),
    re_path(r"^.*$", no_such_address, name="nothing"),
]
for each in urlpatterns:
    reads_bodies(each.callback)
