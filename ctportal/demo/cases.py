"""Sends demonstration cases through the portal's own upload; the model in service answers them."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from PIL import Image

from accounts.models import Site
from cases.casework import DuplicateRecordNumber, close_case, open_case, register_patient
from cases.intake import SentFile
from cases.models import Case, Label, Patient, Priority, Review, Scan
from cases.reviews import record_review
from cases.uploads import receive_upload
from ctportal.demo.people import CLINICIAN, READER, SECOND_READER, Cast, Person
from ml.images.decoding import lung_window
from ml.images.phantom import phantom_dicom, phantom_series


@dataclass(frozen=True)
class DemoReview:
    person: Person
    label: Label
    reason: str


@dataclass(frozen=True)
class DemoCase:
    """Describes one case, found again by its patient's record number and its accession number."""

    number: int
    name: str
    sex: str
    born: date
    slices: int
    opacities: float
    reason: str
    priority: Priority = Priority.ROUTINE
    is_south: bool = False
    opinions: Sequence[DemoReview] = field(default=())
    is_closed: bool = False

    @property
    def record_number(self) -> str:
        return f"DEMO-{self.number:04}"

    @property
    def accession_number(self) -> str:
        return f"DEMO-CT-{self.number:04}"


DRAWN_WITH = "The phantom was drawn with ground-glass opacities in both lungs."
DRAWN_WITHOUT = "The phantom was drawn without opacities."
# Those with opinions come first: they are answered before the readers speak.
CASES = (
    DemoCase(
        1, "Phantom Alder", "F", date(1951, 3, 4), 1, 0.6, "Follow-up after two weeks of fever.",
        opinions=(DemoReview(READER, Label.COVID, DRAWN_WITH),),
    ),
    DemoCase(
        2, "Phantom Birch", "M", date(1968, 11, 20), 1, 0.0, "Chronic cough, before surgery.",
        opinions=(
            DemoReview(READER, Label.NON_COVID, DRAWN_WITHOUT),
            DemoReview(SECOND_READER, Label.NON_COVID, DRAWN_WITHOUT),
        ),
        is_closed=True,
    ),
    DemoCase(
        3, "Phantom Cedar", "F", date(1979, 7, 9), 1, 0.25, "Cough and loss of smell for five days.",
        opinions=(
            DemoReview(READER, Label.COVID, DRAWN_WITH),
            DemoReview(SECOND_READER, Label.CANNOT_TELL, "One slice is too little; the opacities are faint."),
        ),
    ),
    DemoCase(
        4, "Phantom Dogwood", "M", date(1947, 1, 30), 12, 0.7, "Short of breath at rest, saturation 86 %.",
        priority=Priority.EMERGENCY,
    ),
    DemoCase(
        5, "Phantom Elm", "F", date(1985, 5, 17), 12, 0.35, "Fever and cough for four days.", priority=Priority.URGENT
    ),
    DemoCase(6, "Phantom Fir", "M", date(1990, 9, 2), 1, 0.0, "Pain in the chest on breathing in."),
    DemoCase(
        7, "Phantom Ginkgo", "F", date(1959, 12, 11), 12, 0.0, "Contact with a confirmed case; no symptoms.",
        is_south=True,
    ),
    DemoCase(
        8, "Phantom Hazel", "M", date(1973, 2, 26), 1, 0.5, "Fever since yesterday, haemodialysis.",
        priority=Priority.URGENT, is_south=True,
    ),
)  # fmt: skip


def create_phantom_cases(cast: Cast, *, answer: Callable[[], object]) -> int:
    """Those that are missing; what people did with the others stays. `answer` answers what is queued now."""
    made = 0
    for wanted in CASES:
        site = cast.south if wanted.is_south else cast.north
        patient = _patient(cast, site, wanted)
        case, _ = find_or_open_case(
            cast, patient, accession_number=wanted.accession_number, reason=wanted.reason, priority=wanted.priority
        )
        if case.scans.exists():
            continue
        files = phantom_files(wanted.number, wanted.slices, wanted.opacities)
        receive_upload(case=case, user=cast.user(CLINICIAN), files=files, is_synthetic=True)
        made += 1
        if wanted.opinions:
            answer()
            _review(cast, case, wanted)
    return made


def _patient(cast: Cast, site: Site, wanted: DemoCase) -> Patient:
    return find_or_register_patient(
        cast, site, wanted.record_number, name=wanted.name, sex=wanted.sex, birth_date=wanted.born, is_synthetic=True
    )


def find_or_register_patient(cast: Cast, site: Site, record_number: str, **facts: object) -> Patient:
    try:
        return register_patient(site=site, user=cast.user(CLINICIAN), record_number=record_number, **facts)  # type: ignore[arg-type]
    except DuplicateRecordNumber as known:
        return known.existing


def find_or_open_case(cast: Cast, patient: Patient, *, accession_number: str, **facts: object) -> tuple[Case, bool]:
    known = patient.cases.filter(accession_number=accession_number).first()
    if known is not None:
        return known, False
    return open_case(patient=patient, user=cast.user(CLINICIAN), accession_number=accession_number, **facts), True


def phantom_files(seed: int, slices: int, opacities: float) -> list[SentFile]:
    """Writes a series as DICOM files, a lone slice as a PNG in the lung window."""
    if slices > 1:
        return [sent(f"{at:03}.dcm", data) for at, data in enumerate(phantom_dicom(seed, slices, 256, opacities))]
    out = io.BytesIO()
    hu, *_ = phantom_series(seed, 3, 256, opacities)  # the middle and the base look least like a patient's
    Image.fromarray(lung_window(hu)).save(out, format="PNG")
    return [sent("phantom.png", out.getvalue())]


def sent(name: str, data: bytes) -> SentFile:
    return SentFile(name=name, open=lambda: io.BytesIO(data), size=len(data))


def _review(cast: Cast, case: Case, wanted: DemoCase) -> None:
    for scan in Scan.objects.filter(case=case).ready():
        for opinion in wanted.opinions:
            reader = cast.user(opinion.person)
            if not Review.objects.filter(scan=scan, reader=reader).exists():
                record_review(scan=scan, reader=reader, label=opinion.label, reason=opinion.reason)
    if wanted.is_closed:
        close_case(case=case, user=cast.user(READER))
