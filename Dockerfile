# Production image: no tests, no config/local (see .dockerignore), only requirements.txt.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt /
RUN /opt/venv/bin/pip install --require-hashes --requirement /requirements.txt

FROM python:3.11-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    STATIC_ROOT=/app/staticfiles BEAT_SCHEDULE_FILE=/tmp/beat-schedule
RUN useradd --system --uid 10001 --no-create-home app
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY . .
# Values for this one command only: collecting static files asks neither database nor broker.
RUN SECRET_KEY=build ALLOWED_HOSTS=build SITE_URL=https://build EMAIL_URL=consolemail:// \
    DATABASE_URL=postgres:///build REDIS_URL=redis://build PAYMENT_GATEWAY=stripe \
    STRIPE_SECRET_KEY=build STRIPE_WEBHOOK_SECRET=build \
    python manage.py collectstatic --no-input --verbosity=0
USER app
EXPOSE 8000
CMD ["gunicorn", "--config=python:config.gunicorn", "config.wsgi"]
