"""Asking for a training run: what it would use and take, what speaks against it, starting and cancelling it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.events import record_event
from accounts.models import Action, User
from accounts.refusals import WrongState
from accounts.wording import in_sentence
from inference.models import ModelVersion
from inference.service import active_model
from learning.comparison.comparable import comparable_patients
from learning.datasets.listing import hidden_in
from learning.models import UNFINISHED, Dataset, Split, TrainingRun, TrainingStatus
from learning.training.estimate import Estimate, estimate_seconds, work_of
from learning.training.recipes import complete_settings
from learning.training.sample_sizes import (
    TRAINING_SPLITS,
    Requirement,
    SplitSize,
    requirements_of,
    split_sizes,
    too_little,
)
from learning.wake import wake_trainers


@dataclass(frozen=True)
class TrainingPlan:
    """What a run would use and how long it would take. Counts are of patients to learn from, unless they say else.

    `refusals` say why it cannot start, `warnings` what must be known before it does.
    """

    settings: dict[str, Any]
    sides: list[SplitSize]
    requirements: list[Requirement]
    patients: int
    scans: int
    images: int
    covid: int
    non_covid: int
    test_patients: int
    seconds: float | None
    based_on: str
    refusals: list[str]
    warnings: list[str]
    same_as: TrainingRun | None


def plan_training(
    *,
    user: User | None,
    dataset: Dataset,
    method: str,
    parent: ModelVersion | None,
    settings: Mapping[str, Any],
) -> TrainingPlan:
    """Starts nothing. Without a user it is the administrator's command."""
    require_training_right(user, dataset)
    complete, refusals = complete_settings(method=method, parent=parent, settings=settings)
    replay = complete.get("replay", True) is True
    sides = split_sizes(dataset, replay=replay, user=user)
    refusals += [*_parent_refusals(parent), *too_little(sides, dataset, replay=replay), *_busy(user)]
    used_to_train = [side for side in sides if side.split in TRAINING_SPLITS]
    images = sum(side.images for side in used_to_train)
    estimate = _estimate(method, parent, complete, images)
    return TrainingPlan(
        settings=complete,
        sides=sides,
        requirements=requirements_of(sides),
        patients=sum(side.patients for side in used_to_train),
        scans=sum(side.scans for side in used_to_train),
        images=images,
        covid=sum(side.covid for side in used_to_train),
        non_covid=sum(side.non_covid for side in used_to_train),
        test_patients=sum(side.patients for side in sides if side.split == Split.TEST),
        seconds=estimate.seconds,
        based_on=str(estimate.based_on),
        refusals=refusals,
        warnings=[*_foretold(dataset, user), *_not_counted(dataset, user)],
        same_as=_same_run(fingerprint(dataset=dataset, method=method, parent=parent, settings=complete)),
    )


def request_training(
    *,
    user: User | None,
    dataset: Dataset,
    method: str,
    parent: ModelVersion | None,
    settings: Mapping[str, Any],
    again: bool = False,
) -> TrainingRun:
    """Queues a run and wakes the training workers. Raises WrongState with all that speaks against it."""
    plan = plan_training(user=user, dataset=dataset, method=method, parent=parent, settings=settings)
    if plan.refusals:
        raise WrongState(" ".join(plan.refusals))
    if plan.same_as is not None and not again:
        raise WrongState(
            _(
                "%(same_as)s was the same, and made model %(model)s; use that result, or say that it is to "
                "be trained again."
            )
            % {"same_as": plan.same_as, "model": plan.same_as.model}
        )
    return _queue_run(
        TrainingRun(
            dataset=dataset,
            parent=parent,
            method=method,
            settings=plan.settings,
            fingerprint=fingerprint(dataset=dataset, method=method, parent=parent, settings=plan.settings),
            requested_by=user,
        )
    )


def _queue_run(run: TrainingRun) -> TrainingRun:
    try:
        with transaction.atomic():
            run.save()
            record_event(
                Action.TRAINING_REQUESTED,
                actor=run.requested_by,
                subject=run,
                method=run.method,
                dataset=run.dataset_id,
            )
            transaction.on_commit(wake_trainers)
    except IntegrityError:  # another was faster
        busy = _busy(run.requested_by)
        if not busy:
            raise
        raise WrongState(busy[0]) from None
    return run


