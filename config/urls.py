"""The root of all URLs. /health/ is not here: `config.health` answers it before any of these."""

from allauth.account.urls import urlpatterns as sign_in_pages
from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from api.calls import calls_webhook
from api.payments import webhook
from api.v1.document import no_such_address
from api.webhooks import no_such_webhook
from dashboard.operations.front.page import first_steps_page
from dashboard.sign_in.views import (
    ResetPasswordView,
    SessionsView,
    SetUpSecondStepView,
    sign_in_to_operations,
)

# Which address somebody signs in with is the operators' matter: allauth's pages on which people add
# and confirm addresses of their own choice do not exist here.
CLOSED = {"account_email", "account_email_verification_sent", "account_confirm_email"}

urlpatterns = [
    path("admin/login/", sign_in_to_operations),
    # The admin's own page counts no attempts either.
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    path(
        "admin/first-steps/", admin.site.admin_view(first_steps_page), name="operators_first_steps"
    ),
    path("admin/", admin.site.urls),
    path("accounts/password/reset/", ResetPasswordView.as_view(), name="account_reset_password"),
    path("accounts/", include([page for page in sign_in_pages if page.name not in CLOSED])),
    path("accounts/sessions/", SessionsView.as_view(), name="usersessions_list"),
    path("accounts/2fa/totp/activate/", SetUpSecondStepView.as_view(), name="mfa_activate_totp"),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("api/v1/", include("api.v1.urls")),
    re_path(r"^api(?:/(?:.|\n)*)?$", no_such_address),
    path("webhooks/<slug:gateway>/", webhook, name="webhook"),
    path("webhooks/calls/<slug:kind>/<uuid:public_id>/", calls_webhook, name="calls_webhook"),
    # It is often copied without its slash, and a redirect would lose the message.
    path("webhooks/calls/<slug:kind>/<uuid:public_id>", calls_webhook),
    re_path(r"^webhooks(?:/(?:.|\n)*)?$", no_such_webhook),
    *([path("sandbox/", include("dashboard.sandbox.urls"))] if settings.HAS_SANDBOX else []),
    path("", include("dashboard.urls")),
]

handler400 = "config.errors.bad_request"
handler404 = "dashboard.access.not_found"
handler500 = "config.errors.server_error"
