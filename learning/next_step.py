"""What comes next in the learning loop: the first rule that applies says it. Pages and the API only word it."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from learning.comparison.comparable import comparable_patients
from learning.loop import Loop, suffices
from learning.models import Comparison, ComparisonRequest, Dataset, GateOverride, TrainingRun, TrainingStatus
from learning.training.sample_sizes import Requirement

SYNTHETIC_LEFT_OUT = _("Synthetic scans are not counted; to try out the loop, include them when you build a data set.")


class StepKind(models.TextChoices):
    DECIDE_OVERRIDE = "decide_override", _("Decide, as a second person, on a promotion against the criteria")
    WAIT_FOR_TRAINING = "wait_for_training", _("Wait for the training")
    WAIT_FOR_COMPARISON = "wait_for_comparison", _("Wait for the comparison")
    DECIDE_CANDIDATE = "decide_candidate", _("Promote or refuse a candidate that can be promoted")
    WAIT_FOR_DECISION = "wait_for_decision", _("Wait until somebody who may promote has decided on the candidate")
    LOOK_AT_FAILED_RUN = "look_at_failed_run", _("See why the training failed")
    COMPARE = "compare", _("Compare the candidate with the model in service")
    NOT_COMPARABLE = "not_comparable", _("Gather test patients that neither model has seen")
    TRAIN = "train", _("Train on the newest data set")
    BUILD_DATASET = "build_dataset", _("Build a data set")
    CRITERIA_NOT_MET = "criteria_not_met", _("See why the candidate does not meet the promotion criteria")
    REREAD = "reread", _("Have open cases read again by the model in service")
    CANDIDATE_WAITS = "candidate_waits", _("Compare the candidate again, or refuse it")
    GATHER_LABELS = "gather_labels", _("Gather more labels")
    NOTHING = "nothing", _("Nothing")


@dataclass(frozen=True)
class Step:
    """`details` are sentences that say why; `requirements` those that are not met. The rest is what it is about."""

    kind: StepKind
    details: tuple[Promise | str, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    dataset: Dataset | None = None
    run: TrainingRun | None = None
    comparing: ComparisonRequest | None = None
    comparison: Comparison | None = None
    override: GateOverride | None = None
    scans: int = 0


def next_step(loop: Loop) -> Step:
    return next(found for rule in RULES if (found := rule(loop)))


def _second_person(loop: Loop) -> Step | None:
    asked = loop.override
    if asked is None or not loop.may_promote or asked.requested_by_id == loop.user.pk:
        return None
    return Step(StepKind.DECIDE_OVERRIDE, override=asked, comparison=asked.comparison)


def _under_way(loop: Loop) -> Step | None:
    if loop.run is not None and loop.run.is_unfinished:
        return Step(StepKind.WAIT_FOR_TRAINING, run=loop.run)
    return Step(StepKind.WAIT_FOR_COMPARISON, comparing=loop.comparing) if loop.comparing else None


def _candidate_may_serve(loop: Loop) -> Step | None:
    if loop.comparison is None or loop.found is None or not loop.found.is_open:
        return None
    kind = StepKind.DECIDE_CANDIDATE if loop.may_promote else StepKind.WAIT_FOR_DECISION
    return Step(kind, comparison=loop.comparison)


def _run_failed(loop: Loop) -> Step | None:
    run = loop.run
    if run is None or run.status != TrainingStatus.FAILED or _is_newer_dataset(loop, run.dataset_id):
        return None
    return Step(StepKind.LOOK_AT_FAILED_RUN, details=(run.error,), run=run)


def _not_compared(loop: Loop) -> Step | None:
    """A comparison that must fail is foretold, and is no reason to hold up a newer data set."""
    run = loop.uncompared
    if run is None or run.model is None or loop.serving is None:
        return None
    refusal = comparable_patients(run.dataset, loop.serving, run.model, user=loop.user).refusal(run.dataset)
    if refusal:
        if _is_newer_dataset(loop, run.dataset_id):
            return None
        return Step(StepKind.NOT_COMPARABLE, details=(refusal,), run=run, scans=loop.scans_to_read)
    failed = loop.comparison_failed
    return Step(StepKind.COMPARE, details=(failed.error,) if failed else (), run=run)


def _trainable(loop: Loop) -> Step | None:
    dataset = loop.untrained_dataset
    return Step(StepKind.TRAIN, dataset=dataset) if dataset is not None and suffices(dataset, loop.user) else None


def _suggested(loop: Loop) -> Step | None:
    if loop.suggestion is None or not loop.labels_suffice:
        return None
    return Step(StepKind.BUILD_DATASET, details=(loop.suggestion.words,))


def _criteria_not_met(loop: Loop) -> Step | None:
    comparison = loop.comparison
    if comparison is None or loop.found is None or not loop.found.by_gate:
        return None
    if _is_newer_dataset(loop, comparison.dataset_id):
        return None
    return Step(StepKind.CRITERIA_NOT_MET, details=loop.found.obstacles, comparison=comparison)


def _reread(loop: Loop) -> Step | None:
    return Step(StepKind.REREAD, scans=loop.offer.scans) if loop.offer.scans else None


def _candidate_waits(loop: Loop) -> Step | None:
    """Its comparison no longer counts, since another model has entered service."""
    comparison = loop.comparison
    if comparison is None or loop.found is None or loop.found.by_gate:
        return None
    if _is_newer_dataset(loop, comparison.dataset_id):
        return None
    return Step(StepKind.CANDIDATE_WAITS, details=loop.found.obstacles, comparison=comparison)


def _labels_suffice(loop: Loop) -> Step | None:
    """No data set holds enough to train on, and one that was built now would."""
    needed = loop.dataset is None or (loop.untrained_dataset is not None and not suffices(loop.dataset, loop.user))
    return Step(StepKind.BUILD_DATASET) if needed and loop.labels_suffice else None


def _gather_labels(loop: Loop) -> Step | None:
    missing = tuple(found for found in loop.requirements if not found.is_met)
    if loop.labels_suffice or (loop.dataset is not None and loop.untrained_dataset is None):
        return None
    details = (SYNTHETIC_LEFT_OUT,) if loop.synthetic_scans else ()
    return Step(StepKind.GATHER_LABELS, details, missing, dataset=loop.dataset, scans=loop.scans_to_read)


def _nothing(loop: Loop) -> Step | None:
    return Step(StepKind.NOTHING)


def _is_newer_dataset(loop: Loop, dataset_id: int) -> bool:
    return loop.dataset is not None and loop.dataset.pk > dataset_id


RULES: tuple[Callable[[Loop], Step | None], ...] = (
    _second_person,
    _under_way,
    _candidate_may_serve,
    _run_failed,
    _not_compared,
    _trainable,
    _suggested,
    _criteria_not_met,
    _reread,
    _candidate_waits,
    _labels_suffice,
    _gather_labels,
    _nothing,
)
