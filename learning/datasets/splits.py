"""Decides in which split a patient is: drawn from a hash of the key, stored once, never moved.

The draw needs no other patient, so the order in which patients arrive changes nothing. The table is the truth: what
is in it stays, even where the shares below are changed one day.
"""

import hashlib
from collections.abc import Iterable

from learning.models import PatientSplit, Split

SHARES = ((Split.TRAIN, 0.60), (Split.VALIDATION, 0.15), (Split.TEST, 0.25))
BATCH = 5000


def key_of_patient(pseudonym: object) -> str:
    """Returns the key of `cases.models.Patient.pseudonym`."""
    return f"patient:{pseudonym}"


def key_of_base_group(base_set: str, group: str) -> str:
    return f"base:{base_set}:{group}"


def drawn_split(key: str) -> Split:
    """A number from 0 to 1 out of the key's SHA-256, laid on the shares."""
    place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
    for split, share in SHARES[:-1]:
        if place < share:
            return split
        place -= share
    return SHARES[-1][0]


def assign_splits(keys: Iterable[str]) -> dict[str, PatientSplit]:
    """Returns the split of each patient. New ones are drawn and stored; two callers at once store the same."""
    wanted = sorted(set(keys))
    assigned: dict[str, PatientSplit] = {}
    for at in range(0, len(wanted), BATCH):
        assigned |= _assign(wanted[at : at + BATCH])
    return assigned


def foreseen_splits(keys: set[str]) -> dict[str, PatientSplit]:
    """The stored splits, and those that would be drawn; nothing is stored."""
    splits = {key: PatientSplit(patient_key=key, split=drawn_split(key)) for key in keys}
    ordered = sorted(keys)
    for at in range(0, len(ordered), BATCH):
        splits |= _stored(ordered[at : at + BATCH])
    return splits


def _assign(keys: list[str]) -> dict[str, PatientSplit]:
    stored = _stored(keys)
    new = [PatientSplit(patient_key=key, split=drawn_split(key)) for key in keys if key not in stored]
    if not new:
        return stored
    PatientSplit.objects.bulk_create(new, ignore_conflicts=True)
    return _stored(keys)


def _stored(keys: list[str]) -> dict[str, PatientSplit]:
    return {row.patient_key: row for row in PatientSplit.objects.filter(patient_key__in=keys)}
