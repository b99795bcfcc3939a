"""How far a training run is: its stages, the share done, the time left and the course of its epochs."""

import zlib
from dataclasses import dataclass
from typing import Any

from accounts.formatting import about, is_number
from learning.models import Method, TrainingRun, TrainingStatus

STAGE_WORDS = {
    "collecting": "Collecting the images",
    "reading": "Reading the images",
    "features": "Computing features",
    "fitting": "Fitting the last layer",
    "training": "Training the network",
    "calibrating": "Calibrating the thresholds",
}
STAGES_OF = {
    Method.HEAD: ("collecting", "reading", "features", "fitting", "calibrating"),
    Method.FINETUNE: ("collecting", "reading", "training", "calibrating"),
}
STATUS_LOOKS = {
    TrainingStatus.QUEUED: ("quiet", "hourglass"),
    TrainingStatus.RUNNING: ("info", "arrow-repeat"),
    TrainingStatus.DONE: ("calm", "check-circle-fill"),
    TrainingStatus.FAILED: ("alarm", "exclamation-octagon-fill"),
    TrainingStatus.CANCELLED: ("odd", "slash-circle"),
}


@dataclass(frozen=True)
class Stage:
    words: str
    state: str  # done, current, to come

    @property
    def icon(self) -> str:
        return {"done": "check-circle-fill", "current": "arrow-right-circle-fill"}.get(self.state, "circle")


@dataclass(frozen=True)
class RunProgress:
    stages: tuple[Stage, ...]
    words: str
    share: int | None  # per cent of the stage, for the bar
    left: str
    epochs: tuple[dict[str, Any], ...]
    fingerprint: str

    @property
    def has_sensitivity(self) -> bool:
        return any(is_number(epoch.get("val_sensitivity")) for epoch in self.epochs)


def progress_of(run: TrainingRun) -> RunProgress:
    told: dict[str, Any] = run.progress or {}
    stage = str(told.get("stage", ""))
    epochs = tuple(epoch for epoch in told.get("history") or [] if isinstance(epoch, dict))
    return RunProgress(
        stages=_stages(run, stage),
        words=_words(run, told, stage),
        share=_share(told) if run.status == TrainingStatus.RUNNING else None,
        left=_left(run, told),
        epochs=epochs,
        fingerprint=_fingerprint(run, told),
    )


def _fingerprint(run: TrainingRun, told: dict[str, Any]) -> str:
    """Changes when what is shown changes."""
    shown = (run.attempts, *(told.get(name) for name in ("stage", "done", "epoch")), run.log_tail)
    return f"{zlib.crc32(repr(shown).encode()):08x}"


def _stages(run: TrainingRun, stage: str) -> tuple[Stage, ...]:
    names = STAGES_OF[Method(run.method)]
    if run.status == TrainingStatus.DONE or stage == "done":
        at = len(names)
    else:
        at = names.index(stage) if stage in names else -1
    states = ["done" if place < at else "current" if place == at else "to come" for place in range(len(names))]
    return tuple(Stage(STAGE_WORDS[name], state) for name, state in zip(names, states, strict=True))


def _words(run: TrainingRun, told: dict[str, Any], stage: str) -> str:
    if run.status == TrainingStatus.QUEUED:
        return "Waiting for a training worker."
    if stage == "done":
        return "The model is being stored."
    words = STAGE_WORDS.get(stage, "Being prepared")
    if stage == "training" and told.get("epoch"):
        words += f": epoch {told['epoch']} of at most {told.get('epochs') or '?'}"
    return f"{words}."


def _share(told: dict[str, Any]) -> int | None:
    done, total = told.get("done"), told.get("total")
    if not is_number(done) or not is_number(total) or not total:
        return None
    return min(100, max(0, round(100 * float(done) / float(total))))  # type: ignore[arg-type]


def _left(run: TrainingRun, told: dict[str, Any]) -> str:
    left = told.get("seconds_left")
    if run.status != TrainingStatus.RUNNING or not is_number(left):
        return ""
    return f"{about(float(left)).capitalize()} left"  # type: ignore[arg-type]
