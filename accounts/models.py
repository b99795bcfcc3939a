"""Who may do what where: users, sites, memberships, API tokens, and the record of what was done."""

from __future__ import annotations

import hashlib
import secrets
import zoneinfo
from datetime import datetime
from typing import ClassVar, Self

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.append_only import WRITTEN_ONCE

AGENT_LENGTH = 200


def validate_timezone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("“%(name)s” is not a time zone; use a name such as Europe/Berlin.") % {"name": name})


class Theme(models.TextChoices):
    AUTO = "auto", gettext_lazy("As the device")
    LIGHT = "light", gettext_lazy("Light")
    DARK = "dark", gettext_lazy("Dark reading")


class Language(models.TextChoices):
    """The languages of the pages, each by its own name."""

    ENGLISH = "en", "English"
    GERMAN = "de", "Deutsch"
    FRENCH = "fr", "Français"
    SPANISH = "es", "Español"


class User(AbstractUser):
    email = models.EmailField(gettext_lazy("email address"))
    language = models.CharField(gettext_lazy("language"), max_length=8, blank=True, choices=Language)
    timezone = models.CharField(gettext_lazy("time zone"), max_length=64, blank=True, validators=[validate_timezone])
    theme = models.CharField(max_length=8, choices=Theme, default=Theme.AUTO)

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique"),
            models.CheckConstraint(condition=Q(language__in=["", *Language.values]), name="user_language_known"),
        ]

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username

    @property
    def name_on_record(self) -> str:
        """Names the person in lists of acts: display names change and repeat, so the user name is added."""
        full = self.get_full_name()
        return f"{full} ({self.username})" if full else self.username


class SiteScopedQuerySet(models.QuerySet):
    """The one reading rule: rows of the sites in which the user has a membership."""

    site_path: ClassVar[str] = "site"

    def visible_to(self, user: User | AnonymousUser) -> Self:
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_superuser:
            return self.all()
        mine = Membership.objects.filter(user=user).values("site")
        return self.filter(**{f"{self.site_path}__in": mine})


class SiteQuerySet(SiteScopedQuerySet):
    site_path = "pk"


class Site(models.Model):
    """A hospital department: the border that no patient's data crosses."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(unique=True)
    blinded_reads = models.BooleanField(
        default=False,
        help_text="Readers decide before they see what the model says.",
    )
    awaits_validation = models.BooleanField(
        default=False,
        help_text="A model's answers stay hidden until the managers have accepted it here.",
    )
    language = models.CharField(gettext_lazy("language"), max_length=8, blank=True, choices=Language)
    time_zone = models.CharField(gettext_lazy("time zone"), max_length=64, blank=True, validators=[validate_timezone])
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SiteQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(language__in=["", *Language.values]), name="site_language_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    CLINICIAN = "clinician", gettext_lazy("Clinician")
    READER = "reader", gettext_lazy("Reader")
    MANAGER = "manager", gettext_lazy("Manager")


class Membership(models.Model):
    """One role of one user at one site; a person with two roles has two."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role)

    class Meta:
        ordering = ["site__name", "user__username", "role"]
        constraints = [
            models.UniqueConstraint(fields=["user", "site", "role"], name="membership_unique"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user.username}: {self.get_role_display()} at {self.site}"


class Scope(models.TextChoices):
    READ = "read", gettext_lazy("Read")
    UPLOAD = "upload", gettext_lazy("Upload")
    REVIEW = "review", gettext_lazy("Review")
    TRAIN = "train", gettext_lazy("Train")


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self) -> Self:
        return self.filter(revoked_at=None, expires_at__gt=timezone.now(), user__is_active=True).select_related("user")

    def issue(self, *, user: User, name: str, scopes: list[str], expires_at: datetime) -> tuple[ApiToken, str]:
        """Returns the token and its secret, which is shown once and stored only as a hash."""
        secret = f"ctp_{secrets.token_urlsafe(32)}"
        token = self.create(
            user=user,
            name=name,
            scopes=scopes,
            expires_at=expires_at,
            prefix=secret[:12],
            digest=ApiToken.digest_of(secret),
        )
        return token, secret


