"""The only settings file. What differs between installations is read from the environment, on top.

Every variable read here stands in the README's configuration table; a test compares the two.
"""

from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from email.utils import parseaddr
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dj_database_url
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils import timezone

from config import addresses, no_page
from config.environment import Environment, one_of

BASE_DIR = Path(__file__).resolve().parent.parent

# ── Environment ───────────────────────────────────────────────────────────────────────────────
env = Environment()

# Development values exist only under DEBUG: without it a forgotten variable stops the process.
DEBUG = env.debug = env.flag("DEBUG", default=False)
SECRET_KEY = env.required("SECRET_KEY", development="not-a-secret-development-only")
ALLOWED_HOSTS = addresses.names(
    env.required("ALLOWED_HOSTS", development="*", validate=addresses.hosts)
)
CSRF_TRUSTED_ORIGINS = addresses.names(env.text("CSRF_TRUSTED_ORIGINS", ""))
SITE_URL = env.required(
    "SITE_URL", development="http://localhost:8000", validate=addresses.site
).rstrip("/")
DATABASE_URL = env.required(
    "DATABASE_URL", development="postgres:///call_credits", validate=addresses.postgres
)
REDIS_URL = env.required(
    "REDIS_URL", development="redis://127.0.0.1:6379/0", validate=addresses.redis
)
REDIS_KEY_PREFIX = env.text("REDIS_KEY_PREFIX", "call-credits")
EMAIL_URL = env.required("EMAIL_URL", development="consolemail://", validate=addresses.mail)
DEFAULT_FROM_EMAIL = env.text(
    "DEFAULT_FROM_EMAIL", "Call Credits <billing@localhost>", addresses.mailbox
)
# Where "Talk to us" leads: an e-mail address or a page.
CONTACT_ADDRESS = env.text("CONTACT_ADDRESS", parseaddr(DEFAULT_FROM_EMAIL)[1], addresses.contact)
# The seller named on receipts.
SELLER_NAME = env.text("SELLER_NAME", "", addresses.up_to(200))
SELLER_ADDRESS = env.text("SELLER_ADDRESS", "", addresses.up_to(500))
SELLER_TAX_NUMBER = env.text("SELLER_TAX_NUMBER", "", addresses.up_to(40))
MAILS_PER_DAY_MAX = env.number("MAILS_PER_DAY_MAX", default=5, minimum=1)
# What a file of call records that is uploaded may take, and how many an account may have open.
IMPORT_BYTES_MAX = env.number("IMPORT_BYTES_MAX", default=1024**3, minimum=1)
IMPORTS_OPEN_MAX = env.number("IMPORTS_OPEN_MAX", default=5, minimum=1)
# For how many days after a call the numbers of its two sides are kept; 0: for ever.
NUMBERS_KEPT_DAYS = env.number("NUMBERS_KEPT_DAYS", default=0)
# After how many hours without an event of a source that reported before somebody is told; 0: never.
SOURCE_SILENCE_HOURS = env.number("SOURCE_SILENCE_HOURS", default=6)
# Where the APIs of call platforms are, if not at their own addresses: tests point them at a fake.
PLATFORM_API_BASES = addresses.by_name(env.text("PLATFORM_API_BASES", "", addresses.bases_by_name))
# What a top-up was opened with must stay here for as long as its provider may report about it.
PAYMENT_GATEWAYS = {"stripe": "billing.payments.gateways.stripe.StripeGateway"}
# The sandbox is a folder that may have been deleted.
HAS_SANDBOX = find_spec("dashboard.sandbox") is not None
if HAS_SANDBOX:
    PAYMENT_GATEWAYS["sandbox"] = "dashboard.sandbox.gateway.SandboxGateway"
