import pytest

from accounts.models import Action, Event
from cases.models import Case
from tests.api.calls import problem
from tests.cast import make_case, make_patient

URL = "/api/v1/cases/"


def test_a_clinician_opens_a_case(api, cara, anna):
    facts = {"patient": anna.pk, "accession_number": "A-9", "reason": "Fever", "priority": "urgent"}

    response = api(cara).post(URL, facts)

    assert response.status_code == 201
    body = response.json()
    assert response["Location"].endswith(f"{URL}{body['id']}/")
    assert body["status"] == "open"
    assert body["patient"]["record_number"] == "N-1001"
    assert body["scans"] == []
    case = Case.objects.get(pk=body["id"])
    assert (case.created_by, case.priority, case.accession_number) == (cara, "urgent", "A-9")
    assert Event.objects.filter(action=Action.CASE_OPENED, case_id=case.pk, actor=cara).count() == 1


def test_a_case_can_be_assigned_to_a_reader_as_it_is_opened(api, cara, rita, anna):
    response = api(cara).post(URL, {"patient": anna.pk, "assigned_reader": "rita"})

    assert response.json()["assigned_reader"] == "rita"


@pytest.mark.parametrize("patient", [0, -1, 2**63, "anna", None, 10**30])
def test_a_number_that_no_patient_can_have_is_refused(api, cara, patient):
    body = problem(api(cara).post(URL, {"patient": patient}), 422, "invalid")

    assert body["errors"][0]["pointer"] == "#/patient"


def test_another_sites_patient_is_as_unknown_as_none(api, cara, jonas):
    ours = problem(api(cara).post(URL, {"patient": jonas.pk}), 422, "invalid")
    nobodys = problem(api(cara).post(URL, {"patient": 10**9}), 422, "invalid")

    assert ours == nobodys


def test_a_case_is_not_assigned_to_who_does_not_read(api, cara, max, anna):
    problem(api(cara).post(URL, {"patient": anna.pk, "assigned_reader": "max"}), 409, "wrong-state")


def test_nobody_opens_a_case_without_a_token(api, anna):
    problem(api().post(URL, {"patient": anna.pk}), 401, "unauthenticated")


def test_a_reader_opens_no_case(api, rita, anna):
    problem(api(rita).post(URL, {"patient": anna.pk}), 403, "forbidden")


def test_a_token_to_read_opens_no_case(api, cara, anna):
    problem(api(cara, "read").post(URL, {"patient": anna.pk}), 403, "forbidden")


def test_a_case_shows_its_scans_and_the_models_answer(api, rita, answered):
    body = api(rita).get(f"{URL}{answered.case_id}/").json()

    assert body["decision"] == "covid"
    assert body["answer_hidden"] is False
    (scan,) = body["scans"]
    assert scan["id"] == answered.pk
    assert scan["prediction"]["headline"] == "Opacities as in COVID-19 likely"
    assert scan["prediction"]["disclaimer"]


def test_reading_a_case_is_recorded_once_in_a_while(api, rita, case):
    client = api(rita)
    for _ in range(3):
        assert client.get(f"{URL}{case.pk}/").status_code == 200

    assert Event.objects.filter(action=Action.CASE_VIEWED, case_id=case.pk, actor=rita).count() == 1


def test_another_sites_case_is_not_found(api, otto, case):
    problem(api(otto).get(f"{URL}{case.pk}/"), 404, "not-found")


def test_a_number_beyond_the_database_is_not_found(api, cara):
    problem(api(cara).get(f"{URL}{10**30}/"), 404, "not-found")


def test_a_clinician_amends_a_case(api, cara, case):
    response = api(cara).patch(f"{URL}{case.pk}/", {"priority": "emergency", "reason": "Dyspnoea"})

    assert (response.json()["priority"], response.json()["reason"]) == ("emergency", "Dyspnoea")


def test_a_reader_takes_a_case(api, rita, case):
    assert api(rita, "review").patch(f"{URL}{case.pk}/", {"assigned_reader": "rita"}).status_code == 200
    assert api(rita).patch(f"{URL}{case.pk}/", {"assigned_reader": None}).json()["assigned_reader"] is None


def test_a_reader_changes_nothing_else(api, rita, case):
    problem(api(rita).patch(f"{URL}{case.pk}/", {"priority": "urgent"}), 403, "forbidden")


def test_the_review_scope_alone_changes_nothing_else(api, cara, rita, case):
    rita.memberships.create(site=case.site, role="clinician")

    problem(api(rita, "review").patch(f"{URL}{case.pk}/", {"priority": "urgent"}), 403, "forbidden")


def test_a_closed_case_is_not_amended(api, cara, case):
    case.close()

    detail = problem(api(cara).patch(f"{URL}{case.pk}/", {"reason": "Late"}), 409, "wrong-state")["detail"]

    assert detail == f"Case {case.pk} is closed; reopen it first."


