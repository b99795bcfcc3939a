"""Stores scans and their slices."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Site, SiteScopedQuerySet, User
from accounts.refusals import LONGEST_REASON, WrongState
from cases.models.cases import Case
from cases.models.choices import Decision, Label


class ScanKind(models.TextChoices):
    DICOM = "dicom", gettext_lazy("DICOM series")
    IMAGE = "image", gettext_lazy("Images")


class ScanStatus(models.TextChoices):
    READY = "ready", gettext_lazy("Ready")
    WITHDRAWN = "withdrawn", gettext_lazy("Withdrawn")


class ScanQuerySet(SiteScopedQuerySet):
    site_path = "case__patient__site"

    def ready(self) -> ScanQuerySet:
        return self.filter(status=ScanStatus.READY)


class Scan(models.Model):
    """One series: what was sent together and is answered and reviewed as one."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="scans")
    kind = models.CharField(max_length=8, choices=ScanKind)
    status = models.CharField(max_length=12, choices=ScanStatus, default=ScanStatus.READY, editable=False)
    content_key = models.CharField(max_length=64, editable=False)
    series_key = models.CharField(max_length=80, blank=True, editable=False)
    # The study's UID, replaced under the installation's key as that of the series is.
    study_key = models.CharField(max_length=80, blank=True, editable=False)
    modality = models.CharField(max_length=16, blank=True)
    description = models.CharField(max_length=200, blank=True)
    pixel_spacing = models.FloatField(gettext_lazy("pixel spacing (mm)"), null=True)
    slice_thickness = models.FloatField(gettext_lazy("slice thickness (mm)"), null=True)
    slice_count = models.PositiveIntegerField()
    notes = ArrayField(models.CharField(max_length=300), default=list, help_text="What the upload's checks found.")
    is_synthetic = models.BooleanField(default=False, editable=False)
    uploaded_at = models.DateTimeField(default=timezone.now, editable=False)
    uploaded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    withdrawn_reason = models.CharField(max_length=LONGEST_REASON, blank=True)

    # Summaries kept by cases.summaries: the newest answer of the model and the readers' consensus.
    decision = models.CharField(max_length=12, choices=Decision, null=True, editable=False)
    probability = models.FloatField(null=True, editable=False)
    # The inference.Prediction behind the answer; no foreign key, since cases know nothing of models.
    prediction_id = models.BigIntegerField(null=True, editable=False)
    final_label = models.CharField(max_length=12, choices=Label, null=True, editable=False)
    readers_disagree = models.BooleanField(default=False, editable=False)
    # How many readers hold a decision on it.
    deciding_readers = models.PositiveSmallIntegerField(default=0, editable=False)
    # How useful a label would be for training, 0 to 1, had the readers given none: inference.label_value.
    label_value = models.FloatField(default=0.0, editable=False)

    objects = ScanQuerySet.as_manager()

    class Meta:
        ordering = ["uploaded_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["case", "content_key"],
                condition=Q(status=ScanStatus.READY),
                name="scan_content_unique_in_case",
            ),
            models.CheckConstraint(condition=Q(slice_count__gt=0), name="scan_has_slices"),
            models.CheckConstraint(condition=Q(status__in=ScanStatus.values), name="scan_status_known"),
            models.CheckConstraint(condition=Q(kind__in=ScanKind.values), name="scan_kind_known"),
            models.CheckConstraint(
                condition=~Q(status=ScanStatus.WITHDRAWN) | ~Q(withdrawn_reason=""),
                name="scan_withdrawn_has_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["series_key"], name="scan_series"),
            models.Index(fields=["study_key"], condition=~Q(study_key=""), name="scan_study"),
        ]

    def __str__(self) -> str:
        return _("Scan %(scan)s") % {"scan": self.pk}

    @property
    def described(self) -> str:
        """What the scanner calls the series; how many pictures there are where nobody calls it anything."""
        if self.kind == ScanKind.DICOM:
            return self.description or self.get_kind_display()
        if self.slice_count == 1:
            return _("Image")
        return ngettext("%(number)s image", "%(number)s images", self.slice_count) % {"number": self.slice_count}

    @property
    def site(self) -> Site:
        return self.case.patient.site

    @property
    def is_ready(self) -> bool:
        return self.status == ScanStatus.READY

    def require_ready(self) -> None:
        if not self.is_ready:
            raise WrongState(_("Scan %(self)s is withdrawn; upload it again.") % {"self": self.pk})

    def withdraw(self, *, reason: str) -> None:
        self.require_ready()
        self.status, self.withdrawn_reason = ScanStatus.WITHDRAWN, reason
        self.save(update_fields=["status", "withdrawn_reason"])

    @staticmethod
    def content_key_of(slice_keys: Iterable[str]) -> str:
        return hashlib.sha256("\n".join(sorted(slice_keys)).encode()).hexdigest()


def stored_name(slice_: Slice, filename: str) -> str:
    """Random, and spread over folders: nothing of the sender's name or the patient is kept."""
    token = uuid.uuid4().hex
    return f"scans/{token[:2]}/{token[2:4]}/{token}"


# How the name of a downloaded original ends.
FILE_ENDINGS = {
    "application/dicom": "dcm",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/tiff": "tif",
    "image/bmp": "bmp",
}


class SliceQuerySet(SiteScopedQuerySet):
    site_path = "scan__case__patient__site"


class Slice(models.Model):
    scan = models.ForeignKey(Scan, on_delete=models.PROTECT, related_name="slices")
    position = models.PositiveIntegerField(help_text="0 is the first slice from the head.")
    key = models.CharField(max_length=100, editable=False)
    frame = models.PositiveIntegerField(null=True, editable=False)
    media_type = models.CharField(max_length=32)
    original = models.FileField(upload_to=stored_name, max_length=120)
    view = models.FileField(upload_to=stored_name, max_length=120)
    # Of the view's file, to be compared whenever it is read; empty for slices of releases that did not keep it.
    view_sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()

    objects = SliceQuerySet.as_manager()

    class Meta:
        ordering = ["scan", "position"]
        constraints = [
            models.UniqueConstraint(fields=["scan", "position"], name="slice_position_unique"),
            models.UniqueConstraint(fields=["scan", "key"], name="slice_key_unique_in_scan"),
        ]
        indexes = [models.Index(fields=["key"], name="slice_key")]

    def __str__(self) -> str:
        return _("Slice %(number)s of scan %(scan)s") % {"number": self.position + 1, "scan": self.scan_id}

    @property
    def site(self) -> Site:
        return self.scan.case.patient.site
