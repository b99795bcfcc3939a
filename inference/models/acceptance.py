"""Stores what the managers of a site decided on a model's operating point there."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.append_only import WRITTEN_ONCE
from accounts.models import Site, SiteScopedQuerySet, User
from accounts.refusals import LONGEST_REASON
from inference.models.versions import ModelVersion
from ml.model.decision import Calibration

POINT_FIELDS = ("slope", "offset", "operating_point", "low", "high")


class AcceptanceChoice(models.TextChoices):
    ACCEPTED = "accepted", "Accepted"
    DECLINED = "declined", "Declined"
    REVERTED = "reverted", "Taken back"


class SiteAcceptanceQuerySet(SiteScopedQuerySet):
    site_path = "site"

    def deciding(self) -> SiteAcceptanceQuerySet:
        """Selects rows that changed what is in force: all but those that declined."""
        return self.exclude(choice=AcceptanceChoice.DECLINED)


def _point_is(present: bool) -> Q:
    return Q(**{f"{name}__isnull": not present for name in POINT_FIELDS})


class SiteAcceptance(models.Model):
    """Records one decision on a model's operating point at a site. It is never edited: a later one takes its place.

    An accepted row holds the operating point and the calibration; answers that were judged by it refer to it.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="acceptances")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="acceptances")
    number = models.PositiveIntegerField(help_text="Counts the decisions on this model at this site from 1.")
    choice = models.CharField(max_length=12, choices=AcceptanceChoice)
    # `ml.evaluation.site_point.calibrated` makes the site's probability of them and of the model's.
    slope = models.FloatField(null=True)
    offset = models.FloatField(null=True)
    operating_point = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    restores = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="+",
        help_text="Of a decision taken back: the one in force again; empty where that is the model's own.",
    )  # fmt: skip
    figures = models.JSONField(default=dict, help_text="What was measured and proposed when it was decided.")
    evidence = models.JSONField(default=list, help_text="The decided scans: number of scan and prediction, label.")
    evidence_key = models.CharField(max_length=64, blank=True, editable=False)
    reason = models.CharField(max_length=LONGEST_REASON)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SiteAcceptanceQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["site", "model_version", "number"], name="acceptance_number_unique"),
            models.CheckConstraint(condition=Q(choice__in=AcceptanceChoice.values), name="acceptance_choice_known"),
            models.CheckConstraint(condition=~Q(reason=""), name="acceptance_has_reason"),
            models.CheckConstraint(
                condition=(Q(choice=AcceptanceChoice.ACCEPTED) & _point_is(True))
                | (~Q(choice=AcceptanceChoice.ACCEPTED) & _point_is(False)),
                name="acceptance_accepted_has_point",
            ),
            models.CheckConstraint(
                condition=Q(operating_point=None)
                | Q(low__gte=0, high__lte=1, low__lte=F("operating_point"), high__gte=F("operating_point")),
                name="acceptance_band_around_point",
            ),
            models.CheckConstraint(condition=Q(slope=None) | Q(slope__gt=0), name="acceptance_slope_rises"),
            models.CheckConstraint(
                condition=Q(restores=None) | Q(choice=AcceptanceChoice.REVERTED),
                name="acceptance_only_reverted_restores",
            ),
        ]
        triggers = WRITTEN_ONCE

    def __str__(self) -> str:
        return f"Decision {self.number} on {self.model_version} at {self.site}"

    @property
    def is_accepted(self) -> bool:
        return self.choice == AcceptanceChoice.ACCEPTED

    @property
    def point(self) -> Calibration:
        """Says how a probability becomes this site's probability and decision; only an accepted row has one."""
        values: dict[str, Any] = {name: getattr(self, name) for name in POINT_FIELDS}
        return Calibration(**values)
