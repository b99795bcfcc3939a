"""How far a training run is: its stages, the share done, the time left and the course of its epochs."""

import zlib
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.formatting import about, is_number
from accounts.wording import opening
from learning.models import Method, TrainingRun, TrainingStatus

STAGE_WORDS = {
    "collecting": gettext_lazy("Collecting the images"),
    "reading": gettext_lazy("Reading the images"),
    "features": gettext_lazy("Computing features"),
    "fitting": gettext_lazy("Fitting the last layer"),
    "training": gettext_lazy("Training the network"),
    "calibrating": gettext_lazy("Calibrating the thresholds"),
}
STAGES_OF = {
    Method.HEAD: ("collecting", "reading", "features", "fitting", "calibrating"),
    Method.FINETUNE: ("collecting", "reading", "training", "calibrating"),
}
STATUS_BADGES = {
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
    def state_words(self) -> str:
        return {"done": _("done"), "current": _("current")}.get(self.state, _("to come"))

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
    facts: dict[str, Any] = run.progress or {}
    stage = str(facts.get("stage", ""))
    epochs = tuple(epoch for epoch in facts.get("history") or [] if isinstance(epoch, dict))
    return RunProgress(
        stages=_stages(run, stage),
        words=_words(run, facts, stage),
        share=_share(facts) if run.status == TrainingStatus.RUNNING else None,
        left=_left(run, facts),
        epochs=epochs,
        fingerprint=_fingerprint(run, facts),
    )


def _fingerprint(run: TrainingRun, facts: dict[str, Any]) -> str:
    """Changes when what is shown changes."""
    shown = (run.attempts, *(facts.get(name) for name in ("stage", "done", "epoch")), run.log_tail)
    return f"{zlib.crc32(repr(shown).encode()):08x}"


def _stages(run: TrainingRun, stage: str) -> tuple[Stage, ...]:
    names = STAGES_OF[Method(run.method)]
    if run.status == TrainingStatus.DONE or stage == "done":
        at = len(names)
    else:
        at = names.index(stage) if stage in names else -1
    states = ["done" if place < at else "current" if place == at else "to come" for place in range(len(names))]
    return tuple(Stage(str(STAGE_WORDS[name]), state) for name, state in zip(names, states, strict=True))


def _words(run: TrainingRun, facts: dict[str, Any], stage: str) -> str:
    if run.status == TrainingStatus.QUEUED:
        return _("Waiting for a training worker.")
    if stage == "done":
        return _("The model is being stored.")
    words = STAGE_WORDS.get(stage, gettext_lazy("Being prepared"))
    if stage == "training" and facts.get("epoch"):
        return _("%(stage)s: epoch %(epoch)s of at most %(epochs)s.") % {
            "stage": words,
            "epoch": facts["epoch"],
            "epochs": facts.get("epochs") or "?",
        }
    return f"{words}."


def _share(facts: dict[str, Any]) -> int | None:
    done, total = facts.get("done"), facts.get("total")
    if not is_number(done) or not is_number(total) or not total:
        return None
    return min(100, max(0, round(100 * float(done) / float(total))))  # type: ignore[arg-type]


def _left(run: TrainingRun, facts: dict[str, Any]) -> str:
    left = facts.get("seconds_left")
    if run.status != TrainingStatus.RUNNING or not is_number(left):
        return ""
    return _("%(time)s left") % {"time": opening(about(float(left)))}  # type: ignore[arg-type]
