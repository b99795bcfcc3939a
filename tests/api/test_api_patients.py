import pytest

from accounts.models import Action, Event
from cases.models import Patient
from tests.api.calls import problem
from tests.cast import make_patient

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


@pytest.mark.parametrize(("site", "found"), [("north", True), ("south", False)])
def test_the_list_is_narrowed(api, cara, anna, site, found):
    assert bool(api(cara).get(f"{URL}?site={site}").json()["results"]) is found


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"search": "sample"}, True),
        ({"search": "1001 anna"}, True),
        ({"search": "jonas"}, False),
        ({"record_number": "n-1001"}, True),
        ({"record_number": "n-10"}, False),
        ({"record_number": "n-1001", "search": "jonas"}, False),
        ({}, True),
    ],
)
def test_patients_are_searched_for_in_the_body_of_a_post(api, cara, anna, jonas, wanted, found):
    assert bool(api(cara).post(f"{URL}search/", wanted).json()["results"]) is found


def test_a_search_is_narrowed_by_the_filters_of_the_list(api, cara, anna):
    assert api(cara).post(f"{URL}search/?site=south", {"search": "anna"}).json()["results"] == []


@pytest.mark.parametrize("query", ["search=Anna", "record_number=N-1001"])
@pytest.mark.parametrize("address", ["", "search/"])
def test_what_identifies_a_patient_is_refused_in_an_address(api, cara, anna, query, address):
    client = api(cara)
    response = client.post(f"{URL}search/?{query}", {}) if address else client.get(f"{URL}?{query}")

    (error,) = problem(response, 422, "invalid")["errors"]
    assert error["code"] == "in_address"
    assert f"POST to http://testserver{URL}search/" in error["detail"]


def test_the_next_page_of_a_search_has_no_word_of_it_in_its_address(api, cara, north):
    made = [make_patient(north, name="Anna Double").pk for _ in range(3)]
    client = api(cara)

    first = client.post(f"{URL}search/?page_size=2", {"search": "double"}).json()
    assert "ouble" not in first["next"]
    second = client.post(first["next"], {"search": "double"}).json()
    assert [row["id"] for row in first["results"] + second["results"]] == made[::-1]


def test_a_search_takes_a_known_caller_of_the_right_scope(api, cara, otto, anna):
    problem(api().post(f"{URL}search/", {"search": "anna"}), 401, "unauthenticated")
    problem(api(cara, "upload").post(f"{URL}search/", {"search": "anna"}), 403, "forbidden")
    assert api(otto).post(f"{URL}search/", {"search": "anna"}).json()["results"] == []


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
