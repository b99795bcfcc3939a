"""Stores cases: one request to examine a patient, its state, and its place in the worklist."""

from __future__ import annotations

import pghistory
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q, Value, When
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.append_only import NEVER_EMPTIED
from accounts.models import Site, SiteScopedQuerySet, User
from accounts.refusals import LONGEST_REASON, WrongState
from accounts.wording import in_sentence
from cases.models.choices import Decision, Label
from cases.models.patients import Patient
from cases.validators import validate_one_line


class Priority(models.TextChoices):
    EMERGENCY = "emergency", gettext_lazy("Emergency")
    URGENT = "urgent", gettext_lazy("Urgent")
    ROUTINE = "routine", gettext_lazy("Routine")


class CaseStatus(models.TextChoices):
    OPEN = "open", gettext_lazy("Open")
    IN_REVIEW = "in_review", gettext_lazy("In review")
    DECIDED = "decided", gettext_lazy("Decided")
    CLOSED = "closed", gettext_lazy("Closed")
    CANCELLED = "cancelled", gettext_lazy("Cancelled")


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
    reason = models.TextField(gettext_lazy("reason for the examination"), blank=True, max_length=2000)
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
    # How useful a label would be for training, 0 to 1: the highest value of its scans that still need one.
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
            models.Index(
                fields=["worklist_rank", "created_at", "id"],
                condition=~Q(status__in=SETTLED),
                name="case_active",
            ),
            models.Index(fields=["assigned_reader"], condition=~Q(status__in=SETTLED), name="case_active_of_reader"),
            models.Index(fields=["created_at", "id"], name="case_by_day"),
            models.Index(fields=["accession_number", "id"], name="case_by_accession"),
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
        """Says whether it is closed or cancelled: nothing is done in it until it is reopened."""
        return self.status in SETTLED

    @property
    def is_reviewed(self) -> bool:
        """Whether any reader holds a decision on any of its scans, also on a withdrawn one."""
        return self.scans.filter(reviews__superseded_by=None, reviews__label__in=Label.values).exists()

    def require_not_closed(self) -> None:
        """Refuses a closed or cancelled case."""
        if self.is_settled:
            raise WrongState(
                _("Case %(self)s is %(status)s; reopen it first.")
                % {"self": self.pk, "status": in_sentence(self.get_status_display())}
            )

    def start_review(self) -> None:
        """The first decision of a reader moves the case on; later ones leave it where it is."""
        self.require_not_closed()
        if self.status == CaseStatus.OPEN:
            self.status = CaseStatus.IN_REVIEW
            self.save(update_fields=["status"])

    def end_review(self) -> None:
        """Undoes `start_review` once the only decision in the case was withdrawn."""
        if not self.is_settled and not self.is_reviewed:
            self.status = CaseStatus.OPEN
            self.save(update_fields=["status"])

    def close(self) -> None:
        self.require_not_closed()
        if self.needs_review:
            raise WrongState(
                _("Case %(self)s has scans without a final label; review them before closing it.") % {"self": self.pk}
            )
        self.status, self.closed_at = CaseStatus.CLOSED, timezone.now()
        self.save(update_fields=["status", "closed_at"])

    def cancel(self, *, reason: str) -> None:
        self.require_not_closed()
        if self.is_reviewed:
            raise WrongState(
                _("A reader has decided in case %(self)s; close it instead of cancelling it.") % {"self": self.pk}
            )
        self.status, self.cancelled_reason = CaseStatus.CANCELLED, reason
        self.save(update_fields=["status", "cancelled_reason"])

    def reopen(self) -> None:
        if not self.is_settled:
            raise WrongState(_("Case %(self)s is not closed; there is nothing to reopen.") % {"self": self.pk})
        changed = "cancelled_reason" if self.is_cancelled else "closed_at"
        self.status = CaseStatus.IN_REVIEW if self.is_reviewed else CaseStatus.OPEN
        self.closed_at, self.cancelled_reason = None, ""
        self.save(update_fields=["status", changed])
