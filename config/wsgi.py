"""The WSGI application that gunicorn serves."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from config.loading import load

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# A page that waits longer than this shows that the database is away: `config.postgres`. The limits
# are for pages and webhooks alone; what a worker does may take its time.
LIMITS = (
    "-c statement_timeout=3500 -c lock_timeout=3000 -c idle_in_transaction_session_timeout=30000"
)
options = settings.DATABASES["default"].setdefault("OPTIONS", {})
options.setdefault("connect_timeout", 2)
options["wait_seconds"] = 4
options["options"] = f"{LIMITS} {options.get('options', '')}".rstrip()

load()
application = get_wsgi_application()
get_resolver().url_patterns  # noqa: B018  (loads all views now, not while somebody waits)
