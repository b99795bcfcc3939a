"""Puts events into words."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Action, Event, Role
from accounts.wording import in_sentence
from cases.models import Label

LOOKING = (Action.CASE_VIEWED, Action.PATIENT_VIEWED, Action.LIST_VIEWED, Action.FILE_DOWNLOADED)
FIELD_WORDS = {
    "assigned_reader": gettext_lazy("reader"),
    "accession_number": gettext_lazy("accession number"),
    "record_number": gettext_lazy("record number"),
    "birth_date": gettext_lazy("date of birth"),
    "reason": gettext_lazy("reason"),
    "priority": gettext_lazy("priority"),
    "name": gettext_lazy("name"),
    "sex": gettext_lazy("sex"),
}


@dataclass(frozen=True)
class ShownEvent:
    event: Event
    words: str
    details: str


def event_in_words(event: Event) -> ShownEvent:
    return ShownEvent(event, event.get_action_display(), details_in_words(event))


def details_in_words(event: Event) -> str:
    """Says in one short phrase what the details add to the action; nothing where they add nothing."""
    say = _SAYINGS.get(Action(event.action)) if event.action in Action.values else None
    return say(event, event.details) if say else ""


def _listed(details: dict[str, Any]) -> str:
    return ", ".join(f"{scan}" for scan in details.get("scans", []))


def _confirmed(details: dict[str, Any]) -> str:
    differing = ", ".join(str(FIELD_WORDS.get(name, name)) for name in details.get("fields", []))
    parts = [_("%(fields)s differed") % {"fields": differing} if differing else "", details.get("reason", "")]
    return ". ".join(filter(None, parts)) or _("it is in another patient's case")


def _fields(event: Event, details: dict[str, Any]) -> str:
    return ", ".join(str(FIELD_WORDS.get(name, name)) for name in details.get("fields", []))


def _review(event: Event, details: dict[str, Any]) -> str:
    label = details.get("label", "")
    said = Label(label).label if label in Label.values else label
    return _("Scan %(scan)s: %(words)s") % {"scan": details.get("scan"), "words": said}


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
        return _files(len(codes))
    if not details.get("files"):
        return _("Stopped, since the files name another patient")
    return _("%(files)s, stopped, since they name another patient") % {"files": _files(details["files"])}


def _membership(event: Event, details: dict[str, Any]) -> str:
    role = in_sentence(Role(details["role"]).label) if details.get("role") in Role.values else ""
    said = {"added": _("%(role)s added"), "removed": _("%(role)s removed")}.get(details.get("change", ""), "%(role)s")
    return f"{details.get('member', '')}: {said % {'role': role}}".strip()


def _list(event: Event, details: dict[str, Any]) -> str:
    rows = _rows(details.get("count", 0))
    if details.get("filters"):
        rows = _("%(rows)s, by %(filters)s") % {"rows": rows, "filters": ", ".join(details["filters"])}
    return f"{LIST_WORDS.get(details.get('list', ''), details.get('list', '').capitalize())}: {rows}"


def _rows(number: int) -> str:
    return ngettext("%(number)s row", "%(number)s rows", number) % {"number": number}


def _slices(number: int) -> str:
    return ngettext("%(number)s slice", "%(number)s slices", number) % {"number": number}


def _files(number: int) -> str:
    return ngettext("%(number)s file", "%(number)s files", number) % {"number": number}


def _images(number: int) -> str:
    return ngettext("%(number)s image", "%(number)s images", number) % {"number": number}


def _scans(number: int) -> str:
    return ngettext("%(number)s scan", "%(number)s scans", number) % {"number": number}


LIST_WORDS = {"cases": gettext_lazy("Cases"), "patients": gettext_lazy("Patients")}
ACCOUNT_WORDS = {
    "username": gettext_lazy("user name"),
    "first_name": gettext_lazy("first name"),
    "last_name": gettext_lazy("last name"),
    "email": gettext_lazy("email address"),
    "is_active": gettext_lazy("active"),
    "is_staff": gettext_lazy("staff"),
    "is_superuser": gettext_lazy("superuser"),
}
SITE_WORDS = {
    "name": gettext_lazy("name"),
    "slug": gettext_lazy("short name"),
    "blinded_reads": gettext_lazy("blinded reads"),
    "awaits_validation": gettext_lazy("answers hidden until accepted"),
    "language": gettext_lazy("language"),
    "time_zone": gettext_lazy("time zone"),
}


def _account(event: Event, details: dict[str, Any]) -> str:
    """Writes the values of staff, before and after; never a password."""
    before, after = details.get("before", {}), details.get("after", {})
    changes = [f"{ACCOUNT_WORDS.get(name, name)} {_value(before.get(name))} → {_value(after[name])}" for name in after]
    return _("Account %(subject)s: %(changes)s") % {"subject": event.subject_id, "changes": ", ".join(changes)}


def _site(event: Event, details: dict[str, Any]) -> str:
    return ", ".join(f"{SITE_WORDS.get(name, name)} {_value(value)}" for name, value in details.items()).capitalize()


def _value(value: Any) -> str:
    return {True: _("on"), False: _("off")}[value] if isinstance(value, bool) else f"“{value}”"


def _dataset(event: Event, details: dict[str, Any]) -> str:
    """Without the number of scans, which would tell a blinded reader whether the readers of a scan agree."""
    return _("Data set %(subject)s") % {"subject": event.subject_id}


def _run(event: Event, details: dict[str, Any]) -> str:
    said = {
        "done": _("Training run %(subject)s: a new candidate"),
        "failed": _("Training run %(subject)s: failed"),
    }.get(details.get("status", ""), _("Training run %(subject)s"))
    return said % {"subject": event.subject_id}


def _model(event: Event, details: dict[str, Any]) -> str:
    return (
        _("Model %(subject)s: %(reason)s") % {"subject": event.subject_id, "reason": details["reason"]}
        if details.get("reason")
        else _("Model %(subject)s") % {"subject": event.subject_id}
    )


def _override(event: Event, details: dict[str, Any]) -> str:
    said = {True: _("approved"), False: _("refused")}.get(details.get("approved"), "")  # type: ignore[arg-type]
    words = [said, details.get("reason") or details.get("comment") or ""]
    return (
        _("Comparison %(comparison)s: %(words)s")
        % {"comparison": details.get("comparison"), "words": ". ".join(filter(None, words))}
    ).strip(": ")


def _acceptance(event: Event, details: dict[str, Any]) -> str:
    words = {
        "accepted": _("%(model)s, decision %(number)s, accepted: %(reason)s"),
        "declined": _("%(model)s, decision %(number)s, declined: %(reason)s"),
        "reverted": _("%(model)s, decision %(number)s, taken back: %(reason)s"),
    }.get(details.get("choice", ""), "%(model)s: %(reason)s")
    return words % {name: details.get(name, "") for name in ("model", "number", "reason")}


SUBJECT_WORDS = {
    "case": gettext_lazy("Case"),
    "comparison": gettext_lazy("Comparison"),
    "dataset": gettext_lazy("Dataset"),
    "member": gettext_lazy("Member"),
    "model": gettext_lazy("Model"),
    "override": gettext_lazy("Override"),
    "patient": gettext_lazy("Patient"),
    "prediction": gettext_lazy("Prediction"),
    "scan": gettext_lazy("Scan"),
    "shadow": gettext_lazy("Shadow"),
    "slice": gettext_lazy("Slice"),
    "training": gettext_lazy("Training"),
}


def _subject(event: Event) -> str:
    return str(SUBJECT_WORDS.get(event.subject_type, event.subject_type.capitalize()))


_SAYINGS = {
    Action.CASE_AMENDED: _fields,
    Action.PATIENT_AMENDED: _fields,
    Action.CASE_REOPENED: lambda event, details: details.get("reason", ""),
    Action.CASE_CANCELLED: lambda event, details: details.get("reason", ""),
    Action.SCAN_WITHDRAWN: lambda event, details: (
        _("Scan %(scan)s: %(words)s") % {"scan": event.subject_id, "words": details.get("reason", "")}
    ),
    Action.SCANS_JOINED: lambda event, details: (
        _("Scans %(scans)s into scan %(scan)s: %(reason)s")
        % {"scans": _listed(details), "scan": event.subject_id, "reason": details.get("reason", "")}
    ),
    Action.SCAN_SPLIT: lambda event, details: (
        _("Scan %(scan)s into scans %(scans)s: %(reason)s")
        % {"scan": event.subject_id, "scans": _listed(details), "reason": details.get("reason", "")}
    ),
    Action.PATIENT_CONFIRMED: lambda event, details: (
        _("Scan %(scan)s: %(words)s") % {"scan": event.subject_id, "words": _confirmed(details)}
    ),
    Action.SCAN_UPLOADED: lambda event, details: (
        _("Scan %(scan)s: %(words)s") % {"scan": event.subject_id, "words": _slices(details.get("slices", 0))}
    ),
    Action.UPLOAD_REFUSED: _refused_upload,
    Action.REVIEW_RECORDED: _review,
    Action.REVIEW_WITHDRAWN: _withdrawal,
    Action.CASE_VIEWED: lambda event, details: _("On the reading page") if details.get("reading") else "",
    Action.FILE_DOWNLOADED: lambda event, details: (
        _("Scan %(scan)s") % {"scan": details["scan"]} if "scan" in details else ""
    ),
    Action.LABELS_EXPORTED: lambda event, details: _scans(details.get("scans", 0)),
    Action.MEMBERSHIP_CHANGED: _membership,
    Action.SITE_CHANGED: _site,
    Action.SITE_CREATED: _site,
    Action.ACCOUNT_CHANGED: _account,
    Action.ACCOUNT_CREATED: lambda event, details: (
        _("Account %(subject)s: %(changes)s") % {"subject": event.subject_id, "changes": details.get("username", "")}
    ),
    Action.PASSWORD_CHANGED: lambda event, details: (
        _("Of account %(subject)s") % {"subject": event.subject_id}
        if event.subject_id not in (None, event.actor_id)
        else details.get("by", "")
    ),
    Action.LIST_VIEWED: _list,
    Action.ACCESS_REFUSED: lambda event, details: f"{_subject(event)} {event.subject_id}: {details.get('status')}",
    Action.BASE_IMPORTED: lambda event, details: _images(details.get("imported", 0)),
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
    Action.ACCEPTANCE_DECIDED: _acceptance,
    Action.OVERRIDE_REQUESTED: _override,
    Action.OVERRIDE_DECIDED: _override,
    Action.REREAD_REQUESTED: lambda event, details: _scans(details.get("scans", 0)),
    Action.TOKEN_ISSUED: lambda event, details: ", ".join(details.get("scopes", [])),
}
