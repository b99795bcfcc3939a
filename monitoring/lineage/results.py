"""Holds what lineage shows: each thing as its user may see it. What may not be seen is counted, never named."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Reviewer:
    """Describes a reader whose decisions went in."""

    user_id: int
    name: str
    scans: int


@dataclass(frozen=True)
class DatasetTrace:
    """Describes a frozen labelled set. Everybody may know its size; the rest takes `is_visible`."""

    dataset_id: int
    title: str
    is_visible: bool
    created_at: datetime
    patients: int
    scans: int
    covid: int
    non_covid: int
    splits: Sequence[tuple[str, int]] = ()  # of the scans: the split's title and how many
    sources: Sequence[tuple[str, int]] = ()  # site slugs and names of base sets, and how many scans
    reviewers: Sequence[Reviewer] = ()
    reviewer_count: int = 0
    content_hash: str = ""


@dataclass(frozen=True)
class RunTrace:
    """A training run and what it was trained on."""

    run_id: int
    title: str
    is_visible: bool
    method: str  # in words
    status: str  # a TrainingStatus
    requested_at: datetime
    finished_at: datetime | None
    dataset: DatasetTrace
    requested_by: str = ""  # empty where it may not be seen
    parent_id: int | None = None
    model_id: int | None = None


@dataclass(frozen=True)
class ModelTrace:
    """A model and where it comes from: a run of this installation, or what its card says."""

    model_id: int
    title: str
    status: str  # a ModelStatus
    status_words: str
    sha256: str
    registered_at: datetime
    origin: str  # in words
    run: RunTrace | None


@dataclass(frozen=True)
class ServiceTrace:
    started_at: datetime
    ended_at: datetime | None
    entry: str  # in words
    reason: str
    started_by: str
    comparison_id: int | None  # None where there is none, or where it may not be seen


@dataclass(frozen=True)
class ComparisonTrace:
    comparison_id: int
    dataset_id: int
    champion: str
    challenger: str
    passed: bool
    created_at: datetime


@dataclass(frozen=True)
class AcceptanceTrace:
    """Holds what a site decided on the model's operating point; only its managers see it."""

    site: str
    site_slug: str
    number: int
    choice: str  # an AcceptanceChoice
    choice_words: str
    operating_point: float | None
    decided_at: datetime
    decided_by: str
    reason: str


@dataclass(frozen=True)
class ModelLineage:
    model: ModelTrace
    ancestors: Sequence[ModelTrace]  # its parent first
    descendants: Sequence[ModelTrace]  # trained from it, the oldest first
    service: Sequence[ServiceTrace]
    comparisons: Sequence[ComparisonTrace]
    hidden_comparisons: int
    acceptances: Sequence[AcceptanceTrace]  # of the sites that the user manages, the newest first
    hidden_acceptances: int
    predictions: int  # of the scans that the user may see
    hidden_predictions: int


@dataclass(frozen=True)
class PredictionTrace:
    """One answer to one scan, by a model that was in service."""

    prediction_id: int
    scan_id: int
    model_id: int
    model: str
    status: str  # a PredictionStatus
    decision: str | None
    probability: float | None
    finished_at: datetime | None
    stands: bool
    raw_probability: float | None  # by the model's own calibration
    suitability_state: str  # a SuitabilityState; empty without an answer
    judged_by: str  # in words: the operating point; empty without an answer
    site_decision: int | None  # the number of the site's decision; None where the model's own point judged it


@dataclass(frozen=True)
class ReviewTrace:
    """One decision of one reader, and what was on screen."""

    review_id: int
    reader_id: int
    reader: str
    label: str
    created_at: datetime
    is_current: bool
    was_blinded: bool
    agrees: bool | None
    prediction_id: int | None
    reason: str
    is_withdrawn: bool = False


@dataclass(frozen=True)
class ScanUse:
    """Describes a scan as one data set froze it, and the models that came of it."""

    dataset: DatasetTrace
    label: str
    split: str  # a Split
    agreement: str
    review_ids: Sequence[int]
    runs: Sequence[RunTrace]
    models: Sequence[ModelTrace]


@dataclass(frozen=True)
class ScanLineage:
    scan_id: int
    case_id: int
    site: str
    final_label: str | None
    is_hidden: bool  # the user has to decide first; answers, labels and uses are left out
    reviews: Sequence[ReviewTrace]
    predictions: Sequence[PredictionTrace]
    uses: Sequence[ScanUse]
    hidden_uses: int  # in data sets that the user may not see


@dataclass(frozen=True)
class PredictionLineage:
    """Leads from an answer to its model, the run, the data set, the labels and the readers."""

    prediction: PredictionTrace
    scan: ScanLineage
    model: ModelLineage


@dataclass(frozen=True)
class UsedScan:
    """A scan in a data set; of a base set it has no `scan_id`, and a hidden one has no label."""

    scan_id: int | None
    case_id: int | None
    name: str
    source: str
    split: str  # a Split
    label: str | None
    agreement: str
    review_ids: Sequence[int]


@dataclass(frozen=True)
class DatasetLineage:
    dataset: DatasetTrace
    previous: Sequence[DatasetTrace]  # the next older one first
    following: Sequence[DatasetTrace]
    runs: Sequence[RunTrace]
    models: Sequence[ModelTrace]
    comparisons: Sequence[ComparisonTrace]
    scans: Sequence[UsedScan]  # the first `MOST_SCANS`; `dataset.scans` is how many there are
