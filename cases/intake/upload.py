"""The door of the intake: sent files in, scans and refusals out. One bad file loses no other."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final

from cases.intake import refusals
from cases.intake.archive import Budget, Unpacked, unpack
from cases.intake.beside import beside_a_series, named, top_folder, without_many_words
from cases.intake.contents import (
    IncomingScan,
    IncomingSlice,
    Intake,
    Limits,
    Refusal,
    SentFile,
    shown_name,
)
from cases.intake.deidentify import UidMap, keyed_uids
from cases.intake.dicom_slices import DicomSlice, is_directory, read_dicom_slices
from cases.intake.raster import read_raster
from cases.intake.refusals import ArchiveBomb
from cases.intake.series import dicom_scans, image_scan
from cases.intake.sniff import (
    HEAD_BYTES,
    directory_file,
    foreign_content,
    is_readable,
    is_system_file,
    is_zip,
    system_file,
)
from cases.intake.spool import Spool
from ml.images.decoding import ImageError, raster_format
from ml.images.dicom import is_dicom

_DEFAULT_LIMITS: Final = Limits()
_log = logging.getLogger(__name__)


def read_upload(
    files: Sequence[SentFile],
    *,
    uid_key: bytes,
    together: bool = False,
    accept_any_modality: bool = False,
    limits: Limits = _DEFAULT_LIMITS,
    known_keys: Container[str] = (),
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

    Raises:
        ValueError: `uid_key` is too short.
    """
    reader = _Reader(limits, keyed_uids(uid_key), accept_any_modality, Spool(), Budget(limits))
    taken = _Taken()
    for sent in files[: limits.max_files]:
        taken.extend(reader.take(sent))
    if len(files) > limits.max_files:
        names = named([shown_name(sent.name) for sent in files[limits.max_files :]])
        error = refusals.too_many_files(len(files), limits.max_files)
        taken.refusals.append(Refusal.of(names, error))
    return _sorted_out(taken, together=together, known_keys=known_keys)


@dataclass
class _Taken:
    """What came out of some files so far."""

    dicom: list[DicomSlice] = field(default_factory=list)
    images: list[tuple[str, IncomingSlice]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    system_files: list[Refusal] = field(default_factory=list)

    def extend(self, other: _Taken) -> None:
        self.system_files += other.system_files
        self.dicom += other.dicom
        self.images += other.images
        self.refusals += other.refusals


@dataclass(frozen=True)
class _Reader:
    limits: Limits
    new_uid: UidMap
    any_modality: bool
    spool: Spool
    budget: Budget

    def take(self, sent: SentFile) -> _Taken:
        """All that one sent file gives; of an archive that is a bomb, the refusal alone."""
        taken, name = _Taken(), shown_name(sent.name)
        try:
            for found in self._contents(sent, name):
                if isinstance(found, Refusal):
                    taken.refusals.append(found)
                else:
                    self._take_one(found, taken)
        except ArchiveBomb as error:
            return _Taken(refusals=[Refusal.of(name, error)])
        except ImageError as error:
            taken.refusals.append(Refusal.of(name, error))
        except OSError:
            taken.refusals.append(Refusal.of(name, refusals.unreadable()))
        return taken

    def _contents(self, sent: SentFile, name: str) -> Iterator[Unpacked | Refusal]:
        with sent.open() as stream:
            head = stream.read(HEAD_BYTES)
            if is_zip(head):
                if sent.size > self.limits.max_archive_bytes:
                    raise refusals.too_large(sent.size, self.limits.max_archive_bytes)
                yield from self._unpacked(name, stream)
                return
            limit = self.limits.max_file_bytes
            data = head + stream.read(max(0, limit + 1 - len(head)))
            if len(data) <= limit:
                yield Unpacked(name, data)
            elif not is_system_file(name):
                raise refusals.too_large(max(sent.size, len(data)), limit)

    def _unpacked(self, name: str, stream: BinaryIO) -> Iterator[Unpacked | Refusal]:
        is_empty = True
        for found in unpack(name, stream, self.budget):
            is_empty = is_empty and isinstance(found, Unpacked) and is_system_file(found.name)
            yield found
        if is_empty:
            raise refusals.archive_empty()

    def _take_one(self, found: Unpacked, taken: _Taken) -> None:
        name, data = found.name, found.data
        if is_system_file(name) and not is_readable(data[:HEAD_BYTES]):
            taken.system_files.append(Refusal.of(name, system_file(name)))
            return
        try:
            if not data:
                raise refusals.empty()
            if is_dicom(data):
                if is_directory(data):
                    taken.system_files.append(Refusal.of(name, directory_file()))
                else:
                    taken.dicom += self._dicom(name, data)
            elif raster_format(data):
                taken.images.append((name, read_raster(data, self.spool, self.limits)))
            else:
                raise foreign_content(data)
        except ImageError as error:
            taken.refusals.append(Refusal.of(name, error))
        except Exception as error:  # the last net: one file must never lose the others
            # Only the type: the message may quote what the file says about a patient.
            _log.error("An uploaded file broke the intake with %s.", type(error).__name__)
            taken.refusals.append(Refusal.of(name, refusals.internal()))

    def _dicom(self, name: str, data: bytes) -> list[DicomSlice]:
        return read_dicom_slices(
            name,
            data,
            spool=self.spool,
            limits=self.limits,
            new_uid=self.new_uid,
            any_modality=self.any_modality,
        )


def _sorted_out(taken: _Taken, *, together: bool, known_keys: Container[str]) -> Intake:
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
    """For exporters that give every slice the same SOP instance UID."""
    frame = "" if one.slice.frame is None else f":{one.slice.frame}"
    key = f"sha256:{one.slice.original_sha256}{frame}"
    return replace(one, slice=replace(one.slice, key=key))
