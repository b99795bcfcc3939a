"""Joining scans of a case into one, and splitting a scan: what was sent in the wrong parts, put right on the record.

Nothing is changed: the old scans are withdrawn, saying what became of them, and new ones hold their slices, which share
the stored files. The model is asked about the new scans, and readers decide on them anew; reviews stay with what was
reviewed. Where a reader has decided, only a manager may do it, since it takes a decided scan out of the labels.
"""

import re
from collections.abc import Callable, Sequence

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.events import record_event
from accounts.models import Action, User
from accounts.refusals import WrongState, written_reason
from accounts.rights import Right, require, rights_at
from cases.casework import lock_case
from cases.intake import described_images
from cases.models import Case, Review, Scan, Slice
from cases.signals import scans_received
from cases.summaries import refresh_case

JOINED_FROM = gettext_noop("Joined from scans %(scans)s: %(reason)s")
JOINED_INTO = gettext_noop("Joined into scan %(scan)s: %(reason)s")
SPLIT_FROM = gettext_noop("Split from scan %(scan)s: %(reason)s")
SPLIT_INTO = gettext_noop("Split into scans %(scans)s: %(reason)s")
LONGEST_NOTE = 300
LEAST_ALIKE = 3
NUMBERED = re.compile(r"(.*?)(\d+)([^\d/]*)")


def may_rearrange(user: User, case: Case) -> bool:
    """Whoever may upload there, or a manager of the site."""
    return bool(rights_at(user, case.site) & {Right.UPLOAD, Right.MANAGE})


def join_scans(*, case: Case, scans: Sequence[Scan], user: User, reason: str) -> Scan:
    """One scan of the slices of these, in the order in which they are named."""
    _require_right(user, case)
    reason = written_reason(reason, missing=_("Scans can be joined only with a reason; write one."))
    with transaction.atomic():
        lock_case(case.pk).require_not_closed()
        old = _locked(case, [scan.pk for scan in scans], user)
        if len(old) < 2:
            raise WrongState(_("Choose two scans or more to join."))
        kinds = {scan.kind for scan in old}
        if len(kinds) > 1:
            raise WrongState(_("Images and DICOM series cannot be joined; choose scans of one kind."))
        slices = [row for scan in old for row in scan.slices.order_by("position")]
        if len({row.key for row in slices}) < len(slices):
            raise WrongState(_("These scans share a picture; withdraw the one that repeats it, then join the others."))
        names = ", ".join(f"{scan.pk}" for scan in old)
        joined = _new_scan(old, slices, user, note=JOINED_FROM % {"scans": names, "reason": reason})
        _withdraw(old, lambda scan: JOINED_INTO % {"scan": joined.pk, "reason": reason})
        _store([joined], [slices], case)
        record_event(
            Action.SCANS_JOINED,
            actor=user,
            site=case.site,
            case_id=case.pk,
            subject=joined,
            scans=[scan.pk for scan in old],
            reason=reason,
        )
    return joined


def split_scan(*, scan: Scan, user: User, reason: str, starts: Sequence[int] = ()) -> list[Scan]:
    """Parts that begin at these slices, counted from 1; each slice on its own where none is named."""
    _require_right(user, scan.case)
    reason = written_reason(
        reason, missing=_("Scan %(scan)s can be split only with a reason; write one.") % {"scan": scan.pk}
    )
    with transaction.atomic():
        case = lock_case(scan.case_id)
        case.require_not_closed()
        (old,) = _locked(case, [scan.pk], user)
        slices = list(old.slices.order_by("position"))
        parts = _parts(slices, starts)
        new = [_new_scan([old], part, user, note=SPLIT_FROM % {"scan": old.pk, "reason": reason}) for part in parts]
        numbers = ", ".join(f"{part.pk}" for part in new)
        _withdraw([old], lambda scan: SPLIT_INTO % {"scans": numbers, "reason": reason})
        _store(new, parts, case)
        record_event(
            Action.SCAN_SPLIT,
            actor=user,
            site=case.site,
            case_id=case.pk,
            subject=old,
            scans=[part.pk for part in new],
            reason=reason,
        )
    return new


