"""One settings file; everything that differs between installations comes from the environment.

The table of variables is in docs/operations.md.
"""

import os
from datetime import timedelta
from pathlib import Path

import environ
from celery.schedules import crontab, schedule
from csp.constants import NONE, SELF

from ctportal.public_url import public_url
from ctportal.standalone import embedded
from ctportal.standalone.secret_files import read_secret_files

read_secret_files(os.environ)
env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
CTPORTAL_HOME = Path(env.str("CTPORTAL_HOME", default=str(BASE_DIR / "var"))).resolve()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or embedded.secret_key(CTPORTAL_HOME)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- Applications -----------------------------------------------------------------------------

INSTALLED_APPS = [
    "accounts",
    "cases",
    "inference",
    "learning",
    "ctportal.demo",
    "ctportal.pages",
    "ctportal.api",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "csp",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pghistory",
    "pgtrigger",
    "rest_framework",
]

MIDDLEWARE = [
    "ctportal.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.language.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "ctportal.admin_addresses.AdminAddressMiddleware",
    "accounts.origin.OriginMiddleware",
    "accounts.refused_access.RefusedAccessMiddleware",
    "accounts.middleware.PrivateMiddleware",
    "accounts.middleware.WayBackMiddleware",
    "accounts.middleware.IdleTimeoutMiddleware",
    "accounts.middleware.TimezoneMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "ctportal.pages.shared.refusals.RefusalMiddleware",
    "pghistory.middleware.HistoryMiddleware",
]

ROOT_URLCONF = "ctportal.urls"
WSGI_APPLICATION = "ctportal.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "ctportal" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "ctportal.pages.shared.context.chrome",
            ],
        },
    },
]

# --- Database, cache, queue -------------------------------------------------------------------

DATABASES = {"default": env.db_url_config(env.str("DATABASE_URL", default="") or embedded.database_url(CTPORTAL_HOME))}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
IS_WEB = os.environ.get("CTPORTAL_PROCESS") == "web"  # ctportal/wsgi.py says so
STATEMENT_SECONDS = (
    env.float("WEB_STATEMENT_SECONDS", default=20) if IS_WEB else env.float("WORK_STATEMENT_SECONDS", default=0)
)  # 0 is no limit
DATABASES["default"].setdefault("OPTIONS", {}).update(
    connect_timeout=5, options=f"-c statement_timeout={int(STATEMENT_SECONDS * 1000)}"
)
PGHISTORY_APPEND_ONLY = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="") or embedded.redis_url(CTPORTAL_HOME)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "VERSION": 2,  # of what is stored there; an earlier release wrote it otherwise
        "OPTIONS": {"serializer": "ctportal.cache.JSONSerializer", "socket_timeout": 3},
    }
}

