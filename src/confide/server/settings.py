"""Django's settings, made from the configuration. Everything that is unsafe is off, and stays off."""

from __future__ import annotations

import secrets
from pathlib import Path

from confide.errors import Misconfigured
from confide.server import config, databases
from confide.server import logging as log

CONFIG = config.read()
_HERE = Path(__file__).parent

# The program

DEBUG = False  # there is no switch for it: Django's error pages show values
ROOT_URLCONF = "confide.server.urls"
WSGI_APPLICATION = "confide.server.wsgi.application"
INSTALLED_APPS = [
    "confide.server",
    "confide.incidents.notices",
    "confide.incidents",
    "confide.watch",
    "confide.records",
    "confide.vault",
    "confide.audit",
    "confide.access",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "django_htmx",
]
MIDDLEWARE = [
    "confide.server.proxies.Origin",
    "confide.server.middleware.Outermost",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "confide.server.sites.Border",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "confide.server.keeper.Keeper",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "confide.server.oidc.offers",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What is kept where

DATABASES = {
    "default": databases.parse(CONFIG.database_url),
    "keys": databases.parse_keys(CONFIG.keys_database_url),
}
DATABASE_ROUTERS = ["confide.server.databases.KeysRouter"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},  # uploads are never files
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # served from the package: there is no folder to collect into
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = CONFIG.body_limit
DATA_UPLOAD_MAX_MEMORY_SIZE = CONFIG.body_limit
CONFIDE_CLIENT_CEILING_PATIENTS = CONFIG.client_ceiling_patients
CONFIDE_PRACTICE_DAY_PATIENTS = CONFIG.practice_day_patients
CONFIDE_HOST_DAY_PATIENTS = CONFIG.host_day_patients
CONFIDE_CONCURRENT_HASHES = CONFIG.password_hashes
CONFIDE_IDLE_MINUTES = CONFIG.idle_minutes

# Who signs in

AUTH_USER_MODEL = "access.Account"
AUTHENTICATION_BACKENDS = ["confide.server.backend.Backend"]
PASSWORD_HASHERS = ["confide.access.hashing.Bounded"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "confide.server.validators.Strong"},
]
CSRF_FAILURE_VIEW = "confide.server.errors.csrf_failure"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "confide.server.adapter.Adapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_FORMS = {"change_password": "confide.server.forms.ChangePassword"}
# Allauth counts in the memory of one process; `throttle` counts these in the database.
ACCOUNT_RATE_LIMITS = {"login": None, "change_password": None}
MFA_ADAPTER = "confide.server.adapter.FactorAdapter"
MFA_SUPPORTED_TYPES = ["webauthn", "totp", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = (
    "required"  # a passkey alone signs in: whoever holds it has to prove it is theirs
)
MFA_RATE_LIMITS = False  # as above
SOCIALACCOUNT_ADAPTER = "confide.server.oidc.IssuerAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # an address that a provider writes proves nothing
SOCIALACCOUNT_AUTO_SIGNUP = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"  # nothing leaves by mail

# Sessions, cookies and headers

try:
    SECRET_KEY = config.read_secret(CONFIG.secret)
except Misconfigured:
    # Commands run before there is one, and sign nothing that outlives them; `serve` asks Config.check.
    SECRET_KEY = secrets.token_urlsafe(64)
ALLOWED_HOSTS = list(CONFIG.allowed_hosts)
_TLS = not (CONFIG.plain_http and CONFIG.host in config.LOOPBACK)
SECURE_SSL_REDIRECT = _TLS
SECURE_REDIRECT_EXEMPT = [r"^(fhir|vault|oauth)/", r"^openapi\.json$"]  # refused: sites.Border
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _TLS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_ENGINE = "confide.server.sessionstore"
SESSION_COOKIE_NAME = "__Host-session" if _TLS else "session"  # __Host-: Secure, this host only, path /
SESSION_COOKIE_SECURE = _TLS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # an identity provider leads back; `sites` turns other visitors away
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
DEVICE_COOKIE_NAME = "__Host-device" if _TLS else "device"
CSRF_COOKIE_NAME = "__Host-csrf" if _TLS else "csrf"
CSRF_COOKIE_SECURE = _TLS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # not in a cookie
MESSAGE_LEVEL = 40  # what failed; that something went well, the next page shows by itself

# Language, time, logs

LANGUAGE_CODE = "en-us"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
LOGGING = log.configuration(CONFIG.log_level)
