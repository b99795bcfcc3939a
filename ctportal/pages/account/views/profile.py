"""Shows a person's own page: name, time zone, theme, memberships, sessions and API tokens."""

from typing import Any

from allauth.account.decorators import reauthentication_required
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from accounts.language import activate_language
from accounts.models import User
from accounts.sessions import end_session, open_sessions
from accounts.tokens import issue_token, revoke_token, scopes_for
from ctportal.pages.account.forms import language_field, zone_field
from ctportal.pages.shared.plain_text import PlainText
from ctportal.pages.shared.requests import PersonRequest

TOKENS_SHOWN = 50
SESSIONS_SHOWN = 50


class ProfileForm(PlainText, forms.ModelForm):
    class Meta:
        model = User
        fields = ["first_name", "last_name", "language", "timezone", "theme"]
        labels = {"theme": gettext_lazy("Theme")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"] = language_field(_("As the site or the browser"))
        self.fields["timezone"] = zone_field(_("As the site"))


class TokenForm(PlainText, forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=80, help_text=gettext_lazy("What uses it, for example “PACS gateway”.")
    )
    scopes = forms.MultipleChoiceField(label=gettext_lazy("Scopes"), widget=forms.CheckboxSelectMultiple)
    days = forms.IntegerField(label=gettext_lazy("Lasts (days)"))

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data, initial={"days": min(90, settings.API_TOKEN_MAX_DAYS), "scopes": ["read"]})
        choices = [(scope.value, scope.label) for scope in scopes_for(user)]
        self.fields["scopes"].choices = choices  # type: ignore[attr-defined]
        self.fields["days"] = forms.IntegerField(
            label=_("Lasts (days)"),
            min_value=1,
            max_value=settings.API_TOKEN_MAX_DAYS,
            help_text=_("At most %(days)s.") % {"days": settings.API_TOKEN_MAX_DAYS},
        )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show_profile(request: PersonRequest) -> HttpResponse:
    # A copy: what a refused form has written on its person must not show in the frame of the page.
    person = User.objects.get(username=request.user.username)
    form = ProfileForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        form.save()
        activate_language(request, person)
        messages.success(request, _("Your profile is saved."))
        return redirect("profile")
    return _page(request, form=form, status=422 if form.is_bound else 200)


@login_required
@require_POST
@reauthentication_required
@never_cache
@sensitive_variables("secret")
def issue(request: PersonRequest) -> HttpResponse:
    """Answers with the page itself, not a redirect: the secret is shown once and kept nowhere."""
    form = TokenForm(request.POST, user=request.user)
    if form.is_valid():
        try:
            token, secret = issue_token(user=request.user, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return _page(request, new_token=token, secret=secret)
    return _page(request, token_form=form, status=422)


@login_required
@require_POST
def revoke(request: PersonRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(request.user.api_tokens, pk=pk)
    revoke_token(token=token, by=request.user)
    messages.success(request, _("The token “%(token)s” is revoked.") % {"token": token.name})
    return redirect("profile")


@login_required
@require_POST
def end(request: PersonRequest, pk: int) -> HttpResponse:
    """Ends another of the person's own sessions."""
    end_session(get_object_or_404(request.user.sessions, pk=pk))
    messages.success(request, _("That session is ended."))
    return redirect("profile")


def _page(request: PersonRequest, *, status: int = 200, **context: Any) -> HttpResponse:
    user = request.user
    context.setdefault("form", ProfileForm(instance=user))
    context.setdefault("token_form", TokenForm(user=user) if scopes_for(user) else None)
    # Those that still serve first: each of them must be in reach of its button.
    context["tokens"] = user.api_tokens.order_by(F("revoked_at").desc(nulls_first=True), "-expires_at")[:TOKENS_SHOWN]
    context["sessions"] = open_sessions(user)[:SESSIONS_SHOWN]
    context["memberships"] = user.memberships.select_related("site")
    return render(request, "accounts/profile.html", context, status=status)
