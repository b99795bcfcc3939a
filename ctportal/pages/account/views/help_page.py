"""Shows the help page."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from inference import claim


@login_required
def show_help(request: HttpRequest) -> HttpResponse:
    return render(request, "help.html", {"claim": claim.CLAIM, "look_alikes": claim.LOOK_ALIKES})
