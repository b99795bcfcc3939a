"""Keeping what a reader has chosen and typed for a scan until it is recorded, discarded or forgotten."""

from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from cases.models import Label, Review, ReviewDraft, Scan
from cases.reading import decision_open_to

DRAFTS_KEPT_FOR = timedelta(days=14)


def draft_of(scan: Scan, reader: User) -> ReviewDraft | None:
    """What this reader has begun; none once the scan is no longer open to their decision."""
    if not decision_open_to(reader, scan):
        return None
    return ReviewDraft.objects.filter(scan=scan, reader=reader).first()


def keep_draft(
    *,
    scan: Scan,
    reader: User,
    label: Label | str = "",
    reason: str = "",
    closes_case: bool = False,
    since: float = 0.0,
) -> ReviewDraft | None:
    """Replaces the reader's draft of the scan; an empty one is deleted. Returns what is kept.

    `since` is when the page was opened that holds the text, in seconds since 1970. If the reader has recorded a
    decision on the scan since, a late message of that page must not bring its draft back.
    """
    if not decision_open_to(reader, scan) or _recorded_since(scan, reader, since):
        return None
    facts = {"label": Label(label) if label else "", "reason": reason, "closes_case": closes_case}
    if not any(facts.values()):
        discard_draft(scan=scan, reader=reader)
        return None
    draft, _ = ReviewDraft.objects.update_or_create(
        scan=scan, reader=reader, defaults={**facts, "saved_at": timezone.now()}
    )
    return draft


def _recorded_since(scan: Scan, reader: User, since: float) -> bool:
    newest = Review.objects.filter(scan=scan, reader=reader).order_by("pk").last()
    return newest is not None and newest.created_at.timestamp() >= since


def discard_draft(*, scan: Scan, reader: User) -> None:
    ReviewDraft.objects.filter(scan=scan, reader=reader).delete()


def forget_old_drafts() -> int:
    """Deletes the drafts that nobody has touched for two weeks, and says how many they were."""
    count, _ = ReviewDraft.objects.filter(saved_at__lt=timezone.now() - DRAFTS_KEPT_FOR).delete()
    return count
