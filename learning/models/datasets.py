"""Stores frozen labelled sets: scans with their labels, patients and splits."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.append_only import WRITTEN_ONCE
from accounts.models import Site, User
from accounts.rights import Right, sites_with
from cases.models import Label, Scan

TRAINING_LABELS = [Label.COVID, Label.NON_COVID]


def stored_base_name(image: BaseImage, filename: str) -> str:
    token = uuid.uuid4().hex
    return f"base/{token[:2]}/{token[2:4]}/{token}"


class BaseSet(models.Model):
    """Describes a labelled folder from elsewhere, imported to train beside the installation's own cases."""

    name = models.CharField(max_length=120, unique=True)
    licence = models.CharField(max_length=500, blank=True)
    imported_at = models.DateTimeField(default=timezone.now, editable=False)
    imported_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        db_table = "inference_baseset"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class BaseImage(models.Model):
    """Describes one labelled image of a base set. `group` is the patient there, `scan` what is judged as one."""

    base_set = models.ForeignKey(BaseSet, on_delete=models.PROTECT, related_name="images")
    key = models.CharField(max_length=100, help_text="`sha256:` and the digest of the view, as a slice's key.")
    file_sha256 = models.CharField(max_length=64)
    label = models.CharField(max_length=12, choices=Label)
    group = models.CharField(max_length=120)
    scan = models.CharField(max_length=120)
    view = models.FileField(upload_to=stored_base_name, max_length=120)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()

    class Meta:
        db_table = "inference_baseimage"
        ordering = ["base_set", "group", "scan", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["base_set", "key"], name="base_image_unique_in_set"),
            models.CheckConstraint(condition=Q(label__in=TRAINING_LABELS), name="base_image_label_known"),
        ]
        indexes = [
            models.Index(fields=["base_set", "group", "scan"]),
            models.Index(fields=["base_set", "file_sha256"]),
            models.Index(fields=["key"]),
        ]
        triggers = WRITTEN_ONCE

    def __str__(self) -> str:
        return _("Image %(self)s of %(base_set)s") % {"self": self.pk, "base_set": self.base_set}


class Split(models.TextChoices):
    TRAIN = "train", gettext_lazy("Training")
    VALIDATION = "validation", gettext_lazy("Validation")
    TEST = "test", gettext_lazy("Test")


class PatientSplit(models.Model):
    """Records in which split a patient is: decided once, for every later data set."""

    patient_key = models.CharField(
        max_length=260, unique=True, help_text="`patient:<pseudonym>` or `base:<set>:<group>`."
    )
    split = models.CharField(max_length=12, choices=Split)
    assigned_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "inference_patientsplit"
        constraints = [models.CheckConstraint(condition=Q(split__in=Split.values), name="patient_split_known")]
        triggers = WRITTEN_ONCE

    def __str__(self) -> str:
        return _("Patient %(self)s: %(split)s") % {"self": self.pk, "split": self.split}


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def visible_to(self, user: User | AnonymousUser) -> DatasetQuerySet:
        """Whoever manages every site in it: a data set shows counts of all of them."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_superuser:
            return self.all()
        managed = sites_with(user, Right.MANAGE)
        if not managed.exists():
            return self.none()
        return self.exclude(sites__in=Site.objects.exclude(pk__in=managed.values("pk")))


class Dataset(models.Model):
    """Describes one frozen version of the labelled set. The same content is the same data set."""

    sites = models.ManyToManyField(Site, related_name="datasets")
    base_sets = models.ManyToManyField(BaseSet, related_name="datasets")
    previous = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="next_versions")
    content_hash = models.CharField(max_length=64, unique=True, editable=False)
    with_synthetic = models.BooleanField(default=False)
    consensus_only = models.BooleanField(default=False, help_text="Scans that only one reader decided stay out.")
    counts = models.JSONField(default=dict, help_text="What `learning.datasets.build.count` found when it froze.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    objects = DatasetQuerySet.as_manager()

    class Meta:
        db_table = "inference_dataset"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return _("Data set %(self)s") % {"self": self.pk}


class DatasetScan(models.Model):
    """A scan as it was frozen: its label, who gave it, its patient's side, and exactly which images."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="scans")
    scan = models.ForeignKey(Scan, on_delete=models.PROTECT, null=True, related_name="dataset_scans")
    base_set = models.ForeignKey(BaseSet, on_delete=models.PROTECT, null=True, related_name="dataset_scans")
    name = models.CharField(max_length=260, help_text="`scan-000012`, or `group/scan` of the base set.")
    patient = models.ForeignKey(PatientSplit, on_delete=models.PROTECT, related_name="dataset_scans")
    label = models.CharField(max_length=12, choices=Label)
    source = models.CharField(max_length=140, help_text="The slug of the site, or the name of the base set.")
    agreement = models.CharField(max_length=12, help_text="`single`, `consensus`, or `base`.")
    review_ids = ArrayField(models.BigIntegerField(), default=list)
    image_ids = ArrayField(models.BigIntegerField(), help_text="Of slices, or of base images, in order.")
    content_key = models.CharField(max_length=64, help_text="`Scan.content_key_of` its images.")

    class Meta:
        db_table = "inference_datasetscan"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "scan"], name="dataset_scan_once"),
            models.UniqueConstraint(fields=["dataset", "base_set", "name"], name="dataset_base_scan_once"),
            models.CheckConstraint(
                condition=Q(scan__isnull=False, base_set=None) | Q(scan=None, base_set__isnull=False),
                name="dataset_scan_has_one_origin",
            ),
            models.CheckConstraint(condition=Q(label__in=TRAINING_LABELS), name="dataset_scan_label_known"),
        ]
        triggers = WRITTEN_ONCE

    def __str__(self) -> str:
        return _("%(self)s of data set %(dataset)s") % {"self": self.name, "dataset": self.dataset_id}


class Exclusion(models.TextChoices):
    """The first reason why a scan of these sites is not in the data set."""

    WITHDRAWN = "withdrawn", gettext_lazy("Withdrawn")
    SYNTHETIC = "synthetic", gettext_lazy("Synthetic, drawn for demonstration")
    UNREVIEWED = "unreviewed", gettext_lazy("No reader has decided yet")
    DISAGREEMENT = "disagreement", gettext_lazy("The readers disagree")
    CANNOT_TELL = "cannot_tell", gettext_lazy("The readers cannot tell")
    SINGLE = "single", gettext_lazy("Only one reader has decided")
    UNSUITABLE = "unsuitable", gettext_lazy("Not suitable for the model")
    DUPLICATE = "duplicate", gettext_lazy("Its images are also another patient's")


class ExcludedScan(models.Model):
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="excluded_scans")
    scan = models.ForeignKey(Scan, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=12, choices=Exclusion)

    class Meta:
        db_table = "inference_excludedscan"
        ordering = ["scan_id"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "scan"], name="excluded_scan_once"),
            models.CheckConstraint(condition=Q(reason__in=Exclusion.values), name="excluded_scan_reason_known"),
        ]
        triggers = WRITTEN_ONCE

    def __str__(self) -> str:
        return _("Scan %(scan)s left out of data set %(dataset)s") % {"scan": self.scan_id, "dataset": self.dataset_id}
