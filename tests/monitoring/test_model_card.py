"""The card: whole for any model, true to what is stored, and for each only what is theirs to see."""

from __future__ import annotations

import pytest

from accounts.models import Site, User
from inference.models import ModelVersion
from learning.models import BaseSet, Comparison, Dataset, ServicePeriod, TrainingRun
from monitoring.card.model_card import ModelCard, as_markdown, model_card
from tests.monitoring.conftest import make_model

CALIBRATION = {"slope": 1.0, "offset": 0.0, "operating_point": 0.5, "low": 0.3, "high": 0.6}
SIDE = {"n": 40, "positives": 20, "false_negatives": 1, "false_positives": 2, "sensitivity": 0.95, "auc": 0.97}


@pytest.fixture
def shipped(model: ModelVersion) -> ModelVersion:
    model.card = {
        "intended_use": "Teaching.",
        "trained_on": {"name": "set A", "images": 12},
        "data_licences": "CC BY-NC-SA 4.0",
        "code": {"commit": "abc"},
    }
    model.metrics = {"held_out": {**SIDE, "false_negatives": 31, "positives": 1001}}
    model.thresholds = {"scan": CALIBRATION, "slice": CALIBRATION, "suitable": 0.5}
    model.save()
    ServicePeriod.objects.create(model=model, entry="command", reason="First.")
    return model


@pytest.fixture
def trained(shipped: ModelVersion, north: Site, max: User) -> ModelVersion:
    base = BaseSet.objects.create(name="Hospital B", licence="CC BY 4.0")
    side = {"patients": 4, "images": 9, "covid": 3, "non_covid": 2}
    dataset = Dataset.objects.create(
        content_hash="d" * 64,
        counts={
            "scans": 5,
            "patients": 4,
            "by_split": [{"split": "train", **side}],
            "by_source": [{"source": "north", "title": "Radiology North", "covid": 3, "non_covid": 2}],
        },
    )
    dataset.sites.set([north])
    dataset.base_sets.set([base])
    made = make_model("2", parent=shipped)
    TrainingRun.objects.create(
        dataset=dataset, parent=shipped, method="head", fingerprint="f" * 64, status="done", requested_by=max,
        finished_at=dataset.created_at, model=made, settings={"seed": 3},
    )  # fmt: skip
    difference = {"value": 0.05, "low": -0.01, "high": 0.11}
    Comparison.objects.create(
        dataset=dataset, champion=shipped, challenger=made, passed=True, reasons=["Sensitivity is not worse."],
        figures={
            "n": 40, "positives": 20, "patients": 30, "challenger": SIDE, "champion": {**SIDE, "false_negatives": 6},
            "differences": {"sensitivity": difference, "specificity": difference, "auc": difference},
            "subgroups": [{"kind": "sex", "name": "Female", "n": 9, "challenger": SIDE, "champion": SIDE}],
            "left_out": {"patients": 2},
        },
    )  # fmt: skip
    return made


def text(card: ModelCard) -> str:
    return as_markdown(card)


def test_the_card_of_a_shipped_model_says_what_its_makers_say(shipped: ModelVersion, cara: User) -> None:
    card = text(model_card(shipped, cara))
    for words in (
        "# Model card: phantom-net 1", "Research use; not for diagnosis.", "Teaching.", "Not for diagnosis",
        "Trained on set A (12 images), as its card states.", "CC BY-NC-SA 4.0", "31 of 1001", "It misses infections",
        "“unlikely” below 0.30, “likely” from 0.60", "Administrator's command", "abc", "0" * 64,
        "has not been compared",
    ):  # fmt: skip
        assert words in card


def test_the_card_of_a_trained_model_says_on_what_and_how_it_did_beside_its_parent(
    trained: ModelVersion, max: User
) -> None:
    card = text(model_card(trained, max))
    for words in (
        "5 scans of 4 patients, 3 with COVID-19 and 2 without", "Radiology North", "Hospital B", "CC BY 4.0",
        "CC BY-NC-SA 4.0", "Setting seed", "Asked for by", "phantom-net 1 (champion) | 6 of 20",
        "net 2 (challenger) | 1 of 20", "+0.050 | −0.010 to +0.110", "sex: Female", "It met the promotion criteria.",
        "Sensitivity is not worse.", "2 patients were left out", "No service period is recorded.",
    ):  # fmt: skip
        assert words in card, words


def test_who_does_not_manage_every_site_sees_sizes_and_licences_but_no_sources_and_no_comparison(
    trained: ModelVersion, cara: User, otto: User
) -> None:
    for person in (cara, otto):
        card = text(model_card(trained, person))
        assert "5 scans of 4 patients" in card
        assert "CC BY 4.0" in card
        assert "only managers of all sites of the data set can see the figures" in card
        for words in ("Radiology North", "Asked for by", "6 of 20"):
            assert words not in card


def test_the_folds_of_a_cross_validation_are_one_line_with_its_note(shipped: ModelVersion, cara: User) -> None:
    folds = [{"model": {**SIDE, "groups": {**SIDE, "n": 4, "positives": 2}}} for _ in range(3)]
    shipped.metrics = {"cross_validation": {"set A, random": {"folds": folds, "note": "leaks"}}}
    card = text(model_card(shipped, cara))
    assert "| Cross validation · Set A, random | 3 of 60 | 6 of 60 | 95.0 % | – | 0.970 | leaks |" in card
    assert "| Cross validation · Set A, random · Groups | 3 of 6 |" in card


def test_a_model_without_facts_has_a_card_with_its_limits(model: ModelVersion, cara: User) -> None:
    model.metrics, model.card, model.thresholds = {}, [], {}
    card = model_card(model, cara)
    assert "limits" in [section.name for section in card.sections]
    assert all(not section.is_empty for section in card.sections)


def test_what_makers_wrote_cannot_break_a_table_or_bring_mark_up(shipped: ModelVersion, cara: User) -> None:
    shipped.card = {"note": "a | b\n# <script>alert(1)</script> [x](http://y)"}
    card = text(model_card(shipped, cara))
    assert "| Note | a \\| b # &lt;script>alert(1)&lt;/script> \\[x](http://y) |" in card


def test_tables_are_rectangular(trained: ModelVersion, max: User) -> None:
    tables = [table for section in model_card(trained, max).sections for table in section.tables]
    assert tables
    assert all(len(row) == len(table.header) for table in tables for row in table.rows)
