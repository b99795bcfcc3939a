"""Holds figures as charts.js draws them: each drawing is beside the table that it is read from."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of the table; with a tone it is drawn as a series in that colour of the theme."""

    title: str
    tone: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Cell:
    """What is read, and the number that is drawn; none where there is nothing to draw."""

    text: str
    value: float | None = None


@dataclass(frozen=True)
class Row:
    label: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Chart:
    """Describes a drawing: `kind` is line, bar or stacked; `unit` follows the axis' numbers, which are shares where
    `percent`.
    """

    key: str
    title: str
    words: str
    kind: str
    columns: Sequence[Column]  # the first names the rows
    rows: Sequence[Row]
    percent: bool = False
    unit: str = ""

    @property
    def counts(self) -> bool:
        """Whole numbers, which the axis does not divide."""
        return self.kind != "line" and not self.percent

    @property
    def is_empty(self) -> bool:
        return not any(cell.value for row in self.rows for cell in row.cells)