CELERY_BROKER_URL = embedded.broker_url(REDIS_URL)
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "inference.tasks.run_queued_predictions": {"queue": "inference"},
    "learning.tasks.run_queued_training": {"queue": "training"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # a Redis that refuses to write, as when its disk is full, is waited for
CELERY_WORKER_CONSUMER = "ctportal.broker:SteadyConsumer"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "ctportal.scheduler.PresentScheduler"
PREDICTION_SWEEP_SECONDS = env.int("PREDICTION_SWEEP_SECONDS", default=15)
TRAINING_SWEEP_SECONDS = env.int("TRAINING_SWEEP_SECONDS", default=15)
CELERY_BEAT_SCHEDULE = {
    "seal-events": {
        "task": "accounts.tasks.seal_new_events",
        "schedule": schedule(timedelta(seconds=60)),
        "options": {"expires": 60},
    },
    "log-event-head": {"task": "accounts.tasks.log_event_head", "schedule": crontab(hour=3, minute=45)},
    "tidy-up": {"task": "accounts.tasks.tidy_up", "schedule": crontab(hour=3, minute=30)},
    "forget-receipts": {"task": "ctportal.api.tasks.forget_receipts", "schedule": crontab(hour=3, minute=40)},
    "tidy-up-drafts": {"task": "cases.tasks.tidy_up_drafts", "schedule": crontab(hour=3, minute=40)},
    "sweep-training": {
        "task": "learning.tasks.sweep_training",
        "schedule": schedule(timedelta(seconds=TRAINING_SWEEP_SECONDS)),
        "options": {"expires": TRAINING_SWEEP_SECONDS},
    },
    "sweep-predictions": {
        "task": "inference.tasks.sweep_predictions",
        "schedule": schedule(timedelta(seconds=PREDICTION_SWEEP_SECONDS)),
        "options": {"expires": PREDICTION_SWEEP_SECONDS},
    },
}

# --- Inference ---------------------------------------------------------------------------------

MODEL_STORE = Path(env.str("MODEL_STORE", default=str(CTPORTAL_HOME / "models"))).resolve()
PREDICTION_BATCH_SCANS = env.int("PREDICTION_BATCH_SCANS", default=8)
PREDICTION_BATCH_SLICES = env.int("PREDICTION_BATCH_SLICES", default=128)
PREDICTION_LEASE_SECONDS = env.int("PREDICTION_LEASE_SECONDS", default=120)
PREDICTION_RUN_SECONDS = env.int("PREDICTION_RUN_SECONDS", default=60)
PREDICTION_LONGEST_SECONDS = env.int("PREDICTION_LONGEST_SECONDS", default=1800)
PREDICTION_MAX_ATTEMPTS = env.int("PREDICTION_MAX_ATTEMPTS", default=3)
INFERENCE_RECYCLE_BYTES = env.int("INFERENCE_RECYCLE_BYTES", default=1024**3)
INFERENCE_DEVICE = env.str("INFERENCE_DEVICE", default="auto")

# --- Training and promotion ----------------------------------------------------------------------

TRAINING_STORE = Path(env.str("TRAINING_STORE", default=str(CTPORTAL_HOME / "training"))).resolve()
TRAINING_LEASE_SECONDS = env.int("TRAINING_LEASE_SECONDS", default=120)
TRAINING_MAX_ATTEMPTS = env.int("TRAINING_MAX_ATTEMPTS", default=3)
TRAINING_SILENCE_SECONDS = env.int("TRAINING_SILENCE_SECONDS", default=3600)
TRAINING_LEAST_PATIENTS = env.int("TRAINING_LEAST_PATIENTS", default=10)  # of each label on the training side
GATE_SENSITIVITY_MARGIN = env.float("GATE_SENSITIVITY_MARGIN", default=0.05)
GATE_SPECIFICITY_FLOOR = env.float("GATE_SPECIFICITY_FLOOR", default=0.75)
GATE_UNANSWERED_MARGIN = env.float("GATE_UNANSWERED_MARGIN", default=0.15)
GATE_SPECIFICITY_MARGIN = env.float("GATE_SPECIFICITY_MARGIN", default=0.1)
GATE_CALIBRATION_MARGIN = env.float("GATE_CALIBRATION_MARGIN", default=0.05)
GATE_AUC_MARGIN = env.float("GATE_AUC_MARGIN", default=0.02)
GATE_POWER = env.float("GATE_POWER", default=0.8)
GATE_DISAGREEMENT = env.float("GATE_DISAGREEMENT", default=0.05)  # infected that the two models answer differently
GATE_LEAST_POSITIVES = env.int("GATE_LEAST_POSITIVES", default=10)  # infected test patients, whatever the power asks
ACCEPTANCE_LEAST_SCANS = env.int("ACCEPTANCE_LEAST_SCANS", default=60)  # decided at a site before a point is proposed
ACCEPTANCE_LEAST_OF_LABEL = env.int("ACCEPTANCE_LEAST_OF_LABEL", default=20)
ACCEPTANCE_SENSITIVITY = env.float("ACCEPTANCE_SENSITIVITY", default=0.95)  # that a proposed point keeps
ACCEPTANCE_WIDEST_INTERVAL = env.float("ACCEPTANCE_WIDEST_INTERVAL", default=0.35)
SUGGEST_AFTER_LABELS = env.int("SUGGEST_AFTER_LABELS", default=100)
SUGGEST_OVERRIDE_RATE = env.float("SUGGEST_OVERRIDE_RATE", default=0.2)

# --- Monitoring: from where on an alarm is raised, and from how many on a figure can raise one -----

MONITOR_MISSED_RATE = env.float("MONITOR_MISSED_RATE", default=0.1)
MONITOR_FALSE_ALARM_RATE = env.float("MONITOR_FALSE_ALARM_RATE", default=0.25)
MONITOR_OVERRIDE_RATE = env.float("MONITOR_OVERRIDE_RATE", default=0.2)
MONITOR_ABSTENTION_RATE = env.float("MONITOR_ABSTENTION_RATE", default=0.3)
MONITOR_UNSUITABLE_RATE = env.float("MONITOR_UNSUITABLE_RATE", default=0.1)
MONITOR_UNLIKE_RATE = env.float("MONITOR_UNLIKE_RATE", default=0.25)
MONITOR_FAILURE_RATE = env.float("MONITOR_FAILURE_RATE", default=0.05)
MONITOR_WAIT_SECONDS = env.float("MONITOR_WAIT_SECONDS", default=300)
MONITOR_PSI_NOTICE = env.float("MONITOR_PSI_NOTICE", default=0.1)
MONITOR_PSI_ALARM = env.float("MONITOR_PSI_ALARM", default=0.25)
MONITOR_KAPPA = env.float("MONITOR_KAPPA", default=0.6)
MONITOR_LEAST_SCANS = env.int("MONITOR_LEAST_SCANS", default=50)
MONITOR_LEAST_REVIEWS = env.int("MONITOR_LEAST_REVIEWS", default=30)
MONITOR_LEAST_INFECTED = env.int("MONITOR_LEAST_INFECTED", default=20)

DISK_LEAST_FREE_BYTES = env.int("DISK_LEAST_FREE_BYTES", default=1024**3)
CTPORTAL_DATA_DIR = env.str("CTPORTAL_DATA_DIR", default="")

# --- Uploads and files -------------------------------------------------------------------------

MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(CTPORTAL_HOME / "media"))).resolve()
STORAGES = {
    "default": {"BACKEND": "cases.storage.WholeFileStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
FILE_UPLOAD_HANDLERS = ["cases.upload_handlers.UnaskedUploadHandler"]
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
UPLOAD_MAX_FILE_BYTES = env.int("UPLOAD_MAX_FILE_BYTES", default=512 * 1024**2)
UPLOAD_MAX_FILES = env.int("UPLOAD_MAX_FILES", default=2000)
UPLOAD_MAX_PIXELS = env.int("UPLOAD_MAX_PIXELS", default=16_777_216)
UPLOAD_MAX_REQUEST_BYTES = env.int("UPLOAD_MAX_REQUEST_BYTES", default=2048 * 1024**2)
UPLOAD_TOTAL_PIXELS = env.int("UPLOAD_TOTAL_PIXELS", default=2**31)
UPLOAD_TOTAL_SLICES = env.int("UPLOAD_TOTAL_SLICES", default=10_000)
UPLOAD_TOTAL_SECONDS = env.int("UPLOAD_TOTAL_SECONDS", default=300)
UPLOAD_FILE_SECONDS = env.int("UPLOAD_FILE_SECONDS", default=120)
UPLOAD_FILE_MEMORY_BYTES = env.int("UPLOAD_FILE_MEMORY_BYTES", default=640 * 1024**2)
UPLOAD_DECODERS = env.int("UPLOAD_DECODERS", default=2)
UPLOAD_WAIT_SECONDS = env.int("UPLOAD_WAIT_SECONDS", default=120)
UPLOADS_AT_ONCE = env.int("UPLOADS_AT_ONCE", default=2)
UPLOAD_SPOOL = Path(env.str("UPLOAD_SPOOL", default=str(CTPORTAL_HOME / "incoming"))).resolve()
DATA_UPLOAD_MAX_NUMBER_FILES = UPLOAD_MAX_FILES
WEB_HEADER_SECONDS = env.float("WEB_HEADER_SECONDS", default=15)
WEB_BODY_SECONDS = env.float("WEB_BODY_SECONDS", default=30)
WEB_BODY_BYTES_A_SECOND = env.int("WEB_BODY_BYTES_A_SECOND", default=16 * 1024)
WEB_MOST_SPOOLED_BYTES = env.int("WEB_MOST_SPOOLED_BYTES", default=4 * 1024**3)  # of each web process
UID_REMAP_KEY = env.str("UID_REMAP_KEY", default="") or f"uid-remap:{SECRET_KEY}"

# --- People, sessions, passwords ---------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.OneHashBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 3600  # seconds; a mailed link is as good as a password
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "worklist"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "change_password": "ctportal.pages.account.forms.NewPasswordForm",
    "login": "ctportal.pages.account.forms.PlainLoginForm",
    "reset_password": "ctportal.pages.account.forms.ResetLinkForm",
}
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = {
    "login": "60/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "change_password": "5/m/user",
    "reset_password": "20/m/ip,5/m/key",
    "reset_password_from_key": "20/m/ip",
}
SESSION_IDLE_MINUTES = env.int("SESSION_IDLE_MINUTES", default=30)
SESSION_COOKIE_AGE = env.int("SESSION_MAX_HOURS", default=12) * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_NAME = "ctportal_session"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # messages name patients; cookies must not
EVENT_ADDRESSES = env.str("EVENT_ADDRESSES", default="full")  # or network, hash, none
API_TOKEN_MAX_DAYS = env.int("API_TOKEN_MAX_DAYS", default=365)

EMAIL_CONFIG = env.email_url_config(env.str("EMAIL_URL", default="") or "filemail://")
vars().update(EMAIL_CONFIG)
EMAIL_FILE_PATH = CTPORTAL_HOME / "mail"  # of `filemail://`, and only there
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="ctportal@localhost")

