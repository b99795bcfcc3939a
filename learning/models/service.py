"""Stores when each model was in service, and how it came there."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from inference.models import ModelVersion
from learning.models.comparisons import Comparison


class Entry(models.TextChoices):
    """Says how a model came into service."""

    COMMAND = "command", gettext_lazy("Administrator's command")
    PROMOTION = "promotion", gettext_lazy("Promoted: criteria met")
    OVERRIDE = "override", gettext_lazy("Promoted: criteria overridden by two people")
    ROLLBACK = "rollback", gettext_lazy("Rollback")


class ServicePeriod(models.Model):
    """From when until when a model was in service, and why. Only its end is ever written later."""

    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="service_periods")
    entry = models.CharField(max_length=12, choices=Entry)
    comparison = models.ForeignKey(Comparison, on_delete=models.PROTECT, null=True, related_name="service_periods")
    reason = models.CharField(max_length=500, blank=True)
    started_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    started_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "inference_serviceperiod"
        ordering = ["-started_at", "-pk"]
        constraints = [
            models.UniqueConstraint(models.Value(True), condition=Q(ended_at=None), name="service_one_open"),
            models.CheckConstraint(condition=Q(entry__in=Entry.values), name="service_entry_known"),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("started_at")), name="service_ends_after_start"
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="only_the_end",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["ended_at"]),
            ),
            pgtrigger.Protect(
                name="ends_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__ended_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return _("Service of %(model)s") % {"model": self.model}
