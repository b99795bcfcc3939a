"""The one thing to do next, in words and with its way. The services decide what is possible; this only points there."""

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse

from ctportal.pages.learning.formatting import counted
from ctportal.pages.learning.loop import Loop
from learning.models import TrainingStatus


@dataclass(frozen=True)
class NextStep:
    title: str
    words: str
    action: str = ""
    address: str = ""
    tone: str = ""  # "", alarm, calm


def next_step(loop: Loop) -> NextStep:
    return next(found for look in LOOKS if (found := look(loop)))


def _second_person(loop: Loop) -> NextStep | None:
    asked = loop.override
    if asked is None or not loop.may_promote or asked.requested_by_id == loop.user.pk:
        return None
    return NextStep(
        "A second person is needed",
        f"{asked.requested_by.display_name} asks to promote {asked.comparison.challenger} against the gate. "
        "You can approve or refuse.",
        "Read the request",
        reverse("comparison", args=[asked.comparison_id]),
        "alarm",
    )


def _under_way(loop: Loop) -> NextStep | None:
    if loop.run is not None and loop.run.is_unfinished:
        address = reverse("training-run", args=[loop.run.pk])
        return NextStep("A new model is being trained", "Nothing to do but wait.", "Watch it", address)
    if loop.comparing is None:
        return None
    words = (
        f"{loop.comparing.challenger} and {loop.comparing.champion} read the same test patients. Wait for the result."
    )
    return NextStep("The candidate is being compared", words, "All comparisons", reverse("comparison-list"))


def _candidate_may_serve(loop: Loop) -> NextStep | None:
    if loop.comparison is None or loop.found is None or not loop.found.is_open:
        return None
    address = reverse("comparison", args=[loop.comparison.pk])
    if not loop.may_promote:
        words = "Read the comparison. Promoting is for a superuser or a manager of all sites."
        return NextStep(f"{loop.comparison.challenger} waits for a decision", words, "Read the comparison", address)
    words = "It passed the gate. Read what changes, then promote or refuse it."
    if not loop.comparison.passed:
        words = "A second person has approved promoting it against the gate. Promote or refuse it."
    return NextStep(f"Decide on {loop.comparison.challenger}", words, "Compare and decide", address)


def _run_failed(loop: Loop) -> NextStep | None:
    run = loop.run
    if run is None or run.status != TrainingStatus.FAILED or _is_newer_dataset(loop, run.dataset_id):
        return None
    return NextStep(f"{run} failed", run.error, "See why, and go on", reverse("training-run", args=[run.pk]), "alarm")


def _not_compared(loop: Loop) -> NextStep | None:
    run = loop.uncompared
    if run is None:
        return None
    words = "It has not been compared with the model in service."
    if loop.comparison_failed is not None:
        words = loop.comparison_failed.error
    return NextStep(f"Compare {run.model}", words, "To the run", reverse("training-run", args=[run.pk]))


def _untrained(loop: Loop) -> NextStep | None:
    if loop.dataset is None or loop.dataset.runs.exclude(status=TrainingStatus.CANCELLED).exists():
        return None
    address = f"{reverse('training-start')}?dataset={loop.dataset.pk}"
    words = "No model has learned from it yet. The next page says what a training would use and how long it takes."
    return NextStep(f"Train on {loop.dataset}", words, "Prepare a training", address)


def _stopped_at_gate(loop: Loop) -> NextStep | None:
    comparison = loop.comparison
    if comparison is None or loop.found is None or not loop.found.by_gate:
        return None
    if _is_newer_dataset(loop, comparison.dataset_id):
        return None
    words = "See why. You can refuse it, gather more labels and train again, or ask to override the gate."
    address = reverse("comparison", args=[comparison.pk])
    return NextStep(f"The gate stopped {comparison.challenger}", words, "See why", address, "alarm")


def _outrun(loop: Loop) -> NextStep | None:
    """A candidate whose comparison no longer counts, since another model has entered service."""
    comparison = loop.comparison
    if comparison is None or loop.found is None or _is_newer_dataset(loop, comparison.dataset_id):
        return None
    words = " ".join(loop.found.obstacles)
    address = reverse("comparison", args=[comparison.pk])
    return NextStep(f"{comparison.challenger} waits", words, "To the comparison", address)


def _is_newer_dataset(loop: Loop, dataset_id: int) -> bool:
    return loop.dataset is not None and loop.dataset.pk > dataset_id


def _reread(loop: Loop) -> NextStep | None:
    if not loop.offer.scans:
        return None
    scans = counted(loop.offer.scans, "scan of open cases still has", "scans of open cases still have")
    return NextStep("Read open cases again?", f"{scans} the answer of an earlier model.", "See the offer", "#reread")


def _first_dataset(loop: Loop) -> NextStep | None:
    if loop.dataset is not None or not (loop.new_labels or loop.has_base_sets):
        return None
    words = "Freeze what is labelled now; a model can then learn from it. You see first what would be in it."
    return NextStep("Build the first data set", words, "See what would be in it", reverse("dataset-build"))


def _suggested(loop: Loop) -> NextStep | None:
    if loop.suggestion is None:
        return None
    return NextStep("Time for a new model?", loop.suggestion.words, "Build a data set", reverse("dataset-build"))


def _labels_first(loop: Loop) -> NextStep | None:
    if loop.dataset is not None:
        return None
    words = (
        "A model learns from what readers decide. Have scans read, or let the administrator import a base set; "
        "then a data set can be built."
    )
    return NextStep("Labels come first", words, "To the worklist", reverse("worklist"))


def _nothing(loop: Loop) -> NextStep | None:
    new = counted(loop.new_labels, "new label")
    words = f"{new} since the last data set. You can build one and train at any time." if loop.new_labels else ""
    return NextStep("Nothing to do now", words or "No new label since the last data set.", tone="calm")


LOOKS: tuple[Callable[[Loop], NextStep | None], ...] = (
    _second_person,
    _under_way,
    _candidate_may_serve,
    _run_failed,
    _not_compared,
    _untrained,
    _suggested,
    _stopped_at_gate,
    _reread,
    _outrun,
    _first_dataset,
    _labels_first,
    _nothing,
)
