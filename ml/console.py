"""Writes figures as plain text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ml.evaluation.baselines import FROZEN, HISTOGRAM
from ml.training.crossval import PREPROCESSED_HISTOGRAM

_MEASURES = ("false_negatives", "false_positives", "sensitivity", "specificity", "accuracy", "auc")


def crossval_text(report: dict[str, Any]) -> str:
    """Writes one line for each fold and the mean, the baselines below."""
    names = f"{'fold':<24}{'missed':>8}{'of':>6}{'AUC':>8}{'at 90 %':>9}{'spec.':>8}{'ECE':>8}"
    lines = [f"{names}{'scans AUC':>11}{'at 90 %':>9}"]
    for part in report["folds"]:
        m = part["model"]
        lines.append(
            f"{part['fold']:<24}{m['false_negatives']:>8}{m['positives']:>6}{m['auc']:>8.3f}"
            f"{m['sensitivity_at_90_specificity']:>9.3f}{m['specificity']:>8.3f}{m['ece']:>8.3f}"
            f"{m['groups']['auc']:>11.3f}{m['groups']['sensitivity_at_90_specificity']:>9.3f}"
        )
    mean = report["mean"]
    lines.append(
        f"{'mean':<24}{mean['total_false_negatives']:>8}{'':>6}{mean['auc']:>8.3f}"
        f"{mean['sensitivity_at_90_specificity']:>9.3f}{mean['specificity']:>8.3f}{mean['ece']:>8.3f}"
        f"{mean['groups_auc']:>11.3f}{mean['groups_sensitivity_at_90_specificity']:>9.3f}"
    )
    for name in (HISTOGRAM, PREPROCESSED_HISTOGRAM, FROZEN):
        rows = [part["baselines"][name] for part in report["folds"] if name in part.get("baselines", {})]
        if rows:
            areas = " / ".join(f"{row['auc']:.3f}" for row in rows)
            lines.append(f"{name}: AUC {areas}, mean {np.mean([row['auc'] for row in rows]):.3f}")
    return "\n".join(lines)


def robustness_text(rows: Iterable[dict[str, Any]]) -> str:
    """Writes one line for each change."""
    lines = [f"{'change':<34}{'accuracy':>10}{'AUC':>8}{'missed':>8}{'alarms':>8}{'unsuitable':>12}"]
    for row in rows:
        lines.append(
            f"{row['change']:<34}{row['accuracy']:>10.3f}{row['auc']:>8.3f}{row['false_negatives']:>8}"
            f"{row['false_positives']:>8}{row['unsuitable']:>12.1%}"
        )
    return "\n".join(lines)


def figures_text(figures: dict[str, Any]) -> str:
    """Writes one line for each measure, per image and per scan; the baselines below."""
    if "n" not in figures:
        return "not measured"
    groups = figures["groups"]
    rows = [f"{'':<34}{'per image':>12}{'per scan':>12}"]
    names = (*_MEASURES, "sensitivity_at_90_specificity", "sensitivity_at_95_specificity", "f1", "brier", "ece")
    for name in ("n", "positives", *names):
        cells = [part[name] for part in (figures, groups)]
        shown = [f"{c:>12}" if isinstance(c, int) else f"{c:>12.3f}" for c in cells]
        rows.append(f"{name.replace('_', ' '):<34}{''.join(shown)}")
    for name, row in figures.get("baselines", {}).items():
        rows.append(f"{name}: AUC {row['auc']:.3f}, at 90 % specificity {row['sensitivity_at_90_specificity']:.3f}")
    return "\n".join(rows)
