"""Stored images, always through the rights check; no browser keeps them, as no page that shows them."""

import hashlib

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.events import record_event
from accounts.models import Action
from accounts.rights import fetch
from cases.disclosure import disclose
from cases.models import FILE_ENDINGS, Slice
from cases.reading import note_view
from cases.storage import open_stored, read_view
from ctportal.pages.shared.map_colours import coloured_map
from ctportal.pages.shared.requests import PersonRequest
from inference.models import SliceAnswer


@require_safe
@login_required
def slice_view(request: PersonRequest, pk: int) -> HttpResponseBase:
    """Serves the normalised 8-bit view as PNG."""
    slice_ = _fetch_slice(request, pk)
    note_view(slice_.scan.case, request.user)
    tag = _tag("view", slice_.view.name)
    unchanged = _unchanged(request, tag)
    if unchanged is not None:
        return unchanged
    response = HttpResponse(read_view(slice_), content_type="image/png")
    response["Content-Disposition"] = f'inline; filename="{_name(slice_, "png")}"'
    return _guarded(response, tag)


@require_safe
@login_required
def slice_original(request: PersonRequest, pk: int) -> HttpResponseBase:
    """What was sent, de-identified; taking it away is an event."""
    slice_ = _fetch_slice(request, pk)
    stored = open_stored(slice_, "original")
    if request.method == "GET":
        record_event(
            Action.FILE_DOWNLOADED,
            actor=request.user,
            site=slice_.site,
            case_id=slice_.scan.case_id,
            subject=slice_,
            scan=slice_.scan_id,
        )
    name = _name(slice_, FILE_ENDINGS.get(slice_.media_type, "bin"))
    response = FileResponse(stored, content_type=slice_.media_type, filename=name, as_attachment=True)
    return _guarded(response, _tag("original", slice_.original.name))


@require_safe
@login_required
def slice_map(request: PersonRequest, pk: int) -> HttpResponseBase:
    """Shows where the model saw evidence, in colour, over the whole slice."""
    slice_ = _fetch_slice(request, pk)
    if disclose(request.user, [slice_.scan]):
        raise PermissionDenied(_("This site reads blinded: the map shows once you have decided."))
    answers = SliceAnswer.objects.filter(slice=slice_, prediction=slice_.scan.prediction_id)
    map_png = answers.values_list("map_png", flat=True).first()
    if not map_png:
        raise Http404(_("The model has drawn no map for this slice."))
    note_view(slice_.scan.case, request.user)
    tag = _tag("map", hashlib.sha256(map_png).hexdigest())
    unchanged = _unchanged(request, tag)
    if unchanged is not None:
        return unchanged
    response = HttpResponse(coloured_map(bytes(map_png)), content_type="image/png")
    response["Content-Disposition"] = f'inline; filename="map-of-{_name(slice_, "png")}"'
    return _guarded(response, tag)


def _fetch_slice(request: PersonRequest, pk: int) -> Slice:
    return fetch(Slice.objects.select_related("scan__case__patient__site"), user=request.user, pk=pk)


def _name(slice_: Slice, suffix: str) -> str:
    return f"scan-{slice_.scan_id}-slice-{slice_.position + 1:03d}.{suffix}"


def _tag(kind: str, content: str | None) -> str:
    """Uses the stored name as the tag: names are random and their content never changes."""
    return f'"{hashlib.sha256(f"{kind}:{content}".encode()).hexdigest()[:32]}"'


def _unchanged(request: PersonRequest, tag: str) -> HttpResponseBase | None:
    response = get_conditional_response(request, etag=tag)
    return None if response is None else _guarded(response, tag)


def _guarded(response: HttpResponseBase, tag: str) -> HttpResponseBase:
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    patch_vary_headers(response, ["Cookie"])
    return response
