"""The sections of a model's card, each from what is stored of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format

from accounts.formatting import decimal
from inference.models import ModelVersion
from learning.models import BaseSet, TrainingRun
from monitoring.card.figures import card_lines, figure_lines
from monitoring.lineage.results import DatasetTrace
from monitoring.lineage.tracer import Tracer, ancestors_of, run_of, words_for_origin, words_for_training_set

INTENDED_USE = "Research use; not a medical device. Second reader of chest CT in suspected COVID-19."
NOT_FOR = (
    "Not for diagnosis, for ruling COVID-19 out, for triage without a doctor, for children, for other windows than "
    "the lung's, or for telling other diseases apart: whatever is not COVID-19 is one class."
)
LIMITS = (
    "It misses infections; the figures below say how many were missed where it was measured, and no figure says how "
    "many are missed where it was not: another scanner, protocol or population can change them.",
    "It leaves scans to the reader that are too close to call or look unlike its training data; neither is an answer.",
    "Its probability is calibrated on the data named below. The map shows what raised its probability, which need not "
    "be what a radiologist would point to.",
    "A doctor decides on every scan. What doctors decide is kept apart from what the model says.",
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
        ("Name", model.name),
        ("Version", model.version),
        ("Status", model.get_status_display()),
        ("Network", model.architecture),
        ("Registered", day(model.registered_at)),
        ("SHA-256 of the artefact", model.sha256),
    ]
    others = {name: text for name, text in card_of(model).items() if name not in SHOWN_APART}
    return CardSection("summary", "What it is", facts=[*facts, *card_lines(others)])


def use_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    stated = card_of(model).get("intended_use") or INTENDED_USE
    return CardSection("use", "Intended use", [str(stated), NOT_FOR])


def limits_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    card = card_of(model)
    stated = card_lines({name: card[name] for name in ("limits", "limitations") if name in card})
    return CardSection("limits", "Limits", [*(text for _, text in stated), *LIMITS])


def origin_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    """Where it comes from, and what it was made of before."""
    run = run_of(model)
    facts: list[tuple[str, str]] = _run_facts(run, tracer) if run is not None else []
    recipe = card_of(model).get("recipe")
    if isinstance(recipe, Mapping):
        facts += card_lines(_recipe_used(recipe))
    rows = [(str(each), words_for_origin(each, run_of(each))) for each in ancestors_of(model)]
    tables = [CardTable("Models it was trained from", ("Model", "Where it comes from"), rows)] if rows else []
    return CardSection("origin", "How it was made", [words_for_origin(model, run)], facts, tables)


def _run_facts(run: TrainingRun, tracer: Tracer) -> list[tuple[str, str]]:
    trace = tracer.run(run)
    started_from = str(run.parent) if run.parent is not None else "Nothing; from scratch"
    facts = [("Method", trace.method), ("Started from", started_from), ("Trained", day(run.finished_at))]
    if trace.is_visible:
        facts.append(("Asked for by", trace.requested_by))
    return facts + card_lines({f"setting {name}": value for name, value in run.settings.items()})


def _recipe_used(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A head is fitted without what is set for training the network."""
    unused = {"finetuning"} if recipe.get("mode") == "head" else set()
    return {f"recipe, {name}": value for name, value in recipe.items() if name not in unused}


def data_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    """Counts and licences: of its own data set, of what its makers state, and of the models that it goes back to."""
    run, card = run_of(model), card_of(model)
    paragraphs, tables = [], []
    if run is not None:
        trace = tracer.run(run).dataset
        paragraphs.append(_words_for_dataset(trace))
        tables += _dataset_tables(trace)
    elif card.get("trained_on"):
        paragraphs.append(f"Trained on {words_for_training_set(card['trained_on'])}, as its card states.")
    rows = [*_stated_licences([model, *ancestors_of(model)]), *_base_licences(run)]
    if rows:
        tables.append(CardTable("Licences of the data", ("Data", "Licence"), rows))
    return CardSection("data", "Data", paragraphs, tables=tables)


def _words_for_dataset(trace: DatasetTrace) -> str:
    readers = f"{trace.reviewer_count} reader{'s' if trace.reviewer_count != 1 else ''}"
    return (
        f"{trace.title}: {trace.scans} scans of {trace.patients} patients, {trace.covid} with COVID-19 and "
        f"{trace.non_covid} without, labelled by {readers} or by the base sets' makers. It was trained on the "
        "training and validation splits. A patient never changes split; the test split was held out."
    )


def _dataset_tables(trace: DatasetTrace) -> list[CardTable]:
    tables = [CardTable("Splits", ("Split", "Scans"), [(title, str(scans)) for title, scans in trace.splits])]
    if trace.sources:
        rows = [(title, str(scans)) for title, scans in trace.sources]
        tables.append(CardTable("Sources", ("Site or base set", "Scans"), rows))
    return tables


def _stated_licences(models: Sequence[ModelVersion]) -> list[tuple[str, str]]:
    rows = []
    for model in models:
        card = card_of(model)
        if card.get("data_licences"):
            rows.append((f"Training data of {model}", str(card["data_licences"])))
    return rows


def _base_licences(run: TrainingRun | None) -> list[tuple[str, str]]:
    sets = BaseSet.objects.filter(datasets__runs=run) if run is not None else BaseSet.objects.none()
    return [(base.name, base.licence or "Not stated when it was imported") for base in sets.distinct()]


def measured_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    """What its artefact brings along, missed infections first."""
    lines = figure_lines(model.metrics)
    rows = [
        (line.measured_on, line.missed, line.false_alarms, line.sensitivity, line.specificity, line.auc, line.note)
        for line in lines
    ]
    header = ("Measured on", "Missed", "False alarms", "Sensitivity", "Specificity", "AUC", "Note")
    if not rows:
        words = "It came without figures; compare it with the model in service."
        return CardSection("measured", "Figures from its makers", [words])
    return CardSection("measured", "Figures from its makers", tables=[CardTable("Figures", header, rows)])


def thresholds_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    facts = []
    for kind, title in (("scan", "A series"), ("slice", "A single slice")):
        rule = model.thresholds.get(kind)
        if isinstance(rule, Mapping) and {"low", "high"} <= rule.keys():
            words = f"“unlikely” below {decimal(rule['low'])}, “likely” from {decimal(rule['high'])}, uncertain between"
            facts.append((title, words))
    if model.thresholds.get("suitable") is not None:
        facts.append(("A slice is judged from a suitability of", decimal(model.thresholds["suitable"])))
    return CardSection("thresholds", "From a probability to an answer", facts=facts)


def service_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    periods = tracer.service(model)
    if not periods:
        return CardSection("service", "In service", ["No service period is recorded."])
    rows = [
        (day(period.started_at), day(period.ended_at) if period.ended_at else "today", period.entry, period.reason)
        for period in periods
    ]
    return CardSection("service", "In service", tables=[CardTable("Periods", ("From", "Until", "How", "Reason"), rows)])


def software_section(model: ModelVersion, tracer: Tracer) -> CardSection:
    code = card_of(model).get("code")
    return CardSection("software", "Software", facts=card_lines(code) if isinstance(code, Mapping) else [])


def card_of(model: ModelVersion) -> dict[str, Any]:
    return model.card if isinstance(model.card, dict) else {}


def day(moment: datetime | None) -> str:
    return date_format(timezone.localtime(moment), "j M Y") if moment is not None else "–"
