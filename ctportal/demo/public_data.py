"""Reads real chest CT from public research sets on this machine; none of it ships with the portal."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cases.intake import SentFile
from cases.uploads import receive_upload
from ctportal.demo.cases import find_or_open_case, find_or_register_patient
from ctportal.demo.people import CLINICIAN, Cast

IMAGE_SET = "sars-cov-2-ct"
IMAGES_OF_EACH_LABEL = 4
PUBLIC = "Public research data, shown under a number instead of a patient."


class NoPublicData(Exception):
    """The folder lacks what should be loaded; the message says what."""


@dataclass(frozen=True)
class PublicScan:
    key: str
    origin: str
    files: Sequence[Path]


def load_public_scans(cast: Cast, folder: Path) -> tuple[int, int]:
    """Opens a case for each scan. Returns how many are new and how many there are."""
    scans = [*image_scans(folder / IMAGE_SET), *dicom_scans(folder / "dicom")]
    return sum(_load(cast, scan) for scan in scans), len(scans)


def _load(cast: Cast, scan: PublicScan) -> bool:
    clinician = cast.user(CLINICIAN)
    patient = find_or_register_patient(cast, cast.north, f"PUBLIC-{scan.key}", name=f"Public Research {scan.key}")
    case, _ = find_or_open_case(
        cast,
        patient,
        accession_number=f"PUBLIC-CT-{scan.key}",
        reason=f"Public research scan of {scan.origin}, loaded for demonstration.",
    )
    if case.scans.exists() or case.is_closed:
        return False
    upload = receive_upload(case=case, user=clinician, files=[_sent(path) for path in scan.files], confirmation=PUBLIC)
    if not upload.scans:
        raise NoPublicData(f"Scan {scan.key} of {scan.origin} was refused: {upload.refusals[0].problem}")
    return True


def image_scans(folder: Path) -> Iterator[PublicScan]:
    """Some of each label, spread evenly over the set; the label stays out of the case."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise NoPublicData(f"{manifest} is missing: CTPORTAL_DATA_DIR must hold the folder {IMAGE_SET}.")
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for label in sorted({row["label"] for row in rows}):
        others = [(at, row) for at, row in enumerate(rows, start=1) if row["label"] == label]
        step = max(1, len(others) // IMAGES_OF_EACH_LABEL)
        for at, row in others[step // 2 :: step][:IMAGES_OF_EACH_LABEL]:
            yield PublicScan(f"{at:04}", IMAGE_SET, [folder / row["file"]])


def dicom_scans(folder: Path) -> Iterator[PublicScan]:
    for series in sorted(path for path in folder.glob("*") if path.is_dir()):
        yield PublicScan(series.name.upper(), "a public DICOM collection", sorted(series.glob("*.dcm")))


def _sent(path: Path) -> SentFile:
    return SentFile(name=path.name, open=lambda: path.open("rb"), size=path.stat().st_size)
