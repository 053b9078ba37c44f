"""How gunicorn serves the site: `gunicorn --config python:config.gunicorn config.wsgi`."""

from config.settings import HOST, PORT, WEB_CONCURRENCY

bind = f"{HOST}:{PORT}"
workers = WEB_CONCURRENCY
worker_class = "config.buffering.BufferingWorker"
threads = 4
timeout = 30
graceful_timeout = 20
max_requests = 10_000
max_requests_jitter = 1_000
accesslog = "-"
# Its own handlers write the access log, not Django's.
logconfig_dict = {
    "filters": {"mask_links": {"()": "config.logs.MaskLinks"}},
    "handlers": {"masked": {"class": "logging.StreamHandler", "filters": ["mask_links"]}},
    "loggers": {
        "gunicorn.access": {"level": "INFO", "handlers": ["masked"], "propagate": False},
    },
}
control_socket_disable = True