class ApiToken(models.Model):
    """Lets another system act as its user, inside the user's rights and the token's scopes."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=12, choices=Scope))
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()

    def revoke(self) -> None:
        if self.revoked_at is None:
            self.revoked_at = timezone.now()
            self.save(update_fields=["revoked_at"])

    def touch(self) -> None:
        """Notes the use, at most once a minute so that polling does not write each time."""
        now = timezone.now()
        if self.last_used_at is None or (now - self.last_used_at).total_seconds() > 60:
            type(self).objects.filter(pk=self.pk).update(last_used_at=now)


class PersonSession(models.Model):
    """A browser in which a person is logged in: of Django's session, whose it is and from where."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    key = models.CharField(max_length=40, unique=True, editable=False)
    began_at = models.DateTimeField(default=timezone.now, editable=False)
    seen_at = models.DateTimeField(default=timezone.now, editable=False)
    address = models.CharField(max_length=64, blank=True)
    agent = models.CharField(max_length=AGENT_LENGTH, blank=True)

    def __str__(self) -> str:
        return f"Session {self.pk}"


class Action(models.TextChoices):
    LOGIN = "login", gettext_lazy("Logged in")
    LOGIN_FAILED = "login_failed", gettext_lazy("Failed login")
    LOGOUT = "logout", gettext_lazy("Logged out")
    SESSION_ENDED = "session_ended", gettext_lazy("Ended another session")
    ACCESS_REFUSED = "access_refused", gettext_lazy("Access refused")
    PASSWORD_CHANGED = "password_changed", gettext_lazy("Changed the password")
    ACCOUNT_CREATED = "account_created", gettext_lazy("Made an account")
    ACCOUNT_CHANGED = "account_changed", gettext_lazy("Changed an account")
    TOKEN_ISSUED = "token_issued", gettext_lazy("Made an API token")
    TOKEN_REVOKED = "token_revoked", gettext_lazy("Revoked an API token")
    MEMBERSHIP_CHANGED = "membership_changed", gettext_lazy("Changed a membership")
    SITE_CREATED = "site_created", gettext_lazy("Made a site")
    SITE_CHANGED = "site_changed", gettext_lazy("Changed the site's settings")
    PATIENT_REGISTERED = "patient_registered", gettext_lazy("Registered a patient")
    PATIENT_AMENDED = "patient_amended", gettext_lazy("Amended a patient")
    PATIENT_VIEWED = "patient_viewed", gettext_lazy("Viewed a patient")
    LIST_VIEWED = "list_viewed", gettext_lazy("Viewed a list")
    CASE_OPENED = "case_opened", gettext_lazy("Opened a case")
    CASE_AMENDED = "case_amended", gettext_lazy("Amended a case")
    CASE_VIEWED = "case_viewed", gettext_lazy("Viewed a case")
    CASE_CLOSED = "case_closed", gettext_lazy("Closed a case")
    CASE_REOPENED = "case_reopened", gettext_lazy("Reopened a case")
    CASE_CANCELLED = "case_cancelled", gettext_lazy("Cancelled a case")
    SCAN_UPLOADED = "scan_uploaded", gettext_lazy("Uploaded a scan")
    UPLOAD_REFUSED = "upload_refused", gettext_lazy("Upload refused")
    PATIENT_CONFIRMED = "patient_confirmed", gettext_lazy("Confirmed the patient of an upload")
    SCANS_JOINED = "scans_joined", gettext_lazy("Joined scans into one")
    SCAN_SPLIT = "scan_split", gettext_lazy("Split a scan")
    SCAN_WITHDRAWN = "scan_withdrawn", gettext_lazy("Withdrew a scan")
    REVIEW_RECORDED = "review_recorded", gettext_lazy("Reviewed a scan")
    REVIEW_WITHDRAWN = "review_withdrawn", gettext_lazy("Withdrew a decision")
    FILE_DOWNLOADED = "file_downloaded", gettext_lazy("Downloaded a file")
    LABELS_EXPORTED = "labels_exported", gettext_lazy("Exported the labelled set")
    PREDICTION_REQUESTED = "prediction_requested", gettext_lazy("Asked for a prediction again")
    MODEL_REGISTERED = "model_registered", gettext_lazy("Registered a model")
    MODEL_ACTIVATED = "model_activated", gettext_lazy("Put a model into service")
    MODEL_PROMOTED = "model_promoted", gettext_lazy("Promoted a model")
    MODEL_ROLLED_BACK = "model_rolled_back", gettext_lazy("Rolled back to a model")
    MODEL_REFUSED = "model_refused", gettext_lazy("Refused a model")
    SHADOW_STARTED = "shadow_started", gettext_lazy("Started a model's shadow mode")
    SHADOW_STOPPED = "shadow_stopped", gettext_lazy("Stopped a model's shadow mode")
    ACCEPTANCE_DECIDED = "acceptance_decided", gettext_lazy("Decided on a model here")
    OVERRIDE_REQUESTED = "override_requested", gettext_lazy("Asked to override the gate")
    OVERRIDE_DECIDED = "override_decided", gettext_lazy("Decided on overriding the gate")
    REREAD_REQUESTED = "reread_requested", gettext_lazy("Had open cases read again")
    BASE_IMPORTED = "base_imported", gettext_lazy("Imported a base set")
    DATASET_BUILT = "dataset_built", gettext_lazy("Built a data set")
    DATASET_EXPORTED = "dataset_exported", gettext_lazy("Exported a data set")
    TRAINING_REQUESTED = "training_requested", gettext_lazy("Started a training run")
    TRAINING_CANCELLED = "training_cancelled", gettext_lazy("Cancelled a training run")
    TRAINING_ENDED = "training_ended", gettext_lazy("Training run ended")


