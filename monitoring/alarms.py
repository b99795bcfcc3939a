"""What a manager should look at: in plain words, with the bound that was crossed and what to do about it.

Every bound is a setting (`MONITOR_…`); no share of few scans raises anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.conf import settings

from accounts.formatting import decimal, duration, round_share
from inference.models import ModelStatus
from monitoring.results import (
    Alarm,
    AlarmLevel,
    Counts,
    ModelFigures,
    ReaderAgreement,
    Shift,
    ShiftState,
)


@dataclass(frozen=True)
class Rule:
    """A share that must not rise above its bound."""

    name: str
    rate: str  # of Counts
    part: str
    whole: str
    bound: str  # settings, both
    least: str
    words: str
    advice: str

    def broken_by(self, figures: ModelFigures) -> Alarm | None:
        counts, bound, least = figures.counts, getattr(settings, self.bound), getattr(settings, self.least)
        rate, part, whole = getattr(counts, self.rate), getattr(counts, self.part), _whole(counts, self.whole)
        if rate is None or whole < least or rate <= bound:
            return None
        words = self.words.format(model=figures.name, part=part, whole=whole, rate=round_share(rate))
        threshold = f"Raised above {round_share(bound)}, once {least} scans are counted."
        return Alarm(AlarmLevel.ALARM, self.name, figures.name, words, threshold, self.advice)


RULES = (
    Rule(
        "missed", "missed_rate", "missed", "infected", "MONITOR_MISSED_RATE", "MONITOR_LEAST_INFECTED",
        "{model} answered “unlikely” for {part} of {whole} scans in which readers found COVID-19 ({rate}).",
        "Read these scans, tell the readers not to rely on “unlikely”, and compare it with another model; "
        "where it serves, roll back if an earlier one missed fewer.",
    ),
    Rule(
        "false_alarms", "false_alarm_rate", "false_alarms", "not_infected", "MONITOR_FALSE_ALARM_RATE",
        "MONITOR_LEAST_REVIEWS",
        "{model} answered “likely” for {part} of {whole} scans in which readers found no COVID-19 ({rate}).",
        "False alarms cost time and trust. Train a model with the new labels and compare it.",
    ),
    Rule(
        "overrides", "override_rate", "overrode", "seen", "MONITOR_OVERRIDE_RATE", "MONITOR_LEAST_REVIEWS",
        "Readers decided against {model} in {part} of {whole} reviews ({rate}).",
        "Read the reasons that they wrote; their decisions are labels from which a better model can be trained.",
    ),
    Rule(
        "abstentions", "abstention_rate", "abstentions", "done", "MONITOR_ABSTENTION_RATE", "MONITOR_LEAST_SCANS",
        "{model} left {part} of {whole} scans to the readers as uncertain ({rate}).",
        "Check the drift below for changed scans; labels of uncertain scans are the most useful for training.",
    ),
    Rule(
        "unsuitable", "unsuitable_rate", "unsuitable", "done", "MONITOR_UNSUITABLE_RATE", "MONITOR_LEAST_SCANS",
        "{model} found {part} of {whole} scans not suitable ({rate}).",
        "Ask whether a new scanner, protocol or kind of picture is being sent; the model must not be used for those.",
    ),
    Rule(
        "failures", "failure_rate", "failed", "done+failed", "MONITOR_FAILURE_RATE", "MONITOR_LEAST_SCANS",
        "{model} could not answer {part} of {whole} scans ({rate}).",
        "Inform the administrator: the reasons are shown with the scans and in the log of the inference worker.",
    ),
)  # fmt: skip


def alarms_of(models: list[ModelFigures], readers: ReaderAgreement, total: Counts) -> list[Alarm]:
    """Alarms before notices; inside each, what concerns patients first."""
    found = [
        *(_of_model(figures, alarm) for rule in RULES for figures in models if (alarm := rule.broken_by(figures))),
        *_waiting(total),
        *(_of_model(figures, alarm) for figures in models for alarm in _drifting(figures)),
        *_readers(readers),
    ]
    return sorted(found, key=lambda alarm: alarm.level != AlarmLevel.ALARM)


def _of_model(figures: ModelFigures, alarm: Alarm) -> Alarm:
    """Lowers alarms about a model that has left service to notices."""
    if figures.status == ModelStatus.ACTIVE:
        return alarm
    return replace(alarm, level=AlarmLevel.NOTICE, words=f"{alarm.words} It is no longer in service.")


def _whole(counts: Counts, names: str) -> int:
    return sum(getattr(counts, name) for name in names.split("+"))


def _waiting(total: Counts) -> Iterator[Alarm]:
    seconds = settings.MONITOR_WAIT_SECONDS
    advice = "Check that the inference worker runs and keeps up; another worker or a GPU helps."
    if total.overdue:
        threshold = f"Raised once a scan waits for more than {duration(seconds)}."
        scans = f"{total.overdue} scans have" if total.overdue > 1 else "1 scan has"
        words = f"{scans} been waiting for an answer for more than {duration(seconds)}."
        yield Alarm(AlarmLevel.ALARM, "overdue", "", words, threshold, advice)
    if total.done >= settings.MONITOR_LEAST_SCANS and total.p95_wait is not None and total.p95_wait > seconds:
        words = f"One scan in twenty waited for {duration(total.p95_wait)} or longer."
        threshold = f"Raised above {duration(seconds)}, once {settings.MONITOR_LEAST_SCANS} scans are counted."
        yield Alarm(AlarmLevel.ALARM, "waiting", "", words, threshold, advice)


def _drifting(figures: ModelFigures) -> Iterator[Alarm]:
    for shift in figures.drift.shifts:
        if shift.state == ShiftState.SHIFTED:
            yield _drift(AlarmLevel.ALARM, figures, shift, settings.MONITOR_PSI_ALARM)
        elif shift.state == ShiftState.SHIFTING:
            yield _drift(AlarmLevel.NOTICE, figures, shift, settings.MONITOR_PSI_NOTICE)


def _drift(level: AlarmLevel, figures: ModelFigures, shift: Shift, bound: float) -> Alarm:
    of_score = shift.name == "score"
    what = "The scores" if of_score else f"The scans' {shift.title.lower()}"
    how = "have moved far from" if level == AlarmLevel.ALARM else "move away from"
    known = "its held-out scores" if of_score else "its training set"
    return Alarm(
        level=level,
        name="drift",
        model=figures.name,
        words=f"{what} seen by {figures.name} {how} {known}: drift index (PSI) {decimal(shift.psi)}, {shift.n} scans.",
        threshold=f"Raised from {bound:g}, with {settings.MONITOR_LEAST_SCANS} scans or more and a statistically "
        "significant shift.",
        advice="Other patients, or another scanner or protocol? Check the model on recent scans before relying on it; "
        "review some, train with them and compare.",
    )


def _readers(readers: ReaderAgreement) -> Iterator[Alarm]:
    least, bound = settings.MONITOR_LEAST_REVIEWS, settings.MONITOR_KAPPA
    if readers.kappa is None or readers.scans < least or readers.kappa >= bound:
        return
    yield Alarm(
        level=AlarmLevel.NOTICE,
        name="readers",
        model="",
        words=f"Readers agree less than they should: kappa {decimal(readers.kappa)} on {readers.scans} common scans.",
        threshold=f"Raised below {bound:g}, once {least} scans are counted.",
        advice="Go through the scans on which they differ together; labels that are not agreed make a poor data set.",
    )
