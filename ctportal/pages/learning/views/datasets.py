"""Data sets: which there are, what is in each, and freezing a new one."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from accounts.refusals import WrongState
from cases.disclosure import note_shown
from cases.models import Scan
from ctportal.downloads import zip_download
from ctportal.pages.learning.counts import counts_context
from ctportal.pages.learning.forms.dataset import DatasetForm, DatasetScanFilter, ExcludedFilter
from ctportal.pages.learning.next_step import scans_to_read_address
from ctportal.pages.shared.decorators import managers_only
from ctportal.pages.shared.requests import PersonRequest
from learning.datasets.build import build_dataset
from learning.datasets.dataset_counts import read_counts
from learning.datasets.diff import ChangedScan, DatasetChanges, changes_since_previous
from learning.datasets.export import export_dataset
from learning.datasets.listing import counts_shown_to, excluded_of_dataset, scans_of_dataset, shown_counts
from learning.datasets.preview import preview_dataset
from learning.models import BaseSet, Dataset
from learning.training.sample_sizes import why_too_small

DATASETS, SCANS, CHANGED = 25, 50, 25
CHOICES = "dataset_choices"  # in the session


@managers_only
@require_GET
def list_datasets(request: PersonRequest) -> HttpResponse:
    datasets = Dataset.objects.visible_to(request.user).select_related("created_by", "previous")
    page = Paginator(datasets.prefetch_related("sites", "base_sets", "runs"), DATASETS).get_page(
        request.GET.get("page")
    )
    counts = counts_shown_to(request.user, page.object_list)
    entries = [{"dataset": dataset, "counts": read_counts(counts[dataset.pk])} for dataset in page.object_list]
    context = {
        "page": page,
        "entries": entries,
        "base_sets": BaseSet.objects.annotate(image_count=Count("images")).order_by("name"),
    }
    return render(request, "learning/datasets.html", context)


@managers_only
@require_http_methods(["GET", "POST"])
def build(request: PersonRequest) -> HttpResponse:
    """GET previews what it would contain; POST freezes it."""
    form = DatasetForm(_chosen(request), user=request.user)
    if request.method == "GET":
        return _build_page(request, form)
    return _built(request, form) if form.is_valid() else _build_page(request, form, status=422)


def _chosen(request: PersonRequest) -> Any:
    """What was sent, or else the choices of before: they stay while the user goes on to other steps and comes back."""
    if request.method == "GET" and "look" not in request.GET:
        return DatasetForm.first_choice(request.user) | request.session.get(CHOICES, {})
    sent = request.POST if request.method == "POST" else request.GET
    request.session[CHOICES] = {name: name in sent for name in DatasetForm.remembered}
    return sent


def _built(request: PersonRequest, form: DatasetForm) -> HttpResponse:
    try:
        dataset, is_new = build_dataset(user=request.user, **form.choice())
    except WrongState as error:  # the form stays as it was filled in
        return _build_page(request, form, status=409, refusal=str(error))
    if is_new:
        messages.success(
            request,
            _("%(dataset)s is frozen: %(scans)s scans. It can no longer change.")
            % {"dataset": dataset, "scans": shown_counts(request.user, dataset).scans},
        )
    else:
        messages.info(
            request,
            _("Nothing has changed: %(dataset)s already contains exactly these scans and labels.")
            % {"dataset": dataset},
        )
    return redirect("dataset-detail", pk=dataset.pk)


def _build_page(request: PersonRequest, form: DatasetForm, status: int = 200, refusal: str = "") -> HttpResponse:
    context: dict[str, Any] = {"form": form, "refusal": refusal}
    if form.is_valid():
        preview = preview_dataset(user=request.user, **form.choice())
        context |= {
            "preview": preview,
            "requirements": preview.requirements,
            "named": form.named(),
            "left_out_names": form.left_out(),
        }
        context["scans_to_read_address"] = scans_to_read_address()
        context |= counts_context(read_counts(preview.counts))
    return render(request, "learning/dataset_build.html", context, status=status)


@managers_only
@require_GET
def show_dataset(request: PersonRequest, pk: int) -> HttpResponse:
    dataset = _dataset(request.user, pk)
    why = ExcludedFilter(request.GET)
    changes = changes_since_previous(dataset, request.user)
    left_out = Paginator(excluded_of_dataset(dataset, request.user, why.chosen()), SCANS)
    context = {
        "dataset": dataset,
        "too_little": why_too_small(dataset),
        "scans_to_read_address": scans_to_read_address(),
        **counts_context(shown_counts(request.user, dataset)),
        "why": why,
        "left_out": left_out.get_page(request.GET.get("out")),
        "changes": changes,
        "changed": _changed(request.user, changes),
        "runs": dataset.runs.select_related("model", "requested_by"),
    }
    return render(request, "learning/dataset.html", context | _scans(request, dataset))


def _scans(request: PersonRequest, dataset: Dataset) -> dict[str, Any]:
    """One page of its scans; what it shows of labels counts as shown to the user."""
    form = DatasetScanFilter(request.GET, dataset=dataset)
    scans = scans_of_dataset(dataset, request.user, form.filters())
    page = Paginator(scans, SCANS).get_page(request.GET.get("page"))
    titles = {line.source: line.title for line in read_counts(dataset.counts).sources}
    for row in page.object_list:
        row.source_title = titles.get(row.source, row.source)
    note_shown(request.user, [row.scan_id for row in page.object_list if row.scan_id])
    return {"form": form, "page": page}


def _changed(user: User, changes: DatasetChanges) -> list[tuple[ChangedScan, int | None]]:
    """The first changes of each kind with their cases."""
    if changes.previous is None:
        return []
    kinds = (changes.relabelled_scans, changes.removed_scans, changes.added_scans)
    rows = [row for kind in kinds for row in kind[:CHANGED]]
    ids = [row.scan_id for row in rows if row.scan_id]
    note_shown(user, ids)
    cases = dict(Scan.objects.visible_to(user).filter(pk__in=ids).values_list("pk", "case_id"))
    return [(row, cases.get(row.scan_id or 0)) for row in rows]


@managers_only
@require_POST
def export(request: PersonRequest, pk: int) -> HttpResponseBase:
    archive = export_dataset(dataset=_dataset(request.user, pk), user=request.user)
    return zip_download(archive, name=f"data-set-{pk}")


def _dataset(user: User, pk: int) -> Dataset:
    datasets = Dataset.objects.visible_to(user).select_related("created_by", "previous")
    return get_object_or_404(datasets.prefetch_related("sites", "base_sets"), pk=pk)
