"""A short campaign of `make chaos`: everything is killed once while scans come in, and nothing is lost or doubled."""

import tempfile
from pathlib import Path

import pytest

from tests.chaos.campaign import PROGRAMS, Campaign

pytestmark = [pytest.mark.chaos, pytest.mark.serial]


def test_nothing_is_lost_or_doubled_while_everything_is_killed():
    with tempfile.TemporaryDirectory(prefix="ctportal-campaign-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        report = Campaign(Path(folder, "var"), scans=60, kills=len(PROGRAMS) + 3, seconds=60, seed=7).run()

    assert report.is_good, str(report)
    assert {"PostgreSQL", "Redis", "launcher", "web server", "inference worker"} <= set(report.broken), str(report)
