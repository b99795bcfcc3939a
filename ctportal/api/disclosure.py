"""What an answer may carry, and the record of whom it showed: asked of every answer in one place."""

from typing import Any

from rest_framework.request import Request

from accounts.models import ApiToken, Scope, User
from cases.models import Case, Patient, Review, Scan, Slice
from cases.reading import note_view
from cases.view_events import note_patient_view
from inference.models import Prediction


def may_read(request: Request) -> bool:
    """A session reads what its person may; a token only with the scope for it."""
    token: Any = request.auth
    return not isinstance(token, ApiToken) or Scope.READ in token.scopes


def note_shown(row: Any, user: User) -> None:
    """Records that the user saw this row's patient or case; other rows are nobody's."""
    if isinstance(row, Patient):
        note_patient_view(row, user)
    elif (case := case_of(row)) is not None:
        note_view(case, user)


def case_of(row: Any) -> Case | None:
    if isinstance(row, Case):
        return row
    if isinstance(row, Scan):
        return row.case
    if isinstance(row, Slice | Prediction | Review):
        return row.scan.case
    return None