PAYMENT_GATEWAY = env.required(
    "PAYMENT_GATEWAY",
    development="sandbox" if HAS_SANDBOX else "",
    validate=one_of(*PAYMENT_GATEWAYS),
)
# The sandbox gives credits away for nothing; `dashboard.sandbox.checks` says where it may.
SANDBOX_PAYMENTS_ALLOWED = env.flag("SANDBOX_PAYMENTS_ALLOWED", default=DEBUG)
SANDBOX_WEBHOOK_SECRET = env.text("SANDBOX_WEBHOOK_SECRET", f"sandbox:{SECRET_KEY}")
STRIPE_SECRET_KEY = env.text("STRIPE_SECRET_KEY", "")
STRIPE_WEBHOOK_SECRET = env.text("STRIPE_WEBHOOK_SECRET", "")
STRIPE_API_BASE = env.text("STRIPE_API_BASE", "https://api.stripe.com", addresses.site).rstrip("/")
STRIPE_CHECKOUT_ORIGIN = env.text(
    "STRIPE_CHECKOUT_ORIGIN", "https://checkout.stripe.com", addresses.site
).rstrip("/")
# The demonstration's operator, whose password is public, needs no second step: for trying out only.
DEMO_SIGN_INS = env.flag("DEMO_SIGN_INS", default=False)
IDLE_MINUTES_MAX = env.number("IDLE_MINUTES_MAX", default=12 * 60, minimum=1)
OPERATOR_IDLE_MINUTES_MAX = env.number("OPERATOR_IDLE_MINUTES_MAX", default=60, minimum=1)
# The first encrypts, all decrypt: a new key is put before the old one.
FIELD_ENCRYPTION_KEYS = addresses.names(env.text("FIELD_ENCRYPTION_KEYS", "")) or [SECRET_KEY]
# How many requests an API key may make, and a visitor without a valid one.
API_REQUESTS_PER_MINUTE = env.number("API_REQUESTS_PER_MINUTE", default=600, minimum=1)
API_REFUSALS_PER_MINUTE = env.number("API_REFUSALS_PER_MINUTE", default=60, minimum=1)
LOG_LEVEL = env.text("LOG_LEVEL", "INFO", one_of("DEBUG", "INFO", "WARNING", "ERROR"))
# The site's own address says whether it is served over HTTPS. `check --deploy` warns when not.
HTTPS = SITE_URL.startswith("https://")
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=HTTPS)
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
# Only behind a proxy that ends TLS and itself sets X-Forwarded-Proto. Anyone else could forge it.
TRUST_FORWARDED_PROTO = env.flag("TRUST_FORWARDED_PROTO", default=False)
# How many proxies stand before the site. Each appends its peer's address to X-Forwarded-For;
# anything further to the left can be forged.
TRUSTED_PROXY_COUNT = env.number("TRUSTED_PROXY_COUNT", default=0)
# gunicorn also reads this variable by itself, and would end without naming it.
WEB_CONCURRENCY = env.number("WEB_CONCURRENCY", default=2, minimum=1)
HOST = env.text("HOST", "0.0.0.0")  # noqa: S104  # a container is reached from outside
PORT = env.port("PORT", default=8000)
STATIC_ROOT = env.text("STATIC_ROOT", str(BASE_DIR / "var" / "static"))
BEAT_SCHEDULE_FILE = env.text("BEAT_SCHEDULE_FILE", str(BASE_DIR / "var" / "beat-schedule"))

# ── Applications ──────────────────────────────────────────────────────────────────────────────
INSTALLED_APPS = [
    "config.apps.PlatformConfig",
    "dashboard",
    *(["dashboard.sandbox"] if HAS_SANDBOX else []),
    "calls",
    "billing",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "config.staticfiles.NeededStaticFilesConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pgtrigger",
    "rest_framework",
]

MIDDLEWARE = [
    # Around all others, so that whatever answers, HEAD gets no body.
    "config.head.HeadMiddleware",
    # Before all that judge a request: an orchestrator asks by address and over plain HTTP, which
    # neither the host check nor the redirect to HTTPS would let pass.
    "config.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.policy.ContentSecurityPolicyMiddleware",
    # It pads what it compresses by a random length, so that sizes tell nothing (BREACH).
    "django.middleware.gzip.GZipMiddleware",
    "config.privacy.PrivateMiddleware",
    "config.bodies.BodyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "dashboard.sign_in.acting.ActingMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.sign_in.sessions.IdleMiddleware",
    "dashboard.sign_in.refused.RefusedMiddleware",
    "dashboard.sign_in.second_step.SecondStepMiddleware",
    "dashboard.sign_in.framing.FrameMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# A file is taken by the views that say so.
FILE_UPLOAD_HANDLERS = ["config.bodies.NoFiles"]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.frame.frame",
            ],
        },
    },
]

