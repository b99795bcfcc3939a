"""Files into a case: by the upload script, which asks for JSON, or by a plain form."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST

from accounts.refusals import LONGEST_REASON
from accounts.rights import Right, fetch
from accounts.stored_words import said_again
from cases.joining import look_like_one_scan
from cases.locks import one_of_few_uploads
from cases.models import Case
from cases.patient_check import PatientMismatch
from cases.upload_handlers import files_on_disk, sent_files
from cases.uploads import Upload, receive_upload
from ctportal.pages.shared.refusals import refuse, wants_json
from ctportal.pages.shared.requests import sent_json

ONE_SCAN = gettext_lazy(
    "These images have one size and numbered names. If they are one scan, join them on the case "
    "page, under “Join scans into one”."
)


@csrf_exempt  # checked by _receive: only after the rights are the files read, and then to disk
@require_POST
def upload_to_case(request: HttpRequest, pk: int) -> HttpResponse:
    if not request.user.is_authenticated:
        return _ask_to_log_in(request, pk)
    cases = Case.objects.select_related("patient__site")
    user: Any = request.user
    case = fetch(cases, user=user, right=Right.UPLOAD, pk=pk)
    case.require_not_closed()
    with one_of_few_uploads(user), files_on_disk(request):
        return _receive(request, case)


def _ask_to_log_in(request: HttpRequest, pk: int) -> HttpResponse:
    if wants_json(request):
        return refuse(request, _("You were logged out. Log in in another window, then try again."), status=401)
    return redirect_to_login(reverse("case-detail", args=[pk]))


@csrf_protect
def _receive(request: HttpRequest, case: Case) -> HttpResponse:
    user: Any = request.user
    files = sent_files(request, names=_names(request))
    try:
        upload = receive_upload(
            case=case,
            user=user,
            files=files,
            together="together" in request.POST,
            accept_any_modality="accept_any_modality" in request.POST,
            confirmation=_confirmation(request),
        )
    except PatientMismatch as mismatch:
        return _ask_whose(request, case, mismatch)
    if wants_json(request):
        return JsonResponse(_upload_answer(upload), status=201 if upload.scans else 422)
    if look_like_one_scan([file.name or "" for file in files], upload.scans):
        messages.info(request, ONE_SCAN)
    return _answer_form(request, case, upload, count=len(files))


def _confirmation(request: HttpRequest) -> str | None:
    """The reason of whoever confirms the patient on the page, where one is needed."""
    reason = request.POST.get("confirm_reason", "").replace("\0", "").strip()[:LONGEST_REASON]
    return reason if reason and "confirm_patient" in request.POST else None


def _ask_whose(request: HttpRequest, case: Case, mismatch: PatientMismatch) -> HttpResponse:
    """Shows what the files say beside the case's patient, to whoever may upload and so may see the patient."""
    if wants_json(request):
        question = {
            "words": str(mismatch),
            "differences": [
                {"words": each.words, "in_case": each.in_case, "in_file": each.in_file} for each in mismatch.differences
            ],
            "elsewhere": _elsewhere(mismatch),
        }
        return JsonResponse({"question": question}, status=409)
    context = {"case": case, "mismatch": mismatch, "elsewhere": _elsewhere(mismatch)}
    return render(request, "cases/upload_mismatch.html", context, status=409)


def _elsewhere(mismatch: PatientMismatch) -> str:
    if not mismatch.is_elsewhere:
        return ""
    named = ", ".join(_("case #%(pk)s") % {"pk": pk} for pk in mismatch.elsewhere)
    if not named:
        return _("The series or a picture of it is already in another patient's case.")
    return _("The series or a picture of it is already in another patient's case: %(cases)s.") % {"cases": named}


def _names(request: HttpRequest) -> list[str] | None:
    """The script sends each file's path in its folder, since a form's file has only its last name."""
    names = sent_json(request.POST.get("names", "null"))
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if is_list else None


def _upload_answer(upload: Upload) -> dict[str, Any]:
    return {
        "words": words_for(upload),
        "scans": [
            {"id": scan.pk, "slices": scan.slice_count, "notes": list(map(said_again, scan.notes))}
            for scan in upload.scans
        ],
        "refusals": [
            {
                "file": refusal.file,
                "code": refusal.code,
                "problem": said_again(refusal.problem),
                "remedy": said_again(refusal.remedy),
            }
            for refusal in upload.refusals
        ],
    }


def words_for(upload: Upload) -> str:
    if not upload.scans:
        return _("Nothing was stored.")
    slices = sum(scan.slice_count for scan in upload.scans)
    scans = ngettext("%(number)s scan", "%(number)s scans", len(upload.scans)) % {"number": len(upload.scans)}
    return ngettext("Stored: %(scans)s with %(slices)s slice.", "Stored: %(scans)s with %(slices)s slices.", slices) % {
        "scans": scans,
        "slices": slices,
    }


def _answer_form(request: HttpRequest, case: Case, upload: Upload, *, count: int) -> HttpResponse:
    if not upload.refusals:
        if count:
            messages.success(request, words_for(upload))
        else:
            messages.error(request, _("No file was chosen. Choose the images, a zip or the DICOM files, then upload."))
        return redirect(reverse("case-detail", args=[case.pk]))
    context = {"case": case, "upload": upload, "words": words_for(upload)}
    return render(request, "cases/upload_result.html", context, status=200 if upload.scans else 422)
