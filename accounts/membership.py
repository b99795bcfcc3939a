"""Who belongs to a site, and how the site reads. Each change is an event."""

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action, Language, Membership, Role, Site, User, validate_timezone
from accounts.rights import Right, require
from accounts.wording import in_sentence


def add_member(*, site: Site, user: User, username: str, role: Role | str) -> Membership:
    """Gives a role to somebody who has an account already; the user names are the portal's own."""
    require(user, site, Right.MANAGE)
    role = Role(role)
    member = User.objects.filter(username=username.strip(), is_active=True).first()
    if member is None:
        raise ValidationError(_("Nobody with this user name has an active account; ask the administrator to make one."))
    try:
        with transaction.atomic():
            membership = Membership.objects.create(user=member, site=site, role=role)
            note_membership(membership, user, change="added")
    except IntegrityError:
        raise ValidationError(
            _("%(username)s is a %(role)s of %(site)s already.")
            % {"username": member.username, "role": in_sentence(role.label), "site": site}
        ) from None
    return membership


def remove_member(*, membership: Membership, user: User) -> None:
    """Takes one role away. A site never loses its last manager, or nobody could let people in again."""
    site = membership.site
    require(user, site, Right.MANAGE)
    with transaction.atomic():
        Site.objects.select_for_update().get(pk=site.pk)
        managers = Membership.objects.filter(site=site, role=Role.MANAGER)
        if membership.role == Role.MANAGER and managers.count() < 2:
            raise ValidationError(
                _("%(site)s has only this manager; give the role to somebody else first.") % {"site": site}
            )
        note_membership(membership, user, change="removed")
        membership.delete()


def set_blinded_reads(*, site: Site, user: User, blinded: bool) -> None:
    require(user, site, Right.MANAGE)
    with transaction.atomic():
        changed = Site.objects.filter(pk=site.pk).exclude(blinded_reads=blinded).update(blinded_reads=blinded)
        if changed:
            record_event(Action.SITE_CHANGED, actor=user, site=site, subject=site, blinded_reads=blinded)
    site.refresh_from_db()


def set_awaits_validation(*, site: Site, user: User, awaits: bool) -> None:
    """Whether a model's answers stay hidden here until the managers have accepted the model at this site."""
    require(user, site, Right.MANAGE)
    with transaction.atomic():
        changed = Site.objects.filter(pk=site.pk).exclude(awaits_validation=awaits).update(awaits_validation=awaits)
        if changed:
            record_event(Action.SITE_CHANGED, actor=user, site=site, subject=site, awaits_validation=awaits)
    site.refresh_from_db()


def set_language_and_zone(*, site: Site, user: User, language: str, zone: str) -> None:
    """What members of the site have who chose none in their profile; empty leaves it to browser and installation."""
    require(user, site, Right.MANAGE)
    validate_timezone_or_none(zone)
    if language not in ("", *Language.values):
        raise ValidationError(_("Choose one of the portal's languages."))
    with transaction.atomic():
        rows = Site.objects.filter(pk=site.pk).exclude(language=language, time_zone=zone)
        if rows.update(language=language, time_zone=zone):
            record_event(Action.SITE_CHANGED, actor=user, site=site, subject=site, language=language, time_zone=zone)
    site.refresh_from_db()


def validate_timezone_or_none(zone: str) -> None:
    if zone:
        validate_timezone(zone)


def note_membership(membership: Membership, user: User | AnonymousUser, *, change: str) -> None:
    record_event(
        Action.MEMBERSHIP_CHANGED,
        actor=user,
        site=membership.site,
        subject=membership.user,
        change=change,
        role=membership.role,
        member=membership.user.username,
    )
