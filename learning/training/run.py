"""Runs the training worker's loop: claim a run, collect its images, train in a subprocess, register what came of it."""

import logging
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action
from inference import leases
from inference.catalogue import record_artifact, require_intact, store_artifact
from inference.database_retry import never, retry_while_database_is_away
from inference.errors import PermanentError, RetriableError
from learning.comparison.requests import compare_next, queue_comparison
from learning.datasets.write_folder import write_folder
from learning.models import RUN_ERROR_LENGTH, TrainingRun, TrainingStatus
from learning.training.attempts import attempt
from learning.training.folders import ARTEFACT, DATA, LOG, PROGRESS, clear_ended
from learning.training.heartbeat import LeaseLost, ReportProgress, TrainingHeartbeat, no_output
from learning.training.sample_sizes import TRAINING_SPLITS
from learning.training.subprocesses import Child, read_progress, run_ml, tail
from ml.model.artifact import Artifact, ArtifactError, load_artifact

logger = logging.getLogger(__name__)

REFUSED = 2  # the exit status with which `python -m ml` says that what it was given cannot be used


def work_through(*, stop: Callable[[], bool] = never, say: ReportProgress = no_output) -> int:
    """Runs and comparisons one after another until none waits. Returns how many were worked on."""
    worked = 0
    while not stop():
        clear_ended()
        if not (train_next(stop=stop, say=say) or compare_next(stop=stop)):
            return worked
        worked += 1
    return worked


def train_next(
    *, stop: Callable[[], bool] = never, say: ReportProgress = no_output, only: int | None = None
) -> TrainingRun | None:
    """Works on the run that waits, if one does; it ends done, failed, put back or given back."""
    run = retry_while_database_is_away(lambda: leases.claim_next(TrainingRun, only=only), stop=stop)
    if run is None:
        return None
    logger.info("%s begins, attempt %d", run, run.attempts)

    def work() -> None:
        _train(run, TrainingHeartbeat(run, stop=stop, news=lambda: _news(run), say=say))

    return attempt(run, work, fail=_fail)


def _train(run: TrainingRun, heartbeat: TrainingHeartbeat) -> None:
    command = retry_while_database_is_away(lambda: retrain_command(run), stop=heartbeat.stop)
    retry_while_database_is_away(lambda: collect_images(run, heartbeat), stop=heartbeat.stop)
    with Child(command, log=run.folder / LOG) as child:
        status = child.wait(heartbeat.beat)
        words = child.last_words()
    heartbeat.beat(now=True)
    if status == REFUSED:
        raise PermanentError(_("The training refused: %(words)s") % {"words": words})
    if status != 0:
        raise RetriableError(
            _("The training stopped (%(ending)s): %(words)s") % {"ending": _ending(status), "words": words}
        )
    artifact = _artefact_of(run)
    store_artifact(artifact)
    news = _news(run)
    if not retry_while_database_is_away(lambda: _complete(run, artifact, news)):
        raise LeaseLost
    logger.info("%s is done", run)


def collect_images(run: TrainingRun, heartbeat: TrainingHeartbeat) -> None:
    """Copies what the data set froze, for the subprocess to read; what is there already is kept."""

    def report(done: int, total: int) -> None:
        heartbeat.beat(progress={"stage": "collecting", "done": done, "total": total})

    write_folder(run.dataset, run.folder / DATA, splits=TRAINING_SPLITS, with_base=run.replay, progress=report)


def retrain_command(run: TrainingRun) -> list[str]:
    """Settings become the options of the same names; a model to start from brings the rest."""
    name, version = model_name(run)
    start = ["--parent", str(require_intact(run.parent).folder)] if run.parent else []
    options = [
        part
        for key, value in sorted(run.settings.items())
        if key != "replay"
        for part in (f"--{key.replace('_', '-')}", str(value))
    ]
    return run_ml(
        "retrain",
        *("--data", run.folder / DATA, "--out", run.folder, "--method", run.method),
        *start,
        *("--name", name, "--version", version),
        *options,
    )


def model_name(run: TrainingRun) -> tuple[str, str]:
    """A child keeps its parent's name; the day and the run make a version that no other run has."""
    name = run.parent.name if run.parent else f"{run.settings['architecture']}-from-scratch"
    return name, f"{run.requested_at:%Y.%m.%d}-run{run.pk}"


def _artefact_of(run: TrainingRun) -> Artifact:
    try:
        return load_artifact(run.folder / ARTEFACT)
    except ArtifactError as error:
        raise RetriableError(_("The training left no whole model: %(error)s") % {"error": error}) from error


def _complete(run: TrainingRun, artifact: Artifact, news: dict[str, Any]) -> bool:
    """Stores the model, the end of the run and the comparison to come together, or not at all."""
    try:
        with transaction.atomic():
            if leases.held(run).select_for_update().first() is None:
                return False
            model, _is_new = record_artifact(artifact, user=run.requested_by, parent=run.parent)
            leases.settle(run, TrainingStatus.DONE, model=model, error="", **news)
            record_event(
                Action.TRAINING_ENDED, actor=run.requested_by, subject=run, status=TrainingStatus.DONE, model=model.pk
            )
            queue_comparison(dataset=run.dataset, challenger=model, user=run.requested_by)
    except IntegrityError as error:
        raise PermanentError(_("What was trained is another run's model already; use that one.")) from error
    return True


def _news(run: TrainingRun) -> dict[str, Any]:
    found = read_progress(run.folder / PROGRESS)
    return {"progress": found or run.progress, "log_tail": tail(run.folder / LOG)}


def _fail(run: TrainingRun, words: str) -> None:
    logger.warning("%s failed: %s", run, words)
    shown = tail(run.folder / LOG)
    retry_while_database_is_away(lambda: end_in_failure(run, words, log_tail=shown))


def end_in_failure(run: TrainingRun, words: str, *, abandoned: bool = False, **facts: Any) -> bool:
    with transaction.atomic():
        error = words[:RUN_ERROR_LENGTH]
        failed = leases.settle(run, TrainingStatus.FAILED, abandoned=abandoned, error=error, **facts)
        if failed:
            record_event(Action.TRAINING_ENDED, actor=run.requested_by, subject=run, status=TrainingStatus.FAILED)
    return failed


def _ending(status: int) -> str:
    if status == -9:
        return _("killed by the system, perhaps for want of memory")
    return f"signal {-status}" if status < 0 else f"exit status {status}"
