"""Puts events into words."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, ngettext

from accounts.models import Action, Event, Role
from cases.models import Label

DECISIONS = (Action.REVIEW_RECORDED, Action.REVIEW_WITHDRAWN)  # they name a label
LOOKING = (Action.CASE_VIEWED, Action.PATIENT_VIEWED, Action.LIST_VIEWED, Action.FILE_DOWNLOADED)
FIELD_WORDS = {
    "assigned_reader": "reader",
    "accession_number": "accession number",
    "record_number": "record number",
    "birth_date": "date of birth",
    "reason": "reason",
    "priority": "priority",
    "name": "name",
    "sex": "sex",
}


@dataclass(frozen=True)
class ToldEvent:
    event: Event
    words: str
    details: str


def tell_event(event: Event) -> ToldEvent:
    return ToldEvent(event, event.get_action_display(), tell_details(event))


def tell_details(event: Event) -> str:
    """Says in one short phrase what the details add to the action; nothing where they add nothing."""
    say = _SAYINGS.get(Action(event.action)) if event.action in Action.values else None
    return say(event, event.details) if say else ""


def _counted(number: Any, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


def _listed(details: dict[str, Any]) -> str:
    return ", ".join(f"{scan}" for scan in details.get("scans", []))


def _confirmed(details: dict[str, Any]) -> str:
    differing = ", ".join(FIELD_WORDS.get(name, name) for name in details.get("fields", []))
    parts = [f"{differing} differed" if differing else "", details.get("reason", "")]
    return ". ".join(filter(None, parts)) or "it is in another patient's case"


def _fields(event: Event, details: dict[str, Any]) -> str:
    return ", ".join(FIELD_WORDS.get(name, name) for name in details.get("fields", []))


def _review(event: Event, details: dict[str, Any]) -> str:
    label = details.get("label", "")
    return f"Scan {details.get('scan')}: {Label(label).label if label in Label.values else label}"


def _withdrawal(event: Event, details: dict[str, Any]) -> str:
    seconds = details.get("seconds", 0)
    words = ngettext(
        "%(review)s, withdrawn %(seconds)s second later by the same reader",
        "%(review)s, withdrawn %(seconds)s seconds later by the same reader",
        seconds,
    )
    return words % {"review": _review(event, details), "seconds": seconds}


def _refused_upload(event: Event, details: dict[str, Any]) -> str:
    """A code was recorded for each refused file; an upload that was stopped whole names the number of its files."""
    codes = details.get("codes", [])
    if "patient-mismatch" not in codes:
        return _counted(len(codes), "file")
    words = gettext("stopped, since the files name another patient")
    return f"{_counted(details['files'], 'file')}, {words}" if details.get("files") else words.capitalize()


def _membership(event: Event, details: dict[str, Any]) -> str:
    role = Role(details["role"]).label.lower() if details.get("role") in Role.values else ""
    return f"{details.get('member', '')}: {role} {details.get('change', '')}".strip()


def _list(event: Event, details: dict[str, Any]) -> str:
    by = f", by {', '.join(details['filters'])}" if details.get("filters") else ""
    return f"{details.get('list', '').capitalize()}: {_counted(details.get('count', 0), 'row')}{by}"


ACCOUNT_WORDS = {
    "username": "user name",
    "first_name": "first name",
    "last_name": "last name",
    "email": "email address",
    "is_active": "active",
    "is_staff": "staff",
    "is_superuser": "superuser",
}
SITE_WORDS = {"name": "name", "slug": "short name", "blinded_reads": "blinded reads"}


def _account(event: Event, details: dict[str, Any]) -> str:
    """Writes the values of staff, before and after; never a password."""
    before, after = details.get("before", {}), details.get("after", {})
    changes = [f"{ACCOUNT_WORDS.get(name, name)} {_value(before.get(name))} → {_value(after[name])}" for name in after]
    return f"Account {event.subject_id}: {', '.join(changes)}"


def _site(event: Event, details: dict[str, Any]) -> str:
    return ", ".join(f"{SITE_WORDS.get(name, name)} {_value(value)}" for name, value in details.items()).capitalize()


def _value(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"“{value}”"


def _dataset(event: Event, details: dict[str, Any]) -> str:
    """Leaves out the number of scans, which would show a blinded reader whether the readers of a scan agree."""
    return f"Data set {event.subject_id}"


def _run(event: Event, details: dict[str, Any]) -> str:
    ended = {"done": ": a new candidate", "failed": ": failed"}.get(details.get("status", ""), "")
    return f"Training run {event.subject_id}{ended}"


def _model(event: Event, details: dict[str, Any]) -> str:
    return f"Model {event.subject_id}: {details['reason']}" if details.get("reason") else f"Model {event.subject_id}"


def _override(event: Event, details: dict[str, Any]) -> str:
    said = {True: "approved", False: "refused"}.get(details.get("approved"), "")  # type: ignore[arg-type]
    words = [said, details.get("reason") or details.get("comment") or ""]
    return f"Comparison {details.get('comparison')}: {'. '.join(filter(None, words))}".strip(": ")


_SAYINGS = {
    Action.CASE_AMENDED: _fields,
    Action.PATIENT_AMENDED: _fields,
    Action.CASE_REOPENED: lambda event, details: details.get("reason", ""),
    Action.CASE_CANCELLED: lambda event, details: details.get("reason", ""),
    Action.SCAN_WITHDRAWN: lambda event, details: f"Scan {event.subject_id}: {details.get('reason', '')}",
    Action.SCANS_JOINED: lambda event, details: (
        f"Scans {_listed(details)} into scan {event.subject_id}: {details.get('reason', '')}"
    ),
    Action.SCAN_SPLIT: lambda event, details: (
        f"Scan {event.subject_id} into scans {_listed(details)}: {details.get('reason', '')}"
    ),
    Action.PATIENT_CONFIRMED: lambda event, details: f"Scan {event.subject_id}: {_confirmed(details)}",
    Action.SCAN_UPLOADED: lambda event, details: (
        f"Scan {event.subject_id}: {_counted(details.get('slices', 0), 'slice')}"
    ),
    Action.UPLOAD_REFUSED: _refused_upload,
    Action.REVIEW_RECORDED: _review,
    Action.REVIEW_WITHDRAWN: _withdrawal,
    Action.CASE_VIEWED: lambda event, details: "On the reading page" if details.get("reading") else "",
    Action.FILE_DOWNLOADED: lambda event, details: f"Scan {details['scan']}" if "scan" in details else "",
    Action.LABELS_EXPORTED: lambda event, details: _counted(details.get("scans", 0), "scan"),
    Action.MEMBERSHIP_CHANGED: _membership,
    Action.SITE_CHANGED: _site,
    Action.SITE_CREATED: _site,
    Action.ACCOUNT_CHANGED: _account,
    Action.ACCOUNT_CREATED: lambda event, details: f"Account {event.subject_id}: {details.get('username', '')}",
    Action.PASSWORD_CHANGED: lambda event, details: (
        f"Of account {event.subject_id}" if event.subject_id not in (None, event.actor_id) else details.get("by", "")
    ),
    Action.LIST_VIEWED: _list,
    Action.ACCESS_REFUSED: lambda event, details: (
        f"{event.subject_type.capitalize()} {event.subject_id}: {details.get('status')}"
    ),
    Action.BASE_IMPORTED: lambda event, details: _counted(details.get("imported", 0), "image"),
    Action.DATASET_BUILT: _dataset,
    Action.DATASET_EXPORTED: _dataset,
    Action.TRAINING_REQUESTED: _run,
    Action.TRAINING_CANCELLED: _run,
    Action.TRAINING_ENDED: _run,
    Action.MODEL_PROMOTED: _model,
    Action.MODEL_REFUSED: _model,
    Action.MODEL_ROLLED_BACK: _model,
    Action.SHADOW_STARTED: _model,
    Action.SHADOW_STOPPED: _model,
    Action.OVERRIDE_REQUESTED: _override,
    Action.OVERRIDE_DECIDED: _override,
    Action.REREAD_REQUESTED: lambda event, details: _counted(details.get("scans", 0), "scan"),
    Action.TOKEN_ISSUED: lambda event, details: ", ".join(details.get("scopes", [])),
}
