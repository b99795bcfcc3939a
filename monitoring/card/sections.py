"""The sections of a model's card, each from what is stored of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.formatting import decimal
from inference import what_is_claimed
from inference.models import ModelVersion
from learning.models import BaseSet, TrainingRun
from monitoring.card.figures import card_lines, figure_lines
from monitoring.lineage.results import DatasetTrace
from monitoring.lineage.tracer import Tracer, ancestors_of, run_of, words_for_origin, words_for_training_set

INTENDED_USE = gettext_lazy("Research use; not a medical device. Second reader of chest CT in suspected COVID-19.")
NOT_FOR = gettext_lazy(
    "Not for diagnosis, for ruling COVID-19 out, for triage without a doctor, for children, for "
    "other windows than the lung's, or for telling other diseases apart: whatever is not "
    "COVID-19 is one class."
)
FIGURES = gettext_lazy(
    "Sensitivity is the share of infected scans that it finds, specificity the share of the others that it clears. AUC "
    "says how well it ranks infected scans above the others: 1 is perfect, 0.5 is guessing."
)
LIMITS = (
    gettext_lazy(
        "It misses infections; the figures below say how many were missed where it was measured, and "
        "no figure says how many are missed where it was not: another scanner, protocol or "
        "population can change them."
    ),
    gettext_lazy(
        "It leaves scans to the reader that are too close to call or look unlike its training data; "
        "neither is an answer."
    ),
    gettext_lazy(
        "Its probability is calibrated on the data named below. The map shows what raised its "
        "probability, which need not be what a radiologist would point to."
    ),
    gettext_lazy("A doctor decides on every scan. What doctors decide is kept apart from what the model says."),
)
SHOWN_APART = ("intended_use", "trained_on", "recipe", "code", "data_licences", "limits", "limitations")


@dataclass(frozen=True)
class CardTable:
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class CardSection:
    """Holds, in the order in which they are shown, paragraphs, facts (name and text) and tables."""

    name: str  # stable, for anchors and the API
    title: str
    paragraphs: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    tables: Sequence[CardTable] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.paragraphs or self.facts or self.tables)


def summary_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    facts = [
        (_("Name"), model.name),
        (_("Version"), model.version),
        (_("Status"), model.get_status_display()),
        (_("Network"), model.architecture),
        (_("Registered"), day(model.registered_at)),
        (_("SHA-256 of the artefact"), model.sha256),
    ]
    others = {name: text for name, text in card_of(model).items() if name not in SHOWN_APART}
    return CardSection("summary", _("What it is"), facts=[*facts, *card_lines(others)])


def use_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    stated = card_of(model).get("intended_use") or INTENDED_USE
    return CardSection(
        "use", _("Intended use"), [str(stated), f"{what_is_claimed.CLAIM} {what_is_claimed.LOOK_ALIKES}", str(NOT_FOR)]
    )


def limits_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    card = card_of(model)
    stated = card_lines({name: card[name] for name in ("limits", "limitations") if name in card})
    return CardSection("limits", _("Limits"), [*(text for _, text in stated), *map(str, LIMITS)])


def origin_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    """Where it comes from, and what it was made of before."""
    run = run_of(model)
    facts: list[tuple[str, str]] = _run_facts(run, tracer) if run is not None else []
    recipe = card_of(model).get("recipe")
    if isinstance(recipe, Mapping):
        facts += card_lines(_recipe_used(recipe))
    rows = [(str(each), words_for_origin(each, run_of(each))) for each in ancestors_of(model)]
    tables = [CardTable(_("Models it was trained from"), (_("Model"), _("Where it comes from")), rows)] if rows else []
    return CardSection("origin", _("How it was made"), [words_for_origin(model, run)], facts, tables)


def _run_facts(run: TrainingRun, tracer: Tracer) -> list[tuple[str, str]]:
    trace = tracer.run(run)
    started_from = str(run.parent) if run.parent is not None else _("Nothing; from scratch")
    facts = [(_("Method"), trace.method), (_("Started from"), started_from), (_("Trained"), day(run.finished_at))]
    if trace.is_visible:
        facts.append((_("Asked for by"), trace.requested_by))
    return facts + card_lines({_("setting %(name)s") % {"name": name}: value for name, value in run.settings.items()})


def _recipe_used(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A head is fitted without what is set for training the network."""
    unused = {"finetuning"} if recipe.get("mode") == "head" else set()
    return {_("recipe, %(name)s") % {"name": name}: value for name, value in recipe.items() if name not in unused}


def data_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    """Counts and licences: of its own data set, of what its makers state, and of the models that it goes back to."""
    run, card = run_of(model), card_of(model)
    paragraphs, tables = [], []
    if run is not None:
        trace = tracer.run(run).dataset
        paragraphs.append(_words_for_dataset(trace))
        tables += _dataset_tables(trace)
    elif card.get("trained_on"):
        paragraphs.append(
            _("Trained on %(words_for_training_set)s, as its card states.")
            % {"words_for_training_set": words_for_training_set(card["trained_on"])}
        )
    rows = [*_stated_licences([model, *ancestors_of(model)]), *_base_licences(run)]
    if rows:
        tables.append(CardTable(_("Licences of the data"), (_("Data"), _("Licence")), rows))
    return CardSection("data", _("Data"), paragraphs, tables=tables)