# ── Data ──────────────────────────────────────────────────────────────────────────────────────
DATABASES: dict[str, Any] = {
    "default": {
        **dj_database_url.parse(
            DATABASE_URL, engine="config.postgres", conn_max_age=60, conn_health_checks=True
        ),
        # Each domain function opens its own transaction: a lock lives no longer than needed.
        "ATOMIC_REQUESTS": False,
    }
}

# What describes the API: `manage.py spectacular --file docs/openapi.yaml` writes it.
API_SCHEMA = BASE_DIR / "docs" / "openapi.yaml"
# Where whoever paid for a top-up that a program began finds it; `api` knows no pages.
TOP_UP_PAGE = "/a/{slug}/billing/top-up/{id}/"

# A server that is gone, or hangs, must not hold up a page.
REDIS_TIMEOUTS = {"socket_connect_timeout": 1, "socket_timeout": 2}

CACHES = {
    "default": {
        "BACKEND": "config.cache.OptionalRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": f"{REDIS_KEY_PREFIX}:cache",
        "OPTIONS": REDIS_TIMEOUTS,
    }
}

# ── Tasks ─────────────────────────────────────────────────────────────────────────────────────
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    "global_keyprefix": f"{REDIS_KEY_PREFIX}:broker:",
    # A task which its worker did not acknowledge goes to another one after this long, so it must
    # exceed the longest task (CELERY_TASK_TIME_LIMIT) or that task would run twice at once.
    "visibility_timeout": 900,
    **REDIS_TIMEOUTS,
}
# Once more, on a new connection: the one in the pool may be from before the broker's restart.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_max": 0.2}
# Acknowledged when done, not when received: a worker that dies loses nothing. Tasks therefore
# run at least once and must be safe to repeat.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_IGNORE_RESULT = True  # outcomes are rows in the database, no second store of results
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_MAX_LOOP_INTERVAL = 60
CELERY_BEAT_SCHEDULE_FILENAME = BEAT_SCHEDULE_FILE
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# ── Sign-in ───────────────────────────────────────────────────────────────────────────────────
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    *(
        {"NAME": f"django.contrib.auth.password_validation.{validator}"}
        for validator in (
            "UserAttributeSimilarityValidator",
            "MinimumLengthValidator",
            "CommonPasswordValidator",
            "NumericPasswordValidator",
        )
    ),
    {"NAME": "dashboard.sign_in.passwords.OwnWordsValidator"},
]
AUTH_USER_MODEL = "billing.User"
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "dashboard.sign_in.adapter.ClosedSignUpAdapter"
ACCOUNT_FORMS = {"change_password": "dashboard.sign_in.forms.OwnPasswordForm"}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
# An operator adds people to their account, and vouches for the address.
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
# Nobody gets a mail because somebody else typed their address here, nor is told who has an account.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of each change of password or second step
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Call Credits: "
ACCOUNT_RATE_LIMITS = {
    "reset_password": "20/h/ip,3/h/key",
    # Failures are limited in the database, by visitor and person (`billing.accounts.attempts`).
    "login_failed": None,
}
PASSWORD_RESET_TIMEOUT = 24 * 60 * 60
# Attempts are counted by the visitor's address; without this it would be the proxy's.
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ADAPTER = "dashboard.sign_in.second_step.EncryptingAdapter"
MFA_TOTP_ISSUER = "Call Credits"
MFA_FORMS = {
    "authenticate": "dashboard.sign_in.forms.CodeForm",
    "reauthenticate": "dashboard.sign_in.forms.CodeAgainForm",
    "activate_totp": "dashboard.sign_in.forms.SetUpForm",
}

# ── Language and time ─────────────────────────────────────────────────────────────────────────
LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
# The clock that everything reads (`billing.clock`). Tests put one of their own here.
CLOCK: Callable[[], datetime] = timezone.now

# ── Static files ──────────────────────────────────────────────────────────────────────────────
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "config.static_storage.ServedFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_ADD_HEADERS_FUNCTION = no_page.add_to_file

