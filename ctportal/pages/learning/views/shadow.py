"""Shadow mode: a candidate answers new scans unseen, and how it did."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ctportal.pages.shared.decorators import managers_only
from ctportal.pages.shared.requests import PersonRequest
from inference.models import ModelVersion
from learning.models import Comparison
from learning.service.promotion import may_promote
from learning.service.shadow import shadow_report, start_shadow, stop_shadow


@managers_only
@require_GET
def show_shadow(request: PersonRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(ModelVersion, pk=pk)
    context = {
        "model": model,
        "report": shadow_report(model, user=request.user),
        "may": may_promote(request.user),
        "comparison": Comparison.objects.visible_to(request.user).filter(challenger=model).first(),
    }
    return render(request, "learning/shadow.html", context)


@managers_only
@require_POST
def start(request: PersonRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(ModelVersion, pk=pk)
    start_shadow(model=model, user=request.user)
    messages.success(
        request,
        _("%(model)s runs in shadow mode: it also answers each new scan. Its answers are shown only on this page.")
        % {"model": model},
    )
    return redirect("shadow-report", pk=model.pk)


@managers_only
@require_POST
def stop(request: PersonRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(ModelVersion, pk=pk)
    stop_shadow(model=model, user=request.user)
    messages.success(
        request, _("%(model)s no longer runs in shadow mode. Its answers so far stay on this page.") % {"model": model}
    )
    return redirect("shadow-report", pk=model.pk)
