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
from django.views.decorators.http import require_GET, require_POST

from accounts.membership import add_member, remove_member, set_awaits_validation, set_blinded_reads
from accounts.models import Membership, Role, Site, User
from accounts.refusals import WrongState
from accounts.rights import REFUSALS, Right, fetch, sites_with
from accounts.tokens import revoke_tokens_of_member
from ctportal.pages.shared.requests import PersonRequest

SERVES = Q(user__api_tokens__revoked_at=None, user__api_tokens__expires_at__gt=Now())


class MemberForm(forms.Form):
    username = forms.CharField(label="User name", max_length=150)
    role = forms.ChoiceField(choices=Role, initial=Role.READER)


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
            messages.success(request, f"{added.user.display_name} is now a {role} of {site}.")
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
    role = membership.get_role_display().lower()
    messages.success(request, f"The role was removed: {membership.user.display_name}, {role} at {site}.")
    return redirect(_address(site))


@login_required
@require_POST
def revoke(request: PersonRequest, pk: int) -> HttpResponse:
    """Ends all API tokens of a member."""
    visible = Membership.objects.filter(site__in=Site.objects.visible_to(request.user))
    membership = get_object_or_404(visible.select_related("site", "user"), pk=pk)
    count = revoke_tokens_of_member(member=membership.user, site=membership.site, by=request.user)
    words = "1 API token" if count == 1 else f"{count} API tokens"
    messages.success(request, f"{words} of {membership.user.display_name} revoked.")
    return redirect(_address(membership.site))


@login_required
@require_POST
def set_reads(request: PersonRequest) -> HttpResponse:
    site = _site(request.user, request.POST.get("site", ""))
    blinded = request.POST.get("blinded") == "on"
    set_blinded_reads(site=site, user=request.user, blinded=blinded)
    set_awaits_validation(site=site, user=request.user, awaits=request.POST.get("awaits_validation") == "on")
    words = "decide before they see the model's answer" if blinded else "see the model's answer at once"
    messages.success(request, f"Readers of {site} now {words}.")
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


def _page(request: PersonRequest, site: Site, form: MemberForm, status: int = 200) -> HttpResponse:
    context = {
        "site": site,
        "sites": sites_with(request.user, Right.MANAGE),
        "memberships": site.memberships.select_related("user")
        .annotate(tokens=Count("user__api_tokens", filter=SERVES))
        .order_by("user__username", "role"),
        "form": form,
    }
    return render(request, "accounts/members.html", context, status=status)
