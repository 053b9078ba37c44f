"""How the project is put together: settings, URLs, processes. Everything else lives in the apps."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
