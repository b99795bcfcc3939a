"""What a role allows. One table, asked by pages, API and commands alike."""

from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _

from accounts.models import Membership, Role, Site, SiteScopedQuerySet, User


class Right(StrEnum):
    VIEW = "view"
    UPLOAD = "upload"
    REVIEW = "review"
    CLOSE = "close"
    MANAGE = "manage"


ROLE_RIGHTS: dict[str, frozenset[Right]] = {
    Role.CLINICIAN: frozenset({Right.VIEW, Right.UPLOAD}),
    Role.READER: frozenset({Right.VIEW, Right.REVIEW, Right.CLOSE}),
    Role.MANAGER: frozenset({Right.VIEW, Right.CLOSE, Right.MANAGE}),
}
SUPERUSER_RIGHTS = frozenset({Right.VIEW, Right.MANAGE})

REFUSALS = {
    Right.VIEW: _("You are not a member of this site."),
    Right.UPLOAD: _("Only a clinician of this site can register patients, open cases and upload."),
    Right.REVIEW: _("Only a reader of this site can review scans."),
    Right.CLOSE: _("Only a reader or manager of this site can close or reopen a case."),
    Right.MANAGE: _("Only a manager of this site can do this."),
}


M = TypeVar("M", bound=models.Model)


def rights_at(user: User | AnonymousUser, site: Site) -> frozenset[Right]:
    if not isinstance(user, User) or not user.is_active:
        return frozenset()
    granted = set(SUPERUSER_RIGHTS) if user.is_superuser else set()
    for role in _roles_by_site(user).get(site.pk, ()):
        granted |= ROLE_RIGHTS[role]
    return frozenset(granted)


def rights_anywhere(user: User) -> frozenset[Right]:
    """What the user may do at one site at least: enough to offer a way, not to go it."""
    if not user.is_active:
        return frozenset()
    granted = set(SUPERUSER_RIGHTS) if user.is_superuser else set()
    for roles in _roles_by_site(user).values():
        for role in roles:
            granted |= ROLE_RIGHTS[role]
    return frozenset(granted)


def _roles_by_site(user: User) -> dict[int, set[str]]:
    roles: dict[int, set[str]] = {}
    for known in memberships_of(user):
        roles.setdefault(known.site_id, set()).add(known.role)
    return roles


class KnownMembership(NamedTuple):
    """A role at a site, with what the site has chosen for its members."""

    site_id: int
    role: str
    language: str
    time_zone: str


def memberships_of(user: User) -> list[KnownMembership]:
    """Returns the memberships, read once for each request's user object, not once for each question."""
    if "_memberships" not in user.__dict__:
        rows = user.memberships.values_list("site_id", "role", "site__language", "site__time_zone")
        user.__dict__["_memberships"] = [KnownMembership(*row) for row in rows]
    return user.__dict__["_memberships"]


def require(user: User | AnonymousUser, site: Site, right: Right) -> None:
    if right not in rights_at(user, site):
        raise PermissionDenied(REFUSALS[right])


def require_still(user: User, site: Site, right: Right) -> None:
    """Asks the database anew, at the end of what took long enough for the right to be withdrawn meanwhile."""
    account = User.objects.filter(pk=user.pk, is_active=True)
    granted: set[Right] = set()
    for is_superuser, role_at, role in account.values_list("is_superuser", "memberships__site", "memberships__role"):
        granted |= SUPERUSER_RIGHTS if is_superuser else set()
        granted |= ROLE_RIGHTS[role] if role_at == site.pk else set()
    if right not in granted:
        raise PermissionDenied(REFUSALS[right])


def require_somewhere(user: User, right: Right) -> None:
    """At one site at least; which objects the user may see is their `visible_to`'s business."""
    if right not in rights_anywhere(user):
        raise PermissionDenied(REFUSALS[right])


def fetch(
    queryset: SiteScopedQuerySet,
    *,
    user: User | AnonymousUser,
    right: Right = Right.VIEW,
    **lookup: Any,
) -> Any:
    """The object if the user may see it (else 404) and may do this to it (else 403)."""
    found = get_object_or_404(queryset.visible_to(user), **lookup)
    require(user, found if isinstance(found, Site) else found.site, right)
    return found


def sites_with(user: User | AnonymousUser, right: Right) -> "QuerySet[Site]":
    """The sites in which the user has the right."""
    if not user.is_authenticated or not user.is_active:
        return Site.objects.none()
    if user.is_superuser and right in SUPERUSER_RIGHTS:
        return Site.objects.all()
    roles = [role for role, rights in ROLE_RIGHTS.items() if right in rights]
    mine = Membership.objects.filter(user=user, role__in=roles).values("site")
    return Site.objects.filter(pk__in=mine)


def people_with(site: Site, right: Right) -> "QuerySet[User]":
    """Who has the right at this site through a role there, by name."""
    roles = [role for role, rights in ROLE_RIGHTS.items() if right in rights]
    members = Membership.objects.filter(site=site, role__in=roles).values("user")
    return User.objects.filter(pk__in=members, is_active=True).order_by("last_name", "first_name", "username")
