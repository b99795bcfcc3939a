"""The tables beside the charts, for spreadsheets: a name, a header, rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from inference.monitoring.shapes import Monitoring


@dataclass(frozen=True)
class Table:
    name: str  # in the address and the file's name: `models`, `series`, `drift`, …
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]  # str, int, float or None


def tables(monitoring: Monitoring) -> dict[str, Table]:
    raise NotImplementedError


def as_csv(table: Table) -> str:
    """Text that a spreadsheet would take for a formula is made harmless."""
    raise NotImplementedError
