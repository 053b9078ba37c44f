"""URLs of the pages. The account is in the path, so that a link shows everyone the same page."""

from django.urls import include, path, register_converter

from dashboard.account.views import company, home, landing, notifications, troubleshooting
from dashboard.activity.views import activity
from dashboard.api_keys.views import api_key, api_key_new, api_keys
from dashboard.exports.views import export_file, export_new, export_page, exports
from dashboard.help.views import api_reference
from dashboard.imports.mapping_views import import_mapping, import_profile
from dashboard.imports.uploading import (
    import_begin,
    import_finish,
    import_new,
    import_part,
    import_parts,
    import_stop_upload,
)
from dashboard.imports.views import import_page, import_rejects, import_take_back, imports
from dashboard.plans.views import plans, subscription
from dashboard.sources.order import source_order
from dashboard.sources.views import call_sources, source, source_delete, source_new
from dashboard.team.views import team, team_invite, team_member
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
    path("billing/usage/exports/", exports, name="exports"),
    path("billing/usage/exports/new/", export_new, name="export_new"),
    path("billing/usage/exports/<uuid:public_id>/", export_page, name="export_page"),
    path("billing/usage/exports/<uuid:public_id>/file.csv", export_file, name="export_file"),
    path("billing/usage/changes/", changes, name="changes"),
    path("billing/usage/rows/<int:seq>/", row, name="row"),
    path("billing/usage/calls/<call_id:call_id>/", call, name="call"),
    path("billing/top-up/", top_up, name="top_up"),
    path("billing/top-up/<uuid:public_id>/", top_up_status, name="top_up_status"),
    path("billing/top-ups/", top_ups, name="top_ups"),
    path("billing/top-ups/<uuid:public_id>/receipt/", receipt, name="receipt"),
    path("billing/plans/", plans, name="plans"),
    path("billing/subscription/", subscription, name="subscription"),
    path("calls/imports/", imports, name="imports"),
    path("calls/imports/new/", import_new, name="import_new"),
    path("calls/imports/begin/", import_begin, name="import_begin"),
    path("calls/imports/<uuid:public_id>/", import_page, name="import_page"),
    path("calls/imports/<uuid:public_id>/parts/", import_parts, name="import_parts"),
    path("calls/imports/<uuid:public_id>/parts/<int:number>/", import_part, name="import_part"),
    path("calls/imports/<uuid:public_id>/finish/", import_finish, name="import_finish"),
    path("calls/imports/<uuid:public_id>/stop/", import_stop_upload, name="import_stop_upload"),
    path("calls/imports/<uuid:public_id>/columns/", import_mapping, name="import_mapping"),
    path("calls/imports/<uuid:public_id>/columns.json", import_profile, name="import_profile"),
    path("calls/imports/<uuid:public_id>/left-out.csv", import_rejects, name="import_rejects"),
    path("calls/imports/<uuid:public_id>/take-back/", import_take_back, name="import_take_back"),
    path("settings/activity/", activity, name="activity"),
    path("settings/team/", team, name="team"),
    path("settings/team/invite/", team_invite, name="team_invite"),
    path("settings/team/<int:member_id>/", team_member, name="team_member"),
    path("settings/api-keys/", api_keys, name="api_keys"),
    path("settings/api-keys/new/", api_key_new, name="api_key_new"),
    path("settings/api-keys/<uuid:public_id>/", api_key, name="api_key"),
    path("calls/sources/", call_sources, name="sources"),
    path("calls/sources/new/<slug:kind>/", source_new, name="source_new"),
    path("calls/sources/order/", source_order, name="source_order"),
    path("calls/sources/<uuid:public_id>/", source, name="source"),
    path("calls/sources/<uuid:public_id>/delete/", source_delete, name="source_delete"),
    path("settings/company/", company, name="company"),
    path("settings/notifications/", notifications, name="notifications"),
    path("help/troubleshooting/", troubleshooting, name="troubleshooting"),
]

urlpatterns = [
    path("", landing, name="landing"),
    path("help/api/", api_reference, name="api_reference"),
    path("a/<slug:slug>/", include(account_pages)),
]
