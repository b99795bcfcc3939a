"""What a manager should look at: in plain words, with the bound that was crossed and what to do about it.

Every bound is a setting (`MONITOR_…`); no share of few scans raises anything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.formatting import decimal, duration, round_share, shortest
from accounts.wording import in_sentence
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
    words: Promise | str
    advice: Promise | str

    def broken_by(self, figures: ModelFigures) -> Alarm | None:
        counts, bound, least = figures.counts, getattr(settings, self.bound), getattr(settings, self.least)
        rate, part, whole = getattr(counts, self.rate), getattr(counts, self.part), _whole(counts, self.whole)
        if rate is None or whole < least or rate <= bound:
            return None
        words = str(self.words).format(model=figures.name, part=part, whole=whole, rate=round_share(rate))
        threshold = _("Raised above %(percent)s, once %(least)s scans are counted.") % {
            "percent": round_share(bound),
            "least": least,
        }
        return Alarm(AlarmLevel.ALARM, self.name, figures.name, words, threshold, str(self.advice))


RULES = (
    Rule(
        "missed", "missed_rate", "missed", "infected", "MONITOR_MISSED_RATE", "MONITOR_LEAST_INFECTED",
        gettext_lazy(
"{model} answered “unlikely” for {part} of {whole} scans in which readers found COVID-19 "
"({rate})."
),
        gettext_lazy(
"Read these scans, tell the readers not to rely on “unlikely”, and compare it with another "
"model; where it serves, roll back if an earlier one missed fewer."
),
    ),
    Rule(
        "false_alarms", "false_alarm_rate", "false_alarms", "not_infected", "MONITOR_FALSE_ALARM_RATE",
        "MONITOR_LEAST_REVIEWS",
        gettext_lazy(
"{model} answered “likely” for {part} of {whole} scans in which readers found no COVID-19 "
"({rate})."
),
        gettext_lazy("False alarms cost time and trust. Train a model with the new labels and compare it."),
    ),
    Rule(
        "overrides", "override_rate", "overrode", "seen", "MONITOR_OVERRIDE_RATE", "MONITOR_LEAST_REVIEWS",
        gettext_lazy("Readers decided against {model} in {part} of {whole} reviews ({rate})."),
        gettext_lazy(
"Read the reasons that they wrote; their decisions are labels from which a better model can "
"be trained."
),
    ),
    Rule(
        "abstentions", "abstention_rate", "abstentions", "done", "MONITOR_ABSTENTION_RATE", "MONITOR_LEAST_SCANS",
        gettext_lazy("{model} left {part} of {whole} scans to the readers as uncertain ({rate})."),
        gettext_lazy(
"Check the drift below for changed scans; labels of uncertain scans are the most useful for "
"training."
),
    ),
    Rule(
        "unsuitable", "unsuitable_rate", "unsuitable", "done", "MONITOR_UNSUITABLE_RATE", "MONITOR_LEAST_SCANS",
        gettext_lazy("{model} found {part} of {whole} scans not suitable ({rate})."),
        gettext_lazy(
"Ask whether a new scanner, protocol or kind of picture is being sent; the model must not be "
"used for those."
),
    ),
    Rule(
        "unlike", "unlike_rate", "unlike", "done", "MONITOR_UNLIKE_RATE", "MONITOR_LEAST_SCANS",
        "{model} found {part} of {whole} scans unlike its training data ({rate}) and left them to the readers.",
        "Its figures from elsewhere say little of these scans; look at the site's own figures under site acceptance.",
    ),
    Rule(
        "failures", "failure_rate", "failed", "done+failed", "MONITOR_FAILURE_RATE", "MONITOR_LEAST_SCANS",
        gettext_lazy("{model} could not answer {part} of {whole} scans ({rate})."),
        gettext_lazy(
"Inform the administrator: the reasons are shown with the scans and in the log of the "
"inference worker."
),
    ),
)  # fmt: skip


def alarms_of(
    models: list[ModelFigures], readers: ReaderAgreement, total: Counts, accepted: Iterable[Alarm] = ()
) -> list[Alarm]:
    """Alarms before notices; inside each, what concerns patients first.

    `accepted`: from `monitoring.acceptance.watch`, about the operating points that sites have accepted.
    """
    found = [
        *accepted,
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
    return replace(alarm, level=AlarmLevel.NOTICE, words=f"{alarm.words} {_('It is no longer in service.')}")


def _whole(counts: Counts, names: str) -> int:
    return sum(getattr(counts, name) for name in names.split("+"))


def _waiting(total: Counts) -> Iterator[Alarm]:
    seconds = settings.MONITOR_WAIT_SECONDS
    advice = _("Check that the inference worker runs and keeps up; another worker or a GPU helps.")
    if total.overdue:
        threshold = _("Raised once a scan waits for more than %(duration)s.") % {"duration": duration(seconds)}
        words = ngettext(
            "%(number)s scan has been waiting for an answer for more than %(duration)s.",
            "%(number)s scans have been waiting for an answer for more than %(duration)s.",
            total.overdue,
        ) % {"number": total.overdue, "duration": duration(seconds)}
        yield Alarm(AlarmLevel.ALARM, "overdue", "", words, threshold, advice)
    if total.done >= settings.MONITOR_LEAST_SCANS and total.p95_wait is not None and total.p95_wait > seconds:
        words = _("One scan in twenty waited for %(duration)s or longer.") % {"duration": duration(total.p95_wait)}
        threshold = _("Raised above %(duration)s, once %(monitor_least_scans)s scans are counted.") % {
            "duration": duration(seconds),
            "monitor_least_scans": settings.MONITOR_LEAST_SCANS,
        }
        yield Alarm(AlarmLevel.ALARM, "waiting", "", words, threshold, advice)


def _drifting(figures: ModelFigures) -> Iterator[Alarm]:
    for shift in figures.drift.shifts:
        if shift.state == ShiftState.SHIFTED:
            yield _drift(AlarmLevel.ALARM, figures, shift, settings.MONITOR_PSI_ALARM)
        elif shift.state == ShiftState.SHIFTING:
            yield _drift(AlarmLevel.NOTICE, figures, shift, settings.MONITOR_PSI_NOTICE)


def _drift(level: AlarmLevel, figures: ModelFigures, shift: Shift, bound: float) -> Alarm:
    return Alarm(
        level=level,
        name="drift",
        model=figures.name,
        words=_what_moved(level, shift)
        % {
            "model": figures.name,
            "what": in_sentence(shift.title),
            "psi": decimal(shift.psi, 2),
            "n": shift.n,
        },
        threshold=_(
            "Raised from %(bound)s, with %(monitor_least_scans)s scans or more and a statistically significant shift."
        )
        % {"bound": shortest(bound), "monitor_least_scans": settings.MONITOR_LEAST_SCANS},
        advice=_(
            "Other patients, or another scanner or protocol? Check the model on recent scans before "
            "relying on it; review some, train with them and compare."
        ),
    )


def _readers(readers: ReaderAgreement) -> Iterator[Alarm]:
    least, bound = settings.MONITOR_LEAST_REVIEWS, settings.MONITOR_KAPPA
    if readers.kappa is None or readers.scans < least or readers.kappa >= bound:
        return
    yield Alarm(
        level=AlarmLevel.NOTICE,
        name="readers",
        model="",
        words=_("Readers agree less than they should: kappa %(kappa)s on %(scans)s common scans.")
        % {"kappa": decimal(readers.kappa, 2), "scans": readers.scans},
        threshold=_("Raised below %(bound)s, once %(least)s scans are counted.")
        % {"bound": shortest(bound), "least": least},
        advice=_(
            "Go through the scans on which they differ together; labels that are not agreed make a poor data set."
        ),
    )


def _what_moved(level: AlarmLevel, shift: Shift) -> str:
    far = level == AlarmLevel.ALARM
    if shift.name == "score":
        return (
            _(
                "The scores seen by %(model)s have moved far from its held-out scores: drift index (PSI) %(psi)s, "
                "%(n)s scans."
            )
            if far
            else _(
                "The scores seen by %(model)s move away from its held-out scores: drift index (PSI) %(psi)s, "
                "%(n)s scans."
            )
        )
    return (
        _(
            "The scans' %(what)s seen by %(model)s have moved far from its training set: drift index (PSI) %(psi)s, "
            "%(n)s scans."
        )
        if far
        else _(
            "The scans' %(what)s seen by %(model)s move away from its training set: drift index (PSI) %(psi)s, "
            "%(n)s scans."
        )
    )
