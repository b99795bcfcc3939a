"""Shows how a model does at a site and the operating point proposed for it, and takes the managers' decisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Site, User
from accounts.rights import Right, fetch, sites_with
from ctportal.pages.shared.decorators import managers_only
from ctportal.pages.shared.requests import PersonRequest, number
from inference.models import ModelVersion, SiteAcceptance
from inference.service import active_model
from ml.evaluation.site_point import PointFigures, Share
from monitoring.acceptance.decisions import accept, decline, revert
from monitoring.acceptance.state import SiteModel, fetch_served_model, history, site_model


@dataclass(frozen=True)
class Line:
    """Holds one figure for each column."""

    words: str
    cells: Sequence[Share | int | float | None]
    kind: str  # share, count or error


@managers_only
@require_GET
def list_sites(request: PersonRequest) -> HttpResponse:
    """Lists the sites that the manager manages, with the model in service."""
    model = active_model()
    sites = sites_with(request.user, Right.MANAGE)
    found = [site_model(request.user, site=site, model=model) for site in sites] if model is not None else []
    return render(request, "acceptance/sites.html", {"model": model, "found": found})


@managers_only
@require_GET
def show_site(request: PersonRequest, pk: int, slug: str) -> HttpResponse:
    site, model = _asked(request.user, pk, slug)
    found = site_model(request.user, site=site, model=model)
    context = {
        "found": found,
        "site": site,
        "model": model,
        "lines": _lines(found),
        "unblinded_lines": _lines_of(found.unblinded_figures) if found.unblinded.n else [],
        "history": history(request.user, site=site, model=model),
        "can_revert": found.in_force is not None,
    }
    return render(request, "acceptance/site.html", context)


@managers_only
@require_POST
def accept_point(request: PersonRequest, pk: int, slug: str) -> HttpResponse:
    site, model = _asked(request.user, pk, slug)
    row = accept(site=site, model=model, user=request.user, **_sent(request))
    words = _(
        "%(site)s has accepted an operating point for %(model)s. It judges new answers; earlier ones keep theirs."
    )
    return _back(request, row, words)


@managers_only
@require_POST
def decline_point(request: PersonRequest, pk: int, slug: str) -> HttpResponse:
    site, model = _asked(request.user, pk, slug)
    row = decline(site=site, model=model, user=request.user, **_sent(request))
    return _back(request, row, _("The proposal for %(model)s at %(site)s is declined. Nothing changes."))


@managers_only
@require_POST
def revert_point(request: PersonRequest, pk: int, slug: str) -> HttpResponse:
    site, model = _asked(request.user, pk, slug)
    seen = number(request.POST.get("seen")) or 0
    row = revert(site=site, model=model, user=request.user, seen=seen, reason=request.POST.get("reason", ""))
    words = _("The operating point for %(model)s at %(site)s is taken back; the one before it judges new answers.")
    return _back(request, row, words)


def _asked(user: User, pk: int, slug: str) -> tuple[Site, ModelVersion]:
    site = fetch(Site.objects.all(), user=user, right=Right.MANAGE, slug=slug)
    return site, fetch_served_model(pk)


def _sent(request: PersonRequest) -> dict[str, str]:
    return {"seen": request.POST.get("seen", ""), "reason": request.POST.get("reason", "")}


def _back(request: PersonRequest, row: SiteAcceptance, words: str) -> HttpResponse:
    messages.success(request, words % {"site": row.site, "model": row.model_version})
    return redirect("site-acceptance", pk=row.model_version_id, slug=row.site.slug)


def _lines(found: SiteModel) -> list[Line]:
    """Returns the figures now and, where there is a proposal, those proposed beside them."""
    if not found.evidence.n:
        return []
    proposal = found.assessment.proposal
    return _lines_of(found.assessment.figures, *([proposal.figures] if proposal else []))


def _lines_of(*figures: PointFigures) -> list[Line]:
    columns: list[tuple[str, str, list[Any]]] = [
        (_("Sensitivity"), "share", [each.sensitivity for each in figures]),
        (_("Specificity"), "share", [each.specificity for each in figures]),
        (_("Infected scans answered “unlikely”"), "count", [each.missed for each in figures]),
        (_("Other scans answered “likely”"), "count", [each.false_alarms for each in figures]),
        (_("Left to the reader as uncertain"), "count", [each.undecided for each in figures]),
        (_("Calibration error"), "error", [each.calibration_error for each in figures]),
    ]
    return [Line(words, cells, kind) for words, kind, cells in columns]
