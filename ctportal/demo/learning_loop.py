"""The learning loop from end to end on public data, as a manager goes through it, with simulated readers.

Blocks 0 and 1 of the SARS-CoV-2 CT-scan set are the base; block 2 comes in as cases, which two readers who know the
true labels decide. A first model is trained on the base alone, a second one on everything. Both are compared on test
patients that neither has seen; the second is promoted, reads the open cases again, and is rolled back.
"""

import csv
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from accounts.models import Membership, Role, Site, User
from accounts.refusals import WrongState
from cases.casework import open_case, register_patient
from cases.intake import SentFile
from cases.models import Case, Label, Scan
from cases.reviews import record_review
from cases.uploads import receive_upload
from inference.catalogue import register_model
from inference.models import ModelVersion, Prediction
from inference.runner import run_queued
from learning.comparison.requests import compare_models
from learning.datasets.base_import import import_labels
from learning.datasets.build import build_dataset
from learning.datasets.dataset_counts import counts_of
from learning.datasets.write_folder import write_folder
from learning.models import Comparison, Dataset, Split, TrainingRun
from learning.service.activation import activate_model
from learning.service.overrides import decide_override, request_override
from learning.service.promotion import promote, roll_back
from learning.service.rereading import request_rereading
from learning.training.request import request_training
from learning.training.run import work_through
from learning.training.subprocesses import run_ml

IMAGE_SET = "sars-cov-2-ct"
BASE_BLOCKS = ("0", "1")
CASE_BLOCK = "2"
LABELS = {"covid": Label.COVID, "non-covid": Label.NON_COVID}
LEARNT_FROM = (Split.TRAIN, Split.VALIDATION)
# A last layer on a frozen backbone: minutes on two cores.
FIRST_MODEL = ("--method", "head", "--architecture", "resnet50", "--stages", "3", "--name", "loop", "--version", "1")

ReportProgress = Callable[[str], None]


@dataclass(frozen=True)
class Staff:
    site: Site
    clinician: User
    readers: tuple[User, User]
    managers: tuple[User, User]


@dataclass(frozen=True)
class LoopResult:
    """Holds what the loop came to, for the table at its end."""

    comparison: Comparison
    first: ModelVersion
    second: ModelVersion
    reread: int
    gate_overridden: bool
    in_service_at_the_end: ModelVersion
    seconds: float


def run_loop(folder: Path, *, weights: str, say: ReportProgress) -> LoopResult:
    """Needs an empty portal; `weights` is a path, `imagenet` or `none`, for the first model."""
    require_empty_portal()
    started = time.monotonic()
    staff = hire()
    first = _first_model(folder / IMAGE_SET, weights, staff, say)
    scans = _receive_cases(folder / IMAGE_SET, staff, say)
    _have_read(scans, staff, say)
    second, comparison = _second_model(first, staff, say)
    overridden = _promote(comparison, staff, say)
    reread = request_rereading(user=staff.managers[0], sites=[staff.site])
    run_queued()
    say(f"Read again by {second}: {reread} scans of open cases. Earlier answers stay.")
    back = roll_back(user=staff.managers[0], reason="End of the demonstration.")
    say(f"Rolled back: {back} is in service.")
    return LoopResult(comparison, first, second, reread, overridden, back, time.monotonic() - started)


def require_empty_portal() -> None:
    if Case.objects.exists() or Dataset.objects.exists() or ModelVersion.objects.exists():
        raise WrongState(
            "This portal holds cases, data sets or models; give the demonstration a CTPORTAL_HOME of its own."
        )


def hire() -> Staff:
    site = Site.objects.create(name="Loop demonstration", slug="loop-demo")
    return Staff(
        site,
        _person("loop-clinician", site, Role.CLINICIAN),
        (_person("loop-reader", site, Role.READER), _person("loop-reader2", site, Role.READER)),
        (_person("loop-manager", site, Role.MANAGER), _person("loop-manager2", site, Role.MANAGER)),
    )


def _person(name: str, site: Site, role: Role) -> User:
    user = User(username=name, email=f"{name}@example.org")
    user.set_unusable_password()
    user.save()
    Membership.objects.create(user=user, site=site, role=role)
    return user


