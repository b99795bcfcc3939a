"""A site's people, scans with stored images, and a model whose engine alone is a stub."""

import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.utils import timezone
from PIL import Image

from accounts.models import Membership, Site, User
from cases.casework import open_case, register_patient
from cases.models import Case, Scan, Slice
from cases.signals import scans_received
from inference.models import ModelVersion, Prediction
from inference.queue import Answer, SliceFinding
from ml.model.artifact import save_artifact
from ml.model.engine import ScanAnswer, ScanFailure, SliceAnswer

MakeScan = Callable[..., Scan]
MakeModel = Callable[..., ModelVersion]

_numbers = count(1)


def member(site: Site, role: str, username: str) -> User:
    user = User.objects.create_user(username, f"{username}@example.org", None)
    Membership.objects.create(user=user, site=site, role=role)
    return user


def new_case(site: Site, clinician: User, **facts: Any) -> Case:
    number = f"MRN-{next(_numbers)}"
    patient = register_patient(site=site, user=clinician, record_number=number, name="Test Person")
    return open_case(patient=patient, user=clinician, **facts)


def stored_scan(case: Case, clinician: User, values: Sequence[int], *, announce: bool) -> Scan:
    """As an upload leaves it: one evenly grey slice for each value, and word of it to whoever listens."""
    scan = Scan.objects.create(
        case=case,
        kind="image",
        content_key=Scan.content_key_of([f"test:{next(_numbers)}"]),
        slice_count=len(values),
        uploaded_by=clinician,
    )
    for position, value in enumerate(values):
        slice_ = Slice(scan=scan, position=position, key=f"{position}", media_type="image/png", width=8, height=8)
        slice_.view.save("view", ContentFile(grey_png(value)), save=False)
        slice_.original.save("original", ContentFile(grey_png(value)), save=False)
        slice_.save()
    if announce:
        scans_received.send(sender=Scan, scans=[scan])
    return scan


def grey_png(value: int, size: int = 8) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((size, size), value, np.uint8)).save(out, format="PNG")
    return out.getvalue()


def only_prediction(scan: Scan) -> Prediction:
    return Prediction.objects.select_related("scan__case", "model_version").get(scan=scan)


class StubEngine:
    """Says of a scan how bright its brightest slice is; breaks on request."""

    name = "stub"

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.poison: dict[int, BaseException | ScanFailure | ScanAnswer] = {}
        self.before: Callable[[], object] = lambda: None

    def predict(self, scans: Sequence[Sequence[np.ndarray]]) -> list[ScanAnswer | ScanFailure]:
        self.before()
        read = [[int(view[0, 0]) for view in views] for views in scans]
        self.calls.append([values[0] for values in read])
        return [self._answer(values) for values in read]

    def _answer(self, values: list[int]) -> ScanAnswer | ScanFailure:
        told = self.poison.get(values[0])
        if isinstance(told, BaseException):
            raise told
        return told or scan_answer([value / 255 for value in values])


def scan_answer(probabilities: Sequence[float]) -> ScanAnswer:
    highest = max(probabilities)
    slices = tuple(
        SliceAnswer(p, 1 / len(probabilities), 0.9, np.full((4, 6), round(255 * p), np.uint8)) for p in probabilities
    )
    return ScanAnswer("covid" if highest >= 0.5 else "non_covid", highest, 0.9, slices)


def write_artifact(folder: Path, *, name: str = "resnet-test", version: str = "1", seed: int = 0) -> Path:
    """A whole and valid model folder, too small to be worth loading."""
    calibration = {"slope": 1.0, "offset": 0.0, "operating_point": 0.5, "low": 0.3, "high": 0.6}
    save_artifact(
        folder,
        description={
            "name": name,
            "version": version,
            "architecture": "resnet-test",
            "network": {},
            "preprocessing": {"seed": seed},
            "thresholds": {"slice": calibration, "scan": calibration, "suitable": 0.5},
            "metrics": {},
            "card": {},
        },
        weights={"head/kernel": np.zeros((1, 1), np.float32)},
    )
    return folder


def answer_for(scan: Scan, probability: float = 0.8) -> Answer:
    findings = [SliceFinding(slice_.pk, probability, 1.0, 0.9, b"png") for slice_ in scan.slices.all()]
    return Answer("covid", probability, 0.9, findings, "stub", 12)


def let_lease_run_out() -> None:
    Prediction.objects.filter(status="running").update(lease_until=timezone.now() - timedelta(seconds=1))


def output_of(*arguments: object) -> str:
    """Runs a management command and returns what it printed."""
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()
