"""Serves the model's answer on the reading page, as it comes."""

import json
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.refusals import WrongState
from accounts.rights import fetch
from cases.models import Review, Scan
from cases.reading import decision_open_to, note_view, own_review
from ctportal.pages.reading.curve import draw_curve
from ctportal.pages.reading.shown_answers import AnswerOnPage, shown_answer
from ctportal.pages.shared.requests import PersonRequest, safe_next
from inference.answer_text import slices_that_mattered, words_for_slices
from inference.current_answer import answers_by_scan
from inference.map_policy import map_policy
from inference.models import Prediction
from inference.queue import retry
from inference.service import active_model


@login_required
@require_GET
def show_answer(request: PersonRequest, pk: int) -> HttpResponse:
    """Polled while the answer is awaited; says nothing until something has changed."""
    scan = _fetch_scan(request, pk)
    answer = shown_answer(request.user, scan)
    if request.GET.get("seen") == answer.fingerprint:
        return HttpResponse(status=204)
    note_view(scan.case, request.user)
    own = own_review(scan, request.user)
    return render(request, "reading/_answer_arrives.html", answer_context(request.user, answer, own=own))


@login_required
@require_POST
def retry_answer(request: PersonRequest, pk: int) -> HttpResponse:
    scan = _fetch_scan(request, pk)
    answers = answers_by_scan([scan])[scan.pk]
    prediction = answers.reread or answers.current
    if prediction is None:
        raise WrongState(
            _("Scan %(scan)s was never sent to a model; there is nothing to try again.") % {"scan": scan.pk}
        )
    prediction.scan = scan
    retry(prediction=prediction, user=request.user)
    return redirect(safe_next(request, default=reverse("case-detail", args=[scan.case_id])))


def answer_context(user: User, answer: AnswerOnPage, *, own: Review | None) -> dict[str, Any]:
    telling = sorted(slices_that_mattered(answer.slices), key=lambda row: row.slice.position)
    return {
        "scan": answer.scan,
        "case": answer.scan.case,
        "answer": answer,
        "curve": draw_curve(answer.slices),
        "telling": telling,
        "telling_words": words_for_slices(answer.slices),
        "has_model": answer.prediction is not None or active_model() is not None,
        "can_decide": decision_open_to(user, answer.scan),
        "own": own,
        "answer_data": json.dumps(_data_for_viewer(answer, telling)),
        "map_policy": map_policy(answer.prediction.model_version) if answer.is_done and answer.prediction else None,
    }


def _data_for_viewer(answer: AnswerOnPage, telling: list[Any]) -> dict[str, Any]:
    label = answer.confirmable
    return {
        "prediction": answer.prediction.pk if answer.is_done and answer.prediction else None,
        "label": label.value if label else None,
        "maps": {row.slice.position + 1: reverse("slice-map", args=[row.slice_id]) for row in answer.slices},
        "mapsHeldBack": bool(answer.is_done and answer.prediction and _holds_maps_back(answer.prediction)),
        "telling": [row.slice.position + 1 for row in telling],
    }


def _holds_maps_back(prediction: Prediction) -> bool:
    return map_policy(prediction.model_version).is_held_back


def _fetch_scan(request: PersonRequest, pk: int) -> Scan:
    return fetch(Scan.objects.select_related("case__patient__site"), user=request.user, pk=pk)
