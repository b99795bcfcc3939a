"""Words and links for what comes next in the loop; `learning.next_step` decides what it is."""

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.formatting import whole
from accounts.stored_words import said_again
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
        _("A second person is needed"),
        _(
            "%(display_name)s asks to promote %(challenger)s although it does not meet the promotion "
            "criteria. You can approve or refuse."
        )
        % {"display_name": asked.requested_by.display_name, "challenger": asked.comparison.challenger},
        _("Read the request"),
        reverse("comparison", args=[asked.comparison_id]),
        "alarm",
    )


def _wait_for_training(step: Step) -> NextStep:
    return NextStep(
        _("A new model is being trained"), _("There is nothing to do until it ends."), _("Follow it"), _run(step.run)
    )


def _wait_for_comparison(step: Step) -> NextStep:
    words = _("Two models read the same test patients. Wait for the result.")
    if step.comparing is not None:
        words = _("%(challenger)s and %(champion)s read the same test patients. Wait for the result.") % {
            "challenger": step.comparing.challenger,
            "champion": step.comparing.champion,
        }
    return NextStep(_("The candidate is being compared"), words, _("All comparisons"), reverse("comparison-list"))


def _decide_candidate(step: Step) -> NextStep:
    comparison = _required(step.comparison)
    words = _("It meets the promotion criteria. Read what changes, then promote or refuse it.")
    if not comparison.passed:
        words = _("A second person has approved promoting it against the criteria. Promote or refuse it.")
    return NextStep(
        _("Decide on %(challenger)s") % {"challenger": comparison.challenger},
        words,
        _("Compare and decide"),
        _comparison(comparison),
    )


def _wait_for_decision(step: Step) -> NextStep:
    comparison = _required(step.comparison)
    return NextStep(
        _("%(challenger)s is waiting for a decision") % {"challenger": comparison.challenger},
        _("You can read the comparison. Only a superuser or a manager of all sites can promote."),
        _("Read the comparison"),
        _comparison(comparison),
    )


def _look_at_failed_run(step: Step) -> NextStep:
    return NextStep(_("%(run)s failed") % {"run": step.run}, _joined(step), _("See why"), _run(step.run), "alarm")


def _compare(step: Step) -> NextStep:
    words = _joined(step) or _("It has not been compared with the model in service.")
    return NextStep(
        _("Compare %(model)s") % {"model": step.run.model} if step.run else _("Compare it"),
        words,
        _("Open the run"),
        _run(step.run),
    )


def _not_comparable(step: Step) -> NextStep:
    model = step.run.model if step.run else None
    return NextStep(
        _("%(model)s cannot be compared yet") % {"model": model}
        if model
        else _("The candidate cannot be compared yet"),
        f"{_joined(step)} {_to_read(step)}",
        _("Scans to read"),
        scans_to_read_address(),
    )


def _train(step: Step) -> NextStep:
    dataset: Dataset | None = step.dataset
    return NextStep(
        _("Train on %(dataset)s") % {"dataset": dataset},
        _("No model was trained on it yet. The next page shows what a training would use and how long it takes."),
        _("Prepare a training"),
        f"{reverse('training-start')}?dataset={dataset.pk if dataset else ''}",
    )


def _build_dataset(step: Step) -> NextStep:
    words = _joined(step) or _(
        "There are enough labels to train on. The next page shows what the data set would contain."
    )
    return NextStep(_("Build a data set"), words, _("Preview the data set"), reverse("dataset-build"))


def _criteria_not_met(step: Step) -> NextStep:
    comparison = _required(step.comparison)
    return NextStep(
        _("%(challenger)s does not meet the promotion criteria") % {"challenger": comparison.challenger},
        _("You can refuse it, gather more labels and train again, or ask a second person to override the criteria."),
        _("See why"),
        _comparison(comparison),
        "alarm",
    )


def _reread(step: Step) -> NextStep:
    words = ngettext(
        "%(number)s scan in open cases still has the answer of an earlier model.",
        "%(number)s scans in open cases still have the answer of an earlier model.",
        step.scans,
    )
    return NextStep(
        _("Read open cases again?"),
        words % {"number": whole(step.scans)},
        _("See the offer"),
        "#reread",
    )


def _candidate_waits(step: Step) -> NextStep:
    comparison = _required(step.comparison)
    return NextStep(
        _("%(challenger)s is waiting") % {"challenger": comparison.challenger},
        _joined(step),
        _("Open the comparison"),
        _comparison(comparison),
    )


def _gather_labels(step: Step) -> NextStep:
    sentences = (
        _("A model is trained on what readers decide."),
        _to_read(step),
        _("The administrator can also import a labelled folder (manage.py import_labels FOLDER)."),
        _joined(step),
    )
    words = " ".join(filter(None, sentences))
    action = (
        (_("Scans to read"), scans_to_read_address())
        if step.scans
        else (_("Preview a data set"), reverse("dataset-build"))
    )
    return NextStep(_("Not enough labels to train yet"), words, *action)


def _nothing(step: Step) -> NextStep:
    return NextStep(_("Nothing to do now"), _("You can build a data set and train at any time."), tone="calm")


def _to_read(step: Step) -> str:
    if not step.scans:
        return _("No scan is waiting for a reader.")
    words = ngettext(
        "%(number)s scan is waiting for a reader.", "%(number)s scans are waiting for a reader.", step.scans
    )
    return words % {"number": whole(step.scans)}


def _joined(step: Step) -> str:
    return " ".join(said_again(str(sentence)) for sentence in step.details)


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
