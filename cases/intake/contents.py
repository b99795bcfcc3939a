"""What goes into the intake and what comes out of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from cases.intake.identity import FileIdentity
from cases.intake.spool import Kept, Spooled, length_of, opened
from ml.images.decoding import MAX_PIXELS, ImageError

MIB = 1 << 20
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Limits:
    """How much one upload may hold. Bytes are counted while reading, never taken from a header."""

    max_file_bytes: int = 512 * MIB
    max_pixels: int = MAX_PIXELS
    max_files: int = 5000
    max_archive_entries: int = 10_000
    max_archive_bytes: int = 2048 * MIB
    max_archive_ratio: int = 100
    max_nesting: int = 2
    max_upload_pixels: int = 1 << 31
    max_slices: int = 10_000
    upload_seconds: float = 300
    file_seconds: float = 120
    file_memory: int = 640 * MIB
    memory_per_byte: int = 4

    def memory_for(self, size: int) -> int:
        """What reading a file of this size may take: decoding has a ceiling, copies of the file come on top."""
        return self.file_memory + self.memory_per_byte * size


@dataclass(frozen=True)
class SentFile:
    """One file as a browser or another system sent it; the name may hold a folder."""

    name: str
    open: Callable[[], BinaryIO]
    size: int
    kept: Kept | None = None
    """Where it is kept, for a file that is in a spool already."""


@dataclass(frozen=True, repr=False)
class IncomingSlice:
    """One slice, ready to be stored.

    `original` and `view_png` are read from disk each time they are asked for. Frames of one file
    share one original: the same `original_sha256` means the same bytes, to be stored once.
    `frame` counts from 0, and is None where the original holds one picture only.
    """

    key: str
    media_type: str
    width: int
    height: int
    frame: int | None
    original_sha256: str
    original: Spooled = Spooled()  # noqa: RUF009 - a descriptor, not a default
    view_png: Spooled = Spooled()  # noqa: RUF009

    def open_original(self) -> BinaryIO:
        return opened(self, "original")

    def open_view(self) -> BinaryIO:
        return opened(self, "view_png")

    @property
    def original_bytes(self) -> int:
        return length_of(self, "original")

    @property
    def view_bytes(self) -> int:
        return length_of(self, "view_png")

    def __repr__(self) -> str:
        return f"IncomingSlice(key={self.key!r}, frame={self.frame!r})"


@dataclass(frozen=True)
class IncomingScan:
    """Describes one series or picture; its slices are in anatomical order, from the head to the feet."""

    kind: Literal["dicom", "image"]
    series_key: str
    slices: tuple[IncomingSlice, ...]
    description: str
    modality: str
    pixel_spacing: float | None
    slice_thickness: float | None
    files: tuple[str, ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    study_key: str = ""
    identities: tuple[FileIdentity, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Refusal:
    """Why a file was not taken: its name as sent, a stable code, what is wrong, what to do."""

    file: str
    code: str
    problem: str
    remedy: str

    @classmethod
    def of(cls, file: str, error: ImageError) -> Refusal:
        return cls(file, error.code, error.problem, error.remedy)

    def __str__(self) -> str:
        return f"{self.file}: {self.problem} {self.remedy}"


@dataclass(frozen=True)
class Intake:
    """Collects all that came out of one upload."""

    scans: tuple[IncomingScan, ...]
    refusals: tuple[Refusal, ...]


def shown_name(name: str) -> str:
    """A file's name as a message may show it: one line, forward slashes, not endless."""
    name = name.replace("\\", "/").lstrip("/")
    visible = "".join(c if unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in name)
    if len(visible) > _LONGEST_NAME:
        visible = "…" + visible[-_LONGEST_NAME:]
    return visible or "(no name)"
