"""Patients, their cases, the scans sent for them and what readers decided."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from datetime import date

import pghistory
import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q, Value, When
from django.db.models.functions import Upper
from django.utils import timezone

from accounts.append_only import NEVER_EMPTIED, WRITTEN_ONCE
from accounts.models import Site, SiteScopedQuerySet, User
from accounts.refusals import LONGEST_REASON, WrongState
from cases.validators import validate_not_in_future, validate_one_line


class Label(models.TextChoices):
    COVID = "covid", "COVID-19"
    NON_COVID = "non_covid", "Not COVID-19"
    CANNOT_TELL = "cannot_tell", "Cannot tell"


class Decision(models.TextChoices):
    """What the model says of a scan, in the words that people see."""

    COVID = "covid", "COVID-19 likely"
    UNCERTAIN = "uncertain", "Uncertain, please read"
    UNSUITABLE = "unsuitable", "Not suitable for the model"
    NON_COVID = "non_covid", "COVID-19 unlikely"


# The most worrying first: a case shows the first of these that any of its scans has.
DECISIONS_BY_CONCERN = [
    Decision.COVID,
    Decision.UNCERTAIN,
    Decision.UNSUITABLE,
    Decision.NON_COVID,
]


class Sex(models.TextChoices):
    FEMALE = "F", "Female"
    MALE = "M", "Male"
    OTHER = "O", "Other"
    UNKNOWN = "U", "Unknown"


class PatientQuerySet(SiteScopedQuerySet):
    def matching(self, text: str) -> PatientQuerySet:
        return self.filter(Q(record_number__icontains=text) | Q(name__icontains=text))


@pghistory.track(
    fields=["record_number", "name", "birth_date", "sex"],
    model_name="PatientVersion",
    obj_field=pghistory.ObjForeignKey(related_name="versions"),
    meta={"triggers": [NEVER_EMPTIED]},  # the rest is PGHISTORY_APPEND_ONLY
)
class Patient(models.Model):
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="patients")
    record_number = models.CharField("medical record number", max_length=64, validators=[validate_one_line])
    name = models.CharField(max_length=200, validators=[validate_one_line])
    birth_date = models.DateField("date of birth", null=True, blank=True, validators=[validate_not_in_future])
    sex = models.CharField(max_length=1, choices=Sex, default=Sex.UNKNOWN)
    pseudonym = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    is_synthetic = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", editable=False, null=True)

    objects = PatientQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint("site", Upper("record_number"), name="patient_record_number_unique_in_site"),
            models.CheckConstraint(condition=~Q(record_number=""), name="patient_has_number"),
            models.CheckConstraint(condition=Q(sex__in=Sex.values), name="patient_sex_known"),
        ]
        indexes = [
            GinIndex(OpClass(Upper("name"), "gin_trgm_ops"), name="patient_name_trgm"),
            GinIndex(OpClass(Upper("record_number"), "gin_trgm_ops"), name="patient_number_trgm"),
            models.Index(fields=["site", "name", "id"]),
        ]

    def __str__(self) -> str:
        return f"Patient {self.pk}"

    def age_on(self, day: date) -> int | None:
        if self.birth_date is None:
            return None
        before_birthday = (day.month, day.day) < (self.birth_date.month, self.birth_date.day)
        return day.year - self.birth_date.year - before_birthday

    @property
    def age(self) -> int | None:
        return self.age_on(timezone.localdate())


class Priority(models.TextChoices):
    EMERGENCY = "emergency", "Emergency"
    URGENT = "urgent", "Urgent"
    ROUTINE = "routine", "Routine"


class CaseStatus(models.TextChoices):
    OPEN = "open", "Open"
    IN_REVIEW = "in_review", "In review"
    DECIDED = "decided", "Decided"
    CLOSED = "closed", "Closed"
    CANCELLED = "cancelled", "Cancelled"


# Nothing is done in such a case until it is reopened.
SETTLED = (CaseStatus.CLOSED, CaseStatus.CANCELLED)


class CaseQuerySet(SiteScopedQuerySet):
    site_path = "patient__site"

    def active(self) -> CaseQuerySet:
        return self.exclude(status__in=SETTLED)


ATTENTION_RANK = models.Case(
    When(priority=Priority.EMERGENCY, then=Value(0)),
    When(priority=Priority.URGENT, then=Value(10)),
    default=Value(20),
    output_field=models.SmallIntegerField(),
) + models.Case(
    When(decision=Decision.COVID, then=Value(0)),
    When(decision=Decision.UNCERTAIN, then=Value(1)),
    When(decision=Decision.NON_COVID, then=Value(3)),
    default=Value(2),
    output_field=models.SmallIntegerField(),
)

# A decided case ranks behind those of the next lower priority that are to be read: a decided emergency neither hides
# one that waits nor sinks below routine. Cases without a scan follow, closed and cancelled ones come last.
RANK_OF_DECIDED, RANK_OF_EMPTY, RANK_OF_SETTLED = 15, 60, 100
WORKLIST_RANK = ATTENTION_RANK + models.Case(
    When(status__in=SETTLED, then=Value(RANK_OF_SETTLED)),
    When(needs_review=True, then=Value(0)),
    When(final_label__isnull=False, then=Value(RANK_OF_DECIDED)),
    default=Value(RANK_OF_EMPTY),
    output_field=models.SmallIntegerField(),
)


@pghistory.track(
    fields=["accession_number", "reason", "priority", "assigned_reader", "status", "patient"],
    model_name="CaseVersion",
    obj_field=pghistory.ObjForeignKey(related_name="versions"),
    meta={"triggers": [NEVER_EMPTIED]},  # the rest is PGHISTORY_APPEND_ONLY
)
class Case(models.Model):
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="cases")
    accession_number = models.CharField(max_length=64, blank=True, validators=[validate_one_line])
    reason = models.TextField("reason for the examination", blank=True, max_length=2000)
    priority = models.CharField(max_length=12, choices=Priority, default=Priority.ROUTINE)
    assigned_reader = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="assigned_cases"
    )
    status = models.CharField(max_length=12, choices=CaseStatus, default=CaseStatus.OPEN, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", editable=False, null=True)
    closed_at = models.DateTimeField(null=True, editable=False)
    cancelled_reason = models.CharField(max_length=LONGEST_REASON, blank=True, editable=False)

    # Summaries of the scans, kept by cases.summaries so that the worklist is one indexed query.
    decision = models.CharField(max_length=12, choices=Decision, null=True, editable=False)
    final_label = models.CharField(max_length=12, choices=Label, null=True, editable=False)
    needs_review = models.BooleanField(default=False, editable=False)
    readers_disagree = models.BooleanField(default=False, editable=False)
    # How much a label would teach the next model, 0 to 1: the most of its scans that still want one.
    label_value = models.FloatField(default=0.0, editable=False)
    attention = models.GeneratedField(
        expression=ATTENTION_RANK, output_field=models.SmallIntegerField(), db_persist=True
    )
    worklist_rank = models.GeneratedField(
        expression=WORKLIST_RANK, output_field=models.SmallIntegerField(), db_persist=True
    )

    objects = CaseQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status=CaseStatus.CLOSED, closed_at__isnull=False)
                | (~Q(status=CaseStatus.CLOSED) & Q(closed_at=None)),
                name="case_closed_has_date",
            ),
            models.CheckConstraint(condition=Q(status__in=CaseStatus.values), name="case_status_known"),
            models.CheckConstraint(
                condition=~Q(status=CaseStatus.CANCELLED) | ~Q(cancelled_reason=""), name="case_cancelled_has_reason"
            ),
            models.CheckConstraint(condition=Q(priority__in=Priority.values), name="case_priority_known"),
        ]
        indexes = [
            models.Index(fields=["worklist_rank", "created_at", "id"], name="case_by_rank"),
            models.Index(
                fields=["attention", "created_at", "id"],
                condition=Q(needs_review=True),
                name="case_to_read",
            ),
            models.Index(fields=["-needs_review", "-label_value", "created_at", "id"], name="case_label_value"),
            GinIndex(OpClass(Upper("accession_number"), "gin_trgm_ops"), name="case_acc_trgm"),
        ]

    def __str__(self) -> str:
        return f"Case {self.pk}"

    @property
    def site(self) -> Site:
        return self.patient.site

    @property
    def is_closed(self) -> bool:
        return self.status == CaseStatus.CLOSED

    @property
    def is_cancelled(self) -> bool:
        return self.status == CaseStatus.CANCELLED

    @property
    def is_settled(self) -> bool:
        """Closed or cancelled: nothing is done in it until it is reopened."""
        return self.status in SETTLED

    def require_not_closed(self) -> None:
        """Nor cancelled."""
        if self.is_settled:
            raise WrongState(f"Case {self.pk} is {self.get_status_display().lower()}; reopen it first.")

    def start_review(self) -> None:
        """The first decision of a reader moves the case on; later ones leave it where it is."""
        self.require_not_closed()
        if self.status == CaseStatus.OPEN:
            self.status = CaseStatus.IN_REVIEW
            self.save(update_fields=["status"])

    def end_review(self) -> None:
        """Undoes `start_review` once the only decision in the case was withdrawn."""
        if not self.is_settled and not self.has_decisions:
            self.status = CaseStatus.OPEN
            self.save(update_fields=["status"])

    @property
    def has_decisions(self) -> bool:
        """Whether any reader holds a decision on a scan of the case."""
        return Review.objects.current().filter(scan__case=self).exists()

    def close(self) -> None:
        self.require_not_closed()
        if self.needs_review:
            raise WrongState(f"Case {self.pk} has scans without a final label; review them before closing it.")
        self.status, self.closed_at = CaseStatus.CLOSED, timezone.now()
        self.save(update_fields=["status", "closed_at"])

    def cancel(self, *, reason: str) -> None:
        self.require_not_closed()
        if self.has_decisions:
            raise WrongState(f"A reader has decided in case {self.pk}; close it instead of cancelling it.")
        self.status, self.cancelled_reason = CaseStatus.CANCELLED, reason
        self.save(update_fields=["status", "cancelled_reason"])

    def reopen(self) -> None:
        if not self.is_settled:
            raise WrongState(f"Case {self.pk} is not closed; there is nothing to reopen.")
        changed = "cancelled_reason" if self.is_cancelled else "closed_at"
        self.status = CaseStatus.IN_REVIEW if self.has_decisions else CaseStatus.OPEN
        self.closed_at, self.cancelled_reason = None, ""
        self.save(update_fields=["status", changed])


class ScanKind(models.TextChoices):
    DICOM = "dicom", "DICOM series"
    IMAGE = "image", "Images"


class ScanStatus(models.TextChoices):
    READY = "ready", "Ready"
    WITHDRAWN = "withdrawn", "Withdrawn"


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
    pixel_spacing = models.FloatField("pixel spacing (mm)", null=True)
    slice_thickness = models.FloatField("slice thickness (mm)", null=True)
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
    # How much a label would teach the next model, 0 to 1, if the readers had not given one: inference.label_value.
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
        return f"Scan {self.pk}"

    @property
    def site(self) -> Site:
        return self.case.patient.site

    @property
    def is_ready(self) -> bool:
        return self.status == ScanStatus.READY

    def require_ready(self) -> None:
        if not self.is_ready:
            raise WrongState(f"Scan {self.pk} is withdrawn; upload it again.")

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
        return f"Slice {self.position + 1} of scan {self.scan_id}"

    @property
    def site(self) -> Site:
        return self.scan.case.patient.site


class ReviewQuerySet(SiteScopedQuerySet):
    site_path = "scan__case__patient__site"

    def current(self) -> ReviewQuerySet:
        """What each reader holds now: the last of their reviews of a scan, unless it withdrew their only decision."""
        return self.latest_of_readers().exclude(label="")

    def latest_of_readers(self) -> ReviewQuerySet:
        """Gives the reviews that none has superseded, which the reader's next one supersedes."""
        return self.filter(superseded_by=None)


