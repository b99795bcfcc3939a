from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_required
def list_patients(request: HttpRequest, pk: int = 0) -> HttpResponse:
    return render(request, "help.html")


@login_required
def create_patient(request: HttpRequest, pk: int = 0) -> HttpResponse:
    return render(request, "help.html")


@login_required
def show_patient(request: HttpRequest, pk: int = 0) -> HttpResponse:
    return render(request, "help.html")


@login_required
def edit_patient(request: HttpRequest, pk: int = 0) -> HttpResponse:
    return render(request, "help.html")
