"""What each command does: options in, text and a JSON value out."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml.console import crossval_text, figures_text, robustness_text
from ml.evaluation.baselines import Histograms
from ml.evaluation.evaluate import run_model, summarise
from ml.evaluation.metrics import auc
from ml.evaluation.report import write_report
from ml.images.data import LEAKS, Collection, read_collections
from ml.images.decoding import ImageError, lung_window
from ml.images.dicom import to_views
from ml.images.phantom import phantom_series
from ml.images.preprocess import Preprocessing
from ml.model.artifact import load_artifact, save_artifact
from ml.model.engine import Engine, ScanFailure, available_cpus, load_engine
from ml.model.experts import Experts
from ml.model.features import Backbone
from ml.model.suitability import Suitability
from ml.model.topology import Topology
from ml.training import runs
from ml.training.crossval import baselines
from ml.training.options import make_recipe
from ml.training.robustness import robustness_table

Result = tuple[str, Any]
_SWEPT = ("false_negatives", "false_positives", "sensitivity", "specificity", "accuracy", "auc", "ece")


def train(options: argparse.Namespace) -> Result:
    figures = runs.train_run(
        make_recipe(options),
        _collection(options),
        options.out,
        split=options.split,
        fold=options.fold,
        name=options.name,
        version=options.version,
        quiet=options.quiet,
    )
    return (
        f"{figures['measured_on']} {figures.get('note', '')}\n{figures_text(figures)}\nmodel: {options.out / 'model'}",
        figures,
    )


def crossval(options: argparse.Namespace) -> Result:
    extra = read_collections(options.extra) if options.extra else None
    report = runs.crossval_run(
        make_recipe(options),
        _collection(options),
        options.out,
        split=options.split,
        extra=extra,
        count=options.folds,
        quiet=options.quiet,
    )
    note = f"\n{LEAKS}" if options.split == "random" else ""
    return crossval_text(report) + note, report


def evaluate(options: argparse.Namespace) -> Result:
    engine = _engine(options)
    collection = _collection(options).clear()
    answers = run_model(engine, collection, quiet=options.quiet)
    figures = summarise(collection, answers, engine.rules)
    if options.train_data:
        figures["baselines"] = baselines(
            read_collections(options.train_data),
            collection,
            _backbone(engine),
            Histograms(engine.preprocessing),
            quiet=options.quiet,
        )
    figures["model"] = {"name": engine.artifact.name, "sha256": engine.artifact.sha256, "engine": engine.name}
    figures["data"] = {"name": collection.name, "sha256": collection.digest()}
    if options.report:
        title = f"{engine.artifact.name} {engine.artifact.version} on {collection.name}"
        write_report(options.report, figures, collection, answers, title=title)
    return figures_text(figures), figures


def predict(options: argparse.Namespace) -> Result:
    engine = _engine(options)
    names, scans = _scans(options.files, options.together)
    rows: list[dict[str, Any]] = []
    for name, answer in zip(names, engine.predict(scans), strict=True):
        if isinstance(answer, ScanFailure):
            rows.append({"scan": name, "error": answer.message})
            continue
        slices = [
            {"probability": s.probability, "weight": s.weight, "suitability": s.suitability} for s in answer.slices
        ]
        row: dict[str, Any] = {"scan": name, "decision": answer.decision, "probability": answer.probability}
        rows.append({**row, "suitability": answer.suitability, "slices": slices})
        if options.maps:
            _write_maps(options.maps, name, [s.map for s in answer.slices])
    text = "\n".join(
        f"{row['scan']}: {row.get('error') or '{decision}, probability {probability:.2f}'.format(**row)}"
        for row in rows
    )
    model = {"name": engine.artifact.name, "version": engine.artifact.version, "sha256": engine.artifact.sha256}
    return text, {"model": model, "engine": engine.name, "scans": rows}


def export(options: argparse.Namespace) -> Result:
    source = load_artifact(options.source / "model" if (options.source / "model").is_dir() else options.source)
    description = {
        "name": options.name or source.name,
        "version": options.version or source.version,
        "architecture": source.architecture,
        "network": source.network,
        "preprocessing": source.preprocessing,
        "thresholds": source.thresholds,
        "metrics": source.metrics,
        "card": source.card,
        "reference": source.reference,
        "training_views": source.training_views,
    }
    artifact = save_artifact(options.out, description=description, weights=source.weights())
    if options.openvino:
        import openvino as ov

        from ml.model.graph import build_graph

        settings = Preprocessing.from_json(artifact.preprocessing)
        topology = Topology.from_json(artifact.network)
        graph = build_graph(topology, artifact.weights(), height=settings.height, width=settings.width)
        ov.save_model(graph, options.openvino, compress_to_fp16=True)
    value = {"name": artifact.name, "version": artifact.version, "sha256": artifact.sha256, "folder": str(options.out)}
    return f"{artifact.name} {artifact.version} ({artifact.sha256[:12]}) in {options.out}", value


def compare(options: argparse.Namespace) -> Result:
    collection = _collection(options)
    rows, probabilities = [], []
    for folder in options.model:
        engine = load_engine(load_artifact(folder), device=options.device)
        answers = run_model(engine, collection, quiet=options.quiet)
        probabilities.append(answers.probabilities)
        figures = summarise(collection, answers, engine.rules)
        rows.append({"model": engine.artifact.name, "version": engine.artifact.version, **figures})
        rows[-1]["sha256"] = engine.artifact.sha256
        rows[-1]["auc_difference_to_first"] = _paired_difference(collection, probabilities[0], probabilities[-1])
    rows.sort(key=lambda row: (-row["sensitivity_at_90_specificity"], row["false_negatives"]))
    lines = [f"{'model':<28}{'missed':>8}{'alarms':>8}{'AUC':>8}{'sens. at 90 %':>15}{'scans AUC':>11}  AUC − first's"]
    for row in rows:
        low, high = row["auc_difference_to_first"]
        lines.append(
            f"{row['model'] + ' ' + row['version']:<28}{row['false_negatives']:>8}{row['false_positives']:>8}"
            f"{row['auc']:>8.3f}{row['sensitivity_at_90_specificity']:>15.3f}{row['groups']['auc']:>11.3f}"
            f"  {low:+.3f} to {high:+.3f}"
        )
    return "\n".join(lines), {"data": collection.digest(), "models": rows}


def sweep(options: argparse.Namespace) -> Result:
    collection, base = _collection(options), make_recipe(options)
    rows = []
    for depth in options.depths:
        for size in options.sizes:
            for batch in options.batches:
                for epochs in options.epoch_counts:
                    recipe = _swept(base, depth, size, batch, epochs)
                    name = f"resnet{depth}-{size}px-batch{batch}-epochs{epochs}"
                    figures = runs.train_run(
                        recipe, collection, options.out / name, split=options.split, fold=options.fold,
                        store=options.out / "features", quiet=options.quiet,
                    )  # fmt: skip
                    kept = {key: figures[key] for key in (*_SWEPT, "sensitivity_at_90_specificity", "n", "positives")}
                    missed = round((1 - kept["sensitivity_at_90_specificity"]) * kept["positives"])
                    rows.append({"run": name, "false_negatives_at_90_specificity": missed, **kept})
    rows.sort(key=lambda row: (row["false_negatives_at_90_specificity"], -row["auc"]))
    lines = [f"{'run':<40}{'missed at 90 % specificity':>28}{'AUC':>8}{'ECE':>8}"]
    for row in rows:
        lines.append(
            f"{row['run']:<40}{row['false_negatives_at_90_specificity']:>28}{row['auc']:>8.3f}{row['ece']:>8.3f}"
        )
    note = LEAKS if options.split == "random" else ""
    return "\n".join([*lines, note]).strip(), {"split": options.split, "note": note, "runs": rows}


def robustness(options: argparse.Namespace) -> Result:
    engine, collection = _engine(options), _collection(options)
    if len(collection.images) > options.limit:
        collection = collection.take(np.linspace(0, len(collection.images) - 1, options.limit).astype(int))
    weights = engine.artifact.weights()
    experts, suitability = Experts.from_arrays(weights), Suitability.from_arrays(weights)
    rows = robustness_table(_backbone(engine), experts, engine.rules, suitability, collection, quiet=options.quiet)
    return robustness_text(rows), {"data": collection.digest(), "changes": rows}


def card(options: argparse.Namespace) -> Result:
    artifact = load_artifact(options.folder)
    value = {
        "name": artifact.name,
        "version": artifact.version,
        "sha256": artifact.sha256,
        "network": artifact.network,
        "preprocessing": artifact.preprocessing,
        "thresholds": artifact.thresholds,
        "card": artifact.card,
        "metrics": artifact.metrics,
    }
    lines = [f"{artifact.name} {artifact.version}, {artifact.architecture}, {artifact.sha256}"]
    for name, report in artifact.metrics.get("cross_validation", {}).items():
        lines += ["", name, crossval_text(report)]
    if table := artifact.metrics.get("robustness"):
        lines += ["", robustness_text(table)]
    return "\n".join(lines), value


def bench(options: argparse.Namespace) -> Result:
    engine = load_engine(load_artifact(options.folder), device=options.device, threads=options.threads)
    views = [lung_window(hu) for hu in phantom_series(0, 8, 512, 0.3)]
    engine.predict([views[:1]])
    alone, together = [], []
    for _ in range(5):
        for view in views:
            alone.append(_seconds(partial(engine.predict, [[view]])))
        together.append(_seconds(partial(engine.predict, [views])) / len(views))
    value = {
        "engine": engine.name,
        "cores": options.threads or available_cpus(),
        "one_slice_ms": {"median": 1000 * float(np.median(alone)), "fastest": 1000 * min(alone)},
        "slice_of_a_series_ms": {"median": 1000 * float(np.median(together)), "fastest": 1000 * min(together)},
    }
    text = (
        f"{value['engine']} on {value['cores']} cores: one 512×512 slice in {1000 * np.median(alone):.0f} ms (median; "
        f"fastest {1000 * min(alone):.0f}), a slice of a series in {1000 * np.median(together):.0f} ms"
    )
    return text, value


def model(options: argparse.Namespace) -> Result:
    from ml.training.shipped import build_model

    return build_model(
        make_recipe(options),
        options.data,
        out=options.out,
        work=options.work,
        version=options.version,
        stress=options.stress,
        baseline=options.baseline,
        quiet=options.quiet,
    )


def evaluate_maps(options: argparse.Namespace) -> Result:
    from ml.evaluation.maps import evaluate_maps as measure

    figures = measure(_engine(options), options.data)
    text = (
        "{slices} slices: map's mass in lesions over their share {mean_ratio:.2f} (1 is chance), peak inside "
        "{peaks_inside:.0%}; the lung finder covers {lesions_covered:.1%} of the lesions, less than half in "
        "{covered_below_half:.1%} of slices"
    ).format(**figures)
    return text, figures


def retrain(options: argparse.Namespace) -> Result:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # the log is for people
    from ml.training.loop_options import retrain_settings
    from ml.training.retrain import retrain as run

    artifact = run(
        options.data, options.out, settings=retrain_settings(options), check=options.check, quiet=options.quiet
    )
    value = {"name": artifact.name, "version": artifact.version, "sha256": artifact.sha256}
    value["folder"] = str(artifact.folder)
    return f"{artifact.name} {artifact.version} ({artifact.sha256[:12]}) in {artifact.folder}", value


def judge(options: argparse.Namespace) -> Result:
    from ml.evaluation.judge import judge as run
    from ml.evaluation.judge import verdict_text

    verdict = run(
        options.data,
        champion=options.champion,
        challenger=options.challenger,
        out=options.out,
        split=options.split,
        device=options.device,
        check=options.check,
        quiet=options.quiet,
    )
    return verdict_text(verdict), verdict


def _collection(options: argparse.Namespace) -> Collection:
    return read_collections(options.data, check=options.check)


def _engine(options: argparse.Namespace) -> Engine:
    return load_engine(load_artifact(options.model), device=options.device)


def _backbone(engine: Engine) -> Backbone:
    artifact = engine.artifact
    return Backbone(Topology.from_json(artifact.network), artifact.weights(), engine.preprocessing)


def _swept(base: Any, depth: int, size: int, batch: int, epochs: int) -> Any:
    settings = base.preprocessing
    width = round(size * settings.width / settings.height / 32) * 32
    architecture = f"resnet{depth}"
    taps = base.topology.taps if architecture == base.topology.architecture else (str(base.topology.stages + 1),)
    return replace(
        base,
        topology=Topology(architecture, base.topology.stages, taps),
        preprocessing=replace(settings, height=size, width=width),
        finetuning=replace(base.finetuning, batch=batch, epochs=epochs),
    )


def _scans(paths: list[Path], together: bool) -> tuple[list[str], list[list[np.ndarray]]]:
    """Read files as scans: one for each file, one for each folder, or one for all."""
    names, scans = [], []
    for path in paths:
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        try:
            views = [view for file in files for view in to_views(file.read_bytes())]
        except ImageError as error:
            raise ValueError(f"{error} Received: {path.name}") from error
        names.append(path.name)
        scans.append(views)
    if together:
        return ["all files"], [[view for scan in scans for view in scan]]
    return names, scans


def _write_maps(folder: Path, name: str, maps: list[np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, map_ in enumerate(maps, start=1):
        Image.fromarray(map_).save(folder / f"{Path(name).stem}-{number:03}.png")


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _paired_difference(collection: Collection, first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Returns the 95 % interval of the second's AUC minus the first's, whole groups drawn with replacement."""
    rng = np.random.default_rng(0)
    _, number = np.unique(collection.groups, return_inverse=True)
    members = [np.flatnonzero(number == k) for k in range(number.max() + 1)]
    labels = collection.labels
    draws = []
    for _ in range(1000):
        rows = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
        draws.append(auc(labels[rows], second[rows]) - auc(labels[rows], first[rows]))
    return float(np.nanquantile(draws, 0.025)), float(np.nanquantile(draws, 0.975))
