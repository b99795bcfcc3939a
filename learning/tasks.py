"""Defines the training tasks. They carry nothing, can be run twice, and call one plain function."""

from typing import Any

from celery.signals import worker_ready

from inference.wake import note_wake_up
from inference.worker_tasks import stopping, worker_task
from learning.wake import TRAINING_PENDING, wake_trainers

QUEUE = "training"


@worker_task()
def run_queued_training() -> None:
    """Runs one training, and the comparisons that wait, each in a process of its own."""
    from learning.training.run import work_through

    note_wake_up(TRAINING_PENDING)
    work_through(stop=stopping.is_set)


@worker_task()
def sweep_training() -> None:
    from learning.sweep import sweep_learning_rows

    sweep_learning_rows()


# Messages that an earlier release sent carry these names; they go with the next release.
worker_task(name="inference.tasks.run_queued_training")(run_queued_training.run)
worker_task(name="inference.tasks.sweep_training")(sweep_training.run)


@worker_ready.connect
def look_for_training(sender: Any, **kwargs: Any) -> None:
    """Wakes a worker that starts: it looks into the queue first, whatever happened to earlier messages."""
    if QUEUE in sender.app.amqp.queues.consume_from:
        note_wake_up(TRAINING_PENDING)
        wake_trainers()
