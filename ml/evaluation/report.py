"""An HTML report that opens offline: tables, curves, and the worst misses with their maps."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml.evaluation.evaluate import Answers, worst_misses
from ml.evaluation.metrics import reliability_bins
from ml.images.data import Collection
from ml.model.features import read_view

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b2430}
table{border-collapse:collapse;margin:1rem 0}
td,th{border-bottom:1px solid #d4dae1;padding:.25rem .75rem;text-align:right}
td:first-child,th:first-child{text-align:left}figure{display:inline-block;margin:.4rem;width:15rem;vertical-align:top}
figure img{width:100%}figcaption{font-size:.8rem}.note{color:#7a3b00}
"""
_ROWS = (
    ("false_negatives", "missed infections"),
    ("false_positives", "false alarms"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("accuracy", "accuracy"),
    ("f1", "F1"),
    ("auc", "AUC"),
    ("average_precision", "average precision"),
    ("sensitivity_at_90_specificity", "sensitivity at 90 % specificity"),
    ("sensitivity_at_95_specificity", "sensitivity at 95 % specificity"),
    ("ece", "expected calibration error"),
    ("brier", "Brier score"),
)


def write_report(
    path: Path, figures: Mapping[str, Any], collection: Collection, answers: Answers, *, title: str
) -> None:
    """Write one self-contained file.

    Args:
        path: of the HTML file.
        figures: from `ml.evaluation.evaluate.summarise`.
        collection, answers: what was measured; the gallery shows images, so the file is as confidential as they are.
        title: of the page.
    """
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        '<p class="note">Research use; not a medical device. This page shows images of the data set.</p>',
        f"<p>{figures['n']} images, {figures['positives']} of them COVID-19; "
        f"{figures['groups']['n']} scans, {figures['groups']['positives']} of them COVID-19.</p>",
        _main_table(figures),
        "<h2>When the least certain answers abstain</h2>",
        _coverage(figures),
        _baselines(figures.get("baselines", {})),
        "<h2>Curves</h2>",
        _embedded(_plots(collection, answers)),
        "<h2>Worst misses, with their maps</h2>",
        *(_figure(collection, answers, row, p) for row, p in worst_misses(collection, answers)),
    ]
    body = "\n".join(parts)
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{page}<style>{_STYLE}</style><body>{body}</body></html>", encoding="utf-8")


def _main_table(figures: Mapping[str, Any]) -> str:
    rows = ["<tr><th></th><th>per image</th><th>95 % interval</th><th>per scan</th><th>95 % interval</th></tr>"]
    for key, name in _ROWS:
        cells = []
        for part in (figures, figures["groups"]):
            interval = part["intervals"].get(key)
            cells += [_number(part[key]), f"{interval[0]:.3f} – {interval[1]:.3f}" if interval else ""]
        rows.append(f"<tr><td>{name}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table>{''.join(rows)}</table>"


def _coverage(figures: Mapping[str, Any]) -> str:
    rows = ["<tr><th>rule</th><th>answered</th><th>missed infections</th><th>false alarms</th><th>accuracy</th></tr>"]
    for row in figures["coverage"]:
        cells = (f"{row['coverage']:.0%}", row["false_negatives"], row["false_positives"], _number(row["accuracy"]))
        rows.append(f"<tr><td>{row['rule']}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table>{''.join(rows)}</table>"


def _baselines(baselines: Mapping[str, Mapping[str, float]]) -> str:
    if not baselines:
        return ""
    rows = ["<tr><th>baseline</th><th>AUC</th><th>sensitivity at 90 % specificity</th><th>AUC per scan</th></tr>"]
    for name, row in baselines.items():
        cells = (row["auc"], row["sensitivity_at_90_specificity"], row["groups_auc"])
        rows.append(f"<tr><td>{html.escape(name)}</td>" + "".join(f"<td>{_number(c)}</td>" for c in cells) + "</tr>")
    return f"<h2>Baselines on the same split</h2><table>{''.join(rows)}</table>"


def _plots(collection: Collection, answers: Answers) -> bytes:
    plt = _pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    labels, p = collection.labels, answers.probabilities
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(labels[order]) / max(1, labels.sum())
    alarms = np.cumsum(1 - labels[order]) / max(1, (1 - labels).sum())
    left.plot(np.r_[0, alarms], np.r_[0, hits])
    left.plot([0, 1], [0, 1], ":", color="grey")
    left.set(xlabel="1 − specificity", ylabel="sensitivity", title="ROC, per image")
    bins = reliability_bins(labels, p)
    right.plot([float(q.mean()) for q, _ in bins], [float(y.mean()) for _, y in bins], "o-")
    right.plot([0, 1], [0, 1], ":", color="grey")
    right.set(xlabel="probability stated", ylabel="share with COVID-19", title="Reliability, per image")
    return _png(figure)


def plot_history(path: Path, history: list[dict[str, float | None]]) -> None:
    """Loss and validation curves of a training run as a PNG; what was not finite leaves a gap."""
    plt = _pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5))
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["loss"] for row in history], "o-")
    left.set(xlabel="epoch", ylabel="training loss", title="Loss")
    for key, name in (
        ("val_accuracy", "accuracy"),
        ("val_auc", "AUC"),
        ("val_sensitivity", "sensitivity at op. point"),
    ):
        right.plot(epochs, [row[key] for row in history], "o-", label=name)
    right.set(xlabel="epoch", title="Validation groups", ylim=(0, 1.02))
    right.legend()
    path.write_bytes(_png(figure))


def _figure(collection: Collection, answers: Answers, row: int, probability: float) -> str:
    view = read_view(collection.images[row])
    heat = np.asarray(Image.fromarray(answers.maps[row]).resize(view.shape[::-1], Image.Resampling.BILINEAR)) / 255
    red = np.clip(view + 160 * heat, 0, 255)
    rest = np.clip(view * (1 - 0.6 * heat), 0, 255)
    picture = Image.fromarray(np.stack([red, rest, rest], axis=-1).astype(np.uint8))
    picture.thumbnail((360, 360))
    out = io.BytesIO()
    picture.save(out, "PNG")
    truth = "COVID-19" if collection.images[row].label else "not COVID-19"
    caption = f"{truth}, {probability:.0%} stated, suitability {answers.suitability[row]:.2f}"
    return f"<figure>{_embedded(out.getvalue())}<figcaption>{caption}</figcaption></figure>"


def _embedded(png: bytes) -> str:
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _png(figure: Any) -> bytes:
    out = io.BytesIO()
    figure.tight_layout()
    figure.savefig(out, format="png", dpi=110)
    _pyplot().close(figure)
    return out.getvalue()


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _number(value: float | int | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
