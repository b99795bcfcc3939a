"""Stores comparisons of champion and challenger on the same frozen patients, and what people made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.append_only import WRITTEN_ONCE
from accounts.models import User
from accounts.refusals import WrongState
from accounts.second_person import objection_to
from cases.models import Decision
from inference.models import ModelVersion
from inference.models.leases import LeasedQuerySet, LeasedRow, lease_constraints
from learning.models.datasets import Dataset, DatasetScan
from learning.models.training import RUN_ERROR_LENGTH, UNFINISHED, TrainingStatus


class ComparisonQuerySet(models.QuerySet["Comparison"]):
    def visible_to(self, user: User | AnonymousUser) -> ComparisonQuerySet:
        return self.filter(dataset__in=Dataset.objects.visible_to(user))


class Comparison(models.Model):
    """Both models on the test patients of one data set that neither has seen. Never edited."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="comparisons")
    champion = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="defended")
    challenger = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="challenged")
    figures = models.JSONField(default=dict, help_text="Read them with `learning.comparison.comparison_figures`.")
    passed = models.BooleanField(help_text="Whether the challenger meets every promotion criterion.")
    reasons = models.JSONField(default=list, help_text="The criteria and whether they are met, in words.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ComparisonQuerySet.as_manager()

    class Meta:
        db_table = "inference_comparison"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "champion", "challenger"], name="comparison_once"),
            models.CheckConstraint(condition=~Q(champion=F("challenger")), name="comparison_of_two"),
        ]
        triggers = WRITTEN_ONCE

    def __str__(self) -> str:
        return _("Comparison %(self)s") % {"self": self.pk}


class ComparedScan(models.Model):
    comparison = models.ForeignKey(Comparison, on_delete=models.PROTECT, related_name="scans")
    dataset_scan = models.ForeignKey(DatasetScan, on_delete=models.PROTECT, related_name="+")
    champion_decision = models.CharField(max_length=12, choices=Decision)
    champion_probability = models.FloatField()
    challenger_decision = models.CharField(max_length=12, choices=Decision)
    challenger_probability = models.FloatField()

    class Meta:
        db_table = "inference_comparedscan"
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["comparison", "dataset_scan"], name="compared_scan_once")]
        triggers = WRITTEN_ONCE

    def __str__(self) -> str:
        return _("Scan %(dataset_scan)s in comparison %(comparison)s") % {
            "dataset_scan": self.dataset_scan_id,
            "comparison": self.comparison_id,
        }


class ComparisonRequestQuerySet(LeasedQuerySet):
    def visible_to(self, user: User | AnonymousUser) -> ComparisonRequestQuerySet:
        return self.filter(dataset__in=Dataset.objects.visible_to(user))


class ComparisonRequest(LeasedRow):
    """Asks a training worker to compare two models: the row is the queue, its error says why it cannot be done."""

    lease_setting, attempts_setting = "TRAINING_LEASE_SECONDS", "TRAINING_MAX_ATTEMPTS"
    keeps_claim_when_abandoned = True

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="comparison_requests")
    champion = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    challenger = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="comparison_requests")
    status = models.CharField(max_length=12, choices=TrainingStatus, default=TrainingStatus.QUEUED, editable=False)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    error = models.CharField(max_length=RUN_ERROR_LENGTH, blank=True)
    comparison = models.ForeignKey(Comparison, on_delete=models.PROTECT, null=True, related_name="requests")

    objects = ComparisonRequestQuerySet.as_manager()

    class Meta:
        db_table = "inference_comparisonrequest"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "champion", "challenger"],
                condition=Q(status__in=UNFINISHED),
                name="comparison_request_once",
            ),
            models.CheckConstraint(condition=~Q(champion=F("challenger")), name="comparison_request_of_two"),
            *lease_constraints("comparison_request", TrainingStatus),
            models.CheckConstraint(
                condition=~Q(status="done") | Q(comparison__isnull=False), name="comparison_request_done_has_result"
            ),
        ]

    def __str__(self) -> str:
        return _("Comparison request %(self)s") % {"self": self.pk}

    @property
    def folder(self) -> Path:
        """For the images while it is at work; nothing is left there."""
        return settings.TRAINING_STORE / f"comparison-{self.pk}"

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED


class OverrideStatus(models.TextChoices):
    PENDING = "pending", gettext_lazy("Waiting for a second person")
    APPROVED = "approved", gettext_lazy("Approved")
    REFUSED = "refused", gettext_lazy("Refused")


class GateOverride(models.Model):
    """One person asks, with a reason, to promote against the criteria; another one decides."""

    comparison = models.ForeignKey(Comparison, on_delete=models.PROTECT, related_name="overrides")
    status = models.CharField(max_length=12, choices=OverrideStatus, default=OverrideStatus.PENDING, editable=False)
    reason = models.CharField(max_length=1000)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True, editable=False)
    comment = models.CharField(max_length=1000, blank=True)
    overridden = models.JSONField(
        default=list, blank=True, help_text="The criteria that were not met when it was approved, in words."
    )

    class Meta:
        db_table = "inference_gateoverride"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["comparison"], condition=Q(status="pending"), name="override_one_pending"),
            models.CheckConstraint(condition=~Q(reason=""), name="override_has_reason"),
            models.CheckConstraint(condition=~Q(decided_by=F("requested_by")), name="override_needs_second_person"),
            models.CheckConstraint(
                condition=Q(status="pending", decided_by=None, decided_at=None)
                | (~Q(status="pending") & Q(decided_by__isnull=False, decided_at__isnull=False)),
                name="override_decided_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return _("Override %(self)s") % {"self": self.pk}

    @property
    def is_pending(self) -> bool:
        return self.status == OverrideStatus.PENDING

    def decide(self, *, by: User, approved: bool, comment: str = "", overridden: Sequence[str] = ()) -> None:
        if not self.is_pending:
            raise WrongState(_("%(self)s was decided already.") % {"self": self})
        if objection := objection_to(by, first=self.requested_by, since=self.requested_at):
            raise WrongState(
                _("%(self)s needs a second person; %(objection)s.") % {"self": self, "objection": objection}
            )
        self.status = OverrideStatus.APPROVED if approved else OverrideStatus.REFUSED
        self.decided_by, self.decided_at, self.comment = by, timezone.now(), comment.strip()
        self.overridden = list(overridden)
        self.save(update_fields=["status", "decided_by", "decided_at", "comment", "overridden"])
