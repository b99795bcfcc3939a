"""A token may do less than its user: what its scopes say. What the user may do, the domain checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken, Scope

if TYPE_CHECKING:
    from rest_framework.views import APIView

READ = frozenset({Scope.READ})
UPLOAD = frozenset({Scope.UPLOAD})
REVIEW = frozenset({Scope.REVIEW})
TRAIN = frozenset({Scope.TRAIN})


class HasScope(BasePermission):
    """Checks the token's scopes: the view's `scopes` name those that each action needs one of; else `read`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user.is_authenticated:
            return False
        action: str | None = getattr(view, "action", None)
        table: dict[str, frozenset[Scope]] = getattr(view, "scopes", {})
        if action is not None or request.method in ("GET", "HEAD"):
            require_scope(request, table.get(action or "", READ))
        return True


def require_scope(request: Request, any_of: frozenset[Scope]) -> None:
    token: Any = request.auth
    if isinstance(token, ApiToken) and not any_of & set(token.scopes):
        wanted = " or ".join(f"“{scope}”" for scope in sorted(any_of))
        raise PermissionDenied(
            _("This token lacks the scope %(wanted)s; make a token that has it.") % {"wanted": wanted}, code="scope"
        )
