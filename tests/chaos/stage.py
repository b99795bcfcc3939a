"""Run inside the portal under test: `python -m tests.chaos.stage prepare | upload FIRST COUNT`."""

import io
import os
import sys
import tempfile
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
django.setup()

import numpy as np  # noqa: E402
from django.core.management import call_command  # noqa: E402
from PIL import Image  # noqa: E402

from accounts.models import Site  # noqa: E402
from cases.intake import SentFile  # noqa: E402
from cases.models import Case  # noqa: E402
from cases.uploads import receive_upload  # noqa: E402
from tests.inference.cast import member, new_case, write_artifact  # noqa: E402


def prepare() -> None:
    call_command("migrate", verbosity=0)
    site = Site.objects.create(name="Northern Radiology", slug="north")
    new_case(site, member(site, "clinician", "clara"))
    with tempfile.TemporaryDirectory() as folder:
        call_command("register_model", str(write_artifact(Path(folder))), verbosity=0)


def upload(first: int, count: int) -> None:
    """Uploads through the portal's own door, each file a scan of its own."""
    case = Case.objects.select_related("patient__site", "created_by").get()
    assert case.created_by is not None
    files = [sent(number) for number in range(first, first + count)]
    received = receive_upload(case=case, user=case.created_by, files=files)
    assert len(received.scans) == count, received.refusals


def sent(number: int) -> SentFile:
    """No two numbers give the same picture."""
    pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    return SentFile(name=f"{number}.png", open=lambda: io.BytesIO(out.getvalue()), size=len(out.getvalue()))


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare()
    else:
        upload(int(sys.argv[2]), int(sys.argv[3]))
