"""Which model serves: promotion, refusal, overriding the criteria, rollback, and reading open cases again."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from accounts.formatting import whole
from accounts.models import Site
from ctportal.pages.shared.decorators import managers_only
from ctportal.pages.shared.requests import PersonRequest, number, safe_next
from inference.models import ModelVersion
from learning.models import Comparison, GateOverride
from learning.service.overrides import decide_override, request_override
from learning.service.promotion import promote, refuse_model, roll_back
from learning.service.rereading import request_rereading

IN_SERVICE = gettext_lazy("Every worker uses it within seconds; answers given so far keep the model that gave them.")


@managers_only
@require_POST
def promote_challenger(request: PersonRequest, pk: int) -> HttpResponse:
    model = promote(comparison=_comparison(request, pk), user=request.user)
    messages.success(request, f"{_('%(model)s is in service.') % {'model': model}} {IN_SERVICE}")
    return redirect("learning")


@managers_only
@require_POST
def refuse(request: PersonRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(ModelVersion, pk=pk)
    refuse_model(model=model, user=request.user, reason=request.POST.get("reason", ""))
    messages.success(
        request, _("%(model)s is refused. It stays on record and can no longer enter service.") % {"model": model}
    )
    return redirect(safe_next(request, default=reverse("learning")))


@managers_only
@require_POST
def ask_to_override(request: PersonRequest, pk: int) -> HttpResponse:
    comparison = _comparison(request, pk)
    request_override(comparison=comparison, user=request.user, reason=request.POST.get("reason", ""))
    messages.success(
        request, _("Your request waits for a second person. Nothing changes until that person has decided.")
    )
    return redirect("comparison", pk=comparison.pk)


@managers_only
@require_POST
def decide(request: PersonRequest, pk: int) -> HttpResponse:
    mine = GateOverride.objects.filter(comparison__in=Comparison.objects.visible_to(request.user))
    override = get_object_or_404(mine, pk=pk)
    approved = request.POST.get("decision") == "approve"
    decide_override(override=override, user=request.user, approved=approved, comment=request.POST.get("comment", ""))
    words = _("The model can be promoted now.") if approved else _("The criteria still apply.")
    messages.success(
        request,
        _("You %(value)s the request. %(words)s") % {"value": "approved" if approved else "refused", "words": words},
    )
    return redirect("comparison", pk=override.comparison_id)


@managers_only
@require_POST
def roll_back_model(request: PersonRequest) -> HttpResponse:
    seen = request.POST.get("leaving", "")
    leaving = get_object_or_404(ModelVersion, pk=number(seen)) if seen else None
    model = roll_back(user=request.user, reason=request.POST.get("reason", ""), leaving=leaving)
    messages.success(request, f"{_('%(model)s is in service again.') % {'model': model}} {IN_SERVICE}")
    return redirect("learning")


@managers_only
@require_POST
def reread(request: PersonRequest) -> HttpResponse:
    chosen = request.POST.getlist("site")
    sites = list(Site.objects.visible_to(request.user).filter(slug__in=[slug.replace("\0", "") for slug in chosen]))
    if not sites:
        messages.warning(request, _("Choose a site whose open cases are to be read again."))
        return redirect("learning")
    count = request_rereading(user=request.user, sites=sites)
    messages.success(
        request,
        ngettext(
            "%(number)s scan of open cases will be read again, after the scans that people are waiting for. "
            "Earlier answers stay visible.",
            "%(number)s scans of open cases will be read again, after the scans that people are waiting for. "
            "Earlier answers stay visible.",
            count,
        )
        % {"number": whole(count)}
        if count
        else _(
            "Nothing is left to read again: every open case has the answer of the model in service, or waits for it."
        ),
    )
    return redirect("learning")


def _comparison(request: PersonRequest, pk: int) -> Comparison:
    return get_object_or_404(Comparison.objects.visible_to(request.user), pk=pk)
