from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Site
from accounts.refusals import WrongState
from cases.models import Case
from inference.rerun import rerun_predictions, scans_of


class Command(BaseCommand):
    help = (
        "Queues predictions that failed and scans that the model in service has not been asked about "
        "(both, unless one is named). Answers stay as they are; scans of closed cases are left alone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--failed", action="store_true", help="only what failed")
        parser.add_argument("--missing", action="store_true", help="only what was never asked")
        parser.add_argument("--case", type=int, metavar="ID", help="only scans of this case")
        parser.add_argument("--site", metavar="SLUG", help="only scans of this site")

    def handle(
        self, *args: Any, failed: bool, missing: bool, case: int | None, site: str | None, **options: Any
    ) -> None:
        if case is not None and not Case.objects.filter(pk=case).exists():
            raise CommandError(f"There is no case {case}.")
        if site is not None and not Site.objects.filter(slug=site).exists():
            raise CommandError(f"There is no site {site}; there are: {', '.join(_slugs()) or 'none'}.")
        both = failed == missing
        try:
            requested = rerun_predictions(
                scans=scans_of(case_id=case, site_slug=site), failed=failed or both, missing=missing or both
            )
        except WrongState as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Queued: {requested.failed} that had failed, {requested.missing} not asked before.")


def _slugs() -> list[str]:
    return list(Site.objects.values_list("slug", flat=True))
