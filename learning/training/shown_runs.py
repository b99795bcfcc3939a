"""What a person sees of training runs: log and curves count and measure the labels of what was trained on."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from cases.reviews import reads_blinded
from learning.datasets.listing import hidden_in
from learning.models import TrainingRun


def shown_run(run: TrainingRun, user: User) -> TrainingRun:
    """Returns the run, in memory without log and curves where its data set holds what the user reads blinded."""
    if reads_blinded(user) and hidden_in(run.dataset, user):
        progress: dict[str, Any] = run.progress or {}
        run.progress = {name: value for name, value in progress.items() if name != "history"}
        run.log_tail = _("The log is shown once you have decided on the scans of its data set that you read blinded.")
    return run


def shown_runs(runs: Iterable[TrainingRun], user: User) -> list[TrainingRun]:
    """Returns the same of a list."""
    return [shown_run(run, user) for run in runs]