# ── Security ──────────────────────────────────────────────────────────────────────────────────
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True  # scripts take the token from the form
# Browsers take a cookie of such a name from this very host only, and over HTTPS only.
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
MESSAGE_COOKIE_NAME = "__Host-messages" if HTTPS else "messages"
MESSAGE_STORAGE = "config.messages.MessageStorage"
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_SECONDS > 0
SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_FORWARDED_PROTO else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# The one script that stands in the pages themselves (templates/base.html) runs by its hash.
_early_script = (BASE_DIR / "templates" / "theme-early.js").read_text(encoding="utf-8")
EARLY_SCRIPT = f"'sha256-{b64encode(sha256(_early_script.encode()).digest()).decode()}'"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'", EARLY_SCRIPT],
        "img-src": ["'self'", "data:"],  # the QR code of a second factor is a data: image
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        # A form that starts a payment is answered with a redirect to the provider's page.
        "form-action": [
            "'self'",
            *([STRIPE_CHECKOUT_ORIGIN] if PAYMENT_GATEWAY == "stripe" else []),
            # Its page is under SITE_URL, though the visitor may have come by another name.
            *([SITE_URL] if PAYMENT_GATEWAY == "sandbox" else []),
        ],
        "frame-ancestors": ["'none'"],
    }
}
# Unfold's widths and colours stand in its markup.
ADMIN_CONTENT_SECURITY_POLICY = {"style-src": ["'self'", "'unsafe-inline'"]}

# ── E-mail ────────────────────────────────────────────────────────────────────────────────────
globals().update(addresses.mail_settings(EMAIL_URL))
# A mail server that hangs holds up one worker this long, and the mail is sent later.
EMAIL_TIMEOUT = 10

# ── Admin ─────────────────────────────────────────────────────────────────────────────────────
UNFOLD = {
    "SITE_TITLE": "Call Credits",
    "SITE_HEADER": "Call Credits operations",
    "SITE_URL": "/",
    "SITE_SYMBOL": "call",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("img/mark.svg"),
        }
    ],
    "STYLES": [lambda request: static("css/operations.css")],
    "SCRIPTS": [lambda request: static("js/expressions.js")],
    "DASHBOARD_CALLBACK": "dashboard.operations.front.page.front_page",
    "SIDEBAR": {"show_search": False, "navigation": "config.admin_menu.sections"},
    # The pages' accent, dark enough for white text on the steps that carry it.
    "COLORS": {
        "primary": {
            "50": "oklch(97% .02 190)",
            "100": "oklch(94% .04 190)",
            "200": "oklch(89% .06 190)",
            "300": "oklch(82% .08 190)",
            "400": "oklch(74% .09 190)",
            "500": "oklch(62% .09 190)",
            "600": "oklch(46% .075 194)",
            "700": "oklch(40% .065 194)",
            "800": "oklch(35% .055 194)",
            "900": "oklch(30% .045 194)",
            "950": "oklch(23% .035 194)",
        },
    },
}

# ── API ───────────────────────────────────────────────────────────────────────────────────────
REST_FRAMEWORK: dict[str, Any] = {
    # The views of the API name theirs: sessions of people open none of them.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.problems.answer",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Call Credits API",
    "DESCRIPTION": "Record calls, and read what they cost. Each key sees exactly its account.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SCHEMA_PATH_PREFIX": r"/api/v[0-9]",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "api.v1.schema.complete",
    ],
    "ENUM_NAME_OVERRIDES": {
        "UsageType": "api.v1.shapes.credits.USAGE_TYPES",
        "CallStatus": "api.v1.shapes.calls.STATUSES",
        "Outcome": "api.v1.shapes.calls.OUTCOMES",
        "GrantSource": "billing.models.GrantSource",
        "Kind": "billing.models.Kind",
        "TopUpState": "billing.models.TopUpState",
    },
}

# ── Logs ──────────────────────────────────────────────────────────────────────────────────────
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "config.logs.Line",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
    },
    "filters": {
        "mask_links": {"()": "config.logs.MaskLinks"},
        "in_one_line": {"()": "config.logs.InOneLine"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["mask_links", "in_one_line"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Django's own handler prints only under DEBUG; ours always prints, once.
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # Every 4xx of a browser is one line here; the access log has them already.
        "django.request": {"level": "ERROR"},
        # It names each moment at which all threads are busy.
        "waitress.queue": {"level": "ERROR"},
    },
}
