"""Bring database, static files, models and demonstration data up to date, before the portal starts.

`python -m ctportal.standalone.launch.prepare STEP …` runs several in one process: starting Django takes the longest.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import django
from django.core.management import call_command
from django.core.management.base import CommandError

from ctportal.standalone.secret_files import read_secret_files


def main(names: list[str]) -> int:
    if unknown := set(names) - set(STEPS):
        sys.exit(f"There is no step {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
    use_owner()
    django.setup()
    for name in names:
        title, step = STEPS[name]
        started = time.monotonic()
        print(f"{title} …", flush=True)
        try:
            step()
        except CommandError as error:
            print(f"{title} failed: {error}", file=sys.stderr)
            return 1
        if (seconds := time.monotonic() - started) > 2:
            print(f"  took {seconds:.0f} s", flush=True)
    return 0


def use_owner() -> None:
    """Prepare as the owner of the tables, where one is named; the portal itself works as a plain role."""
    read_secret_files(os.environ)
    if owner := os.environ.pop("DATABASE_OWNER_URL", ""):
        os.environ["PLAIN_DATABASE_URL"] = os.environ.get("DATABASE_URL", "")
        os.environ["DATABASE_URL"] = owner


def migrate() -> None:
    from ctportal.standalone.database_roles import grant_plain_role

    call_command("migrate", interactive=False, verbosity=0)
    plain = urlsplit(os.environ.get("PLAIN_DATABASE_URL", ""))
    if plain.username:
        grant_plain_role(unquote(plain.username), unquote(plain.password) if plain.password else None)


def collect_static_files() -> None:
    """Collect and compress them, unless the last start did so from the same files."""
    from django.conf import settings

    stamp = Path(settings.CTPORTAL_HOME, "static.fingerprint")
    fingerprint = f"{settings.STATIC_ROOT} {static_fingerprint()}"
    if Path(settings.STATIC_ROOT, "staticfiles.json").exists() and stamp.exists() and stamp.read_text() == fingerprint:
        return
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(fingerprint)


def static_fingerprint() -> str:
    """What the static files are, by name, size and time of change."""
    from django.contrib.staticfiles.finders import get_finders

    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = os.stat(storage.path(name))
            digest.update(f"{name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def register_shipped_models() -> None:
    from django.conf import settings

    for card in sorted(Path(settings.BASE_DIR, "ml", "pretrained").glob("*/artifact.json")):
        call_command("register_model", str(card.parent))


def create_demo() -> None:
    call_command("create_demo")


STEPS: dict[str, tuple[str, Callable[[], None]]] = {
    "database": ("Bringing the database up to date", migrate),
    "static": ("Collecting static files", collect_static_files),
    "models": ("Registering the shipped model", register_shipped_models),
    "demo": ("Looking after the demonstration users and cases", create_demo),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