def cancel_training(*, run: TrainingRun, user: User | None) -> None:
    """At once, whatever its worker does or whether it lives; a worker notices within seconds and stops."""
    require_training_right(user, run.dataset)
    now = timezone.now()
    with transaction.atomic():
        cancelled = TrainingRun.objects.filter(pk=run.pk, status__in=UNFINISHED).update(
            status=TrainingStatus.CANCELLED, cancel_requested_at=now, finished_at=now, lease_until=None
        )
        run.refresh_from_db()
        if not cancelled:
            raise WrongState(
                _("%(run)s is %(status)s; there is nothing to cancel.")
                % {"run": run, "status": in_sentence(run.get_status_display())}
            )
        record_event(Action.TRAINING_CANCELLED, actor=user, subject=run)
        transaction.on_commit(wake_trainers)  # who clears what it leaves


def parent_in_service() -> ModelVersion:
    """What a training starts from unless it starts from scratch."""
    model = active_model()
    if model is None:
        raise WrongState(_("No model is in service; train from scratch, or put a model into service first."))
    return model


def require_training_right(user: User | None, dataset: Dataset) -> None:
    if user is not None and not Dataset.objects.visible_to(user).filter(pk=dataset.pk).exists():
        raise PermissionDenied(_("Only a manager of every site in %(dataset)s can train on it.") % {"dataset": dataset})


def fingerprint(*, dataset: Dataset, method: str, parent: ModelVersion | None, settings: Mapping[str, Any]) -> str:
    """Identifies a run: the same data, start, method and settings give the same model."""
    content = {
        "data": dataset.content_hash,
        "parent": parent.sha256 if parent else None,
        "method": str(method),
        "settings": dict(settings),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _same_run(value: str) -> TrainingRun | None:
    done = TrainingRun.objects.filter(fingerprint=value, status=TrainingStatus.DONE)
    return done.select_related("model").first()


def _parent_refusals(parent: ModelVersion | None) -> list[str]:
    if parent is None or parent.is_active:
        return []
    serving = active_model()
    words = (
        _("Model %(parent)s is not in service; start from %(serving)s, which is, or from scratch.")
        if serving
        else _("Model %(parent)s is not in service; train from scratch.")
    )
    return [words % {"parent": parent, "serving": serving}]


def _foretold(dataset: Dataset, user: User | None) -> list[str]:
    """The comparison that follows the training would fail: better known before hours are spent."""
    champion = active_model()
    refusal = comparable_patients(dataset, champion, user=user).refusal(dataset) if champion else ""
    if not refusal:
        return []
    words = _("The new model could not be compared with %(champion)s on this data set.") % {"champion": champion}
    return [f"{words} {refusal}"]


def _not_counted(dataset: Dataset, user: User | None) -> list[str]:
    """What the user reads blinded must not show in numbers either."""
    hidden = hidden_in(dataset, user) if user is not None else 0
    if not hidden:
        return []
    words = ngettext(
        "%(number)d scan of the data set is not counted here until you have decided on it.",
        "%(number)d scans of the data set are not counted here until you have decided on them.",
        hidden,
    )
    return [words % {"number": hidden}]


def _busy(user: User | None) -> list[str]:
    """Refuses a second run in the installation. Whose data it uses is shown only to those who may see them."""
    run = TrainingRun.objects.unfinished().first()
    if run is None:
        return []
    may_cancel = user is None or TrainingRun.objects.visible_to(user).filter(pk=run.pk).exists()
    words = (
        _("%(run)s is %(status)s, and only one can be at work; wait until it has ended, or cancel it.")
        if may_cancel
        else _("%(run)s is %(status)s, and only one can be at work; wait until it has ended.")
    )
    return [words % {"run": run, "status": in_sentence(run.get_status_display())}]


def _estimate(method: str, parent: ModelVersion | None, settings: Mapping[str, Any], images: int) -> Estimate:
    epochs = settings.get("epochs")
    work = work_of(method=method, images=images, epochs=epochs if isinstance(epochs, int) else None)
    return estimate_seconds(method=method, parent=parent, settings=settings, work=work)
