"""Files out of a zip, one at a time, within limits that count what really comes out."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, BinaryIO, Final

from cases.intake import refusals
from cases.intake.contents import MIB, Limits, Refusal, shown_name
from cases.intake.refusals import ArchiveBomb
from cases.intake.sniff import HEAD_BYTES, is_system_file, is_zip
from cases.intake.spool import Kept, Spool
from ml.images.decoding import ImageError

_CHUNK: Final = MIB
_DIRECTORY_BYTES_PER_ENTRY: Final = 256
_RATIO_COUNTS_FROM: Final = 64 * MIB
_READ_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CLIMBS_OUT: Final = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|\x00")
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True)
class Unpacked:
    """One file: its name as it is shown to the sender, and where its bytes are kept."""

    name: str
    kept: Kept


@dataclass
class Budget:
    """What the archives of one upload may still cost, and the spool into which they are unpacked."""

    limits: Limits
    spool: Spool = field(default_factory=Spool)
    entries: int = 0
    expanded: int = 0
    packed: int = 0

    def count_entries(self, count: int) -> None:
        self.entries += count
        if self.entries > self.limits.max_archive_entries:
            raise refusals.archive_entries(self.limits.max_archive_entries)

    def count_bytes(self, count: int) -> None:
        self.expanded += count
        if self.expanded > self.limits.max_archive_bytes:
            raise refusals.archive_too_large(self.limits.max_archive_bytes)
        ratio = self.expanded / max(self.packed, 1)
        if self.expanded > _RATIO_COUNTS_FROM and ratio > self.limits.max_archive_ratio:
            raise refusals.archive_bomb()


def unpack(name: str, stream: BinaryIO, budget: Budget, depth: int = 1) -> Iterator[Unpacked | Refusal]:
    """Yield the files of a zip and of the zips in it, and a refusal for each that is not taken.

    Raises:
        ArchiveBomb: reading on would cost too much; what came before must be dropped.
        ImageError: the zip as a whole cannot be read.
    """
    if depth > budget.limits.max_nesting:
        raise refusals.archive_nesting(budget.limits.max_nesting)
    archive = _opened(stream, budget.limits)
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if any(entry.filename == "[Content_Types].xml" for entry in entries):
            raise refusals.office_document()
        _check_whole(entries, budget)
        sealed = 0
        for entry in entries:
            shown = shown_name(f"{name}/{entry.orig_filename}")
            if entry.flag_bits & 0x1:
                sealed += 1
                continue
            try:
                yield from _unpack_entry(archive, entry, shown, budget, depth)
            except ArchiveBomb:
                raise
            except ImageError as error:
                yield Refusal.of(shown, error)
        if sealed:
            yield Refusal.of(name, refusals.archive_encrypted(sealed))


def _opened(stream: BinaryIO, limits: Limits) -> zipfile.ZipFile:
    allowed = limits.max_archive_entries * _DIRECTORY_BYTES_PER_ENTRY + MIB
    try:
        return zipfile.ZipFile(_Guarded(stream, allowed, limits))
    except ImageError:
        raise
    except Exception as error:  # zipfile raises more types than BadZipFile on hostile bytes
        raise refusals.archive_damaged() from error


def _check_whole(entries: list[zipfile.ZipInfo], budget: Budget) -> None:
    budget.count_entries(len(entries))
    if sum(entry.file_size for entry in entries) > budget.limits.max_archive_bytes:
        raise refusals.archive_too_large(budget.limits.max_archive_bytes)
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise refusals.archive_bomb()
        end = entry.header_offset + entry.compress_size
    budget.packed += sum(entry.compress_size for entry in entries)


def _unpack_entry(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, shown: str, budget: Budget, depth: int
) -> Iterator[Unpacked | Refusal]:
    if _CLIMBS_OUT.search(entry.orig_filename):
        raise refusals.archive_path()
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise refusals.archive_link()
    if entry.compress_type not in _READ_METHODS:
        raise refusals.archive_method()
    try:
        with archive.open(entry) as packed:
            head = packed.read(HEAD_BYTES)
            budget.count_bytes(len(head))
            if not is_zip(head):
                kept = _rest(packed, head, shown, budget)
                if kept is not None:
                    yield Unpacked(shown, kept)
                return
            inner = _copied(packed, head, budget)
    except ImageError:
        raise
    except _BROKEN as error:
        raise refusals.entry_damaged() from error
    with inner:
        yield from unpack(shown, inner, budget, depth + 1)


def _rest(packed: IO[bytes], head: bytes, shown: str, budget: Budget) -> Kept | None:
    """The whole of one file; None for a system's own file that is too large to look at."""
    limit, start = budget.limits.max_file_bytes, budget.spool.end
    budget.spool.append(head)
    while piece := packed.read(_CHUNK):
        budget.count_bytes(len(piece))
        budget.spool.append(piece)
        if budget.spool.end - start > limit:
            if is_system_file(shown):
                return None
            raise refusals.too_large(budget.spool.end - start, limit)
    return budget.spool.since(start)


def _copied(packed: IO[bytes], head: bytes, budget: Budget) -> BinaryIO:
    """An inner zip, on disk: reading a zip needs to jump about in it."""
    start = budget.spool.end
    budget.spool.append(head)
    while piece := packed.read(_CHUNK):
        budget.count_bytes(len(piece))
        budget.spool.append(piece)
    return budget.spool.since(start).open()


class _Guarded:
    """A file that refuses one huge read: `zipfile` reads a zip's whole table of contents at once."""

    def __init__(self, stream: BinaryIO, allowed: int, limits: Limits) -> None:
        self._stream = stream
        self._allowed = allowed
        self._limits = limits

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            data = self._stream.read(self._allowed + 1)
        elif size <= self._allowed:
            return self._stream.read(size)
        if size >= 0 or len(data) > self._allowed:
            raise refusals.archive_entries(self._limits.max_archive_entries)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
