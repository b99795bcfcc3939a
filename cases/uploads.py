"""From sent files to stored scans: read and checked outside the transaction, stored in one."""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import cast

from django.conf import settings
from django.core.files.base import File
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action, User
from accounts.refusals import bounded_text
from accounts.rights import Right, require, require_still
from cases.casework import lock_case
from cases.decoding import decoders, spool_folder
from cases.disk_trouble import DiskTrouble, disk_words
from cases.intake import IncomingScan, Intake, Limits, Refusal, SentFile, read_upload
from cases.intake.refusals import duplicate
from cases.memory import give_memory_back
from cases.models import Case, Scan, Slice
from cases.patient_check import Concern, PatientMismatch, concern_about, confirmed_note
from cases.signals import scans_received
from cases.storage import require_store_room
from cases.summaries import refresh_case

logger = logging.getLogger(__name__)

SAME_CONTENT = "scan_content_unique_in_case"


@dataclass(frozen=True)
class Upload:
    scans: list[Scan]
    refusals: list[Refusal]


def upload_limits() -> Limits:
    return Limits(
        max_file_bytes=settings.UPLOAD_MAX_FILE_BYTES,
        max_pixels=settings.UPLOAD_MAX_PIXELS,
        max_files=settings.UPLOAD_MAX_FILES,
        max_upload_pixels=settings.UPLOAD_TOTAL_PIXELS,
        max_slices=settings.UPLOAD_TOTAL_SLICES,
        upload_seconds=settings.UPLOAD_TOTAL_SECONDS,
        file_seconds=settings.UPLOAD_FILE_SECONDS,
        file_memory=settings.UPLOAD_FILE_MEMORY_BYTES,
    )


@dataclass(frozen=True)
class _Confirmed:
    concern: Concern
    reason: str


def receive_upload(
    *,
    case: Case,
    user: User,
    files: Sequence[SentFile],
    together: bool = False,
    accept_any_modality: bool = False,
    is_synthetic: bool = False,
    confirmation: str | None = None,
) -> Upload:
    """Raises PatientMismatch where files seem to be another patient's, unless the patient is confirmed.

    `confirmation` is the reason of whoever confirms, which may be empty; None is no confirmation. What is synthetic is
    nobody's.
    """
    require(user, case.site, Right.UPLOAD)
    case.require_not_closed()
    confirmation = None if confirmation is None else bounded_text(confirmation)
    intake = read_upload(
        files,
        together=together,
        accept_any_modality=accept_any_modality,
        limits=upload_limits(),
        known_keys=_known_keys(case),
        uid_key=settings.UID_REMAP_KEY.encode(),
        folder=spool_folder(),
        reader=decoders(),
    )
    concerns = {} if is_synthetic else _concerns(case, user, intake.scans, confirmation)
    confirmed = {number: _Confirmed(concern, confirmation or "") for number, concern in concerns.items()}
    scans, refusals = _store_all(case, user, intake, is_synthetic, confirmed)
    _record_refusals(case, user, refusals)
    give_memory_back()
    return Upload(scans=scans, refusals=refusals)


def _store_all(
    case: Case, user: User, intake: Intake, is_synthetic: bool, confirmed: Mapping[int, _Confirmed]
) -> tuple[list[Scan], list[Refusal]]:
    """Returns what was stored, and what was not. Raises DiskTrouble where the disk had no room for anything."""
    scans: list[Scan] = []
    refusals = list(intake.refusals)
    require_store_room(sum(_stored_bytes(incoming) for incoming in intake.scans))
    for number, incoming in enumerate(intake.scans):
        try:
            scans.append(_store(case, user, incoming, is_synthetic, confirmed.get(number)))
        except IntegrityError as error:
            if SAME_CONTENT not in str(error):
                raise
            refusals += _duplicates(incoming)
        except DiskTrouble as trouble:
            if not scans:
                raise
            for rest in intake.scans[number:]:
                refusals += _without_room(rest, trouble)
            break
    return scans, refusals


def _stored_bytes(incoming: IncomingScan) -> int:
    originals = {one.original_sha256: one.original_bytes for one in incoming.slices}
    return sum(originals.values()) + sum(one.view_bytes for one in incoming.slices)


def _without_room(incoming: IncomingScan, trouble: DiskTrouble) -> list[Refusal]:
    return [
        Refusal(
            file=name,
            code="disk-full",
            problem=f"{disk_words(trouble.number)} {_('This file was not stored.')}",
            remedy=_("Tell the administrator, then send it again."),
        )
        for name in incoming.files
    ]


