"""A file that seems to be another patient's stops the upload, until somebody confirms the patient knowingly."""

import io
import logging

import pydicom
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import Action, Event
from cases.casework import cancel_case, withdraw_scan
from cases.intake import IncomingScan, IncomingSlice, SentFile, empty_picture_keys
from cases.intake.spool import Spool
from cases.models import Scan
from cases.patient_check import PatientMismatch, concern_about
from cases.uploads import receive_upload
from ctportal.pages.account.event_text import details_in_words
from ml.images.phantom import phantom_dicom
from tests.api.calls import client_of, problem
from tests.cast import make_case, make_patient, make_scan, phantom_png


def dicom(seed=1, **patient):
    """One slice that names a patient; without any, one that says that it names nobody."""
    file = pydicom.dcmread(io.BytesIO(phantom_dicom(seed=seed, slices=1, size=64)[0]))
    for name in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex"):
        setattr(file, name, "")
    file.PatientIdentityRemoved = "NO" if patient else "YES"
    for name, value in patient.items():
        setattr(file, name, value)
    out = io.BytesIO()
    file.save_as(out)
    return out.getvalue()


def sent(data, name="IM1.dcm"):
    return SentFile(name=name, open=lambda: io.BytesIO(data), size=len(data))


ANNA = {"PatientID": "N1001", "PatientName": "SAMPLE^ANNA", "PatientBirthDate": "19610412", "PatientSex": "F"}
BERTA = {"PatientID": "N1002", "PatientName": "SAMPLE^BERTA", "PatientBirthDate": "19620413", "PatientSex": "M"}


@pytest.fixture
def upload(case, cara, media):
    def upload(data, *, into=case, **options):
        return receive_upload(case=into, user=cara, files=[sent(data)], **options).scans

    return upload


def test_the_patients_own_files_are_stored_without_a_word(upload):
    (scan,) = upload(dicom(**ANNA))

    assert scan.notes == []
    assert not Event.objects.filter(action=Action.PATIENT_CONFIRMED).exists()


def test_files_that_name_nobody_are_stored(upload):
    assert upload(dicom())


@pytest.mark.parametrize("attribute", ["PatientID", "PatientName", "PatientBirthDate", "PatientSex"])
def test_what_was_left_in_a_file_without_identity_stops_the_upload_where_it_is_another_patients(upload, attribute):
    with pytest.raises(PatientMismatch):
        upload(dicom(**{attribute: BERTA[attribute]}, PatientIdentityRemoved="YES"))


def test_what_was_left_in_a_file_without_identity_stops_nothing_where_it_is_the_patients(upload):
    assert upload(dicom(**ANNA, PatientIdentityRemoved="YES"))


@pytest.mark.parametrize("name", ["Anonymous", "ANON", "Unknown", "Removed"])
def test_a_name_that_means_nobody_stops_nothing(upload, name):
    assert upload(dicom(PatientName=name, PatientIdentityRemoved="YES"))


@pytest.mark.parametrize(
    ("field", "attribute"),
    [
        ("record_number", "PatientID"),
        ("name", "PatientName"),
        ("birth_date", "PatientBirthDate"),
        ("sex", "PatientSex"),
    ],
)
def test_each_field_that_differs_stops_the_upload(upload, field, attribute):
    with pytest.raises(PatientMismatch) as stopped:
        upload(dicom(**{attribute: BERTA[attribute]}))

    assert [each.field for each in stopped.value.differences] == [field]
    assert not Scan.objects.exists()


