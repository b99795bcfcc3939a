"""Who belongs to a site, for its managers."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Q
from django.db.models.functions import Now
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from accounts.membership import (
    add_member,
    remove_member,
    set_awaits_validation,
    set_blinded_reads,
    set_language_and_zone,
)
from accounts.models import Membership, Role, Site, User
from accounts.refusals import WrongState
from accounts.rights import REFUSALS, Right, fetch, sites_with
from accounts.tokens import revoke_tokens_of_member
from accounts.wording import in_sentence
from ctportal.pages.account.forms import SiteForm
from ctportal.pages.shared.plain_text import PlainText
from ctportal.pages.shared.requests import PersonRequest

SERVES = Q(user__api_tokens__revoked_at=None, user__api_tokens__expires_at__gt=Now())


class MemberForm(PlainText, forms.Form):
    username = forms.CharField(label=gettext_lazy("User name"), max_length=150)
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role, initial=Role.READER)


@login_required
@require_GET
def show_members(request: PersonRequest) -> HttpResponse:
    return _page(request, _site(request.user, request.GET.get("site", "")), MemberForm())


@login_required
@require_POST
def add(request: PersonRequest) -> HttpResponse:
    site = _site(request.user, request.POST.get("site", ""))
    form = MemberForm(request.POST)
    if form.is_valid():
        try:
            added = add_member(site=site, user=request.user, **form.cleaned_data)
        except ValidationError as error:
            form.add_error("username", error)
        else:
            role = added.get_role_display().lower()
            messages.success(
                request,
                _("%(display_name)s is now a %(role)s of %(site)s.")
                % {"display_name": added.user.display_name, "role": role, "site": site},
            )
            return redirect(_address(site))
    return _page(request, site, form, status=422)


@login_required
@require_POST
def remove(request: PersonRequest, pk: int) -> HttpResponse:
    visible = Membership.objects.filter(site__in=Site.objects.visible_to(request.user))
    membership = get_object_or_404(visible.select_related("site", "user"), pk=pk)
    site = membership.site
    try:
        remove_member(membership=membership, user=request.user)
    except ValidationError as error:
        raise WrongState(error.messages[0]) from None
    role = in_sentence(membership.get_role_display())
    messages.success(
        request,
        _("The role was removed: %(display_name)s, %(role)s at %(site)s.")
        % {"display_name": membership.user.display_name, "role": role, "site": site},
    )
    return redirect(_address(site))


@login_required
@require_POST
def revoke(request: PersonRequest, pk: int) -> HttpResponse:
    """Ends all API tokens of a member."""
    visible = Membership.objects.filter(site__in=Site.objects.visible_to(request.user))
    membership = get_object_or_404(visible.select_related("site", "user"), pk=pk)
    count = revoke_tokens_of_member(member=membership.user, site=membership.site, by=request.user)
    messages.success(
        request,
        ngettext("%(count)s API token of %(name)s revoked.", "%(count)s API tokens of %(name)s revoked.", count)
        % {"count": count, "name": membership.user.display_name},
    )
    return redirect(_address(membership.site))


@login_required
@require_POST
def set_reads(request: PersonRequest) -> HttpResponse:
    site = _site(request.user, request.POST.get("site", ""))
    blinded = request.POST.get("blinded") == "on"
    set_blinded_reads(site=site, user=request.user, blinded=blinded)
    set_awaits_validation(site=site, user=request.user, awaits=request.POST.get("awaits_validation") == "on")
    words = (
        _("Readers of %(site)s now decide before they see the model's answer.")
        if blinded
        else _("Readers of %(site)s now see the model's answer at once.")
    )
    messages.success(request, words % {"site": site})
    return redirect(_address(site))


@login_required
@require_POST
def set_language(request: PersonRequest) -> HttpResponse:
    site = _site(request.user, request.POST.get("site", ""))
    form = SiteForm(request.POST, site=site)
    if not form.is_valid():
        return _page(request, site, MemberForm(), status=422, site_form=form)
    chosen = form.cleaned_data
    set_language_and_zone(site=site, user=request.user, language=chosen["language"], zone=chosen["time_zone"])
    messages.success(request, _("Language and time zone of %(site)s are saved.") % {"site": site})
    return redirect(_address(site))


def _site(user: User, slug: str) -> Site:
    if slug:
        return fetch(Site.objects.all(), user=user, right=Right.MANAGE, slug=slug.replace("\0", ""))
    site = sites_with(user, Right.MANAGE).first()
    if site is None:
        raise PermissionDenied(REFUSALS[Right.MANAGE])
    return site


def _address(site: Site) -> str:
    return f"{reverse('members')}?site={site.slug}"


def _page(
    request: PersonRequest, site: Site, form: MemberForm, status: int = 200, site_form: SiteForm | None = None
) -> HttpResponse:
    context = {
        "site": site,
        "sites": sites_with(request.user, Right.MANAGE),
        "memberships": site.memberships.select_related("user")
        .annotate(tokens=Count("user__api_tokens", filter=SERVES))
        .order_by("user__username", "role"),
        "form": form,
        "site_form": site_form or SiteForm(site=site),
    }
    return render(request, "accounts/members.html", context, status=status)
