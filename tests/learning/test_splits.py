"""A patient's side of the split is drawn once and never moves."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, connection, transaction

from learning.datasets import splits
from learning.datasets.splits import assign_splits, drawn_split, key_of_base_group, key_of_patient
from learning.models import PatientSplit, Split

KEYS = [f"patient:{uuid.UUID(int=number)}" for number in range(200)]


def test_the_draw_depends_on_the_key_alone_and_keeps_the_shares():
    drawn = Counter(drawn_split(f"patient:{number}") for number in range(20_000))
    assert drawn[Split.TRAIN] / 20_000 == pytest.approx(0.60, abs=0.02)
    assert drawn[Split.VALIDATION] / 20_000 == pytest.approx(0.15, abs=0.02)
    assert drawn[Split.TEST] / 20_000 == pytest.approx(0.25, abs=0.02)
    assert drawn_split("patient:00000000-0000-0000-0000-000000000001") == drawn_split(KEYS[1])


def test_a_stored_side_stays_when_the_shares_change(db, monkeypatch):
    before = {key: row.split for key, row in assign_splits(KEYS).items()}
    monkeypatch.setattr(splits, "SHARES", ((Split.TRAIN, 0.0), (Split.VALIDATION, 0.0), (Split.TEST, 1.0)))
    after = assign_splits([*reversed(KEYS), "patient:new"])
    assert {key: after[key].split for key in KEYS} == before
    assert after["patient:new"].split == Split.TEST


def test_the_database_refuses_to_move_a_patient(db):
    row = assign_splits(["patient:x"])["patient:x"]
    for change in (lambda: PatientSplit.objects.filter(pk=row.pk).update(split="test"), row.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_many_keys_take_a_few_queries(db, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
        assert len(assign_splits(f"patient:{number}" for number in range(splits.BATCH))) == splits.BATCH


@pytest.mark.django_db(transaction=True)
def test_two_that_assign_at_once_store_each_patient_once():
    def assign(_):
        try:
            return {key: row.pk for key, row in assign_splits(KEYS).items()}
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(assign, range(4))
    assert all(other == first for other in others)
    assert PatientSplit.objects.count() == len(KEYS)


def test_a_patient_of_the_portal_and_a_group_of_a_base_set_never_share_a_key():
    assert key_of_patient("a") == "patient:a"
    assert key_of_base_group("a", "b") == "base:a:b"
