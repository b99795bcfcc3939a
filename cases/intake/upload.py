"""The door of the intake: sent files in, scans and refusals out. One bad file loses no other."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from cases.intake import refusals
from cases.intake.allowance import Allowance
from cases.intake.archive import Budget, Unpacked, unpack
from cases.intake.beside import beside_a_series, named, top_folder, without_many_words
from cases.intake.contents import (
    MIB,
    IncomingScan,
    IncomingSlice,
    Intake,
    Limits,
    Refusal,
    SentFile,
    shown_name,
)
from cases.intake.deidentify import keyed_uids
from cases.intake.dicom_slices import DicomSlice
from cases.intake.one_file import Options, Taken, read_files
from cases.intake.refusals import ArchiveBomb, UploadExhausted
from cases.intake.series import dicom_scans, image_scan
from cases.intake.sniff import HEAD_BYTES, is_system_file, is_zip
from cases.intake.spool import Kept, Spool
from ml.images.decoding import ImageError

_DEFAULT_LIMITS: Final = Limits()
_BATCH_FILES: Final = 16
_BATCH_BYTES: Final = 32 * MIB
_log = logging.getLogger(__name__)


class FileReader(Protocol):
    """Types `read_files`, in this process or in another."""

    def __call__(
        self, files: list[tuple[str, Kept]], *, options: Options, spool: Spool, allowance: Allowance
    ) -> Iterator[Taken]: ...


def read_upload(
    files: Sequence[SentFile],
    *,
    uid_key: bytes,
    together: bool = False,
    accept_any_modality: bool = False,
    limits: Limits = _DEFAULT_LIMITS,
    known_keys: Container[str] = (),
    folder: Path | None = None,
    reader: FileReader = read_files,
) -> Intake:
    """Turn what was sent into scans, with a refusal for each file that cannot be one.

    Args:
        files: what was sent; a name may hold folders. Nothing is unpacked to its name.
        uid_key: the installation's secret for UIDs, at least 16 bytes. The same key maps the same
            series to the same keys, which is how a second upload is recognised.
        together: make one scan of the loose images; otherwise each is a scan of its own.
        accept_any_modality: also take DICOM images that are not CT slices.
        limits: how much one upload may hold.
        known_keys: keys of the slices that the case has already.
        folder: where bytes are kept meanwhile; None takes the system's temporary folder.
        reader: decodes files; the portal's runs in processes that have limits of their own.

    Raises:
        ValueError: `uid_key` is too short.
        DiskTrouble: the disk of the folder takes no more; nothing of the upload can be kept.
    """
    keyed_uids(uid_key)  # a short key is the caller's fault, not a file's
    upload = _Upload(
        limits, Options(limits, uid_key, accept_any_modality), Spool(folder), Budget(limits, Spool(folder)), reader
    )
    try:
        taken = upload.take(files[: limits.max_files])
    except UploadExhausted as error:
        names = named([shown_name(sent.name) for sent in files])
        return Intake(scans=(), refusals=(Refusal.of(names, error),))
    if len(files) > limits.max_files:
        names = named([shown_name(sent.name) for sent in files[limits.max_files :]])
        taken.refusals.append(Refusal.of(names, refusals.too_many_files(len(files), limits.max_files)))
    return _sorted_out(taken, together=together, known_keys=known_keys)


class _Upload:
    """Gathers files in batches for whoever decodes them."""

    def __init__(self, limits: Limits, options: Options, spool: Spool, budget: Budget, reader: FileReader) -> None:
        self.limits, self.options, self.spool, self.budget, self.reader = limits, options, spool, budget, reader
        self.allowance = Allowance.of(limits)
        self.waiting: list[tuple[str, Kept]] = []

    def take(self, files: Sequence[SentFile]) -> Taken:
        taken = Taken()
        for sent in files:
            name = shown_name(sent.name)
            try:
                with sent.open() as stream:
                    head = stream.read(HEAD_BYTES)
                    if is_zip(head):
                        taken.extend(self._read())
                        taken.extend(self._archive(sent, name, stream))
                    else:
                        kept = self._loose(sent, name, head, stream)
                        if kept is not None:
                            taken.extend(self._add(name, kept))
            except ImageError as error:
                if isinstance(error, UploadExhausted):
                    raise
                taken.refusals.append(Refusal.of(name, error))
            except OSError:
                taken.refusals.append(Refusal.of(name, refusals.unreadable()))
        taken.extend(self._read())
        return taken

    def _loose(self, sent: SentFile, name: str, head: bytes, stream: BinaryIO) -> Kept | None:
        """Where the file is kept; None for a system's own file that is too large to look at."""
        limit, start = self.limits.max_file_bytes, self.budget.spool.end
        if sent.kept is not None and sent.kept.length <= limit:
            return sent.kept
        size = len(head)
        if sent.kept is None:
            self.budget.spool.append(head)
            while size <= limit and (piece := stream.read(min(MIB, limit + 1 - size))):
                self.budget.spool.append(piece)
                size += len(piece)
            if size <= limit:
                return self.budget.spool.since(start)
        if is_system_file(name):
            return None
        raise refusals.too_large(max(sent.size, size), limit)

    def _archive(self, sent: SentFile, name: str, stream: BinaryIO) -> Taken:
        """All that an archive gives; of one that is a bomb, the refusal alone."""
        taken, is_empty = Taken(), True
        try:
            if sent.size > self.limits.max_archive_bytes:
                raise refusals.too_large(sent.size, self.limits.max_archive_bytes)
            for found in unpack(name, stream, self.budget):
                if isinstance(found, Unpacked):
                    is_empty = is_empty and is_system_file(found.name)
                    taken.extend(self._add(found.name, found.kept))
                else:
                    is_empty = False
                    taken.refusals.append(found)
            taken.extend(self._read())
            if is_empty:
                raise refusals.archive_empty()
        except UploadExhausted:
            raise
        except ArchiveBomb as error:
            self.waiting.clear()
            return Taken(refusals=[Refusal.of(name, error)])
        except ImageError as error:
            taken.extend(self._read())
            taken.refusals.append(Refusal.of(name, error))
        return taken

    def _add(self, name: str, kept: Kept) -> Taken:
        self.waiting.append((name, kept))
        is_full = len(self.waiting) >= _BATCH_FILES or sum(each.length for _, each in self.waiting) >= _BATCH_BYTES
        return self._read() if is_full else Taken()

    def _read(self) -> Taken:
        batch, self.waiting, taken = self.waiting, [], Taken()
        if batch:
            for one in self.reader(batch, options=self.options, spool=self.spool, allowance=self.allowance):
                taken.extend(one)
        for fault in taken.faults:
            _log.error("An uploaded file broke the intake with %s.", fault)
        return taken


