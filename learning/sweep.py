"""Puts right what a lost worker or a lost message left behind."""

import logging

from django.utils.translation import gettext_lazy as _

from inference import leases
from learning.comparison.requests import end_request
from learning.models import ComparisonRequest, TrainingRun
from learning.training.run import end_in_failure
from learning.wake import wake_trainers

logger = logging.getLogger(__name__)

WORKER_LOST = _(
    "The training worker was lost each time it worked on this. Look at its log and at the "
    "machine's memory, then ask again."
)


def sweep_learning_rows() -> int:
    """Returns what it healed."""
    words = str(WORKER_LOST)
    spent = sum(end_in_failure(run, words, abandoned=True) for run in leases.spent(TrainingRun))
    spent += sum(end_request(request, words, abandoned=True) for request in leases.spent(ComparisonRequest))
    healed = leases.queue_abandoned(TrainingRun) + leases.queue_abandoned(ComparisonRequest)
    if spent or healed:
        logger.warning("Sweep: %d trainings and comparisons queued again, %d given up", healed, spent)
    if something_waits():
        wake_trainers()
    return healed + spent


def something_waits() -> bool:
    return any(kind.objects.waiting().exists() for kind in (TrainingRun, ComparisonRequest))