SUPERSEDES_OWN = pgtrigger.Trigger(
    name="supersedes_own",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    condition=pgtrigger.Q(new__supersedes__isnull=False),
    func="""
        IF NOT EXISTS (
            SELECT 1 FROM cases_review earlier WHERE earlier.id = NEW.supersedes_id
            AND earlier.scan_id = NEW.scan_id AND earlier.reader_id = NEW.reader_id
        ) THEN
            RAISE EXCEPTION 'A review supersedes only one of the same reader and scan';
        END IF;
        RETURN NEW;
    """,
)


class Review(models.Model):
    """One reader's decision on one scan. Never edited, only superseded by the same reader.

    A review that `withdraws` takes back the one that it supersedes and says again what the reader had held before: an
    earlier decision, or nothing, with an empty label.
    """

    LONGEST_REASON = 2000

    scan = models.ForeignKey(Scan, on_delete=models.PROTECT, related_name="reviews")
    reader = models.ForeignKey(User, on_delete=models.PROTECT, related_name="reviews")
    label = models.CharField(max_length=12, choices=Label, blank=True)
    withdraws = models.BooleanField(default=False)
    reason = models.CharField(max_length=LONGEST_REASON, blank=True)
    supersedes = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="superseded_by")
    # What the model had said, and whether the reader saw it before deciding.
    was_blinded = models.BooleanField(default=False)
    prediction_id = models.BigIntegerField(null=True)
    model_decision = models.CharField(max_length=12, choices=Decision, null=True)
    model_probability = models.FloatField(null=True)
    agrees = models.BooleanField(null=True, help_text="Empty where the model gave no answer to agree with.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["scan", "reader"],
                condition=Q(supersedes=None),
                name="review_first_unique_for_reader",
            ),
            models.CheckConstraint(
                condition=~Q(agrees=False) | Q(was_blinded=True) | ~Q(reason=""),
                name="review_override_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(label__in=Label.values) | Q(label="", withdraws=True), name="review_label_known"
            ),
            models.CheckConstraint(
                condition=Q(withdraws=False) | Q(supersedes__isnull=False), name="review_withdraws_another"
            ),
        ]
        triggers = [*WRITTEN_ONCE, SUPERSEDES_OWN]

    def __str__(self) -> str:
        return f"Review {self.pk}"

    @property
    def is_withdrawn(self) -> bool:
        return hasattr(self, "superseded_by") and self.superseded_by.withdraws

    @property
    def site(self) -> Site:
        return self.scan.case.patient.site


