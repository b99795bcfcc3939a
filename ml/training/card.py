"""Writes the model card's tables as Markdown, straight from the figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ml.evaluation.baselines import FROZEN, HISTOGRAM
from ml.training.crossval import PREPROCESSED_HISTOGRAM

_BASELINES = (HISTOGRAM, PREPROCESSED_HISTOGRAM, FROZEN)
Reader = Callable[[Mapping[str, Any]], float | None]


def card_tables(tables: Mapping[str, Any]) -> str:
    """Returns every table, each under a heading."""
    parts = []
    for name, report in tables["cross_validation"].items():
        parts += [f"### {name}", "", f"Note: {report['note']}.", "", _folds(report), ""]
        parts += ["With abstention (sum over folds, each at its own thresholds):", "", _coverage(report), ""]
    parts += ["### Across data sets", "", _across(tables["cross_data"]), ""]
    parts += ["### Robustness", "", _robustness(tables["robustness"]), ""]
    parts += ["### Pictures that are no chest CT", "", _foreign(tables["foreign"]), ""]
    return "\n".join(parts)


def _folds(report: Mapping[str, Any]) -> str:
    folds = report["folds"]
    rows = [("", *[fold["fold"] for fold in folds], "mean")]
    rows.append(_row("AUC per image", folds, lambda m: m["auc"], interval="auc"))
    rows.append(_row("sensitivity per image at 0.90 specificity", folds, lambda m: m["sensitivity_at_90_specificity"]))
    rows.append(_row("sensitivity per image at 0.95 specificity", folds, lambda m: m["sensitivity_at_95_specificity"]))
    rows.append(_counted("missed per image at the fold's operating point", folds, "false_negatives"))
    rows.append(_row("specificity there", folds, lambda m: m["specificity"]))
    rows.append(_row("accuracy there", folds, lambda m: m["accuracy"]))
    rows.append(_row("expected calibration error", folds, lambda m: m["ece"]))
    rows.append(_row("Brier score", folds, lambda m: m["brier"]))
    rows.append(_row("AUC per scan", folds, lambda m: m["groups"]["auc"], interval="auc", groups=True))
    rows.append(
        _row("sensitivity per scan at 0.90 specificity", folds, lambda m: m["groups"]["sensitivity_at_90_specificity"])
    )
    rows.append(_counted("missed scans at the fold's operating point", folds, "false_negatives", groups=True))
    rows.append(_row("specificity per scan there", folds, lambda m: m["groups"]["specificity"]))
    for name in _BASELINES:
        if all(name in fold.get("baselines", {}) for fold in folds):
            rows += _baseline_rows(name, [fold["baselines"][name] for fold in folds])
    return _markdown(rows)


def _baseline_rows(name: str, values: list[Mapping[str, float]]) -> Iterable[tuple[str, ...]]:
    labels = (
        ("auc", "AUC per image"),
        ("sensitivity_at_90_specificity", "sensitivity at 0.90"),
        ("groups_auc", "AUC per scan"),
        ("accuracy", "accuracy"),
    )
    for key, label in labels:
        cells = [value[key] for value in values]
        yield (f"*{name}*: {label}", *[_figure(c) for c in cells], _figure(float(np.mean(cells))))


def _row(
    label: str, folds: list[Mapping[str, Any]], read: Reader, *, interval: str = "", groups: bool = False
) -> tuple[str, ...]:
    values = [read(fold["model"]) for fold in folds]
    cells = [_figure(value) for value in values]
    if interval:
        for number, fold in enumerate(folds):
            part = fold["model"]["groups"] if groups else fold["model"]
            if interval in part["intervals"]:
                low, high = part["intervals"][interval]
                cells[number] += f" ({low:.3f}–{high:.3f})"
    known = [value for value in values if value is not None]
    return (label, *cells, f"**{_figure(float(np.mean(known)))}**")


def _counted(label: str, folds: list[Mapping[str, Any]], key: str, *, groups: bool = False) -> tuple[str, ...]:
    parts = [fold["model"]["groups"] if groups else fold["model"] for fold in folds]
    cells = [f"{part[key]} of {part['positives']}" for part in parts]
    total = f"{sum(part[key] for part in parts)} of {sum(part['positives'] for part in parts)}"
    return (label, *cells, f"**{total}**")


def _coverage(report: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [
        ("answered", "per image: missed", "false alarms", "per scan: missed", "false alarms")
    ]
    folds = [fold["model"] for fold in report["folds"]]
    for number in range(len(folds[0]["coverage"])):
        images = [fold["coverage"][number] for fold in folds]
        scans = [fold["groups"]["coverage"][number] for fold in folds]
        if images[0]["rule"] == "shipped band":
            share = f"shipped band ({np.mean([r['coverage'] for r in images]):.0%} of images answered)"
        else:
            share = f"{np.mean([r['coverage'] for r in images]):.0%}"
        cells = [
            str(sum(r[k] for r in part)) for part in (images, scans) for k in ("false_negatives", "false_positives")
        ]
        rows.append((share, *cells))
    return _markdown(rows)


def _across(tables: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [
        ("trained → tested", "AUC per image", "AUC per scan", "sensitivity at 0.90", "flagged unsuitable",
         *[f"*{name}*: AUC" for name in _BASELINES])
    ]  # fmt: skip
    for name, figures in tables.items():
        low, high = figures["intervals"]["auc"]
        rows.append((
            name, f"{figures['auc']:.3f} ({low:.3f}–{high:.3f})", _figure(figures["groups"]["auc"]),
            _figure(figures["sensitivity_at_90_specificity"]), f"{figures['unsuitable']:.1%}",
            *[_figure(figures["baselines"][b]["auc"]) for b in _BASELINES],
        ))  # fmt: skip
    return _markdown(rows)


def _robustness(table: list[Mapping[str, Any]]) -> str:
    rows: list[tuple[str, ...]] = [("change", "accuracy", "mean AUC", "missed", "false alarms", "flagged unsuitable")]
    for row in table:
        rows.append((
            row["change"], _figure(row["accuracy"]), _figure(row["auc"]), str(row["false_negatives"]),
            str(row["false_positives"]), f"{row['unsuitable']:.1%}",
        ))  # fmt: skip
    return f"{table[0]['n']} images.\n\n" + _markdown(rows)


def _foreign(table: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("kind", "flagged unsuitable")]
    rows += [(kind, f"{share:.1%}") for kind, share in table["by_kind"].items()]
    rows.append((f"**all {table['n']}**", f"**{table['flagged']:.1%}**"))
    return _markdown(rows)


def _markdown(rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    rule = "|---" + "|---:" * (len(rows[0]) - 1) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
