"""How gunicorn serves the site: `gunicorn --config python:config.gunicorn config.wsgi`."""

import logging

from config.logs import MaskLinks
from config.settings import HOST, PORT, WEB_CONCURRENCY

bind = f"{HOST}:{PORT}"
workers = WEB_CONCURRENCY
preload_app = True  # what is loaded once is there at once in each process, also in a new one
worker_class = "config.buffering.BufferingWorker"
threads = 4
timeout = 30
graceful_timeout = 20
max_requests = 10_000
max_requests_jitter = 1_000
accesslog = "-"
control_socket_disable = True

# Its lines pass no handler of Django's.
logging.getLogger("gunicorn.access").addFilter(MaskLinks())
