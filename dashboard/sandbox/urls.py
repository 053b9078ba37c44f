"""URLs of the sandbox provider."""

from django.urls import path

from dashboard.sandbox import views

app_name = "sandbox"

urlpatterns = [path("checkout/<slug:checkout_id>/", views.checkout, name="checkout")]
