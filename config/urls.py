"""The root of all URLs. /health/ is not here: `config.health` answers it before any of these."""

from django.contrib import admin
from django.urls import include, path

from config.sign_in import sign_in_to_operations
from dashboard.webhooks import webhook

urlpatterns = [
    path("admin/login/", sign_in_to_operations),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("webhooks/<slug:gateway>/", webhook, name="webhook"),
    path("sandbox/", include("dashboard.sandbox.urls")),
    path("", include("dashboard.urls")),
]

handler404 = "dashboard.access.not_found"
