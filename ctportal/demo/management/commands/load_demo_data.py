import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ctportal.demo.people import create_people
from ctportal.demo.public_data import NoPublicData, load_public_scans


class Command(BaseCommand):
    help = "Opens cases with real scans of the public research sets in CTPORTAL_DATA_DIR, where they are missing."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.CTPORTAL_DATA_DIR:
            raise CommandError(
                "CTPORTAL_DATA_DIR is not set. It names the folder with the public sets (sars-cov-2-ct, dicom); "
                "none of their images may ship with the portal."
            )
        folder = Path(settings.CTPORTAL_DATA_DIR)
        if not folder.is_dir():
            raise CommandError(f"CTPORTAL_DATA_DIR names {folder}, which is no folder.")
        cast = create_people(password=os.environ.get("DEMO_PASSWORD", ""))
        for username, password in cast.passwords.items():
            self.stdout.write(f"User {username}, password {password} (shown only now)")
        try:
            new, present = load_public_scans(cast, folder)
        except NoPublicData as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Cases with public research scans: {new} opened, {present - new} there already.")
