"""Sends wake-ups to the training workers."""

from django.conf import settings

from inference.wake import send_wake_up

RUN_QUEUED_TRAINING = "learning.tasks.run_queued_training"
TRAINING_PENDING = "training:wake-up-pending"


def wake_trainers() -> None:
    send_wake_up(RUN_QUEUED_TRAINING, mark=TRAINING_PENDING, every=settings.TRAINING_SWEEP_SECONDS)
