"""Serves patients: find, register, amend, and see all their cases."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from accounts.rights import Right, fetch, require_somewhere, rights_at
from cases.casework import DuplicateRecordNumber, amend_patient, register_patient
from cases.models import Case, Patient
from cases.view_events import note_list, note_patient_view
from cases.worklist import WorklistFilter, patients_found, worklist
from ctportal.pages.casework.case_rows import case_rows
from ctportal.pages.casework.forms.patient import NewPatientForm, PatientForm
from ctportal.pages.shared.paging import BoundedPaginator
from ctportal.pages.shared.requests import PersonRequest
from ctportal.pages.shared.searches import asks_to_search, searched_words, to_search

PAGE_SIZE = 50


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def list_patients(request: PersonRequest) -> HttpResponse:
    user = request.user
    if request.method == "POST" or asks_to_search(request):
        return to_search(request)
    search = searched_words(request)
    cases = Case.objects.filter(patient=OuterRef("pk")).order_by().values("patient")
    # As subqueries they are asked for the rows of the page alone; a join would group all patients first.
    found = patients_found(user, search).annotate(
        case_count=Coalesce(Subquery(cases.annotate(n=Count("pk")).values("n")), 0),
        last_case=Subquery(cases.annotate(last=Max("created_at")).values("last")),
    )
    page = BoundedPaginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    note_list("patients", page, user, filters=["search"] if search else [])
    return render(request, "patients/list.html", {"page": page, "search": search})


@login_required
@require_GET
def show_patient(request: PersonRequest, pk: int) -> HttpResponse:
    user = request.user
    patient = fetch(Patient.objects.select_related("site"), user=user, pk=pk)
    note_patient_view(patient, user)
    context = {
        "patient": patient,
        "rows": case_rows(user, worklist(user, WorklistFilter(patient=patient), order="newest")),
        "can_upload": Right.UPLOAD in rights_at(user, patient.site),
    }
    return render(request, "patients/detail.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def create_patient(request: PersonRequest) -> HttpResponse:
    require_somewhere(request.user, Right.UPLOAD)
    form = NewPatientForm(request.POST or None, user=request.user)
    patient = register(request, form)
    return (
        redirect("patient-detail", pk=patient.pk) if patient else render(request, "patients/new.html", {"form": form})
    )


def register(request: PersonRequest, form: NewPatientForm) -> Patient | None:
    """The new patient; or none, and the form says why, with the patient who has the number already."""
    if not (form.is_bound and form.is_valid()):
        return None
    try:
        patient = register_patient(site=form.cleaned_data["site"], user=request.user, **form.facts())
    except DuplicateRecordNumber as error:
        refuse_duplicate(form, error)
        return None
    messages.success(request, _("%(patient)s is registered.") % {"patient": patient.name})
    return patient


def refuse_duplicate(form: PatientForm, error: DuplicateRecordNumber) -> None:
    form.existing = error.existing
    form.add_error("record_number", str(error))


@login_required
@require_http_methods(["GET", "POST"])
def edit_patient(request: PersonRequest, pk: int) -> HttpResponse:
    patient = fetch(Patient.objects.select_related("site"), user=request.user, right=Right.UPLOAD, pk=pk)
    note_patient_view(patient, request.user)
    form = PatientForm(request.POST or None, patient=patient)
    if form.is_bound and form.is_valid():
        try:
            amend_patient(patient=patient, user=request.user, **form.facts())
        except DuplicateRecordNumber as error:
            patient.refresh_from_db()
            refuse_duplicate(form, error)
        else:
            messages.success(request, _("The patient's data are saved."))
            return redirect("patient-detail", pk=patient.pk)
    return render(request, "patients/edit.html", {"form": form, "patient": patient})
