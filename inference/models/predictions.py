"""What each model says of each scan; the rows are the queue."""

from __future__ import annotations

from enum import IntEnum

from django.db import models
from django.db.models import F, Func, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Site, SiteScopedQuerySet
from cases.models import Decision, Scan, Slice
from inference.models.acceptance import SiteAcceptance
from inference.models.leases import LeasedQuerySet, LeasedRow, lease_constraints
from inference.models.versions import ModelStatus, ModelVersion

ERROR_LENGTH = 500


class PredictionStatus(models.TextChoices):
    QUEUED = "queued", gettext_lazy("Queued")
    RUNNING = "running", gettext_lazy("Running")
    DONE = "done", gettext_lazy("Done")
    FAILED = "failed", gettext_lazy("Failed")


class SuitabilityState(models.TextChoices):
    """Says whether the model may be used for a scan, and whether it has seen the like."""

    SUITABLE = "suitable", "Like the training data"
    UNLIKE_TRAINING = "unlike_training", "Unlike the training data"
    UNSUITABLE = "unsuitable", "Not suitable"


class Urgency(IntEnum):
    """What is claimed first. 0 to 2 follow the case's priority; the rest waits until nobody waits for an answer."""

    EMERGENCY = 0
    URGENT = 1
    ROUTINE = 2
    REREADING = 3  # the scan has an answer; people wanted the one of the model in service too
    SHADOW = 4  # never the scan's current answer: asked of a shadow, or too late to replace the current one


SERVED = (ModelStatus.ACTIVE, ModelStatus.RETIRED)


class PredictionQuerySet(SiteScopedQuerySet, LeasedQuerySet):  # type: ignore[override] # as_manager makes its own
    site_path = "scan__case__patient__site"

    def shown(self) -> PredictionQuerySet:
        """What people may come to see, once blinding lets them: no shadow's answer, nothing of a mere candidate.

        Whatever shows predictions begins here; a done one of these has been its scan's current answer at some time.
        """
        return self.filter(urgency__lt=Urgency.SHADOW, model_version__status__in=SERVED)

    def shadow(self) -> PredictionQuerySet:
        return self.filter(urgency=Urgency.SHADOW)

    def due(self) -> PredictionQuerySet:
        """Waiting, not put off after a passing trouble, and of a model that has not left service."""
        free = Q(retry_at=None) | Q(retry_at__lte=timezone.now())
        return self.waiting().filter(free).exclude(model_version__status=ModelStatus.RETIRED)

    def with_place(self) -> PredictionQuerySet:
        """Each row's place in the queue read along, which spares a list one query for each row that waits."""
        urgent = Q(urgency__lt=OuterRef("urgency"))
        earlier = Q(urgency=OuterRef("urgency"), queued_at__lt=OuterRef("queued_at"))
        same = Q(urgency=OuterRef("urgency"), queued_at=OuterRef("queued_at"), pk__lte=OuterRef("pk"))
        up_to_here = Prediction.objects.waiting().order_by().filter(urgent | earlier | same)
        count = Func(F("pk"), function="COUNT", output_field=models.IntegerField())
        place = Subquery(up_to_here.annotate(n=count).values("n"))
        return self.annotate(
            known_place=models.Case(models.When(status=PredictionStatus.QUEUED, then=place), default=None)
        )


