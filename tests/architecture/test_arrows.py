"""The rules of docs/architecture.md that a machine can hold."""

import graphlib
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.migrations.loader import MigrationLoader

ROOT = Path(__file__).resolve().parents[2]
OURS = ("accounts", "cases", "inference", "learning", "api")


def test_imports_run_one_way() -> None:
    checked = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert " 0 broken." in checked.stdout


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Lazy imports and those for type checking count too."""
    rooms = ("ctportal", "monitoring", "learning", "inference", "cases", "accounts", "ml")
    graph = grimp.build_graph(*rooms, cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imported).prepare()  # raises CycleError and names the circle


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    try:
        call_command("makemigrations", "--check", "--dry-run", verbosity=1)
    except (SystemExit, CommandError) as error:
        pytest.fail(f"Models have changed without a migration: {error}")


def test_apps_migrate_without_depending_on_each_other_in_a_circle() -> None:
    """`accounts` before `cases` before `inference` before `learning` before `api`, as the imports run."""
    loader = MigrationLoader(None)
    needs = {
        (label, parent)
        for (label, _), migration in loader.disk_migrations.items()
        for parent, _ in migration.dependencies
        if label in OURS and parent in OURS and label != parent
    }
    assert all(OURS.index(parent) < OURS.index(label) for label, parent in needs), needs


@pytest.mark.django_db
def test_all_migrations_are_applied_in_the_test_database() -> None:
    loader = MigrationLoader(connections["default"])
    assert set(loader.disk_migrations) <= set(loader.applied_migrations)


def test_every_model_of_ours_has_a_str_of_its_own() -> None:
    """`__str__` is what logs and the admin show; the inherited one would say nothing, a careless one too much."""
    for label in OURS:
        for model in apps.get_app_config(label).get_models():
            if ".models" not in model.__module__ or hasattr(model, "pgh_tracked_model"):
                continue
            assert "__str__" in model.__dict__ or any("__str__" in base.__dict__ for base in model.__mro__[1:-2]), model


WEB = """
import sys

class NotInstalled:
    # What requirements/web.txt does not pin is not there, whatever this environment holds.
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("scipy", "sklearn", "matplotlib", "keras"):
            raise ModuleNotFoundError(f"No module named {name!r} in a web process", name=name)

sys.meta_path.insert(0, NotInstalled())
import django
django.setup()
from django.conf import settings
from django.test import RequestFactory
from django.urls import get_resolver
import ctportal.wsgi
import inference.tasks

def views(patterns):
    for entry in patterns:
        if hasattr(entry, "url_patterns"):
            yield from views(entry.url_patterns)
        else:
            yield entry.callback

found = list(views(get_resolver().url_patterns))
assert len(found) > 10, found
from django.template import engines
for folder in settings.TEMPLATES[0]["DIRS"]:
    for page in sorted(folder.rglob("*.html")):
        engines["django"].engine.get_template(str(page.relative_to(folder)))
heavy = [name for name in ("tensorflow", "keras", "openvino", "jax", "torch") if name in sys.modules]
assert not heavy, heavy
print("light", len(found))
"""


def test_a_web_process_never_imports_a_framework() -> None:
    """All views resolved, all templates compiled: neither TensorFlow nor Keras nor OpenVINO is there."""
    started = subprocess.run(
        [sys.executable, "-c", WEB], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert started.returncode == 0, started.stderr[-3000:]
    assert started.stdout.startswith("light")


def test_the_check_for_frameworks_can_fail() -> None:
    tampered = WEB.replace("import inference.tasks", "import openvino")
    started = subprocess.run(
        [sys.executable, "-c", tampered], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert "['openvino']" in started.stderr
