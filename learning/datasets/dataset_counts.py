"""What `Dataset.counts` holds, read once into dataclasses; rows that earlier releases stored are read too.

The counts by label are of scans. A count that was not stored is 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from learning.models import Dataset, Split


@dataclass(frozen=True)
class SplitCounts:
    split: Split
    patients: int = 0
    covid: int = 0
    non_covid: int = 0
    images: int = 0

    @property
    def scans(self) -> int:
        return self.covid + self.non_covid


@dataclass(frozen=True)
class SourceCounts:
    """Counts one source: a site by its slug, or a base set by its name."""

    source: str
    title: str
    is_base: bool = False
    covid: int = 0
    non_covid: int = 0

    @property
    def scans(self) -> int:
        return self.covid + self.non_covid


@dataclass(frozen=True)
class DatasetCounts:
    """`agreements` and `excluded` count scans, by agreement of their readers and by reason."""

    scans: int
    images: int
    patients: int
    splits: tuple[SplitCounts, ...]
    sources: tuple[SourceCounts, ...]
    agreements: Mapping[str, int]
    excluded: Mapping[str, int]
    superseded_reviews: int = 0
    base_duplicates: int = 0
    hidden: int = 0  # scans that are counted nowhere else, since the user has to decide on them first

    @property
    def covid(self) -> int:
        return sum(split.covid for split in self.splits)

    @property
    def non_covid(self) -> int:
        return sum(split.non_covid for split in self.splits)

    @property
    def left_out(self) -> int:
        return sum(self.excluded.values())


def counts_of(dataset: Dataset) -> DatasetCounts:
    return read_counts(dataset.counts)


def read_counts(stored: Mapping[str, Any]) -> DatasetCounts:
    by_split = {row.get("split"): row for row in _rows(stored.get("by_split"))}
    return DatasetCounts(
        scans=_count(stored, "scans"),
        images=_count(stored, "images"),
        patients=_count(stored, "patients"),
        splits=tuple(_split(split, by_split.get(split.value, {})) for split in Split),
        sources=tuple(_source(row) for row in _rows(stored.get("by_source"))),
        agreements=_counts(stored.get("by_agreement")),
        excluded=_counts(stored.get("excluded")),
        superseded_reviews=_count(stored, "superseded_reviews"),
        base_duplicates=_count(stored, "base_duplicates"),
        hidden=_count(stored, "hidden"),
    )


def _split(split: Split, row: Mapping[str, Any]) -> SplitCounts:
    return SplitCounts(split, **{name: _count(row, name) for name in ("patients", "covid", "non_covid", "images")})


def _source(row: Mapping[str, Any]) -> SourceCounts:
    name = str(row.get("source") or "")
    return SourceCounts(
        source=name,
        title=str(row.get("title") or name),
        is_base=row.get("is_base") is True,
        covid=_count(row, "covid"),
        non_covid=_count(row, "non_covid"),
    )


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []


def _counts(value: Any) -> dict[str, int]:
    return {str(name): _count(value, name) for name in value} if isinstance(value, Mapping) else {}


def _count(stored: Mapping[str, Any], name: str) -> int:
    value = stored.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
