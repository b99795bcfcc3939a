"""A short `make memory`: after mixed uploads every program takes about what it took after the first of each kind."""

import tempfile
from pathlib import Path

import pytest

from tests.chaos.memory import WATCHED, Kept, measure
from tests.chaos.memory_uploads import KINDS

pytestmark = [pytest.mark.chaos, pytest.mark.serial]


def test_programs_are_as_large_after_three_rounds_of_uploads_as_after_the_first():
    with tempfile.TemporaryDirectory(prefix="ctportal-memory-", ignore_cleanup_errors=True) as folder:
        kept = measure(Path(folder), uploads=3 * len(KINDS), first=len(KINDS))

    print(kept)
    assert set(kept.last) == set(WATCHED)
    assert kept.scans > 20 * len(KINDS)
    assert not kept.grown, str(kept)


def test_growth_beyond_a_fifth_is_found():
    kept = Kept(first={"web process": 200.0, "scheduler": 100.0}, last={"web process": 241.0, "scheduler": 119.0})

    assert kept.grown == ["web process"]
    assert "GREW BEYOND 20 %: web process" in str(kept)
