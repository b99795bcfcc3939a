"""Stores readers' decisions, what they had seen before deciding, and what they have not recorded yet."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.append_only import WRITTEN_ONCE
from accounts.models import Site, SiteScopedQuerySet, User
from cases.models.choices import Decision, Label
from cases.models.scans import Scan


class ReviewQuerySet(SiteScopedQuerySet):
    site_path = "scan__case__patient__site"

    def current(self) -> ReviewQuerySet:
        """Gives what each reader holds now: the last of their reviews, unless it withdrew their only decision."""
        return self.latest_of_readers().exclude(label="")

    def latest_of_readers(self) -> ReviewQuerySet:
        """Gives the reviews that none has superseded, which the reader's next one supersedes."""
        # As a left join the planner expects one row of it and nests loops over all; as this it plans a hash join.
        return self.filter(~Exists(Review.objects.filter(supersedes=OuterRef("pk"))))


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
    """One reader's decision on one scan is never edited, only superseded by the same reader.

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
    ANSWER = "answer", _("The model's answer")
    LABEL = "label", _("A colleague's decision")


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
    reason = models.CharField(max_length=Review.LONGEST_REASON, blank=True)
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
