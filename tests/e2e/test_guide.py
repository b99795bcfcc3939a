"""The five calls of docs/api.md, against the portal that `make run` starts: real scans where there are some."""

import subprocess
import sys
import zipfile

from tests.api.test_api_guide import MAIN_JOB, blocks_of
from tests.e2e.scans import phantoms
from tests.launched import CHECKOUT, PATIENCE

WORDS = (
    "Opacities as in COVID-19 likely",
    "Opacities as in COVID-19 unlikely",
    "Uncertain, please read",
    "Not suitable for the model",
)


def test_the_guides_calls_take_a_picture_and_a_series_to_a_reviewed_answer(portal, tmp_path):
    scans = phantoms(tmp_path, first=41)
    series = tmp_path / "series.zip"
    with zipfile.ZipFile(series, "w") as archive:
        for path in scans.series_files:
            archive.write(path, path.name)
    calls = "\n".join(blocks_of(MAIN_JOB))
    sendings = [
        f"(export FILE='{file}' RECORD_NUMBER=GUIDE-{n}\n{calls})" for n, file in enumerate([scans.pictures[0], series])
    ]

    said = run_in_a_shell(portal, *blocks_of("A token"), *sendings)

    lines = said.strip().splitlines()
    assert len(lines) == 8
    for headline, explanation, disclaimer, label in (lines[:4], lines[4:]):
        assert headline in WORDS
        assert explanation
        assert disclaimer == "Research use; not for diagnosis."
        assert label == "cannot_tell"


def run_in_a_shell(portal, *blocks: str) -> str:
    script = "\n".join(["set -euo pipefail", *blocks]).replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=CHECKOUT,
        env={**portal.environment, "PORTAL": portal.address},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
