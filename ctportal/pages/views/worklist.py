from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_required
def show_worklist(request: HttpRequest, pk: int = 0) -> HttpResponse:
    return render(request, "help.html")
