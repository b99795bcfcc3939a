"""Run beside the portal under test, `python -m tests.e2e.stage people | loop | idle USER`: what no page can do."""

import os
import sys
import tempfile
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
django.setup()

from django.contrib.sessions.models import Session  # noqa: E402

from accounts.middleware import LAST_SEEN  # noqa: E402
from accounts.models import Site, User  # noqa: E402
from inference.service import active_model  # noqa: E402
from tests.cast import make_person  # noqa: E402
from tests.pages.learning_cast import HISTORY, make_comparison, make_dataset, make_model, make_run  # noqa: E402


def people() -> None:
    """The cast of the other tests, at sites without demonstration cases."""
    north = Site.objects.create(name="Radiology North", slug="north")
    south = Site.objects.create(name="Radiology South", slug="south", blinded_reads=True)
    for name, role in (("cara", "clinician"), ("rita", "reader"), ("rob", "reader"), ("max", "manager")):
        make_person(name, (north, role))
    make_person("otto", (south, "clinician"), (south, "reader"), (south, "manager"))
    make_person("nora")


def loop() -> None:
    """A data set, runs in several states and two comparisons, for the demonstration's manager."""
    serving = active_model()
    dataset = make_dataset(Site.objects.get(slug="demo-north"), with_synthetic=True)
    with tempfile.TemporaryDirectory() as folder:
        for version, misses in (("2", 0.0), ("3", 0.9)):
            made = make_model(Path(folder), version, parent=serving)
            make_run(dataset, "done", model=made, parent=serving, fingerprint=version)
            make_comparison(dataset, serving, made, now=misses)
    make_run(dataset, "failed", parent=serving)
    make_run(dataset, "cancelled", parent=serving, progress={"stage": "training", "history": HISTORY})


def idle(name: str) -> None:
    """As if nobody had touched this person's sessions for a day."""
    user = User.objects.get(username=name)
    for row in Session.objects.all():
        session = row.get_decoded()
        if session.get("_auth_user_id") == str(user.pk):
            session[LAST_SEEN] -= 24 * 3600
            row.session_data = Session.objects.encode(session)
            row.save()


if __name__ == "__main__":
    if sys.argv[1] == "people":
        people()
    elif sys.argv[1] == "loop":
        loop()
    else:
        idle(sys.argv[2])