def _concerns(case: Case, user: User, scans: Sequence[IncomingScan], confirmation: str | None) -> dict[int, Concern]:
    """By the number of the scan; the stop itself is on record, with the fields that differ and nothing of the files."""
    asked = {number: concern_about(scan, case=case, user=user) for number, scan in enumerate(scans)}
    concerns = {number: concern for number, concern in asked.items() if concern is not None}
    if concerns and confirmation is None:
        record_event(
            Action.UPLOAD_REFUSED,
            actor=user,
            site=case.site,
            case_id=case.pk,
            subject=case,
            codes=["patient-mismatch"],
            fields=_fields_of(concerns.values()),
            files=sum(len(scan.files) for scan in scans),
        )
        raise PatientMismatch(list(concerns.values()))
    return concerns


def _fields_of(concerns: Iterable[Concern]) -> list[str]:
    return sorted({each.field for concern in concerns for each in concern.differences})


def _known_keys(case: Case) -> set[str]:
    ready = Slice.objects.filter(scan__case=case, scan__in=Scan.objects.ready())
    return set(ready.values_list("key", flat=True))


def _duplicates(incoming: IncomingScan) -> list[Refusal]:
    """Reports the duplicate where another upload of the same scan won the race and the database kept ours out."""
    return [Refusal.of(name, duplicate()) for name in incoming.files]


def _store(case: Case, user: User, incoming: IncomingScan, is_synthetic: bool, confirmed: _Confirmed | None) -> Scan:
    notes = list(incoming.notes)
    if confirmed is not None:
        notes.append(confirmed_note(confirmed.concern, user=user, reason=confirmed.reason))
    scan = Scan(
        case=case,
        kind=incoming.kind,
        content_key=Scan.content_key_of(slice_.key for slice_ in incoming.slices),
        series_key=incoming.series_key,
        modality=incoming.modality,
        description=incoming.description[:200],
        pixel_spacing=incoming.pixel_spacing,
        slice_thickness=incoming.slice_thickness,
        slice_count=len(incoming.slices),
        study_key=incoming.study_key,
        notes=notes,
        is_synthetic=is_synthetic,
        uploaded_by=user,
    )
    slices = _write_files(scan, incoming)
    try:
        with transaction.atomic():
            lock_case(case.pk).require_not_closed()
            require_still(user, case.site, Right.UPLOAD)
            scan.save()
            Slice.objects.bulk_create(slices)
            refresh_case(case.pk)
            record_event(
                Action.SCAN_UPLOADED,
                actor=user,
                site=case.site,
                case_id=case.pk,
                subject=scan,
                slices=len(slices),
            )
            if confirmed is not None:
                record_event(
                    Action.PATIENT_CONFIRMED,
                    actor=user,
                    site=case.site,
                    case_id=case.pk,
                    subject=scan,
                    fields=_fields_of([confirmed.concern]),
                    elsewhere=confirmed.concern.is_elsewhere,
                    reason=confirmed.reason,
                )
            scans_received.send(sender=Scan, scans=[scan])
    except BaseException:
        _remove_files(slices)
        raise
    return scan


def _write_files(scan: Scan, incoming: IncomingScan) -> list[Slice]:
    """Files are written before the transaction, and removed again if it fails.

    The frames of one multi-frame object share its stored original.
    """
    slices: list[Slice] = []
    originals: dict[str, str] = {}
    try:
        for position, sent in enumerate(incoming.slices):
            slice_ = Slice(
                scan=scan,
                position=position,
                key=sent.key,
                frame=sent.frame,
                media_type=sent.media_type,
                width=sent.width,
                height=sent.height,
            )
            slices.append(slice_)
            with sent.open_view() as view:
                slice_.view_sha256 = hashlib.file_digest(cast("BufferedReader", view), "sha256").hexdigest()
                view.seek(0)
                slice_.view.save("view", File(view), save=False)
            if sent.original_sha256 in originals:
                slice_.original.name = originals[sent.original_sha256]
            else:
                with sent.open_original() as original:
                    slice_.original.save("original", File(original), save=False)
                originals[sent.original_sha256] = str(slice_.original.name)
    except BaseException:
        _remove_files(slices)
        raise
    return slices


def _remove_files(slices: Sequence[Slice]) -> None:
    for slice_ in slices:
        for stored in (slice_.original, slice_.view):
            if stored.name:
                stored.storage.delete(stored.name)


def _record_refusals(case: Case, user: User, refusals: Sequence[Refusal]) -> None:
    """The codes only: a file's name may carry the patient's."""
    if refusals:
        record_event(
            Action.UPLOAD_REFUSED,
            actor=user,
            site=case.site,
            case_id=case.pk,
            subject=case,
            codes=sorted(refusal.code for refusal in refusals),
        )
        logger.info("Upload to case %s: %d files refused", case.pk, len(refusals))