def _first_model(folder: Path, weights: str, staff: Staff, say: ReportProgress) -> ModelVersion:
    """Trained on the command line and registered, as an administrator does who brings the first model."""
    report = import_labels(folder, where={"block": set(BASE_BLOCKS)}, licence="CC BY-NC-SA 4.0, as redistributed")
    if report.base_set is None:
        raise WrongState(f"Nothing of {folder.name} could be imported: {report.refused[0].reason}.")
    say(f"Base: {report.imported} images of blocks {' and '.join(BASE_BLOCKS)}, {len(report.refused)} refused.")
    dataset, _ = build_dataset(user=staff.managers[0], sites=[staff.site], base_sets=[report.base_set])
    say(f"{dataset}: {_size(dataset)}.")
    with tempfile.TemporaryDirectory() as work:
        images, run = Path(work, "images"), Path(work, "run")
        write_folder(dataset, images, splits=LEARNT_FROM)
        command = run_ml("retrain", "--data", images, "--out", run, "--weights", weights, *FIRST_MODEL)
        subprocess.run(command, check=True)
        model, _ = register_model(run / "model", user=staff.managers[0])
    activate_model(model, user=staff.managers[0])
    say(f"{model} is in service.")
    return model


def _receive_cases(folder: Path, staff: Staff, say: ReportProgress) -> dict[int, Label]:
    """Makes one patient with one case and one scan for each group of the block. Returns the scans' true labels."""
    truth: dict[int, Label] = {}
    for group, label, files in _groups(folder):
        patient = register_patient(
            site=staff.site, user=staff.clinician, record_number=f"PUBLIC-{group}", name=f"Public Research {group}"
        )
        case = open_case(patient=patient, user=staff.clinician, accession_number=f"PUBLIC-CT-{group}")
        upload = receive_upload(case=case, user=staff.clinician, files=files, together=True)
        truth |= {scan.pk: label for scan in upload.scans}
    run_queued()
    answered = Prediction.objects.filter(status="done").count()
    say(f"Cases: {len(truth)} scans of block {CASE_BLOCK} received, {answered} answered by the model in service.")
    return truth


def _groups(folder: Path) -> Iterator[tuple[str, Label, list[SentFile]]]:
    """Takes a group that is in two blocks for one patient, who is in the base already."""
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    known = {row["group"] for row in rows if row["block"] in BASE_BLOCKS}
    rows = [row for row in rows if row["block"] == CASE_BLOCK and row["group"] not in known]
    for group, label in dict.fromkeys((row["group"], row["label"]) for row in rows):
        paths = [folder / row["file"] for row in rows if (row["group"], row["label"]) == (group, label)]
        yield group, LABELS[label], [_sent(path) for path in paths]


def _sent(path: Path) -> SentFile:
    return SentFile(name=path.name, open=lambda: path.open("rb"), size=path.stat().st_size)


def _have_read(truth: dict[int, Label], staff: Staff, say: ReportProgress) -> None:
    overridden = 0
    for scan in Scan.objects.filter(pk__in=truth).select_related("case__patient__site"):
        for reader in staff.readers:
            review = record_review(
                scan=scan, reader=reader, label=truth[scan.pk], reason="True label of the public set."
            )
            overridden += review.agrees is False
    say(f"Readers: every scan decided by two; {overridden} decisions against the model.")


def _second_model(first: ModelVersion, staff: Staff, say: ReportProgress) -> tuple[ModelVersion, Comparison]:
    """Asked for by the manager; the worker's loop trains and compares."""
    base_sets = list(Dataset.objects.latest("pk").base_sets.all())
    dataset, _ = build_dataset(user=staff.managers[0], sites=[staff.site], base_sets=base_sets, consensus_only=True)
    say(f"{dataset}: {_size(dataset)}.")
    run = request_training(user=staff.managers[0], dataset=dataset, method="head", parent=first, settings={})
    say(f"{run} started …")
    work_through()
    run = TrainingRun.objects.select_related("model").get(pk=run.pk)
    if run.model is None or run.duration is None:
        raise WrongState(f"{run} ended without a model: {run.error}")
    say(f"{run} made {run.model} in {run.duration.total_seconds():.0f} s.")
    comparison = compare_models(dataset=dataset, champion=first, challenger=run.model)
    for reason in comparison.reasons:
        say(f"  {reason}")
    return run.model, comparison


def _promote(comparison: Comparison, staff: Staff, say: ReportProgress) -> bool:
    """By the criteria, or against them as two people may. Returns whether they were overridden."""
    if not comparison.passed:
        override = request_override(
            comparison=comparison, user=staff.managers[0], reason="Demonstration of the override by two people."
        )
        decide_override(override=override, user=staff.managers[1], approved=True, comment="Seen.")
    model = promote(comparison=comparison, user=staff.managers[0])
    say(f"{model} is promoted{'' if comparison.passed else ', the criteria overridden by two people'}.")
    return not comparison.passed


def _size(dataset: Dataset) -> str:
    counts = counts_of(dataset)
    return f"{counts.patients} patients, {counts.scans} scans, {counts.images} images"
