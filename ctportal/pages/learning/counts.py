"""What is in a data set, from the counts that it froze, as the lines of its tables."""

from dataclasses import dataclass
from typing import Any

from learning.models import Dataset, Exclusion, Split

SPLIT_WORDS = {
    Split.TRAIN: "the model learns from these",
    Split.VALIDATION: "tune its thresholds while it learns",
    Split.TEST: "kept aside; no model ever learns from these, they decide which one is better",
}
AGREEMENT_WORDS = {
    "consensus": "Two readers or more, in agreement",
    "single": "One reader",
    "base": "Of a base set",
}


@dataclass(frozen=True)
class SplitLine:
    name: str
    meaning: str
    patients: int
    covid: int
    non_covid: int
    images: int


@dataclass(frozen=True)
class SourceLine:
    source: str
    title: str
    covid: int
    non_covid: int


@dataclass(frozen=True)
class DatasetCounts:
    scans: int
    images: int
    patients: int
    splits: tuple[SplitLine, ...]
    sources: tuple[SourceLine, ...]
    agreements: tuple[tuple[str, int], ...]
    excluded: tuple[tuple[str, str, int], ...]  # reason, in words, scans
    superseded: int
    duplicates: int

    @property
    def covid(self) -> int:
        return sum(line.covid for line in self.splits)

    @property
    def non_covid(self) -> int:
        return sum(line.non_covid for line in self.splits)

    @property
    def left_out(self) -> int:
        return sum(number for _, _, number in self.excluded)


def counts_of(dataset: Dataset) -> DatasetCounts:
    return read_counts(dataset.counts)


def read_counts(counts: dict[str, Any]) -> DatasetCounts:
    by_split = {row.get("split"): row for row in counts.get("by_split") or []}
    return DatasetCounts(
        scans=counts.get("scans", 0),
        images=counts.get("images", 0),
        patients=counts.get("patients", 0),
        splits=tuple(_split(split, by_split.get(split.value, {})) for split in Split),
        sources=tuple(_source(row) for row in counts.get("by_source") or []),
        agreements=_agreements(counts.get("by_agreement") or {}),
        excluded=_excluded(counts.get("excluded") or {}),
        superseded=counts.get("superseded_reviews", 0),
        duplicates=counts.get("base_duplicates", 0),
    )


def _split(split: Split, row: dict[str, Any]) -> SplitLine:
    numbers = {name: row.get(name, 0) for name in ("patients", "covid", "non_covid", "images")}
    return SplitLine(name=split.label, meaning=SPLIT_WORDS[split], **numbers)


def _source(row: dict[str, Any]) -> SourceLine:
    name = str(row.get("source", ""))
    return SourceLine(name, row.get("title") or name, row.get("covid", 0), row.get("non_covid", 0))


def _agreements(found: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple((AGREEMENT_WORDS.get(name, name.capitalize()), number) for name, number in found.items() if number)


def _excluded(found: dict[str, int]) -> tuple[tuple[str, str, int], ...]:
    words = dict(Exclusion.choices)
    return tuple((reason, str(words.get(reason, reason)), number) for reason, number in found.items() if number)
