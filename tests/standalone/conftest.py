import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    """Provides a home that other accounts reach, unlike pytest's own temporary folders."""
    folder = Path(tempfile.mkdtemp(prefix="ctportal-home-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
