"""Shows the help page."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from inference import what_is_claimed


@login_required
def show_help(request: HttpRequest) -> HttpResponse:
    return render(request, "help.html", {"claim": what_is_claimed.CLAIM, "look_alikes": what_is_claimed.LOOK_ALIKES})