def _words_for_dataset(trace: DatasetTrace) -> str:
    readers = ngettext("%(number)s reader", "%(number)s readers", trace.reviewer_count) % {
        "number": trace.reviewer_count
    }
    return _(
        "%(trace)s: %(scans)s scans of %(patients)s patients, %(covid)s with COVID-19 and "
        "%(non_covid)s without, labelled by %(readers)s or by the base sets' makers. It was trained "
        "on the training and validation splits. A patient never changes split; the test split was "
        "held out."
    ) % {
        "trace": trace.title,
        "scans": trace.scans,
        "patients": trace.patients,
        "covid": trace.covid,
        "non_covid": trace.non_covid,
        "readers": readers,
    }


def _dataset_tables(trace: DatasetTrace) -> list[CardTable]:
    tables = [CardTable(_("Splits"), (_("Split"), _("Scans")), [(title, str(scans)) for title, scans in trace.splits])]
    if trace.sources:
        rows = [(title, str(scans)) for title, scans in trace.sources]
        tables.append(CardTable(_("Sources"), (_("Site or base set"), _("Scans")), rows))
    return tables


def _stated_licences(models: Sequence[ModelVersion]) -> list[tuple[str, str]]:
    rows = []
    for model in models:
        card = card_of(model)
        if card.get("data_licences"):
            rows.append((_("Training data of %(model)s") % {"model": model}, str(card["data_licences"])))
    return rows


def _base_licences(run: TrainingRun | None) -> list[tuple[str, str]]:
    sets = BaseSet.objects.filter(datasets__runs=run) if run is not None else BaseSet.objects.none()
    return [(base.name, base.licence or _("Not stated when it was imported")) for base in sets.distinct()]


def measured_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    """What its artefact brings along, missed infections first."""
    lines = figure_lines(model.metrics)
    rows = [
        (line.measured_on, line.missed, line.false_alarms, line.sensitivity, line.specificity, line.auc, line.note)
        for line in lines
    ]
    header = (_("Measured on"), _("Missed"), _("False alarms"), _("Sensitivity"), _("Specificity"), "AUC", _("Note"))
    if not rows:
        words = _("It came without figures; compare it with the model in service.")
        return CardSection("measured", _("Figures from its makers"), [words])
    return CardSection(
        "measured", _("Figures from its makers"), [str(FIGURES)], tables=[CardTable(_("Figures"), header, rows)]
    )


def thresholds_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    facts = []
    for kind, title in (("scan", _("A series")), ("slice", _("A single slice"))):
        rule = model.thresholds.get(kind)
        if isinstance(rule, Mapping) and {"low", "high"} <= rule.keys():
            words = _("“unlikely” below %(low)s, “likely” from %(high)s, uncertain between") % {
                "low": decimal(rule["low"]),
                "high": decimal(rule["high"]),
            }
            facts.append((title, words))
    if model.thresholds.get("suitable") is not None:
        facts.append((_("A slice is judged from a suitability of"), decimal(model.thresholds["suitable"])))
    if model.thresholds.get("familiar") is not None:
        words = decimal(model.thresholds["familiar"])
        facts.append((_("A scan counts as like the training data from a suitability of"), words))
    return CardSection("thresholds", _("From a probability to an answer"), facts=facts)


def sites_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    """By which operating point it answers where; whose decisions those were is for the managers of the site."""
    title, rows = _("Accepted at sites"), tracer.acceptances(model)
    words = [
        _(
            "At a site that has accepted an operating point of its own, that one judges new answers; elsewhere the "
            "model's own does, and answers say that it is not validated there."
        )
    ]
    cells = [
        (row.site, f"{row.number}: {row.choice_words}", decimal(row.operating_point), day(row.decided_at), row.reason)
        for row in rows
    ]
    header = (_("Site"), _("Decision"), _("Operating point"), _("When"), _("Reason"))
    return CardSection("sites", title, words, tables=[CardTable(_("Decisions"), header, cells)] if cells else [])


def service_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    periods = tracer.service(model)
    if not periods:
        return CardSection("service", _("In service"), [_("No service period is recorded.")])
    rows = [
        (day(period.started_at), day(period.ended_at) if period.ended_at else "today", period.entry, period.reason)
        for period in periods
    ]
    return CardSection(
        "service",
        _("In service"),
        tables=[CardTable(_("Periods"), (_("From"), _("Until"), _("How"), _("Reason")), rows)],
    )


def software_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    code = card_of(model).get("code")
    return CardSection("software", _("Software"), facts=card_lines(code) if isinstance(code, Mapping) else [])


def card_of(model: ModelVersion) -> dict[str, Any]:
    return model.card if isinstance(model.card, dict) else {}


def day(moment: datetime | None) -> str:
    return date_format(timezone.localtime(moment), "DATE_FORMAT") if moment is not None else "–"
