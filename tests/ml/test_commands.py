"""Tests the command line, as a person types it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.__main__ import main
from ml.images.phantom import phantom_dicom
from ml.model.artifact import load_artifact
from tests.ml.conftest import phantom_view, write_phantoms

REQUIRED = {
    "n", "positives", "false_negatives", "false_positives", "accuracy", "sensitivity", "specificity", "auc",
    "sensitivity_at_90_specificity", "ece",
}  # fmt: skip


def _json(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    capsys.readouterr()
    code = main([str(argument) for argument in (*arguments, "--json", "--quiet")])
    out = capsys.readouterr()
    assert code == 0, out.err
    return json.loads(out.out)


def test_evaluate_prints_every_figure_and_writes_a_report(tiny_run, phantom_folder, tmp_path, capsys) -> None:
    report = tmp_path / "report.html"
    model = tiny_run / "model"
    figures = _json(
        capsys,
        "evaluate",
        "--model",
        model,
        "--data",
        phantom_folder,
        "--train-data",
        phantom_folder,
        "--report",
        report,
    )
    assert set(figures) >= REQUIRED
    assert set(figures["groups"]) >= REQUIRED
    assert figures["model"]["sha256"] == load_artifact(model).sha256
    assert "grey histogram + forest" in figures["baselines"]
    page = report.read_text()
    assert "data:image/png;base64" in page
    assert "http://" not in page
    assert "https://" not in page


def test_predict_answers_for_a_picture_and_for_a_folder_of_one_series(tiny_run, tmp_path, capsys) -> None:
    picture, series = tmp_path / "slice.png", tmp_path / "series"
    Image.fromarray(phantom_view()).save(picture)
    series.mkdir()
    for number, data in enumerate(phantom_dicom(1, 4, 96)):
        (series / f"{number}").write_bytes(data)
    answer = _json(capsys, "predict", "--model", tiny_run / "model", picture, series, "--maps", tmp_path / "maps")
    assert [len(scan["slices"]) for scan in answer["scans"]] == [1, 4]
    assert len(list((tmp_path / "maps").glob("*.png"))) == 5


def test_export_gives_the_same_weights_a_new_name(tiny_run, tmp_path, capsys) -> None:
    made = _json(
        capsys,
        "export",
        "--run",
        tiny_run,
        "--out",
        tmp_path / "m",
        "--name",
        "renamed",
        "--openvino",
        tmp_path / "g.xml",
    )
    artifact, source = load_artifact(tmp_path / "m"), load_artifact(tiny_run / "model")
    assert (made["name"], artifact.name) == ("renamed", "renamed")
    assert all(np.array_equal(value, artifact.weights()[name]) for name, value in source.weights().items())
    assert (tmp_path / "g.bin").is_file()


def test_compare_orders_models_and_finds_no_difference_to_itself(tiny_run, phantom_folder, capsys) -> None:
    model = tiny_run / "model"
    table = _json(capsys, "compare", "--model", model, model, "--data", phantom_folder)
    assert len(table["models"]) == 2
    assert table["models"][1]["auc_difference_to_first"] == [0, 0]


def test_robustness_lists_every_change(tiny_run, phantom_folder, capsys) -> None:
    table = _json(capsys, "robustness", "--model", tiny_run / "model", "--data", phantom_folder, "--limit", 6)
    assert len(table["changes"]) == 11
    assert all(0 <= row["accuracy"] <= 1 for row in table["changes"])


@pytest.mark.usefixtures("shallow")
def test_sweep_ranks_runs_by_missed_infections(tiny_weights, phantom_folder, tmp_path, capsys) -> None:
    table = _json(
        capsys, "sweep", "--data", phantom_folder, "--depths", 18, "--sizes", 64, "--weights", "none",
        "--mode", "finetune", "--epoch-counts", 1, "--batches", 8, 16, "--head-epochs", 1, "--strength", 0,
        "--height", 64, "--width", 64, "--out", tmp_path,
    )  # fmt: skip
    missed = [row["false_negatives_at_90_specificity"] for row in table["runs"]]
    assert len(missed) == 2
    assert missed == sorted(missed)
    assert (tmp_path / "resnet18-64px-batch8-epochs1" / "curves.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "--model", "nowhere", "--data", "."], "holds no artifact.json"),
        (["train", "--data", ".", "--weights", "none", "--out", "run"], "holds no manifest.csv"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(arguments, message, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for command in ("train", "crossval", "evaluate", "predict", "export", "compare", "sweep", "robustness", "model"):
        assert command in text


def test_a_file_that_is_no_image_is_a_clear_error(tiny_run: Path, tmp_path: Path, capsys) -> None:
    path = tmp_path / "note.txt"
    path.write_text("not an image")
    assert main(["predict", "--model", str(tiny_run / "model"), str(path)]) == 2
    assert "note.txt" in capsys.readouterr().err


def test_the_shipped_model_is_built_step_by_step_and_goes_on_after_a_kill(
    tiny_recipe, phantom_folder, tmp_path, monkeypatch
) -> None:
    from ml.evaluation.baselines import FROZEN, HISTOGRAM
    from ml.training import shipped
    from ml.training.crossval import PREPROCESSED_HISTOGRAM

    names = ("auc", "sensitivity_at_90_specificity", "groups_auc", "accuracy")
    none = {baseline: dict.fromkeys(names, 0.5) for baseline in (HISTOGRAM, PREPROCESSED_HISTOGRAM, FROZEN)}
    monkeypatch.setattr("ml.training.crossval.baselines", lambda *_, **__: none)
    monkeypatch.setattr(shipped, "baselines", lambda *_, **__: none)
    monkeypatch.setattr(shipped, "RANDOM_SEEDS", 2)
    other = write_phantoms(tmp_path / "other", first_seed=40)
    (other / "manifest.csv").write_text("\n".join(_without_block(other / "manifest.csv")))
    settings = {"out": tmp_path / "tiny", "work": tmp_path / "work", "version": "1", "quiet": True}
    text, figures = shipped.build_model(tiny_recipe, [phantom_folder, other], **settings)
    assert "### Robustness" in text
    assert load_artifact(tmp_path / "tiny").sha256 == figures["model"]["sha256"]
    monkeypatch.setattr(shipped, "cross_validate", None)  # nothing that is finished may be done again
    monkeypatch.setattr(shipped, "robustness_table", None)
    assert shipped.build_model(tiny_recipe, [phantom_folder, other], **settings)[1]["model"] == figures["model"]


def _without_block(manifest: Path) -> list[str]:
    return [line.rsplit(",", 1)[0] for line in manifest.read_text().splitlines()]
