"""The calls app."""

from django.apps import AppConfig


class CallsConfig(AppConfig):
    """Names the app for Django."""

    name = "calls"