class EventQuerySet(SiteScopedQuerySet):
    """Events of a site are for its managers; events without a site follow the actor's sites."""

    def visible_to(self, user: User | AnonymousUser) -> Self:
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_superuser:
            return self.all()
        managed = Membership.objects.filter(user=user, role=Role.MANAGER).values("site")
        colleagues = Membership.objects.filter(site__in=managed).values("user")
        return self.filter(Q(site__in=managed) | Q(site=None, actor__in=colleagues))


class Event(models.Model):
    """Who did or saw what, when. Append-only: the database refuses changes."""

    at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="events")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, related_name="events")
    action = models.CharField(max_length=24, choices=Action)
    case_id = models.BigIntegerField(null=True)
    subject_type = models.CharField(max_length=24, blank=True)
    subject_id = models.BigIntegerField(null=True)
    details = models.JSONField(default=dict, blank=True)
    address = models.CharField(max_length=64, blank=True, help_text="From where, as EVENT_ADDRESSES keeps it.")
    agent = models.CharField(max_length=AGENT_LENGTH, blank=True, help_text="What the caller's program calls itself.")

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(fields=["-at", "-id"], name="event_by_time"),
            models.Index(fields=["action", "-at"], name="event_by_action"),
            models.Index(fields=["site", "-at"]),
            models.Index(fields=["case_id", "-at"]),
            models.Index(fields=["actor", "-at"]),
        ]
        triggers = WRITTEN_ONCE

    def __str__(self) -> str:
        return f"{self.get_action_display()} at {self.at:%Y-%m-%d %H:%M}"


class EventSeal(models.Model):
    """An event's place in the chain of digests that `accounts.seals` makes and verifies."""

    position = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="seal")
    digest = models.CharField(max_length=64)

    class Meta:
        triggers = WRITTEN_ONCE

    def __str__(self) -> str:
        return f"Seal {self.position}"
