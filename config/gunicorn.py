"""How gunicorn serves the site: `gunicorn --config python:config.gunicorn config.wsgi`."""

from config.environment import Environment
from config.settings import WEB_CONCURRENCY

env = Environment()

host: str = env.str("HOST", default="0.0.0.0")  # noqa: S104  # a container is reached from outside
port = env.port("PORT", default=8000)

bind = f"{host}:{port}"
workers = WEB_CONCURRENCY
threads = 4
timeout = 30
graceful_timeout = 20
max_requests = 10_000
max_requests_jitter = 1_000
accesslog = "-"
control_socket_disable = True