def test_a_case_is_amended_only_in_the_state_that_was_read(api, cara, case):
    client = api(cara)
    etag = client.get(f"{URL}{case.pk}/")["ETag"]
    match = {"If-Match": etag}
    assert client.patch(f"{URL}{case.pk}/", {"reason": "First"}, headers=match).status_code == 200

    problem(client.patch(f"{URL}{case.pk}/", {"reason": "Second"}, headers=match), 412, "changed-meanwhile")


def test_a_reader_closes_and_reopens_a_case(api, rita, case):
    client = api(rita)

    assert client.post(f"{URL}{case.pk}/close/").json()["status"] == "closed"
    problem(client.post(f"{URL}{case.pk}/close/"), 409, "wrong-state")
    assert client.post(f"{URL}{case.pk}/reopen/", {"reason": "Prior found"}).json()["status"] != "closed"
    problem(client.post(f"{URL}{case.pk}/reopen/", {"reason": "Again"}), 409, "wrong-state")


def test_a_case_is_not_reopened_without_a_reason(api, rita, case):
    case.close()

    body = problem(api(rita).post(f"{URL}{case.pk}/reopen/", {"reason": " "}), 422, "invalid")

    assert body["errors"][0]["pointer"] == "#/reason"


@pytest.mark.parametrize("verb", ["close", "reopen"])
class TestWhoMayNotMoveACase:
    def test_an_anonymous_caller_moves_no_case(self, api, case, verb):
        problem(api().post(f"{URL}{case.pk}/{verb}/", {}), 401, "unauthenticated")

    def test_a_clinician_moves_no_case(self, api, cara, case, verb):
        problem(api(cara).post(f"{URL}{case.pk}/{verb}/", {"reason": "x"}), 403, "forbidden")

    def test_a_caller_of_another_site_finds_no_case_to_move(self, api, otto, case, verb):
        problem(api(otto).post(f"{URL}{case.pk}/{verb}/", {"reason": "x"}), 404, "not-found")

    def test_a_token_that_only_uploads_moves_no_case(self, api, rita, case, verb):
        problem(api(rita, "upload").post(f"{URL}{case.pk}/{verb}/", {"reason": "x"}), 403, "forbidden")


def test_the_list_puts_what_is_pressing_first(api, rita, north):
    routine = make_case(make_patient(north))
    urgent = make_case(make_patient(north), priority="urgent")
    emergency = make_case(make_patient(north), priority="emergency")

    rows = api(rita).get(URL).json()["results"]

    assert [row["id"] for row in rows] == [emergency.pk, urgent.pk, routine.pk]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", True),
        ("status=open", True),
        ("status=active", True),
        ("status=closed", False),
        ("priority=routine", True),
        ("priority=urgent", False),
        ("decision=covid", True),
        ("decision=non_covid", False),
        ("needs_review=true", True),
        ("needs_review=false", False),
        ("final_label=covid", False),
        ("reader=nobody", False),
        ("site=north", True),
        ("site=south", False),
        ("opened_from=2020-01-01", True),
        ("opened_to=2020-01-01", False),
        ("patient=999999", False),
        ("order=newest", True),
    ],
)
def test_the_list_is_narrowed(api, rita, answered, query, found):
    assert bool(api(rita).get(f"{URL}?{query}").json()["results"]) is found


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("status=lost", "status"),
        ("needs_review=perhaps&priority=soon", "priority"),
        ("opened_from=yesterday", "opened_from"),
        ("patient=0", "patient"),
        ("patient=99999999999999999999", "patient"),
        ("order=patient", "order"),
        ("search=anna", "search"),
        ("page_size=0", "page_size"),
        ("page_size=201", "page_size"),
        ("cursor=forged", "cursor"),
    ],
)
def test_a_wrong_query_is_named_by_its_parameter(api, rita, query, parameter):
    body = problem(api(rita).get(f"{URL}?{query}"), 422, "invalid")

    assert [error["parameter"] for error in body["errors"]] == [parameter]


@pytest.mark.parametrize(("words", "found"), [("anna", True), ("acc-1", True), ("nobody", False)])
def test_cases_are_searched_for_in_the_body_of_a_post(api, rita, answered, words, found):
    assert bool(api(rita).post(f"{URL}search/", {"search": words}).json()["results"]) is found
    assert api(rita).post(f"{URL}search/?status=closed", {"search": words}).json()["results"] == []


def test_a_search_for_cases_sees_ones_own_sites_alone_and_takes_the_scope(api, rita, otto, case):
    problem(api().post(f"{URL}search/", {"search": "anna"}), 401, "unauthenticated")
    problem(api(rita, "review").post(f"{URL}search/", {"search": "anna"}), 403, "forbidden")
    assert api(otto).post(f"{URL}search/", {"search": "anna"}).json()["results"] == []


def test_the_list_holds_ones_own_sites_alone(api, otto, case):
    assert api(otto).get(URL).json()["results"] == []


def test_an_anonymous_caller_lists_no_cases(api):
    problem(api().get(URL), 401, "unauthenticated")
