"""Words and links for what comes next in the loop; `learning.next_step` decides what it is."""

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse

from accounts.formatting import counted
from learning.models import Comparison, Dataset, TrainingRun
from learning.next_step import Step, StepKind


@dataclass(frozen=True)
class NextStep:
    title: str
    words: str
    action: str = ""
    address: str = ""
    tone: str = ""  # "", alarm, calm


def words_for_step(step: Step) -> NextStep:
    return WORDS[step.kind](step)


def scans_to_read_address() -> str:
    """The worklist, first what a label is most useful for."""
    return f"{reverse('worklist')}?needs_review=on&sort=teaching"


def _decide_override(step: Step) -> NextStep:
    asked = step.override
    assert asked is not None  # noqa: S101 - the rule gives it
    return NextStep(
        "A second person is needed",
        f"{asked.requested_by.display_name} asks to promote {asked.comparison.challenger} although it does not meet "
        "the promotion criteria. You can approve or refuse.",
        "Read the request",
        reverse("comparison", args=[asked.comparison_id]),
        "alarm",
    )


def _wait_for_training(step: Step) -> NextStep:
    return NextStep(
        "A new model is being trained", "There is nothing to do until it ends.", "Follow it", _run(step.run)
    )


def _wait_for_comparison(step: Step) -> NextStep:
    words = "Two models read the same test patients. Wait for the result."
    if step.comparing is not None:
        both = f"{step.comparing.challenger} and {step.comparing.champion}"
        words = f"{both} read the same test patients. Wait for the result."
    return NextStep("The candidate is being compared", words, "All comparisons", reverse("comparison-list"))


def _decide_candidate(step: Step) -> NextStep:
    comparison = _required(step.comparison)
    words = "It meets the promotion criteria. Read what changes, then promote or refuse it."
    if not comparison.passed:
        words = "A second person has approved promoting it against the criteria. Promote or refuse it."
    return NextStep(f"Decide on {comparison.challenger}", words, "Compare and decide", _comparison(comparison))


def _wait_for_decision(step: Step) -> NextStep:
    comparison = _required(step.comparison)
    return NextStep(
        f"{comparison.challenger} is waiting for a decision",
        "You can read the comparison. Only a superuser or a manager of all sites can promote.",
        "Read the comparison",
        _comparison(comparison),
    )


def _look_at_failed_run(step: Step) -> NextStep:
    return NextStep(f"{step.run} failed", _joined(step), "See why", _run(step.run), "alarm")


def _compare(step: Step) -> NextStep:
    words = _joined(step) or "It has not been compared with the model in service."
    return NextStep(f"Compare {step.run.model if step.run else 'it'}", words, "Open the run", _run(step.run))


def _not_comparable(step: Step) -> NextStep:
    model = step.run.model if step.run else "The candidate"
    return NextStep(
        f"{model} cannot be compared yet", f"{_joined(step)} {_to_read(step)}", "Scans to read", scans_to_read_address()
    )


def _train(step: Step) -> NextStep:
    dataset: Dataset | None = step.dataset
    return NextStep(
        f"Train on {dataset}",
        "No model was trained on it yet. The next page shows what a training would use and how long it takes.",
        "Prepare a training",
        f"{reverse('training-start')}?dataset={dataset.pk if dataset else ''}",
    )


def _build_dataset(step: Step) -> NextStep:
    words = _joined(step) or "There are enough labels to train on. The next page shows what the data set would contain."
    return NextStep("Build a data set", words, "Preview the data set", reverse("dataset-build"))


def _criteria_not_met(step: Step) -> NextStep:
    comparison = _required(step.comparison)
    return NextStep(
        f"{comparison.challenger} does not meet the promotion criteria",
        "You can refuse it, gather more labels and train again, or ask a second person to override the criteria.",
        "See why",
        _comparison(comparison),
        "alarm",
    )


def _reread(step: Step) -> NextStep:
    scans = counted(step.scans, "scan in open cases still has", "scans in open cases still have")
    return NextStep("Read open cases again?", f"{scans} the answer of an earlier model.", "See the offer", "#reread")


def _candidate_waits(step: Step) -> NextStep:
    comparison = _required(step.comparison)
    return NextStep(
        f"{comparison.challenger} is waiting", _joined(step), "Open the comparison", _comparison(comparison)
    )


def _gather_labels(step: Step) -> NextStep:
    words = (
        f"A model is trained on what readers decide. {_to_read(step)} The administrator can also import a labelled "
        f"folder (manage.py import_labels FOLDER). {_joined(step)}"
    ).strip()
    action = (
        ("Scans to read", scans_to_read_address()) if step.scans else ("Preview a data set", reverse("dataset-build"))
    )
    return NextStep("Not enough labels to train yet", words, *action)


def _nothing(step: Step) -> NextStep:
    return NextStep("Nothing to do now", "You can build a data set and train at any time.", tone="calm")


def _to_read(step: Step) -> str:
    if not step.scans:
        return "No scan is waiting for a reader."
    return f"{counted(step.scans, 'scan is', 'scans are')} waiting for a reader."


def _joined(step: Step) -> str:
    return " ".join(step.details)


def _required(comparison: Comparison | None) -> Comparison:
    assert comparison is not None  # noqa: S101 - the rule gives it
    return comparison


def _comparison(comparison: Comparison) -> str:
    return reverse("comparison", args=[comparison.pk])


def _run(run: TrainingRun | None) -> str:
    return reverse("training-run", args=[run.pk]) if run else reverse("training-list")


WORDS: dict[StepKind, Callable[[Step], NextStep]] = {
    StepKind.DECIDE_OVERRIDE: _decide_override,
    StepKind.WAIT_FOR_TRAINING: _wait_for_training,
    StepKind.WAIT_FOR_COMPARISON: _wait_for_comparison,
    StepKind.DECIDE_CANDIDATE: _decide_candidate,
    StepKind.WAIT_FOR_DECISION: _wait_for_decision,
    StepKind.LOOK_AT_FAILED_RUN: _look_at_failed_run,
    StepKind.COMPARE: _compare,
    StepKind.NOT_COMPARABLE: _not_comparable,
    StepKind.TRAIN: _train,
    StepKind.BUILD_DATASET: _build_dataset,
    StepKind.CRITERIA_NOT_MET: _criteria_not_met,
    StepKind.REREAD: _reread,
    StepKind.CANDIDATE_WAITS: _candidate_waits,
    StepKind.GATHER_LABELS: _gather_labels,
    StepKind.NOTHING: _nothing,
}
