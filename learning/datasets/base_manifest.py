"""The manifest of a labelled folder, row by row: what it asks for, and what is wrong before a file is read.

The manifest is read twice and never kept: once to count and to find scans and files that carry both labels, once to
hand out the rows.
"""

import csv
import os
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cases.models import Label
from learning.datasets.collect import base_scan_name

NAME = "manifest.csv"
COLUMNS = ("file", "label", "group")
LABELS = {"covid": Label.COVID, "non-covid": Label.NON_COVID, "non_covid": Label.NON_COVID}
LONGEST_NAME = 120
Where = Mapping[str, Collection[str]]


class UnreadableFolder(Exception):
    """The folder as a whole cannot be imported; the message says why."""


class RowRefused(Exception):
    """One row cannot be imported; the message says why, in words."""


@dataclass(frozen=True)
class Row:
    line: int
    file: str
    label: Label
    group: str
    scan: str
    sha256: str


@dataclass
class Overview:
    """Of the rows that were chosen. Contradictions are kept as short hashes, so that a long manifest stays small."""

    rows: int = 0
    scans: dict[int, Label] = field(default_factory=dict)
    files: dict[int, Label] = field(default_factory=dict)
    mixed_scans: set[int] = field(default_factory=set)
    mixed_files: set[int] = field(default_factory=set)

    def note(self, row: Row) -> None:
        if row.group and self.scans.setdefault(hash((row.group, row.scan)), row.label) != row.label:
            self.mixed_scans.add(hash((row.group, row.scan)))
        if row.sha256 and self.files.setdefault(hash(row.sha256), row.label) != row.label:
            self.mixed_files.add(hash(row.sha256))

    def refuse_contradiction(self, row: Row) -> None:
        if row.group and hash((row.group, row.scan)) in self.mixed_scans:
            raise RowRefused(
                "its scan has both labels in this manifest; name the patient's scans apart in the column scan, "
                "or correct the label"
            )
        if row.sha256 and hash(row.sha256) in self.mixed_files:
            raise RowRefused("the same image is in this manifest with the other label too; correct the label")


class Manifest:
    """`where` chooses rows: each column named must have one of its values."""

    def __init__(self, folder: Path, where: Where | None = None) -> None:
        self.path = folder / NAME
        self.where = {column: set(values) for column, values in (where or {}).items()}
        if not os.path.isdir(folder):
            raise UnreadableFolder(f"{folder} is no folder, or cannot be opened.")
        self._require_columns()
        self.overview = self._overview()

    def rows(self) -> Iterator[tuple[int, str, Row | RowRefused]]:
        """Line, file and the row, or why it is refused."""
        for line, cells in self._chosen():
            file = _printable(cells.get("file") or "")
            try:
                row = _row(line, cells)
                self.overview.refuse_contradiction(row)
                yield line, file, row
            except RowRefused as refused:
                yield line, file, refused

    def _overview(self) -> Overview:
        overview = Overview()
        for line, cells in self._chosen():
            overview.rows += 1
            try:
                overview.note(_row(line, cells))
            except RowRefused:
                continue
        return overview

    def _require_columns(self) -> None:
        columns = next(self._cells(headings=True), (0, {}))[1]
        if missing := [column for column in COLUMNS if column not in columns]:
            raise UnreadableFolder(
                f"{self.path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
                f"a manifest begins with a line such as: file,label,group"
            )
        if unknown := [column for column in self.where if column not in columns]:
            raise UnreadableFolder(f"{self.path} has no column {', '.join(unknown)} to choose rows by.")

    def _chosen(self) -> Iterator[tuple[int, dict]]:
        for line, cells in self._cells():
            if all((cells.get(column) or "").strip() in values for column, values in self.where.items()):
                yield line, cells

    def _cells(self, *, headings: bool = False) -> Iterator[tuple[int, dict]]:
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file)
                if headings:
                    yield 1, dict.fromkeys(reader.fieldnames or ())
                    return
                for cells in reader:
                    yield reader.line_num, cells
        except FileNotFoundError:
            raise UnreadableFolder(
                f"{self.path.parent} holds no {NAME}; it lists the images: file,label,group and, where known, "
                "scan and sha256."
            ) from None
        except OSError as error:
            raise UnreadableFolder(f"{self.path} cannot be read: {error.strerror}.") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise UnreadableFolder(f"{self.path} is no CSV text in UTF-8: {error}.") from None


def _row(line: int, cells: dict) -> Row:
    if missing := [column for column in COLUMNS if cells.get(column) is None]:
        raise RowRefused(f"the row ends before its column {missing[0]}")
    if None in cells:
        raise RowRefused("the row has more columns than the first line names")
    text = {column: (cells.get(column) or "").strip() for column in (*COLUMNS, "scan", "sha256")}
    if not text["file"]:
        raise RowRefused("it names no file")
    if text["label"] not in LABELS:
        raise RowRefused(f"the label is covid or non-covid, not “{_printable(text['label'][:40])}”")
    for column in ("group", "scan"):
        _require_name(column, text[column])
    return Row(
        line=line,
        file=text["file"],
        label=LABELS[text["label"]],
        group=text["group"] or (f"alone-scan-{text['scan']}" if text["scan"] else ""),
        scan=text["scan"],
        sha256=text["sha256"].lower(),
    )


def _printable(text: str) -> str:
    """What a manifest holds must not command the terminal on which it is listed."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _require_name(column: str, name: str) -> None:
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") for character in name):
        raise RowRefused(f"its {column} holds characters that do not print")
    if len(base_scan_name(name, "")) > LONGEST_NAME - len("alone-scan-"):
        raise RowRefused(f"its {column} is longer than {LONGEST_NAME - len('alone-scan-')} characters")
