"""Champion against challenger: what was found, and having it found again."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from ctportal.pages.learning.changes import changes_of
from ctportal.pages.learning.figures import (
    difference_lines,
    figure_columns,
    findings_of,
    gain_in_words,
    subgroup_tables,
)
from ctportal.pages.shared.decorators import managers_only
from ctportal.pages.shared.requests import PersonRequest, number
from inference.models import ModelVersion
from learning.comparison.comparison_figures import read_figures
from learning.comparison.requests import request_comparison
from learning.models import Comparison, ComparisonRequest, Dataset, TrainingRun
from learning.service.overrides import may_ask_override
from learning.service.promotion import check_promotion, criteria_not_met, may_promote

COMPARISONS = 25


@managers_only
@require_GET
def list_comparisons(request: PersonRequest) -> HttpResponse:
    page = Paginator(visible_comparisons(request.user), COMPARISONS).get_page(request.GET.get("page"))
    entries = [{"comparison": comparison, "sides": figure_columns(comparison)} for comparison in page.object_list]
    waiting = ComparisonRequest.objects.visible_to(request.user).unfinished().select_related("champion", "challenger")
    return render(request, "learning/comparisons.html", {"page": page, "entries": entries, "waiting": waiting})


@managers_only
@require_GET
def show_comparison(request: PersonRequest, pk: int) -> HttpResponse:
    comparison = get_object_or_404(visible_comparisons(request.user), pk=pk)
    figures = read_figures(comparison.figures)
    context = {
        "comparison": comparison,
        "figures": figures,
        "gain": gain_in_words(comparison),
        "findings": findings_of(comparison),
        "sides": figure_columns(comparison),
        "differences": difference_lines(figures),
        "changes": changes_of(comparison, user=request.user),
        "subgroups": subgroup_tables(figures),
        "run": TrainingRun.objects.visible_to(request.user).filter(model=comparison.challenger).first(),
    }
    return render(request, "learning/comparison.html", context | _decision(request.user, comparison))


def _decision(user: User, comparison: Comparison) -> dict[str, Any]:
    """What can be done with it now, and what of that by this user."""
    may = may_promote(user)
    override = comparison.overrides.select_related("requested_by", "decided_by").first()
    return {
        "found": check_promotion(comparison),
        "not_met": criteria_not_met(comparison),
        "may": may,
        "may_ask": may and may_ask_override(comparison),
        "override": override,
        "may_decide": may and override is not None and override.is_pending and override.requested_by_id != user.pk,
        "again": _asked_again(user, comparison.challenger),
        "datasets": Dataset.objects.visible_to(user),
    }


def _asked_again(user: User, challenger: ModelVersion) -> ComparisonRequest | None:
    return ComparisonRequest.objects.visible_to(user).unfinished().filter(challenger=challenger).first()


@managers_only
@require_POST
def compare_again(request: PersonRequest, pk: int) -> HttpResponse:
    """With the model that is in service now, on the data set of the form."""
    model = get_object_or_404(ModelVersion, pk=pk)
    dataset = get_object_or_404(Dataset.objects.visible_to(request.user), pk=number(request.POST.get("dataset")))
    request_comparison(user=request.user, dataset=dataset, challenger=model)
    messages.success(
        request,
        _("%(model)s will be compared with the model in service on %(dataset)s. This takes minutes.")
        % {"model": model, "dataset": dataset},
    )
    run = TrainingRun.objects.visible_to(request.user).filter(model=model).first()
    return redirect(reverse("training-run", args=[run.pk]) if run else reverse("comparison-list"))


def visible_comparisons(user: User) -> QuerySet[Comparison]:
    return Comparison.objects.visible_to(user).select_related("dataset", "champion", "challenger")
