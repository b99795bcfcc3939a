"""The one place where a sent file is decoded: in a process of its own where the caller has some."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from cases.disk_trouble import DiskTrouble
from cases.intake import refusals
from cases.intake.allowance import Allowance
from cases.intake.contents import IncomingSlice, Limits, Refusal
from cases.intake.deidentify import keyed_uids
from cases.intake.dicom_slices import DicomSlice, is_directory, read_dicom_slices
from cases.intake.raster import read_raster
from cases.intake.refusals import UploadExhausted
from cases.intake.sniff import HEAD_BYTES, directory_file, foreign_content, is_readable, is_system_file, system_file
from cases.intake.spool import Kept, Spool
from ml.images.decoding import ImageError, raster_format
from ml.images.dicom import is_dicom


@dataclass
class Taken:
    """Collects what came out of some files so far. `faults` are the types of errors that no file should cause."""

    dicom: list[DicomSlice] = field(default_factory=list)
    images: list[tuple[str, IncomingSlice]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    system_files: list[Refusal] = field(default_factory=list)

    def extend(self, other: Taken) -> None:
        self.dicom += other.dicom
        self.images += other.images
        self.refusals += other.refusals
        self.faults += other.faults
        self.system_files += other.system_files


@dataclass(frozen=True)
class Options:
    """How the files of one upload are read."""

    limits: Limits
    uid_key: bytes
    any_modality: bool


def read_files(
    files: list[tuple[str, Kept]], *, options: Options, spool: Spool, allowance: Allowance
) -> Iterator[Taken]:
    """Read some files in this process, one after the other; what they give is kept in the spool.

    Raises:
        UploadExhausted: the upload has used up its allowance.
        DiskTrouble: the disk takes no more.
    """
    reader = _Reader(options, spool, allowance)
    for name, kept in files:
        started = time.thread_time()
        taken = reader.take(name, kept)
        allowance.spend_seconds(time.thread_time() - started)
        yield taken


@dataclass(frozen=True)
class _Reader:
    options: Options
    spool: Spool
    allowance: Allowance

    def take(self, name: str, kept: Kept) -> Taken:
        taken = Taken()
        try:
            self._take(name, kept.read(), taken)
        except (UploadExhausted, DiskTrouble):
            raise
        except MemoryError:
            memory = self.options.limits.memory_for(kept.length)
            return Taken(refusals=[Refusal.of(name, refusals.file_memory(memory))])
        except ImageError as error:
            taken.refusals.append(Refusal.of(name, error))
        except Exception as error:  # the last net: one file must never lose the others
            # Only the type: the message may quote what the file says about a patient.
            taken.faults.append(type(error).__name__)
            taken.refusals.append(Refusal.of(name, refusals.internal()))
        return taken

    def _take(self, name: str, data: bytes, taken: Taken) -> None:
        if is_system_file(name) and not is_readable(data[:HEAD_BYTES]):
            taken.system_files.append(Refusal.of(name, system_file(name)))
            return
        if not data:
            raise refusals.empty()
        if is_dicom(data):
            if is_directory(data):
                taken.system_files.append(Refusal.of(name, directory_file()))
            else:
                taken.dicom += self._dicom(name, data)
        elif raster_format(data):
            taken.images.append((name, self._raster(data)))
        else:
            raise foreign_content(data)

    def _raster(self, data: bytes) -> IncomingSlice:
        one = read_raster(data, self.spool, self.options.limits)
        self.allowance.spend(pixels=one.width * one.height)
        return one

    def _dicom(self, name: str, data: bytes) -> list[DicomSlice]:
        return read_dicom_slices(
            name,
            data,
            spool=self.spool,
            limits=self.options.limits,
            new_uid=keyed_uids(self.options.uid_key),
            any_modality=self.options.any_modality,
            allowance=self.allowance,
        )
