import pytest

from accounts.models import Action, Event
from cases.models import Patient
from tests.api.calls import problem

URL = "/api/v1/patients/"
FACTS = {"record_number": "N-77", "name": "Nora New", "birth_date": "1970-01-02", "sex": "F"}


def test_a_clinician_registers_a_patient(api, cara, north):
    response = api(cara).post(URL, {"site": "north", **FACTS})

    assert response.status_code == 201
    patient = Patient.objects.get(record_number="N-77")
    assert response.json()["id"] == patient.pk
    assert response["Location"].endswith(f"{URL}{patient.pk}/")
    assert patient.site == north
    assert patient.created_by == cara
    assert Event.objects.filter(action=Action.PATIENT_REGISTERED, actor=cara).count() == 1


def test_the_site_may_be_left_out_by_who_has_only_one(api, cara, north):
    assert api(cara).post(URL, FACTS).json()["site"] == "north"


def test_a_patient_of_two_possible_sites_needs_a_named_one(api, cara, south):
    cara.memberships.create(site=south, role="clinician")

    body = problem(api(cara).post(URL, FACTS), 422, "invalid")

    assert body["errors"] == [{"pointer": "#/site", "code": "required", "detail": "Name the site by its slug."}]


def test_a_taken_record_number_is_answered_with_the_patient_who_has_it(api, cara, anna):
    body = problem(api(cara).post(URL, {**FACTS, "record_number": "n-1001 "}), 409, "duplicate-record-number")

    assert body["existing"]["id"] == anna.pk
    assert body["existing"]["url"].endswith(f"{URL}{anna.pk}/")
    assert body["errors"][0]["pointer"] == "#/record_number"


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"record_number": ""}, "#/record_number", "blank"),
        ({"record_number": "x" * 65}, "#/record_number", "max_length"),
        ({"name": "line\nbreak"}, "#/name", "invalid"),
        ({"birth_date": "2999-01-01"}, "#/birth_date", "invalid"),
        ({"birth_date": "tomorrow"}, "#/birth_date", "invalid"),
        ({"sex": "X"}, "#/sex", "invalid_choice"),
        ({"site": "nowhere"}, "#/site", "does_not_exist"),
        ({"site": 7}, "#/site", "invalid"),
        ({"nome": "typing slip"}, "#/nome", "unknown"),
    ],
)
def test_a_wrong_value_is_named_by_its_pointer(api, cara, change, pointer, code):
    body = problem(api(cara).post(URL, FACTS | change), 422, "invalid")

    assert [(error["pointer"], error["code"]) for error in body["errors"]] == [(pointer, code)]
    assert not Patient.objects.exists()


def test_another_sites_slug_is_as_unknown_as_none(api, cara, south):
    body = problem(api(cara).post(URL, {"site": "south", **FACTS}), 422, "invalid")

    assert body["errors"][0]["code"] == "does_not_exist"


def test_nobody_registers_without_a_token(api):
    problem(api().post(URL, FACTS), 401, "unauthenticated")


@pytest.mark.parametrize("name", ["rita", "max", "sue"])
def test_only_a_clinician_registers(api, request, north, name):
    response = api(request.getfixturevalue(name)).post(URL, {"site": "north", **FACTS})

    assert "clinician" in problem(response, 403, "forbidden")["detail"]


def test_a_token_without_the_upload_scope_registers_nobody(api, cara):
    assert "upload" in problem(api(cara, "read", "review").post(URL, FACTS), 403, "forbidden")["detail"]


def test_reading_a_patient_is_recorded(api, rita, anna):
    response = api(rita).get(f"{URL}{anna.pk}/")

    assert response.json()["name"] == "Anna Sample"
    assert Event.objects.filter(action=Action.PATIENT_VIEWED, actor=rita, subject_id=anna.pk).count() == 1


def test_another_sites_patient_is_not_found(api, otto, anna):
    problem(api(otto).get(f"{URL}{anna.pk}/"), 404, "not-found")


def test_a_patient_cannot_be_read_without_the_read_scope(api, cara, anna):
    problem(api(cara, "upload").get(f"{URL}{anna.pk}/"), 403, "forbidden")


def test_the_list_holds_the_patients_of_ones_own_sites(api, cara, anna, jonas):
    assert [row["id"] for row in api(cara).get(URL).json()["results"]] == [anna.pk]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("search=sample", True),
        ("search=1001 anna", True),
        ("search=jonas", False),
        ("record_number=n-1001", True),
        ("record_number=n-10", False),
        ("site=north", True),
        ("site=south", False),
    ],
)
def test_the_list_is_narrowed(api, cara, anna, query, found):
    assert bool(api(cara).get(f"{URL}?{query}").json()["results"]) is found


def test_a_clinician_amends_a_patient(api, cara, anna):
    response = api(cara).patch(f"{URL}{anna.pk}/", {"name": "Anna Renamed"})

    assert response.json()["name"] == "Anna Renamed"
    anna.refresh_from_db()
    assert anna.name == "Anna Renamed"
    assert anna.sex == "F"


def test_a_reader_amends_no_patient(api, rita, anna):
    problem(api(rita).patch(f"{URL}{anna.pk}/", {"name": "X"}), 403, "forbidden")


def test_another_sites_patient_is_not_amended(api, otto, anna):
    problem(api(otto).patch(f"{URL}{anna.pk}/", {"name": "X"}), 404, "not-found")


def test_a_site_does_not_change_with_an_amendment(api, cara, anna):
    body = problem(api(cara).patch(f"{URL}{anna.pk}/", {"site": "south"}), 422, "invalid")

    assert body["errors"][0]["code"] == "unknown"


def test_an_amendment_of_an_older_state_is_refused(api, cara, anna):
    client = api(cara)
    etag = client.get(f"{URL}{anna.pk}/")["ETag"]
    assert client.patch(f"{URL}{anna.pk}/", {"name": "First"}, headers={"If-Match": etag}).status_code == 200

    problem(client.patch(f"{URL}{anna.pk}/", {"name": "Second"}, headers={"If-Match": etag}), 412, "changed-meanwhile")

    anna.refresh_from_db()
    assert anna.name == "First"
