"""How the administration shows rows about patients: by the rules of the pages, which hide and record."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, cast

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.admin import ReadOnlyAdmin
from accounts.models import Site, User
from cases.disclosure import note_shown
from cases.models import Case, Patient
from cases.reading import note_view
from cases.reviews import hidden_scans
from cases.view_events import note_list, note_patient_view


@dataclass(frozen=True)
class ListedRow:
    pk: Any
    site: Site


class ClinicalAdmin(ReadOnlyAdmin):
    """Leaves out what its reader has yet to decide blinded; of all else, each list and each look is an event."""

    to_subject: ClassVar[str] = ""  # the attributes that lead from a row to its case, or to its patient
    to_scans: ClassVar[str] = ""  # the lookup from rows to the scans whose answers or labels they tell

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if not self.to_scans:
            return rows
        return rows.exclude(**{f"{self.to_scans}__in": hidden_scans(cast(User, request.user))})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            user, subject = cast(User, request.user), self._subject_of(row)
            if isinstance(subject, Patient):
                note_patient_view(subject, user)
            else:
                note_view(subject, user)
            self._note_shown([row], user)
        return row

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response: Any = super().changelist_view(request, extra_context)
        changes = (getattr(response, "context_data", None) or {}).get("cl")
        if changes is not None:
            user, rows = cast(User, request.user), list(changes.result_list)
            listed = [ListedRow(row.pk, self._subject_of(row).site) for row in rows]
            note_list(f"administration, {self.opts.model_name}", listed, user, filters=request.GET)
            self._note_shown(rows, user)
        return response

    def _subject_of(self, row: Model) -> Case | Patient:
        return reduce(getattr, filter(None, self.to_subject.split(".")), cast(Any, row))

    def _note_shown(self, rows: Sequence[Model], user: User) -> None:
        if self.to_scans:
            told = self.model._default_manager.filter(pk__in=[row.pk for row in rows])
            note_shown(user, set(told.order_by().values_list(self.to_scans, flat=True)) - {None})