def _sorted_out(taken: Taken, *, together: bool, known_keys: Container[str]) -> Intake:
    folders = {folder for one in taken.dicom if (folder := top_folder(one.file))}
    refused = without_many_words(taken.refusals, beside=folders)
    if not taken.dicom and not taken.images:
        refused += _said_once(taken.system_files, refused)
    pictures, aside = beside_a_series(taken.images, folders)
    refused += aside
    dicom = _new_dicom(taken.dicom, known_keys, refused)
    images = _new_images(pictures, known_keys, refused)
    scans: list[IncomingScan] = dicom_scans(dicom)
    if together and images:
        scans.append(image_scan(images))
    else:
        scans += [image_scan([image]) for image in images]
    return Intake(scans=tuple(scans), refusals=tuple(refused))


def _said_once(system_files: list[Refusal], refused: list[Refusal]) -> list[Refusal]:
    """Each system file on its own, or none where the zip as a whole is refused already."""
    empty_zips = {refusal.file for refusal in refused if refusal.code == "archive-empty"}
    return [refusal for refusal in system_files if not any(refusal.file.startswith(f"{zip_}/") for zip_ in empty_zips)]


def _new_images(
    images: list[tuple[str, IncomingSlice]], known: Container[str], refused: list[Refusal]
) -> list[tuple[str, IncomingSlice]]:
    fresh: dict[str, tuple[str, IncomingSlice]] = {}
    for name, image in images:
        if image.key in known:
            refused.append(Refusal.of(name, refusals.duplicate()))
        elif image.key in fresh:
            refused.append(Refusal.of(name, refusals.sent_twice()))
        else:
            fresh[image.key] = (name, image)
    return list(fresh.values())


def _new_dicom(slices: list[DicomSlice], known: Container[str], refused: list[Refusal]) -> list[DicomSlice]:
    """Drop what the case has and what came twice; one refusal for each series, not each slice."""
    fresh: dict[str, DicomSlice] = {}
    already: dict[str, list[str]] = defaultdict(list)
    twice: dict[str, list[str]] = defaultdict(list)
    for one in slices:
        same = fresh.get(one.slice.key)
        if same is not None and not _is_same_picture(same.slice, one.slice):
            one = _with_key_of_content(one)
            same = fresh.get(one.slice.key)
        if one.slice.key in known:
            already[one.series].append(one.file)
        elif same is not None:
            twice[one.series].append(one.file)
        else:
            fresh[one.slice.key] = one
    refused += [Refusal.of(named(names), refusals.duplicate()) for names in already.values()]
    refused += [Refusal.of(named(names), refusals.sent_twice()) for names in twice.values()]
    return list(fresh.values())


def _is_same_picture(one: IncomingSlice, other: IncomingSlice) -> bool:
    return one.original_sha256 == other.original_sha256 or one.view_png == other.view_png


def _with_key_of_content(one: DicomSlice) -> DicomSlice:
    """Replaces the key for exporters that give every slice the same SOP instance UID."""
    frame = "" if one.slice.frame is None else f":{one.slice.frame}"
    key = f"sha256:{one.slice.original_sha256}{frame}"
    return replace(one, slice=replace(one.slice, key=key))