def test_a_stop_is_on_record_without_what_the_files_say(upload, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(PatientMismatch):
        upload(dicom(**BERTA))

    event = Event.objects.get(action=Action.UPLOAD_REFUSED)
    assert event.details == {
        "codes": ["patient-mismatch"],
        "fields": ["birth_date", "name", "record_number", "sex"],
        "files": 1,
    }
    assert "BERTA" not in caplog.text
    assert "N1002" not in caplog.text


def test_the_history_counts_all_files_of_an_upload_that_was_stopped(case, cara, media):
    files = [sent(dicom(seed=seed, **BERTA), name=f"IM{seed}.dcm") for seed in (1, 2, 3)]
    with pytest.raises(PatientMismatch):
        receive_upload(case=case, user=cara, files=files)

    event = Event.objects.get(action=Action.UPLOAD_REFUSED)
    assert details_in_words(event) == "3 files, stopped, since they name another patient"


def test_a_confirmed_patient_is_an_event_and_a_note_on_the_scan(upload, login, rita):
    (scan,) = upload(dicom(**BERTA), confirmation="Married; the new name is in the register.")

    event = Event.objects.get(action=Action.PATIENT_CONFIRMED)
    assert event.details == {
        "fields": ["birth_date", "name", "record_number", "sex"],
        "elsewhere": False,
        "reason": "Married; the new name is in the register.",
    }
    (note,) = scan.notes
    assert "another patient than the case's (record number, name, date of birth, sex)" in note
    assert "Cara confirmed the patient: Married" in note
    assert "BERTA" not in note
    for name in ("case-detail", "case-read"):
        assert "confirmed the patient" in login(rita).get(reverse(name, args=[scan.case_id])).content.decode()
    assert client_of(rita).get(f"/api/v1/scans/{scan.pk}/").json()["notes"] == scan.notes


def test_a_series_that_is_in_another_patients_case_stops_the_upload(upload, north):
    upload(dicom(seed=3))
    other = make_case(make_patient(north))

    with pytest.raises(PatientMismatch) as stopped:
        upload(dicom(seed=3), into=other)

    assert stopped.value.elsewhere == [Scan.objects.get().case_id]


def test_so_does_another_slice_of_that_study(upload, north):
    first, second = phantom_dicom(seed=4, slices=2, size=64)
    upload(first)

    with pytest.raises(PatientMismatch):
        upload(second, into=make_case(make_patient(north)))


def test_so_does_the_very_same_picture(case, cara, north, media):
    make_scan(case, cara, seed=5)

    with pytest.raises(PatientMismatch):
        make_scan(make_case(make_patient(north)), cara, seed=5)


def test_a_series_in_another_case_of_the_same_patient_is_no_mismatch(upload, anna):
    upload(dicom(seed=6))

    assert upload(dicom(seed=6), into=make_case(anna))


def test_a_withdrawn_scan_and_a_cancelled_case_are_mistakes_put_right(upload, cara, north, anna):
    (scan,) = upload(dicom(seed=7))
    withdraw_scan(scan=scan, user=cara, reason="Another patient's.")
    mistaken = make_case(make_patient(north), created_by=cara)
    upload(dicom(seed=7), into=mistaken)
    cancel_case(case=mistaken, user=cara, reason="Another patient's.")

    assert upload(dicom(seed=7), into=make_case(make_patient(north)))


def test_of_a_site_that_one_may_not_see_it_is_only_said_that_there_is_a_case(upload, otto, jonas):
    theirs = make_case(jonas)
    receive_upload(case=theirs, user=otto, files=[sent(dicom(seed=8))])

    with pytest.raises(PatientMismatch) as stopped:
        upload(dicom(seed=8))

    assert (stopped.value.is_elsewhere, stopped.value.elsewhere) == (True, [])


def send(client, case, data, **options):
    file = SimpleUploadedFile("IM1.dcm", data)
    return client.post(f"/api/v1/cases/{case.pk}/scans/", {"files": [file], **options}, format="multipart")


def test_the_api_says_what_differs_and_takes_a_confirmation(cara, case, media):
    client = client_of(cara)
    body = problem(send(client, case, dicom(**BERTA)), 409, "patient-mismatch")

    assert {each["field"]: each["in_file"] for each in body["errors"]} == {
        "record_number": "N1002", "name": "SAMPLE^BERTA", "birth_date": "1962-04-13", "sex": "Male",
    }  # fmt: skip
    assert "Anna" not in str(body)

    stored = send(client, case, dicom(**BERTA), confirm_patient="true")

    assert stored.status_code == 201
    assert "confirmed the patient" in stored.json()["scans"][0]["notes"][0]


def test_the_plain_form_shows_both_side_by_side(login, cara, case, media):
    client, address = login(cara), reverse("case-upload", args=[case.pk])
    page = client.post(address, {"files": [SimpleUploadedFile("IM1.dcm", dicom(**BERTA))]})

    text = page.content.decode()
    assert page.status_code == 409
    assert "SAMPLE^BERTA" in text
    assert "Anna Sample" in text
    assert 'name="confirm_patient"' in text

    lacking = {"files": [SimpleUploadedFile("IM1.dcm", dicom(**BERTA))], "confirm_patient": "on", "confirm_reason": " "}
    assert client.post(address, lacking).status_code == 409

    given = {**lacking, "files": [SimpleUploadedFile("IM1.dcm", dicom(**BERTA))], "confirm_reason": "Checked by phone."}
    assert client.post(address, given).status_code == 302
    assert Scan.objects.get().notes[0].endswith("Cara confirmed the patient: Checked by phone.")


def test_a_picture_names_no_patient_to_compare(upload):
    assert upload(phantom_png(77))


def incoming(key):
    """Returns an image of one slice, 30 by 20, with this key."""
    kept = Spool().keep(b"x")
    size = {"media_type": "image/png", "width": 30, "height": 20, "frame": None}
    slice_ = IncomingSlice(key=key, original_sha256="0", original=kept, view_png=kept, **size)
    facts = {"description": "", "modality": "", "pixel_spacing": None, "slice_thickness": None}
    return IncomingScan(kind="image", series_key=key, slices=(slice_,), files=(), **facts)


def test_an_empty_picture_is_nobodys(case, cara, north, scan):
    other = make_case(make_patient(north))
    for key, is_a_concern in (("sha256:a", True), (min(empty_picture_keys(30, 20)), False)):
        scan.slices.update(key=key)
        assert (concern_about(incoming(key), case=other, user=cara) is not None) is is_a_concern
