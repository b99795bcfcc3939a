"""Training runs: preparing one, watching it, cancelling it."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from ctportal.pages.learning.figures import gain_in_words
from ctportal.pages.learning.forms.training import TrainingForm, choice_of, first_choice
from ctportal.pages.learning.progress import progress_of
from ctportal.pages.learning.settings import setting_lines
from ctportal.pages.shared.decorators import managers_only
from ctportal.pages.shared.requests import PersonRequest, number
from inference.models import ModelVersion
from inference.service import active_model
from learning.datasets.listing import shown_counts
from learning.models import Comparison, ComparisonRequest, Dataset, TrainingRun
from learning.training.request import cancel_training, plan_training, request_training
from learning.training.shown_runs import shown_run

RUNS = 25


@managers_only
@require_GET
def list_runs(request: PersonRequest) -> HttpResponse:
    runs = _visible(request.user).select_related("dataset", "model", "requested_by")
    return render(request, "learning/runs.html", {"page": Paginator(runs, RUNS).get_page(request.GET.get("page"))})


@managers_only
@require_http_methods(["GET", "POST"])
def start(request: PersonRequest) -> HttpResponse:
    """GET shows what a run would use and take; POST starts it."""
    serving = active_model()
    newest = Dataset.objects.visible_to(request.user).first()
    if newest is None:
        return render(request, "learning/train.html", {"no_dataset": True})
    if request.method == "GET":
        return _start_page(request, TrainingForm(_chosen(request, newest, serving), user=request.user, serving=serving))
    form = TrainingForm(request.POST, user=request.user, serving=serving)
    if not form.is_valid():
        return _start_page(request, form, status=422)
    run = request_training(user=request.user, again="again" in request.POST, **form.choice())
    messages.success(
        request,
        _("%(run)s waits for a training worker. You may leave this page; it goes on without you.") % {"run": run},
    )
    return redirect("training-run", pk=run.pk)


def _chosen(request: PersonRequest, newest: Dataset, serving: ModelVersion | None) -> Any:
    if "look" in request.GET:
        return request.GET
    earlier = _visible(request.user).filter(pk=number(request.GET.get("run"))).first()  # type: ignore[misc]
    if earlier is not None:
        return choice_of(earlier, serving=serving)
    datasets = Dataset.objects.visible_to(request.user)
    wanted = datasets.filter(pk=number(request.GET.get("dataset"))).first()  # type: ignore[misc]
    return first_choice(dataset=wanted or newest, serving=serving)


def _start_page(request: PersonRequest, form: TrainingForm, status: int = 200) -> HttpResponse:
    plan = plan_training(user=request.user, **form.choice()) if form.is_valid() else None
    return render(request, "learning/train.html", {"form": form, "plan": plan}, status=status)


@managers_only
@require_GET
def show_run(request: PersonRequest, pk: int) -> HttpResponse:
    run = _run(request.user, pk)
    facts = {"settings": setting_lines(run.settings), "counts": shown_counts(request.user, run.dataset)}
    return render(request, "learning/run.html", {**_standing(request.user, run), **facts})


@managers_only
@require_GET
def show_progress(request: PersonRequest, pk: int) -> HttpResponse:
    """Polled while the run is under way; says nothing until something has changed."""
    context = _standing(request.user, _run(request.user, pk))
    seen = request.GET.get("seen", "")
    if seen == context["fingerprint"]:
        return HttpResponse(status=204)
    status, epochs, _rest = (*seen.split("/"), "", "", "")[:3]
    now = context["fingerprint"].split("/")
    if status != now[0]:  # other actions, other parts of the page
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    context |= {"first_epoch": epochs == "0" and now[1] != "0", "new_epoch": epochs != "0" and epochs != now[1]}
    return render(request, "learning/_run_progress.html", context)


def _standing(user: User, run: TrainingRun) -> dict[str, Any]:
    """Returns the state of the run, and of the comparison that follows it."""
    progress = progress_of(shown_run(run, user))
    asked = _comparison_asked_for(user, run)
    comparison = asked.comparison if asked else _newest_comparison(user, run)
    watching = run.is_unfinished or bool(asked and asked.is_unfinished)
    return {
        "run": run,
        "progress": progress,
        "asked": asked,
        "comparison": comparison,
        "gain": gain_in_words(comparison) if comparison else "",
        "watching": watching,
        "serving": active_model(),
        "fingerprint": f"{run.status}-{asked.status if asked else ''}/{len(progress.epochs)}/{progress.fingerprint}",
    }


def _comparison_asked_for(user: User, run: TrainingRun) -> ComparisonRequest | None:
    if run.model is None:
        return None
    requests = ComparisonRequest.objects.visible_to(user).filter(challenger=run.model).order_by("-pk")
    return requests.select_related("comparison__champion", "comparison__challenger").first()


def _newest_comparison(user: User, run: TrainingRun) -> Comparison | None:
    known = Comparison.objects.visible_to(user).select_related("champion", "challenger")
    return known.filter(challenger=run.model_id).first() if run.model_id else None


@managers_only
@require_POST
def cancel(request: PersonRequest, pk: int) -> HttpResponse:
    run = _run(request.user, pk)
    cancel_training(run=run, user=request.user)
    messages.success(
        request, _("%(run)s is cancelled. The data set and the model in service are as they were.") % {"run": run}
    )
    return redirect("training-run", pk=run.pk)


def _run(user: User, pk: int) -> TrainingRun:
    runs = _visible(user).select_related("dataset", "model", "parent", "requested_by")
    return get_object_or_404(runs, pk=pk)


def _visible(user: User) -> QuerySet[TrainingRun]:
    return TrainingRun.objects.visible_to(user)