def look_like_one_scan(names: Sequence[str], scans: Sequence[Scan]) -> bool:
    """Whether images that became a scan each are rather the slices of one: numbered names, and one size."""
    if len(scans) < LEAST_ALIKE or any(scan.kind != "image" or scan.slice_count > 1 for scan in scans):
        return False
    parts = [NUMBERED.fullmatch(name) for name in names]
    if len({(part[1], part[3]) if part else None for part in parts}) != 1 or None in parts:
        return False
    return Slice.objects.filter(scan__in=scans).order_by().values("width", "height").distinct().count() == 1


def _require_right(user: User, case: Case) -> None:
    if not may_rearrange(user, case):
        require(user, case.site, Right.UPLOAD)


def _locked(case: Case, ids: Sequence[int], user: User) -> list[Scan]:
    """In the order in which they are named; the lock on the case is held."""
    found = {scan.pk: scan for scan in case.scans.filter(pk__in=ids)}
    scans = [found[pk] for pk in dict.fromkeys(ids) if pk in found]
    if len(scans) < len(set(ids)):
        raise WrongState(_("Choose scans of case %(case)s.") % {"case": case.pk})
    for scan in scans:
        scan.require_ready()
    if Right.MANAGE not in rights_at(user, case.site) and Review.objects.current().filter(scan__in=ids).exists():
        raise WrongState(
            _("A reader has decided on these scans of case %(case)s; ask a manager of the site to do it.")
            % {"case": case.pk}
        )
    return scans


def _parts(slices: Sequence[Slice], starts: Sequence[int]) -> list[list[Slice]]:
    if len(slices) < 2:
        raise WrongState(_("A scan of one slice cannot be split."))
    first = sorted({1, *starts}) if starts else list(range(1, len(slices) + 1))
    if not all(1 <= number <= len(slices) for number in first) or len(first) < 2:
        raise WrongState(_("Name slices from 2 to %(slices)s at which a new scan begins.") % {"slices": len(slices)})
    ends = [*first[1:], len(slices) + 1]
    return [list(slices[begin - 1 : end - 1]) for begin, end in zip(first, ends, strict=True)]


def _new_scan(old: Sequence[Scan], slices: Sequence[Slice], user: User, *, note: str) -> Scan:
    """What holds of all the old ones; their notes go on, such as that of a confirmed patient."""
    first, count = old[0], len(slices)
    notes = dict.fromkeys(each for scan in old for each in scan.notes)
    same = lambda name: getattr(first, name) if len({getattr(scan, name) for scan in old}) == 1 else None  # noqa: E731
    described = first.description if first.kind == "dicom" else described_images(count)
    return Scan.objects.create(
        case_id=first.case_id,
        kind=first.kind,
        content_key=Scan.content_key_of(row.key for row in slices),
        series_key=first.series_key,
        study_key=same("study_key") or "",
        modality=same("modality") or "",
        description=described,
        pixel_spacing=same("pixel_spacing"),
        slice_thickness=same("slice_thickness"),
        slice_count=count,
        notes=[*notes, note[:LONGEST_NOTE]],
        is_synthetic=all(scan.is_synthetic for scan in old),
        uploaded_by=user,
    )


def _withdraw(scans: Sequence[Scan], words: Callable[[Scan], str]) -> None:
    for scan in scans:
        scan.withdraw(reason=words(scan)[:500])


def _store(scans: Sequence[Scan], parts: Sequence[Sequence[Slice]], case: Case) -> None:
    """The slices again, under the new scans and from the same files; then the model's queue hears of the scans."""
    for scan, part in zip(scans, parts, strict=True):
        scan.case = case
        Slice.objects.bulk_create(_copied(row, scan, position) for position, row in enumerate(part))
    refresh_case(case.pk)
    scans_received.send(sender=Scan, scans=list(scans))


def _copied(row: Slice, scan: Scan, position: int) -> Slice:
    fields = [field.attname for field in Slice._meta.concrete_fields if not field.primary_key]
    values = {name: getattr(row, name) for name in fields}
    return Slice(**values | {"scan_id": scan.pk, "position": position})
