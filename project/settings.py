"""Every setting, and the one place where the environment is read. `.env.example` names each variable."""

from __future__ import annotations

import os
import warnings
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from project import postgres, proxies

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.FileAwareEnv()
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")

# A crafted checkpoint must not run code when it is loaded; LangGraph reads this when it is imported.
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"


def _choice(name: str, default: str, *choices: str) -> str:
    value: str = env.str(name, default=default) or default
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be one of: {', '.join(choices)}.")
    return value


# Where the site is reached. Without ORIGINS the site is in local mode: it answers on the loopback addresses only.
ORIGINS: list[str] = [origin.rstrip("/") for origin in env.list("ORIGINS", default=[])]
LOCAL = not ORIGINS
DEBUG = env.bool("DEBUG", default=False)
DATA_DIR = Path(env.str("DATA_DIR", default="") or BASE_DIR / "var").absolute()
for origin in ORIGINS:
    if urlsplit(origin).scheme not in ("http", "https") or not urlsplit(origin).hostname:
        raise ImproperlyConfigured(f"ORIGINS has {origin!r}; an origin looks like https://chat.example.org.")
ALLOWED_HOSTS = (
    ["localhost", "127.0.0.1", "[::1]"] if LOCAL else [urlsplit(o).hostname or "" for o in ORIGINS]
)
CSRF_TRUSTED_ORIGINS = ORIGINS
HTTPS = bool(ORIGINS) and all(origin.startswith("https://") for origin in ORIGINS)
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", default=[])
try:
    proxies.networks(TRUSTED_PROXIES)
except ValueError as error:
    raise ImproperlyConfigured(
        f"TRUSTED_PROXIES names addresses, networks or {proxies.UNIX!r}: {error}."
    ) from None


def _local_secret_key() -> str:
    path = DATA_DIR / "secret_key"
    try:
        return path.read_text()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"secret_key.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(get_random_secret_key())
        try:
            os.link(fresh, path)  # of several processes that start at once, one makes the key
        except FileExistsError:
            pass
        fresh.unlink()
        return path.read_text()


SECRET_KEY: str = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not LOCAL:
        raise ImproperlyConfigured(
            "SECRET_KEY must be set where ORIGINS is: a long random text, kept secret."
        )
    SECRET_KEY = _local_secret_key()
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])

INSTALLED_APPS = [
    "daphne",
    "chat.apps.ChatAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "axes",
    "project",
    "chat",  # before the queue, whose worker command it has its own of
    "procrastinate.contrib.django",
]
MIDDLEWARE = [
    "project.proxies.middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "chat.api.middleware.middleware",
]
ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
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
            ]
        },
    }
]

# Services
DATABASES = {"default": postgres.database(env.str("DATABASE_URL", default=""), DATA_DIR)}
REDIS_URL: str = env.str("REDIS_URL", default="")
CHANNEL_LAYERS = (
    {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            # Without socket_timeout None an idle receive dies after a few seconds (redis-py 8).
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}], "capacity": 1000},
        }
    }
    if REDIS_URL
    else {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
)
CHAT_WORKER = _choice("CHAT_WORKER", "inline", "inline", "external")
CHAT_CONCURRENCY: int = env.int("CHAT_CONCURRENCY", default=500)
HEARTBEAT_SECONDS = env.int("HEARTBEAT_SECONDS", default=20)
SLOW_CLIENT_SECONDS = env.int("SLOW_CLIENT_SECONDS", default=30)
RECHECK_SECONDS = env.float("RECHECK_SECONDS", default=45.0)

# What one person may have or ask for: unfinished runs everywhere together, the others in each web process. Far above
# what a person does, and so far below what a process does that it takes many to fill one.
LIMIT_CONNECTIONS = env.int("LIMIT_CONNECTIONS", default=100)
LIMIT_COMMANDS_PER_MINUTE = env.int("LIMIT_COMMANDS_PER_MINUTE", default=1200)
LIMIT_UPLOADS_PER_MINUTE = env.int("LIMIT_UPLOADS_PER_MINUTE", default=60)
LIMIT_RUNS = env.int("LIMIT_RUNS", default=50)

# People
SIGNUP = _choice("SIGNUP", "open" if LOCAL else "closed", "open", "closed")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # asked first: says no to who has guessed too often
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
# Together: a stranger cannot lock somebody out from elsewhere, nor one address lock out all who share it.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_CALLABLE = "chat.views.locked"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 30
SESSION_COOKIE_NAME = "backdrop_session"
CSRF_COOKIE_NAME = "backdrop_csrf"
CSRF_COOKIE_HTTPONLY = True

# The agent
OPENAI_API_KEY: str = env.str("OPENAI_API_KEY", default="")
OPENAI_BASE_URL: str = env.str("OPENAI_BASE_URL", default="")
CHAT_MODEL: str = env.str("CHAT_MODEL", default="")
CHAT_VISION = _choice("CHAT_VISION", "auto", "auto", "on", "off")
IMAGE_MODEL: str = env.str("IMAGE_MODEL", default="")
DEMO_TOKENS_PER_SECOND = env.float("DEMO_TOKENS_PER_SECOND", default=50.0)
_paints = bool(OPENAI_API_KEY or (OPENAI_BASE_URL and IMAGE_MODEL))
IMAGE_BACKEND = _choice("IMAGE_BACKEND", "openai" if _paints else "local", "openai", "local")
if IMAGE_BACKEND == "openai" and not (OPENAI_API_KEY or OPENAI_BASE_URL):
    raise ImproperlyConfigured(
        "IMAGE_BACKEND=openai needs OPENAI_API_KEY, or OPENAI_BASE_URL and IMAGE_MODEL."
    )

# Files
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default="") or DATA_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "project.npm.NpmFinder",
]
MEDIA_ROOT = DATA_DIR / "media"
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": MEDIA_ROOT},
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if LOCAL
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = LOCAL
if LOCAL:  # nothing is collected there, and WhiteNoise would say at every start that the folder is missing
    warnings.filterwarnings("ignore", message="No directory at", module="django.core.handlers.base")
WHITENOISE_AUTOREFRESH = DEBUG
# Where a proxy hands out private files: the prefix of a location that it serves from MEDIA_ROOT, to us alone.
MEDIA_ACCEL: str = env.str("MEDIA_ACCEL", default="").rstrip("/")
UPLOAD_BYTES_MAX = 10 * 1024 * 1024
BODY_BYTES_MAX = 12 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# The browser's doors
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = HTTPS
# What each process is asked by itself: by its own address, in plain HTTP.
PROBES = ("/healthz", "/readyz")
SECURE_REDIRECT_EXEMPT = [f"^{probe[1:]}$" for probe in PROBES]
# For how much of the domain browsers insist on HTTPS from then on, for a year. Only the domain's owner knows what else
# lives there, so the checks that ask for all of it are silent.
HSTS = _choice("HSTS", "host", "host", "subdomains", "preload")
SECURE_HSTS_SECONDS = 60 * 60 * 24 * 365 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HSTS in ("subdomains", "preload")
SECURE_HSTS_PRELOAD = HSTS == "preload"
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS and TRUSTED_PROXIES else None
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)-7s %(name)s  %(message)s"}},
    "filters": {"not_ready": {"()": "project.logs.WithoutNotReady"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "chat": {"level": LOG_LEVEL},
        "project": {"level": LOG_LEVEL},
        "django.request": {"filters": ["not_ready"]},
    },
}
