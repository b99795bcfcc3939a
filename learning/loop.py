"""Describes the state of the learning loop for one manager: labels, data set, training, comparison, service."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts.models import User
from inference.models import ModelStatus, ModelVersion
from inference.service import active_model, shadow_model
from learning.datasets.labelled_amounts import count_scans_to_read, count_synthetic_scans, labelled_sides
from learning.datasets.suggestion import Suggestion, count_new_labels, training_suggestion
from learning.models import (
    BaseSet,
    Comparison,
    ComparisonRequest,
    Dataset,
    GateOverride,
    OverrideStatus,
    ServicePeriod,
    TrainingRun,
    TrainingStatus,
)
from learning.service.history import previous_model
from learning.service.promotion import PromotionCheck, check_promotion, may_promote
from learning.service.rereading import RereadOffer, offer_rereading
from learning.training.sample_sizes import Requirement, missing_for_training, requirements_of, split_sizes

CANDIDATES_LOOKED_AT = 5


@dataclass(frozen=True)
class Loop:
    """`requirements` are of the labels that there are now, frozen or not."""

    user: User
    new_labels: int
    scans_to_read: int
    synthetic_scans: int
    requirements: list[Requirement]
    suggestion: Suggestion | None
    has_base_sets: bool
    dataset: Dataset | None
    run: TrainingRun | None
    comparing: ComparisonRequest | None
    comparison_failed: ComparisonRequest | None
    comparison: Comparison | None
    found: PromotionCheck | None
    override: GateOverride | None
    serving: ModelVersion | None
    period: ServicePeriod | None
    previous: ModelVersion | None
    shadow: ModelVersion | None
    offer: RereadOffer
    may_promote: bool

    @property
    def is_moving(self) -> bool:
        return self.comparing is not None or (self.run is not None and self.run.is_unfinished)

    @property
    def labels_suffice(self) -> bool:
        """A data set of what is labelled now could be trained on."""
        return not missing_for_training(self.requirements)

    @property
    def untrained_dataset(self) -> Dataset | None:
        """The newest data set, where no run has used it."""
        if self.dataset is None or self.dataset.runs.exclude(status=TrainingStatus.CANCELLED).exists():
            return None
        return self.dataset

    @property
    def uncompared(self) -> TrainingRun | None:
        """A finished run whose candidate was not compared with the model in service, though it could be."""
        run = self.run
        if run is None or run.model is None or not run.model.is_candidate or self.serving in (None, run.model):
            return None
        known = self.comparison is not None and self.comparison.challenger_id == run.model_id
        return None if known or self.comparing else run


def loop_of(user: User) -> Loop:
    return Loop(user=user, may_promote=may_promote(user), **_labels(user), **_training(user), **_service(user))


def suffices(dataset: Dataset, user: User) -> bool:
    """Whether a training on this data set may start, as far as its patients go."""
    return not missing_for_training(requirements_of(split_sizes(dataset, replay=True, user=user)))


def _labels(user: User) -> dict[str, Any]:
    newest = Dataset.objects.visible_to(user).first()
    return {
        "new_labels": count_new_labels(user),
        "scans_to_read": count_scans_to_read(user, newest),
        "synthetic_scans": count_synthetic_scans(user, newest),
        "requirements": requirements_of(labelled_sides(user, newest)),
        "suggestion": training_suggestion(user),
        "has_base_sets": BaseSet.objects.exists(),
        "dataset": newest,
    }


def _training(user: User) -> dict[str, Any]:
    """The run under way, or else the newest that was not cancelled, and what was compared."""
    runs = TrainingRun.objects.visible_to(user).select_related("dataset", "model")
    run = runs.unfinished().first() or runs.exclude(status=TrainingStatus.CANCELLED).first()
    requests = ComparisonRequest.objects.visible_to(user).select_related("challenger", "champion")
    comparison = _of_candidates(user)
    return {
        "run": run,
        "comparing": requests.unfinished().first(),
        "comparison_failed": _failed(run, requests),
        "comparison": comparison,
        "found": check_promotion(comparison) if comparison else None,
        "override": _waiting_override(user),
    }


def _service(user: User) -> dict[str, Any]:
    serving = active_model()
    return {
        "serving": serving,
        "period": ServicePeriod.objects.filter(ended_at=None).first(),
        "previous": previous_model() if serving else None,
        "shadow": shadow_model(),
        "offer": offer_rereading(user),
    }


def _of_candidates(user: User) -> Comparison | None:
    """Of those whose challenger waits for a decision: the newest that may serve, else the newest."""
    waiting = Comparison.objects.visible_to(user).filter(challenger__status=ModelStatus.CANDIDATE)
    newest = list(waiting.select_related("dataset", "champion", "challenger")[:CANDIDATES_LOOKED_AT])
    return next((comparison for comparison in newest if check_promotion(comparison).is_open), next(iter(newest), None))


def _failed(run: TrainingRun | None, requests: QuerySet[ComparisonRequest]) -> ComparisonRequest | None:
    """Returns the newest attempt to compare the newest run's model, if it came to nothing."""
    newest = requests.filter(challenger=run.model_id).first() if run and run.model_id else None
    return newest if newest is not None and newest.status == TrainingStatus.FAILED else None


def _waiting_override(user: User) -> GateOverride | None:
    """The newest that still could open something: its candidate may have been refused or outrun meanwhile."""
    waiting = GateOverride.objects.filter(status=OverrideStatus.PENDING)
    mine = waiting.filter(comparison__in=Comparison.objects.visible_to(user))
    newest = mine.select_related("requested_by", "comparison__challenger", "comparison__champion")[
        :CANDIDATES_LOOKED_AT
    ]
    return next((override for override in newest if check_promotion(override.comparison).by_gate), None)
