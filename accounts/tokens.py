"""API tokens, made and revoked by the person whose rights they carry."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.events import record_event
from accounts.models import Action, ApiToken, Scope, User
from accounts.rights import Right, rights_anywhere

SCOPE_RIGHTS = {
    Scope.READ: Right.VIEW,
    Scope.UPLOAD: Right.UPLOAD,
    Scope.REVIEW: Right.REVIEW,
    Scope.TRAIN: Right.MANAGE,
}


def scopes_for(user: User) -> list[Scope]:
    """A token is offered only what its owner may do somewhere."""
    rights = rights_anywhere(user)
    return [scope for scope, right in SCOPE_RIGHTS.items() if right in rights]


def issue_token(*, user: User, name: str, scopes: Iterable[str], days: int) -> tuple[ApiToken, str]:
    """The token and its secret, which nobody can see a second time."""
    wanted = sorted(set(scopes))
    if not wanted or set(wanted) - set(scopes_for(user)):
        raise ValidationError("Choose among the scopes that your own roles allow.")
    if not 1 <= days <= settings.API_TOKEN_MAX_DAYS:
        raise ValidationError(f"A token lasts 1 to {settings.API_TOKEN_MAX_DAYS} days.")
    with transaction.atomic():
        token, secret = ApiToken.objects.issue(
            user=user, name=name.strip(), scopes=wanted, expires_at=timezone.now() + timedelta(days=days)
        )
        record_event(Action.TOKEN_ISSUED, actor=user, subject=token, scopes=wanted, days=days)
    return token, secret


def revoke_token(*, token: ApiToken) -> None:
    """Revoking twice is revoking once."""
    with transaction.atomic():
        if ApiToken.objects.filter(pk=token.pk, revoked_at=None).exists():
            token.revoke()
            record_event(Action.TOKEN_REVOKED, actor=token.user, subject=token)
