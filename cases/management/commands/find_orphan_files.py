"""Lists, and on demand deletes, files of the store that no row names."""

import os
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from django.apps import apps
from django.core.files.storage import Storage, default_storage
from django.core.management.base import BaseCommand, CommandError
from django.db.models import FileField, Model
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

FILES_AT_ONCE = 500
GRACE_HOURS = 24


class Command(BaseCommand):
    help = (
        "List the files of the store of images that nothing refers to, as a killed process may leave them. Their names "
        "are random and say nothing of a patient."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--delete", action="store_true", help="delete them")
        parser.add_argument(
            "--grace-hours",
            type=float,
            default=GRACE_HOURS,
            help=f"leave files alone that are younger: an upload writes its files before its rows ({GRACE_HOURS})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["grace_hours"] < 1:
            raise CommandError("An upload under way may take minutes: the grace is an hour or more.")
        count = size = 0
        for name in orphans(default_storage, grace=timedelta(hours=options["grace_hours"])):
            count, size = count + 1, size + default_storage.size(name)
            self.stdout.write(name)
            if options["delete"]:
                default_storage.delete(name)
        files = "1 file" if count == 1 else f"{count} files"
        outcome = "deleted" if options["delete"] else "found; --delete deletes them" if count else "found"
        self.stderr.write(f"{files}, {filesizeformat(size)}, {outcome}.")


def orphans(storage: Storage, *, grace: timedelta) -> Iterator[str]:
    """Names of stored files that are older than the grace and that no row of any model names."""
    before = timezone.now() - grace
    old = (name for name in _stored_names(storage, "") if _changed(storage, name) < before)
    fields = list(_file_fields())
    while names := list(islice(old, FILES_AT_ONCE)):
        named: set[str] = set()
        for model, field in fields:
            found = model._default_manager.filter(**{f"{field}__in": names})
            named.update(found.values_list(field, flat=True))
        yield from (name for name in names if name not in named)


def _stored_names(storage: Storage, folder: str) -> Iterator[str]:
    folders, files = storage.listdir(folder)
    for file in sorted(files):
        yield os.path.join(folder, file)
    for each in sorted(folders):
        yield from _stored_names(storage, os.path.join(folder, each))


def _changed(storage: Storage, name: str) -> Any:
    try:
        return storage.get_modified_time(name)
    except FileNotFoundError:  # it went meanwhile
        return timezone.now()


def _file_fields() -> Iterator[tuple[type[Model], str]]:
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, FileField) and field.model is model:
                yield model, field.name
