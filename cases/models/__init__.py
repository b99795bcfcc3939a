"""Stores patients, their cases, the scans sent for them and what readers decided."""

from cases.models.cases import RANK_OF_DECIDED, SETTLED, Case, CaseQuerySet, CaseStatus, Priority
from cases.models.choices import DECISIONS_BY_CONCERN, Decision, Label
from cases.models.patients import Patient, PatientQuerySet, Sex
from cases.models.reviews import Review, ReviewDraft, ReviewQuerySet, ShownAnswer, ShownKind
from cases.models.scans import FILE_ENDINGS, Scan, ScanKind, ScanQuerySet, ScanStatus, Slice, stored_name

__all__ = [
    "DECISIONS_BY_CONCERN",
    "FILE_ENDINGS",
    "RANK_OF_DECIDED",
    "SETTLED",
    "Case",
    "CaseQuerySet",
    "CaseStatus",
    "Decision",
    "Label",
    "Patient",
    "PatientQuerySet",
    "Priority",
    "Review",
    "ReviewDraft",
    "ReviewQuerySet",
    "Scan",
    "ScanKind",
    "ScanQuerySet",
    "ScanStatus",
    "Sex",
    "ShownAnswer",
    "ShownKind",
    "Slice",
    "stored_name",
]
