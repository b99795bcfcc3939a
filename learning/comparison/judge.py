"""Judges two models on the test patients of a data set that neither has seen, and stores what came out."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.refusals import WrongState
from cases.models import Label
from inference.catalogue import require_intact
from inference.database_retry import retry_while_database_is_away
from inference.errors import PermanentError, RetriableError
from inference.models import ModelVersion
from learning.comparison.comparable import ComparablePatients
from learning.comparison.comparison_figures import read_figures
from learning.comparison.gate import GateLimits, judge_gate
from learning.comparison.subgroups import subgroup_figures
from learning.datasets.write_folder import write_folder
from learning.models import ComparedScan, Comparison, Dataset, DatasetScan, Split
from learning.training.folders import DATA, LOG
from learning.training.subprocesses import Child, run_ml
from learning.training.training_exposure import TrainingExposure, known_groups, training_exposure_of
from ml.model.artifact import Artifact, finite

JUDGED, FINDINGS = "judged", "findings.json"
REFUSED = 2
Beat = Callable[[], None]


def make_comparison(
    *, dataset: Dataset, champion: ModelVersion, challenger: ModelVersion, folder: Path, beat: Beat
) -> Comparison:
    """Raises WrongState in words where nothing or too little is left to compare them on."""
    artifacts = require_intact(champion), require_intact(challenger)
    retry_while_database_is_away(
        lambda: write_folder(dataset, folder / DATA, splits=[Split.TEST], progress=lambda done, total: beat())
    )
    seen = training_exposure_of(champion, challenger)
    left_out = known_groups(folder / DATA, seen)
    rows = _rows_to_judge(dataset, left_out)
    comparable = ComparablePatients(_patients(rows, Label.COVID), _patients(rows, Label.NON_COVID), len(left_out))
    if refusal := comparable.refusal(dataset):
        raise WrongState(refusal)
    _lay_out(folder, left_out)
    found = _judge(artifacts, folder, beat)
    figures = figures_of_comparison(found, rows, beat)
    figures["left_out"] = {"patients": len(left_out), "reason": _why_left_out(left_out, seen)}
    scans = _compared(found, rows)
    return retry_while_database_is_away(lambda: _store(dataset, champion, challenger, figures, scans))


def _rows_to_judge(dataset: Dataset, left_out: set[str]) -> list[DatasetScan]:
    rows = dataset.scans.filter(patient__split=Split.TEST).select_related("base_set", "scan__case__patient__site")
    return [row for row in rows if group_of(row) not in left_out]


def group_of(row: DatasetScan) -> str:
    """As the labelled folder names the patient."""
    return f"patient-{row.patient_id}"


def _patients(rows: list[DatasetScan], label: Label) -> int:
    return len({row.patient_id for row in rows if row.label == label})


def _lay_out(folder: Path, left_out: set[str]) -> None:
    """The same images once more, by links, without those of patients who are left out."""
    judged = folder / JUDGED
    with (folder / DATA / "manifest.csv").open(newline="", encoding="utf-8") as manifest:
        reader = csv.DictReader(manifest)
        names, lines = list(reader.fieldnames or ()), [line for line in reader if line["group"] not in left_out]
    for line in lines:
        target = judged / line["file"]
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            os.link(folder / DATA / line["file"], target)
    with (judged / "manifest.csv").open("w", newline="", encoding="utf-8") as manifest:
        writer = csv.DictWriter(manifest, names)
        writer.writeheader()
        writer.writerows(lines)


def judge_command(artifacts: tuple[Artifact, Artifact], folder: Path) -> list[str]:
    champion, challenger = (artifact.folder for artifact in artifacts)
    return run_ml(
        *("judge", "--data", folder / JUDGED, "--champion", champion, "--challenger", challenger),
        *("--out", folder / FINDINGS, "--split", "test"),
    )


def _judge(artifacts: tuple[Artifact, Artifact], folder: Path, beat: Beat) -> dict[str, Any]:
    with Child(judge_command(artifacts, folder), log=folder / LOG) as child:
        status = child.wait(beat)
        words = child.last_words()
    if status == REFUSED:
        raise PermanentError(_("The comparison refused: %(words)s") % {"words": words})
    if status != 0:
        raise RetriableError(
            _("The comparison stopped (exit status %(status)s): %(words)s") % {"status": status, "words": words}
        )
    return finite(json.loads((folder / FINDINGS).read_bytes()))


def figures_of_comparison(found: dict[str, Any], rows: list[DatasetScan], beat: Beat) -> dict[str, Any]:
    """What the judge found over all and by subgroup, and which promotion criteria it meets."""
    figures = {key: value for key, value in found.items() if key != "scans"}
    by_name = {(row.name, group_of(row)): row for row in rows}
    judged = [by_name[(scan["name"], scan["group"])] for scan in found["scans"]]
    figures["infected_patients"] = _patients(judged, Label.COVID)
    figures["subgroups"] = subgroup_figures(found["scans"], by_name, beat=beat)
    limits = GateLimits.of_installation()
    findings = judge_gate(read_figures(figures), limits).findings
    figures["gate"] = {**limits.as_stored(), "findings": [vars(finding) for finding in findings]}
    return figures


def _why_left_out(left_out: set[str], seen: TrainingExposure) -> str:
    words = []
    if left_out:
        words.append(
            _("%(left_out)s test patients were left out, since one of the models was trained on them.")
            % {"left_out": len(left_out)}
        )
    if seen.unrecorded:
        names = " and ".join(str(model) for model in seen.unrecorded)
        words.append(
            _("What %(names)s learnt from is not recorded; it may have seen some of these patients.") % {"names": names}
        )
    return " ".join(words)


def _compared(found: dict[str, Any], rows: list[DatasetScan]) -> list[ComparedScan]:
    by_name = {(row.name, group_of(row)): row for row in rows}
    return [
        ComparedScan(
            dataset_scan=by_name[(scan["name"], scan["group"])],
            champion_decision=scan["champion"]["decision"],
            champion_probability=scan["champion"]["probability"],
            challenger_decision=scan["challenger"]["decision"],
            challenger_probability=scan["challenger"]["probability"],
        )
        for scan in found["scans"]
    ]


def _store(
    dataset: Dataset,
    champion: ModelVersion,
    challenger: ModelVersion,
    figures: dict[str, Any],
    scans: list[ComparedScan],
) -> Comparison:
    findings = figures["gate"]["findings"]
    two = {"dataset": dataset, "champion": champion, "challenger": challenger}
    try:
        with transaction.atomic():
            comparison = Comparison.objects.create(
                **two,
                figures=figures,
                passed=all(finding["passed"] for finding in findings),
                reasons=[finding["words"] for finding in findings],
            )
            for scan in scans:
                scan.comparison = comparison
            ComparedScan.objects.bulk_create(scans, batch_size=1000)
    except IntegrityError:  # another stored it meanwhile
        return Comparison.objects.get(**two)
    return comparison
