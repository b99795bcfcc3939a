"""Rows of the learning loop for its pages: a base set, data sets, runs, and comparisons as the judge makes them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from django.test import override_settings
from django.utils import timezone

from accounts.models import Site, User
from inference.catalogue import register_model
from inference.models import ModelVersion
from learning.comparison.judge import figures_of_comparison, group_of
from learning.datasets.build import build_dataset
from learning.models import BaseImage, BaseSet, ComparedScan, Comparison, Dataset, Split, TrainingRun
from ml.evaluation.judge import paired_figures, sides_of
from tests.inference.cast import write_artifact

POINT = 0.5
# A dozen infected test patients are enough to judge by.
SMALL_TEST_SIDE = {"GATE_SENSITIVITY_MARGIN": 0.4, "GATE_LEAST_POSITIVES": 6}
HISTORY = [
    {
        "epoch": epoch,
        "loss": 0.7 / epoch,
        "accuracy": 1 - 0.4 / epoch,
        "val_loss": 0.75 / epoch + 0.02 * epoch,
        "val_accuracy": 1 - 0.45 / epoch,
        "val_auc": 1 - 0.3 / epoch,
        "val_sensitivity": 1 - 0.5 / epoch,
    }
    for epoch in range(1, 7)
]


def make_base_set(name: str = "covid-ct", *, groups: int = 120) -> BaseSet:
    """Every other patient is infected; there is no file behind the images."""
    base = BaseSet.objects.create(name=name, licence="CC BY 4.0")
    BaseImage.objects.bulk_create(
        BaseImage(
            base_set=base,
            key=f"sha256:{name}-{number:04}",
            file_sha256=f"{number:064}",
            label="covid" if number % 2 else "non_covid",
            group=f"patient{number:03}",
            scan="",
            view=f"base/{number}",
            width=64,
            height=64,
        )
        for number in range(groups)
    )
    return base


def make_dataset(*sites: Site, user: User | None = None, base: BaseSet | None = None, **choice: Any) -> Dataset:
    dataset, _ = build_dataset(user=user, sites=list(sites), base_sets=[base or make_base_set()], **choice)
    return dataset


def make_model(folder: Path, version: str, *, status: str = "candidate", parent: ModelVersion | None = None) -> Any:
    """Registered, with an artefact that is whole and too small to be worth loading."""
    made = write_artifact(folder / version, name="phantom-net", version=version, seed=sum(map(ord, version)))
    model, _ = register_model(made)
    now = timezone.now()
    ModelVersion.objects.filter(pk=model.pk).update(
        status=status, parent=parent, activated_at=None if status == "candidate" else now
    )
    model.refresh_from_db()
    return model


def make_run(dataset: Dataset, status: str = "done", **facts: Any) -> TrainingRun:
    now = timezone.now()
    state: dict[str, Any] = {"started_at": now - timedelta(minutes=12), "attempts": 1}
    if status == "running":
        state |= {"claim": uuid.uuid4(), "lease_until": now + timedelta(hours=9)}
        state |= {"progress": {"stage": "training", "done": 30, "total": 100, "epoch": 6, "epochs": 12}}
        state["progress"] |= {"seconds_left": 400.0, "history": HISTORY}
    elif status == "queued":
        state = {}
    else:
        state["finished_at"] = now
    if status == "failed":
        state["error"] = "The training refused: the disk is full. Make room and train again."
    return TrainingRun.objects.create(
        dataset=dataset, status=status, **{"method": "finetune", "settings": {"epochs": 12}, **state, **facts}
    )


def make_comparison(
    dataset: Dataset,
    champion: ModelVersion,
    challenger: ModelVersion,
    *,
    before: float = 0.5,
    now: float = 0.1,
) -> Comparison:
    """`before` and `now` are the shares of infected test scans that each misses. Every patient has one scan."""
    test = dataset.scans.filter(patient__split=Split.TEST)
    rows = list(test.select_related("patient", "base_set", "scan__case__patient__site"))
    scans = _judged(rows, before, now)
    found = {**paired_figures(*sides_of(scans), repeats=200), "scans": scans, "failed": []}
    with override_settings(**SMALL_TEST_SIDE):
        figures = figures_of_comparison(found, rows, beat=lambda: None)
    figures["left_out"] = {"patients": 2, "reason": "2 test patients were left out: a model was trained on them."}
    findings = figures["gate"]["findings"]
    comparison = Comparison.objects.create(
        dataset=dataset,
        champion=champion,
        challenger=challenger,
        figures=figures,
        passed=all(finding["passed"] for finding in findings),
        reasons=[finding["words"] for finding in findings],
    )
    by_group = {group_of(row): row for row in rows}
    ComparedScan.objects.bulk_create(
        ComparedScan(
            comparison=comparison,
            dataset_scan=by_group[scan["group"]],
            champion_decision=scan["champion"]["decision"],
            champion_probability=scan["champion"]["probability"],
            challenger_decision=scan["challenger"]["decision"],
            challenger_probability=scan["challenger"]["probability"],
        )
        for scan in scans
    )
    return comparison


def _judged(rows: list[Any], before: float, now: float) -> list[dict[str, Any]]:
    """Answers as two models do: the champion misses the first infected, the challenger the last; both err."""
    draw = np.random.default_rng(5)
    scans = []
    for label, missed, false in (("covid", (0, before), (1 - now, 1)), ("non_covid", (0, 0.2), (0, 0.15))):
        same = [row for row in rows if row.label == label]
        for number, row in enumerate(same):
            place = number / len(same)
            answers = [_answer(label == "covid", wrong=low <= place < high, draw=draw) for low, high in (missed, false)]
            about = {"name": row.name, "group": group_of(row), "label": label}
            scans.append(about | dict(zip(("champion", "challenger"), answers, strict=True)))
    return scans


def _answer(infected: bool, *, wrong: bool, draw: Any) -> dict[str, Any]:
    high = infected != wrong
    probability = float(draw.uniform(0.6, 0.98) if high else draw.uniform(0.03, 0.4))
    return {"decision": "covid" if high else "non_covid", "probability": probability, "operating_point": POINT}