class ShownKind(models.TextChoices):
    ANSWER = "answer", "The model's answer"
    LABEL = "label", "A colleague's decision"


class ShownAnswer(models.Model):
    """What a person saw of a scan before deciding on it; whoever saw something no longer decides blinded."""

    scan = models.ForeignKey(Scan, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    what = models.CharField(max_length=8, choices=ShownKind)
    shown_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["shown_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["scan", "user", "what"], name="shown_answer_once"),
            models.CheckConstraint(condition=Q(what__in=ShownKind.values), name="shown_answer_kind_known"),
        ]
        triggers = WRITTEN_ONCE

    def __str__(self) -> str:
        return f"{self.get_what_display()} of scan {self.scan_id}, shown to user {self.user_id}"


class ReviewDraft(models.Model):
    """What one reader has chosen and typed for one scan and not recorded yet. Only that reader ever sees it."""

    scan = models.ForeignKey(Scan, on_delete=models.CASCADE, related_name="review_drafts")
    reader = models.ForeignKey(User, on_delete=models.CASCADE, related_name="review_drafts")
    label = models.CharField(max_length=12, choices=Label, blank=True)
    reason = models.CharField(max_length=2000, blank=True)
    closes_case = models.BooleanField(default=False)
    saved_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scan", "reader"], name="draft_unique_for_reader_and_scan"),
            models.CheckConstraint(condition=Q(label__in=["", *Label.values]), name="draft_label_known"),
            models.CheckConstraint(condition=~Q(label="", reason="", closes_case=False), name="draft_holds_something"),
        ]

    def __str__(self) -> str:
        return f"Draft {self.pk}"
