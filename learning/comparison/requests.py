"""Asking for a comparison of champion and challenger, and working on what was asked for."""

import logging
import time
from collections.abc import Callable

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.refusals import WrongState
from inference import leases
from inference.database_retry import never, retry_while_database_is_away
from inference.models import ModelStatus, ModelVersion
from inference.service import active_model
from learning.comparison.comparable import comparable_patients
from learning.comparison.judge import make_comparison
from learning.models import RUN_ERROR_LENGTH, Comparison, ComparisonRequest, Dataset, TrainingStatus
from learning.training.attempts import attempt
from learning.training.folders import clear_ended
from learning.training.heartbeat import TrainingHeartbeat
from learning.training.request import parent_in_service, require_training_right
from learning.wake import wake_trainers

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 1.0


def request_comparison(*, user: User | None, dataset: Dataset, challenger: ModelVersion) -> ComparisonRequest:
    """Has a training worker compare it with the model in service. Asked twice, it is one request.

    Raises WrongState at once where it is foreseen that too few patients would be left to compare on.
    """
    require_training_right(user, dataset)
    champion = parent_in_service()
    _require_rivals(champion, challenger)
    done = Comparison.objects.filter(dataset=dataset, champion=champion, challenger=challenger).first()
    if done is not None:
        raise WrongState(
            _("%(done)s compares model %(challenger)s with %(champion)s on %(dataset)s already; look there.")
            % {"done": done, "challenger": challenger, "champion": champion, "dataset": dataset}
        )
    if refusal := comparable_patients(dataset, champion, challenger, user=user).refusal(dataset):
        raise WrongState(refusal)
    return _queue(dataset, champion, challenger, user)


def queue_comparison(*, dataset: Dataset, challenger: ModelVersion, user: User | None) -> ComparisonRequest | None:
    """Called when a training ends. Without a model in service there is nothing to compare with."""
    champion = active_model()
    return _queue(dataset, champion, challenger, user) if champion and champion != challenger else None


def compare_models(
    *, dataset: Dataset, champion: ModelVersion, challenger: ModelVersion, user: User | None = None
) -> Comparison:
    """Compares here and now. The same two on the same data set give the existing comparison."""
    require_training_right(user, dataset)
    _require_rivals(champion, challenger)
    done = Comparison.objects.filter(dataset=dataset, champion=champion, challenger=challenger).first()
    if done is not None:
        return done
    request = _queue(dataset, champion, challenger, user)
    while request.is_unfinished:
        if compare_next(only=request.pk) is None:  # a worker was faster
            time.sleep(SECONDS_BETWEEN_LOOKS)
        request.refresh_from_db()
    clear_ended()
    if request.comparison is None:
        raise WrongState(request.error)
    return request.comparison


def compare_next(*, stop: Callable[[], bool] = never, only: int | None = None) -> ComparisonRequest | None:
    """Works on the request that waits, if one does; it ends done, failed in words, put back or given back."""
    request = retry_while_database_is_away(lambda: leases.claim_next(ComparisonRequest, only=only), stop=stop)
    if request is None:
        return None
    return attempt(request, lambda: _compare(request, stop), fail=_end)


def _compare(request: ComparisonRequest, stop: Callable[[], bool]) -> None:
    heartbeat = TrainingHeartbeat(request, stop=stop)
    comparison = make_comparison(
        dataset=request.dataset,
        champion=request.champion,
        challenger=request.challenger,
        folder=request.folder,
        beat=heartbeat.beat,
    )
    retry_while_database_is_away(lambda: leases.settle(request, TrainingStatus.DONE, comparison=comparison, error=""))
    logger.info("%s is done: %s", request, "criteria met" if comparison.passed else "criteria not met")


def end_request(request: ComparisonRequest, words: str, *, abandoned: bool = False) -> bool:
    logger.warning("%s failed: %s", request, words)
    return leases.settle(request, TrainingStatus.FAILED, abandoned=abandoned, error=words[:RUN_ERROR_LENGTH])


def _end(request: ComparisonRequest, words: str) -> None:
    retry_while_database_is_away(lambda: end_request(request, words))


def _require_rivals(champion: ModelVersion, challenger: ModelVersion) -> None:
    if champion == challenger:
        raise WrongState(
            _("Model %(challenger)s is in service itself; compare another with it.") % {"challenger": challenger}
        )
    if challenger.status == ModelStatus.REFUSED:
        raise WrongState(_("Model %(challenger)s was refused; train another.") % {"challenger": challenger})


def _queue(dataset: Dataset, champion: ModelVersion, challenger: ModelVersion, user: User | None) -> ComparisonRequest:
    two = {"dataset": dataset, "champion": champion, "challenger": challenger}
    try:
        with transaction.atomic():
            request = ComparisonRequest.objects.create(**two, requested_by=user)
            transaction.on_commit(wake_trainers)
    except IntegrityError:
        return ComparisonRequest.objects.unfinished().get(**two)
    return request
