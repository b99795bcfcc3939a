"""Judges champion against challenger on the same patients: the figures of both, and their paired
difference.

Importable in a web process: the engines are loaded when `judge` is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.atomic_write import write_json
from ml.evaluation.paired import Side, paired_figures, sides_of
from ml.images.data import Collection, DataError, read_collection, scans_of
from ml.model.artifact import load_artifact
from ml.progress import Progress

if TYPE_CHECKING:
    from ml.model.engine import Engine, ScanAnswer

__all__ = ["Side", "judge", "paired_figures", "sides_of", "verdict_text"]


def judge(
    data: Path,
    *,
    champion: Path,
    challenger: Path,
    out: Path,
    split: str = "test",
    device: str = "auto",
    check: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Have both models answer scan by scan, as the portal does, and write what came of it.

    Args:
        data: labelled folder with a column `split`.
        champion, challenger: artefact folders.
        out: JSON file, replaced at once when all is known.
        split: the side to judge on.
        device: of both engines, see `ml.model.engine.load_engine`.
        check: compare every image with its SHA-256 first.

    Returns:
        What the file holds: `paired_figures`, `models`, `scans` with each answer, and `failed`, the scans that either
        model could not read, which count for neither.

    Raises:
        DataError: when the side holds no patient of a label.
    """
    from ml.model.engine import load_engine

    collection = read_collection(data, check=check).side(split)
    _require_both_labels(collection.labels, split)
    artifacts = {"champion": load_artifact(champion), "challenger": load_artifact(challenger)}
    engines = {name: load_engine(artifact, device=device) for name, artifact in artifacts.items()}
    scans, failed = _answers(collection, engines, quiet)
    _require_both_labels(np.array([row["label"] == "covid" for row in scans], int), split)
    verdict = {
        **paired_figures(*sides_of(scans)),
        "models": {name: _identity(engine) for name, engine in engines.items()},
        "data": {"sha256": collection.digest(), "split": split},
        "scans": scans,
        "failed": failed,
    }
    write_json(out, verdict, indent=1)
    return verdict


def verdict_text(verdict: Mapping[str, Any]) -> str:
    """Writes the table for a terminal, missed infections first."""
    lines = [f"{verdict['n']} scans of {verdict['patients']} patients, {verdict['positives']} scans with COVID-19"]
    lines.append(f"{'':<20}{'champion':>10}{'challenger':>12}  difference (95 % interval)")
    for name in ("false_negatives", "false_positives", "sensitivity", "specificity", "auc", "ece", "brier"):
        cells = [verdict[side][name] for side in ("champion", "challenger")]
        shown = [f"{cell}" if isinstance(cell, int) else "–" if cell is None else f"{cell:.3f}" for cell in cells]
        line = f"{name.replace('_', ' '):<20}{shown[0]:>10}{shown[1]:>12}"
        line += _difference_text(verdict["differences"].get(name) or {})
        lines.append(line)
    if verdict["failed"]:
        lines.append(f"{len(verdict['failed'])} scans could not be read and count for neither.")
    return "\n".join(lines)


def _difference_text(difference: Mapping[str, Any]) -> str:
    if difference.get("value") is None:
        return ""
    if difference.get("low") is None:
        return "  {value:+.3f} (too few to give an interval)".format(**difference)
    return "  {value:+.3f} ({low:+.3f} to {high:+.3f})".format(**difference)


def _answers(
    collection: Collection, engines: Mapping[str, Engine], quiet: bool
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    from ml.model.engine import ScanAnswer
    from ml.model.features import read_view

    scans: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    members = list(scans_of(collection))
    progress = Progress("scans judged", len(members), quiet=quiet)
    for scan, rows in members:
        first = collection.images[rows[0]]
        views = [read_view(collection.images[row]) for row in rows]
        results = {name: engine.predict([views])[0] for name, engine in engines.items()}
        answers = {name: result for name, result in results.items() if isinstance(result, ScanAnswer)}
        reasons = [result.message for result in results.values() if not isinstance(result, ScanAnswer)]
        if reasons:
            failed.append({"name": first.name or scan, "message": reasons[0]})
        else:
            row = {"name": first.name or scan, "group": first.group, "label": "covid" if first.label else "non_covid"}
            scans.append(row | {name: _answer(engines[name], answer) for name, answer in answers.items()})
        progress.advance()
    return scans, failed


def _answer(engine: Engine, answer: ScanAnswer) -> dict[str, Any]:
    point = engine.rules.calibration(len(answer.slices)).operating_point
    return {"decision": answer.decision, "probability": answer.probability, "operating_point": point}


def _identity(engine: Engine) -> dict[str, str]:
    artifact = engine.artifact
    return {"name": artifact.name, "version": artifact.version, "sha256": artifact.sha256, "engine": engine.name}


def _require_both_labels(labels: np.ndarray, split: str) -> None:
    for label, name in ((1, "with COVID-19"), (0, "without COVID-19")):
        if label not in labels:
            raise DataError(
                f"The {split} side needs at least one patient {name}; freeze a larger set. "
                f"Received: {len(labels)} images or scans there"
            )