class Prediction(LeasedRow):
    """What one model version says of one scan, and how it came to say it.

    The row is the queue: it is claimed with a lease, answered with one conditional update.
    """

    lease_setting, attempts_setting = "PREDICTION_LEASE_SECONDS", "PREDICTION_MAX_ATTEMPTS"

    scan = models.ForeignKey(Scan, on_delete=models.PROTECT, related_name="predictions")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="predictions")
    status = models.CharField(max_length=8, choices=PredictionStatus, default=PredictionStatus.QUEUED, editable=False)
    # An Urgency: copied from the case when queued, so that emergencies are claimed first.
    urgency = models.PositiveSmallIntegerField(default=2)
    queued_at = models.DateTimeField(default=timezone.now)
    retry_at = models.DateTimeField(null=True, help_text="Not before: set after a passing trouble, with its error.")
    error = models.CharField(max_length=ERROR_LENGTH, blank=True)
    decision = models.CharField(max_length=12, choices=Decision, null=True)
    probability = models.FloatField(null=True)
    # By the model's own calibration; empty in older answers, whose `probability` is just that.
    raw_probability = models.FloatField(null=True)
    suitability = models.FloatField(null=True)
    suitability_state = models.CharField(
        max_length=16, choices=SuitabilityState, blank=True, help_text="Empty in older answers, which had two states."
    )
    # What judged the answer: a decision of the scan's site, or the model's own operating point where it is empty.
    site_point = models.ForeignKey(SiteAcceptance, on_delete=models.PROTECT, null=True, related_name="predictions")
    engine = models.CharField(max_length=60, blank=True)
    duration_ms = models.PositiveIntegerField(null=True)
    # Means over the slices of `ml.model.drift_reference.describe_view`, compared with the training set's to see drift.
    input_features = models.JSONField(null=True)

    objects = PredictionQuerySet.as_manager()

    class Meta:
        ordering = ["-queued_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["scan", "model_version"], name="prediction_unique_for_scan_and_model"),
            models.CheckConstraint(
                condition=~Q(status="done")
                | Q(decision__isnull=False, probability__isnull=False, finished_at__isnull=False),
                name="prediction_done_has_answer",
            ),
            *lease_constraints("prediction", PredictionStatus),
            models.CheckConstraint(
                condition=Q(probability=None) | Q(probability__gte=0, probability__lte=1),
                name="prediction_probability_in_range",
            ),
            models.CheckConstraint(
                condition=Q(raw_probability=None) | Q(raw_probability__gte=0, raw_probability__lte=1),
                name="prediction_raw_probability_in_range",
            ),
            models.CheckConstraint(
                condition=Q(suitability_state__in=["", *SuitabilityState.values]),
                name="prediction_suitability_known",
            ),
            models.CheckConstraint(
                condition=~Q(suitability_state="unlike_training") | Q(decision="uncertain"),
                name="prediction_unlike_is_uncertain",
            ),
        ]
        indexes = [
            models.Index(
                fields=["urgency", "queued_at", "id"],
                condition=Q(status="queued"),
                name="prediction_waiting",
            ),
            models.Index(fields=["lease_until"], condition=Q(status="running"), name="prediction_leased"),
            models.Index(fields=["queued_at"], name="prediction_asked"),  # monitoring counts by when a model was asked
        ]

    def __str__(self) -> str:
        return _("Prediction %(self)s") % {"self": self.pk}

    @property
    def site(self) -> Site:
        return self.scan.case.patient.site

    @property
    def is_waiting(self) -> bool:
        return self.status == PredictionStatus.QUEUED

    @property
    def is_pending(self) -> bool:
        return self.status in (PredictionStatus.QUEUED, PredictionStatus.RUNNING)

    @property
    def is_done(self) -> bool:
        return self.status == PredictionStatus.DONE

    @property
    def is_unlike_training(self) -> bool:
        return self.suitability_state == SuitabilityState.UNLIKE_TRAINING

    @property
    def known_suitability(self) -> str:
        """Is the stored state, of an older answer the one that its decision implies, and empty without an answer."""
        if self.suitability_state or not self.is_done:
            return self.suitability_state
        is_unsuitable = self.decision == Decision.UNSUITABLE
        return str(SuitabilityState.UNSUITABLE if is_unsuitable else SuitabilityState.SUITABLE)

    @property
    def is_shadow(self) -> bool:
        return self.urgency == Urgency.SHADOW

    @property
    def is_retriable(self) -> bool:
        return self.status == PredictionStatus.FAILED

    @property
    def place_in_queue(self) -> int | None:
        """1 is next; nothing once it is no longer waiting."""
        if not self.is_waiting:
            return None
        if "known_place" in self.__dict__:
            return self.__dict__["known_place"]
        ahead = Q(urgency__lt=self.urgency) | Q(urgency=self.urgency, queued_at__lt=self.queued_at)
        same = Q(urgency=self.urgency, queued_at=self.queued_at, pk__lt=self.pk)
        return Prediction.objects.waiting().filter(ahead | same).count() + 1


class SliceAnswer(models.Model):
    """What the model says of one slice, with the class-activation map as a small grey PNG."""

    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="slice_answers")
    slice = models.ForeignKey(Slice, on_delete=models.PROTECT, related_name="answers")
    probability = models.FloatField()
    weight = models.FloatField(help_text="Its share in the scan's answer, 0 to 1.")
    suitability = models.FloatField()
    map_png = models.BinaryField()

    class Meta:
        ordering = ["slice__position"]
        constraints = [
            models.UniqueConstraint(fields=["prediction", "slice"], name="slice_answer_unique_in_prediction")
        ]

    def __str__(self) -> str:
        return _("Answer to slice %(slice)s") % {"slice": self.slice_id}
