"""Makes and revokes API tokens: a person makes them with that person's rights; a manager or the administrator may
revoke them too.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.mails import notify
from accounts.models import Action, ApiToken, ApiTokenQuerySet, Scope, Site, User
from accounts.rights import Right, require, rights_anywhere

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
        raise ValidationError(_("Choose among the scopes that your own roles allow."))
    if not 1 <= days <= settings.API_TOKEN_MAX_DAYS:
        raise ValidationError(
            _("A token lasts 1 to %(api_token_max_days)s days.") % {"api_token_max_days": settings.API_TOKEN_MAX_DAYS}
        )
    with transaction.atomic():
        token, secret = ApiToken.objects.issue(
            user=user, name=name.strip(), scopes=wanted, expires_at=timezone.now() + timedelta(days=days)
        )
        record_event(Action.TOKEN_ISSUED, actor=user, subject=token, scopes=wanted, days=days)
        notify(user, "token_issued", token=token, scopes=", ".join(wanted))
    return token, secret


def revoke_token(*, token: ApiToken, by: User) -> None:
    """Revoking twice is revoking once. The owner hears of it where somebody else has done it."""
    revoke_tokens(of=token.user, by=by, among=ApiToken.objects.filter(pk=token.pk))


def revoke_tokens(*, of: User, by: User | None, among: ApiTokenQuerySet | None = None) -> int:
    """Revokes what still serves of a person's tokens, or of those `among` them; says how many they were."""
    with transaction.atomic():
        tokens = list((of.api_tokens.all() if among is None else among).filter(user=of, revoked_at=None))
        for token in tokens:
            token.revoke()
            record_event(Action.TOKEN_REVOKED, actor=by, subject=token, owner=of.username)
        if tokens and by is not None and by.pk != of.pk:
            notify(of, "tokens_revoked", actor=by.name_on_record, names=", ".join(token.name for token in tokens))
    return len(tokens)


def revoke_tokens_of_member(*, member: User, site: Site, by: User) -> int:
    """For the manager of a site: a member's tokens reach the site's patients, so the manager may end them all."""
    require(by, site, Right.MANAGE)
    if not site.memberships.filter(user=member).exists():
        raise PermissionDenied(
            _("%(username)s is no member of %(site)s.") % {"username": member.username, "site": site}
        )
    return revoke_tokens(of=member, by=by)
