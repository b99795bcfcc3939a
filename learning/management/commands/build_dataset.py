from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Site
from accounts.refusals import WrongState
from learning.datasets.build import build_dataset, changes_since_previous
from learning.datasets.dataset_counts import counts_of
from learning.models import BaseSet, Dataset, Exclusion

T = TypeVar("T")


class Command(BaseCommand):
    help = (
        "Freezes the labelled scans of all sites and base sets (or of those named) as a data set. "
        "Where nothing has changed, it names the data set that holds the same already."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", action="append", metavar="SLUG", help="only this site; may be repeated")
        base = parser.add_mutually_exclusive_group()
        base.add_argument("--base", action="append", metavar="NAME", help="only this base set; may be repeated")
        base.add_argument("--no-base", action="store_true", help="no base set")
        parser.add_argument("--with-synthetic", action="store_true", help="count synthetic scans in")
        parser.add_argument("--consensus-only", action="store_true", help="leave out what one reader alone decided")

    def handle(self, *args: Any, **options: Any) -> None:
        sites = _named("site", options["site"], {site.slug: site for site in Site.objects.all()})
        known = {} if options["no_base"] else {base.name: base for base in BaseSet.objects.all()}
        try:
            dataset, is_new = build_dataset(
                user=None,
                sites=sites,
                base_sets=_named("base set", options["base"], known),
                with_synthetic=options["with_synthetic"],
                consensus_only=options["consensus_only"],
            )
        except WrongState as error:
            raise CommandError(str(error)) from error
        if not is_new:
            self.stdout.write(f"Nothing has changed: {dataset} holds just this already.")
            return
        self.stdout.write(f"{dataset} built.")
        self._tell(dataset)

    def _tell(self, dataset: Dataset) -> None:
        counts = counts_of(dataset)
        self.stdout.write(f"{'':12}{'patients':>10}{'COVID-19':>10}{'not':>10}{'images':>10}")
        for row in counts.splits:
            numbers = "".join(f"{number:>10}" for number in (row.patients, row.covid, row.non_covid, row.images))
            self.stdout.write(f"{row.split.label:12}{numbers}")
        for reason, number in counts.excluded.items():
            self.stdout.write(f"Left out: {number} ({Exclusion(reason).label.lower()})")
        if counts.superseded_reviews:
            self.stdout.write(f"Superseded reviews that no longer count: {counts.superseded_reviews}")
        if counts.base_duplicates:
            self.stdout.write(
                f"Left out: {counts.base_duplicates} patients of base sets whose images are there already"
            )
        self.stdout.write(changes_since_previous(dataset).words)


def _named(what: str, names: Sequence[str] | None, known: dict[str, T]) -> list[T]:
    if names is None:
        return list(known.values())
    if unknown := [name for name in names if name not in known]:
        raise CommandError(f"There is no {what} {unknown[0]}; there are: {', '.join(known) or 'none'}.")
    return [known[name] for name in dict.fromkeys(names)]
