"""Cases: open one in two steps, amend it, pass on its reading."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.rights import Right, fetch, require_somewhere, sites_with
from cases.casework import amend_case, open_case
from cases.models import Case, Patient
from cases.reading import note_view
from cases.view_events import note_list, note_patient_view
from cases.worklist import patients_found
from ctportal.pages.casework.forms.case import AssignForm, CaseForm
from ctportal.pages.casework.forms.patient import NewPatientForm
from ctportal.pages.casework.views.patients import register
from ctportal.pages.shared.requests import PersonRequest, number, safe_next
from ctportal.pages.shared.searches import asks_to_search, searched_words, to_search

SHOWN_MATCHES = 8


@login_required
@require_http_methods(["GET", "POST"])
def create_case(request: PersonRequest) -> HttpResponse:
    """Finds or registers the patient first; then, with `?patient=`, opens the case."""
    require_somewhere(request.user, Right.UPLOAD)
    chosen = request.GET.get("patient", "")
    if not chosen.isdecimal():
        return to_search(request) if asks_to_search(request) else choose_patient(request)
    patient = fetch(Patient.objects.select_related("site"), user=request.user, right=Right.UPLOAD, pk=number(chosen))
    note_patient_view(patient, request.user)
    form = CaseForm(request.POST or None, site=patient.site)
    if form.is_bound and form.is_valid():
        case = open_case(patient=patient, user=request.user, **form.facts())
        messages.success(request, _("Case #%(case)s is open. Now add the scan.") % {"case": case.pk})
        return redirect(reverse("case-detail", args=[case.pk]) + "#upload")
    earlier = patient.cases.count()
    return render(request, "cases/new.html", {"form": form, "patient": patient, "earlier": earlier})


def choose_patient(request: PersonRequest) -> HttpResponse:
    user = request.user
    search = searched_words(request)
    form = NewPatientForm(request.POST or None, user=user, initial=_guess(search))
    patient = register(request, form)
    if patient is not None:
        return redirect(f"{reverse('case-create')}?patient={patient.pk}")
    found = (
        patients_found(user, search).filter(site__in=sites_with(user, Right.UPLOAD))
        if search
        else Patient.objects.none()
    )
    matches = list(found[: SHOWN_MATCHES + 1])
    note_list("patients", matches[:SHOWN_MATCHES], user, filters=["search"])
    context = {
        "form": form,
        "search": search,
        "matches": matches[:SHOWN_MATCHES],
        "has_more": len(matches) > SHOWN_MATCHES,
    }
    return render(request, "cases/choose_patient.html", context)


def _guess(search: str) -> dict[str, str]:
    """What was searched in vain fills the form: a number is the record number, words are the name."""
    field = "record_number" if any(character.isdigit() for character in search) else "name"
    return {field: search} if search else {}


@login_required
@require_http_methods(["GET", "POST"])
def edit_case(request: PersonRequest, pk: int) -> HttpResponse:
    case = _fetch_case(request, pk, Right.UPLOAD)
    case.require_not_closed()
    note_view(case, request.user)
    form = CaseForm(request.POST or None, site=case.site, case=case)
    if form.is_bound and form.is_valid():
        amend_case(case=case, user=request.user, **form.facts())
        messages.success(request, _("Case #%(case)s is saved.") % {"case": case.pk})
        return redirect("case-detail", pk=case.pk)
    return render(request, "cases/edit.html", {"form": form, "case": case, "patient": case.patient})


@login_required
@require_POST
def assign_case(request: PersonRequest, pk: int) -> HttpResponse:
    case = _fetch_case(request, pk, Right.VIEW)
    form = AssignForm(request.POST, site=case.site)
    if not form.is_valid():
        messages.error(request, _("That person does not read at this site; choose another reader."))
    else:
        amend_case(case=case, user=request.user, assigned_reader=form.reader())
        reader = form.reader()
        said = _("Case #%(case)s: Assigned to %(reader)s.") if reader else _("Case #%(case)s: Any reader may take it.")
        messages.success(request, said % {"case": case.pk, "reader": reader and reader.display_name})
    return redirect(safe_next(request, default=reverse("case-detail", args=[case.pk])))


def _fetch_case(request: PersonRequest, pk: int, right: Right) -> Case:
    cases = Case.objects.select_related("patient__site", "assigned_reader")
    return fetch(cases, user=request.user, right=right, pk=pk)