# --- Web security ------------------------------------------------------------------------------

HTTPS = env.bool("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
if HTTPS:  # the browser then takes these cookies from this host alone, over HTTPS alone
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"__Host-{SESSION_COOKIE_NAME}", "__Host-csrftoken"
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
PROXIES = 1 if env.bool("BEHIND_PROXY", default=False) else 0
ALLAUTH_TRUSTED_PROXY_COUNT = PROXIES
ADMIN_NETWORKS = env.list("ADMIN_NETWORKS", default=[])
PUBLIC_URL = public_url(
    env.str("PUBLIC_URL", default=""),
    hosts=ALLOWED_HOSTS,
    port=env.int("PORT", default=8000),
    is_https=HTTPS,
    is_behind_proxy=bool(PROXIES),
)
if PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- REST --------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "ctportal.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["ctportal.api.permissions.HasScope"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "ctportal.api.pagination.CursorPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PARSER_CLASSES": ["ctportal.api.parsers.BoundedJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["ctportal.api.throttling.CallerThrottle"],
    "NUM_PROXIES": PROXIES,
    "DEFAULT_THROTTLE_RATES": {"user": env.str("API_RATE", default="1200/min")},
    "EXCEPTION_HANDLER": "ctportal.api.problems.problem_details",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ctportal",
    "DESCRIPTION": "Case management for chest CT read by a model and decided by doctors. "
    "Research use; not for diagnosis.\n\n"
    "Errors are problem documents (RFC 9457). Lists come in pages: follow `next`. "
    "Everything is seen only inside the caller's own sites.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "ctportal.api.schema.add_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "CaseStatus": "cases.models.CaseStatus",
        "Decision": "cases.models.Decision",
        "Exclusion": "learning.models.Exclusion",
        "Label": "cases.models.Label",
        "Method": "learning.models.Method",
        "ModelStatus": "inference.models.ModelStatus",
        "OverrideStatus": "learning.models.OverrideStatus",
        "PredictionStatus": "inference.models.PredictionStatus",
        "Priority": "cases.models.Priority",
        "ScanKind": "cases.models.ScanKind",
        "ScanStatus": "cases.models.ScanStatus",
        "Sex": "cases.models.Sex",
        "Split": "learning.models.Split",
        "TrainingStatus": "learning.models.TrainingStatus",
    },
    "TAGS": [
        {"name": "me", "description": "Who calls, and with which token."},
        {"name": "sites", "description": "Hospital departments: the border that no patient's data crosses."},
        {"name": "patients", "description": "People whose scans are read."},
        {"name": "cases", "description": "Examinations: opened, read, closed."},
        {"name": "scans", "description": "Series and pictures; the address to poll for the model's answer."},
        {"name": "slices", "description": "The pictures of a scan, their originals and the model's maps."},
        {"name": "predictions", "description": "What a model says of a scan."},
        {"name": "reviews", "description": "What readers decide."},
        {"name": "labels", "description": "The labelled set that the readers' decisions make."},
        {"name": "base-sets", "description": "Labelled folders from elsewhere, imported to train on."},
        {"name": "datasets", "description": "Frozen versions of the labelled set."},
        {"name": "learning", "description": "What comes next in the learning loop, and what it still needs."},
        {"name": "training-runs", "description": "Training runs, started by a person, one at a time."},
        {"name": "comparisons", "description": "Champion against challenger, the promotion criteria, and promotion."},
        {"name": "monitoring", "description": "How the models in service do."},
        {"name": "models", "description": "The registered models, their cards, and which is in service."},
    ],
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}

# --- Language, time, static files, logs --------------------------------------------------------

LANGUAGE_CODE = "en"  # of the texts in the code, of what is stored, and of logs
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "ctportal" / "locale"]
FORMAT_MODULE_PATH = ["ctportal.formats"]
USE_I18N = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(CTPORTAL_HOME / "static"))).resolve()
STATICFILES_DIRS = [BASE_DIR / "ctportal" / "static"]
FORM_RENDERER = "ctportal.pages.shared.rendering.PortalRenderer"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "ctportal.logs.DiscreetFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {"django.request": {"level": "ERROR"}, "pydicom": {"level": "ERROR"}},
}
