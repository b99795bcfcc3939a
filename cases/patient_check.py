"""Whether files belong to the patient of a case: what they say of themselves, and where the portal has them already.

A mismatch stops the upload until somebody confirms the patient knowingly. That is an event and a note on the scan, and
neither holds what the files say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, override

from accounts.models import User
from cases.intake import FileIdentity, IncomingScan, empty_picture_keys, same_name, same_record_number
from cases.models import Case, CaseStatus, Patient, Scan, Sex, Slice

FIELD_WORDS = {
    "record_number": gettext_lazy("record number"),
    "name": gettext_lazy("name"),
    "birth_date": gettext_lazy("date of birth"),
    "sex": gettext_lazy("sex"),
}
ANOTHER_PATIENT = gettext_noop("The files named another patient than the case's (%(fields)s).")
ELSEWHERE = gettext_noop("The series or a picture of it is also in another patient's case.")
CONFIRMED = gettext_noop("%(person)s confirmed the patient.")
CONFIRMED_BECAUSE = gettext_noop("%(person)s confirmed the patient: %(reason)s")
LONGEST_NOTE = 300
SOME_KEYS = 2000


@dataclass(frozen=True, repr=False)
class IdentityDifference:
    field: str
    in_case: str
    in_file: str

    @property
    def words(self) -> str:
        return str(FIELD_WORDS[self.field])


@dataclass(frozen=True, repr=False)
class Concern:
    """Of one scan: in what its files differ from the patient, and in which other patients' cases it is already.

    `elsewhere` names the cases that the user may see. Of others it is only said that there is one: whoever holds the
    very file learns no more than that, and a picture under two patients is too dangerous to pass over.
    """

    differences: tuple[IdentityDifference, ...] = ()
    elsewhere: tuple[int, ...] = ()
    is_elsewhere: bool = False

    @property
    def note(self) -> str:
        """In English, since it is stored; `said_again` says it in the language of whoever reads it."""
        parts = []
        if self.differences:
            with override(settings.LANGUAGE_CODE):
                fields = ", ".join(each.words for each in self.differences)
            parts.append(ANOTHER_PATIENT % {"fields": fields})
        if self.is_elsewhere:
            parts.append(ELSEWHERE)
        return " ".join(parts)


class PatientMismatch(Exception):
    """Files do not seem to belong to the patient of the case; the upload stops until the patient is confirmed."""

    def __init__(self, concerns: Sequence[Concern]) -> None:
        super().__init__(
            _("The files do not seem to belong to the patient of this case; check, then confirm the patient.")
        )
        self.concerns = concerns

    @property
    def differences(self) -> list[IdentityDifference]:
        found = (each for concern in self.concerns for each in concern.differences)
        return list({(each.field, each.in_file): each for each in found}.values())

    @property
    def elsewhere(self) -> list[int]:
        return sorted({case for concern in self.concerns for case in concern.elsewhere})

    @property
    def is_elsewhere(self) -> bool:
        return any(concern.is_elsewhere for concern in self.concerns)


def concern_about(scan: IncomingScan, *, case: Case, user: User) -> Concern | None:
    differences = [each for identity in scan.identities for each in _differences(case.patient, identity)]
    other_cases = _other_patients_cases(scan, case)
    if not differences and not other_cases:
        return None
    visible = Case.objects.visible_to(user).filter(pk__in=other_cases).values_list("pk", flat=True)
    once = {(each.field, each.in_file): each for each in differences}
    return Concern(tuple(once.values()), tuple(sorted(visible)), is_elsewhere=bool(other_cases))


def confirmed_note(concern: Concern, *, user: User, reason: str) -> str:
    said = CONFIRMED_BECAUSE if reason else CONFIRMED
    return f"{concern.note} {said % {'person': user.display_name, 'reason': reason}}"[:LONGEST_NOTE]


def _differences(patient: Patient, identity: FileIdentity) -> Iterable[IdentityDifference]:
    if identity.record_number and not same_record_number(identity.record_number, patient.record_number):
        issuer = f" ({identity.issuer})" if identity.issuer else ""
        yield IdentityDifference("record_number", patient.record_number, identity.record_number + issuer)
    if identity.name and not same_name(identity.name, patient.name):
        yield IdentityDifference("name", patient.name, identity.name)
    if identity.birth_date and patient.birth_date and identity.birth_date != patient.birth_date:
        yield IdentityDifference("birth_date", f"{patient.birth_date}", f"{identity.birth_date}")
    if identity.sex and patient.sex != Sex.UNKNOWN and identity.sex != patient.sex:
        yield IdentityDifference("sex", patient.get_sex_display(), str(Sex(identity.sex).label))


def _other_patients_cases(incoming: IncomingScan, case: Case) -> set[int]:
    """Finds them at all sites. What was withdrawn or cancelled was a mistake put right."""
    ready = Scan.objects.ready().exclude(case__patient=case.patient_id).exclude(case__status=CaseStatus.CANCELLED)
    found: set[int] = set()
    if incoming.kind == "dicom":
        found |= set(ready.filter(series_key=incoming.series_key).values_list("case", flat=True))
    if incoming.study_key:
        found |= set(ready.filter(study_key=incoming.study_key).values_list("case", flat=True))
    keys = [one.key for one in incoming.slices if one.key not in empty_picture_keys(one.width, one.height)]
    for at in range(0, len(keys), SOME_KEYS):
        slices = Slice.objects.filter(key__in=keys[at : at + SOME_KEYS]).order_by()
        found |= set(ready.filter(pk__in=slices.values("scan")).values_list("case", flat=True))
    return found
