"""A short campaign of `make chaos`: everything breaks once while scans come in, and nothing is lost or doubled."""

import tempfile
from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign
from tests.chaos.campaign_faults import PROGRAMS

pytestmark = [pytest.mark.chaos, pytest.mark.serial]


def test_nothing_is_lost_or_doubled_while_everything_breaks():
    with tempfile.TemporaryDirectory(prefix="ctportal-campaign-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        report = Campaign(Path(folder, "var"), scans=60, kills=len(PROGRAMS) + 1, seconds=60, seed=7).run()

    print(report)  # shown with -s, and where the test fails
    assert report.is_good, str(report)
    assert len(report.acknowledged) == len(report.stored) == 60
    assert {*PROGRAMS, "launcher", "Redis emptied"} <= set(report.broken), str(report)
