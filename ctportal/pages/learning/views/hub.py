"""The state of the learning loop at a glance, and the one thing to do next."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ctportal.pages.learning.figures import figure_columns
from ctportal.pages.learning.next_step import scans_to_read_address, words_for_step
from ctportal.pages.learning.progress import progress_of
from ctportal.pages.shared.decorators import managers_only
from ctportal.pages.shared.requests import PersonRequest
from learning.datasets.listing import shown_counts
from learning.loop import loop_of
from learning.models import ServicePeriod
from learning.next_step import next_step

PERIODS = 10


@managers_only
@require_GET
def show_hub(request: PersonRequest) -> HttpResponse:
    loop = loop_of(request.user)
    periods = ServicePeriod.objects.select_related("model", "started_by", "comparison")[:PERIODS]
    context = {
        "loop": loop,
        "step": words_for_step(next_step(loop)),
        "requirements": loop.requirements,
        "scans_to_read_address": scans_to_read_address(),
        "counts": shown_counts(request.user, loop.dataset) if loop.dataset else None,
        "progress": progress_of(loop.run) if loop.run else None,
        "sides": figure_columns(loop.comparison) if loop.comparison else None,
        "periods": periods,
    }
    return render(request, "learning/hub.html", context)
