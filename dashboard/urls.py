"""URLs of the pages. The account is in the path, so that a link shows everyone the same page."""

from django.urls import include, path, register_converter

from dashboard.account.views import home, landing, notifications, troubleshooting
from dashboard.plans.views import plans, subscription
from dashboard.top_up.views import receipt, top_up, top_up_status, top_ups
from dashboard.usage.views import call, changes, export, row, usage


class CallIdConverter:
    """Any text: call IDs are made by others, and may have slashes and spaces in them."""

    regex = r"(?s:.+)"

    def to_python(self, value: str) -> str:
        """Leave it as it is."""
        return value

    def to_url(self, value: str) -> str:
        """Leave it as it is; Django quotes it."""
        return value


register_converter(CallIdConverter, "call_id")

app_name = "dashboard"

account_pages = [
    path("", home, name="home"),
    path("billing/usage/", usage, name="usage"),
    path("billing/usage/export.csv", export, name="export"),
    path("billing/usage/changes/", changes, name="changes"),
    path("billing/usage/rows/<int:seq>/", row, name="row"),
    path("billing/usage/calls/<call_id:call_id>/", call, name="call"),
    path("billing/top-up/", top_up, name="top_up"),
    path("billing/top-up/<uuid:public_id>/", top_up_status, name="top_up_status"),
    path("billing/top-ups/", top_ups, name="top_ups"),
    path("billing/top-ups/<uuid:public_id>/receipt/", receipt, name="receipt"),
    path("billing/plans/", plans, name="plans"),
    path("billing/subscription/", subscription, name="subscription"),
    path("settings/notifications/", notifications, name="notifications"),
    path("help/troubleshooting/", troubleshooting, name="troubleshooting"),
]

urlpatterns = [
    path("", landing, name="landing"),
    path("a/<slug:slug>/", include(account_pages)),
]
