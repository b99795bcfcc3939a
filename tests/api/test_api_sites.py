import pytest

from tests.api.calls import problem


def test_a_person_sees_the_own_sites(api, cara, rita, south):
    (row,) = api(cara).get("/api/v1/sites/").json()["results"]

    assert (row["slug"], row["roles"]) == ("north", ["clinician"])
    assert row["readers"] == [{"username": "rita", "name": "Rita"}]


def test_another_site_is_not_found(api, cara, south):
    problem(api(cara).get("/api/v1/sites/south/"), 404, "not-found")


def test_a_site_is_found_by_its_slug(api, cara):
    assert api(cara).get("/api/v1/sites/north/").json()["name"] == "Radiology North"


def test_a_caller_learns_who_it_is(api, cara):
    body = api(cara, "read").get("/api/v1/me/").json()

    assert (body["username"], body["token"]["scopes"]) == ("cara", ["read"])


def test_a_session_has_no_token(login, cara):
    assert login(cara).get("/api/v1/me/").json() == {"username": "cara", "name": "Cara", "token": None}


def test_models_are_seen_by_everybody_who_may_read(api, cara, model):
    (row,) = api(cara).get("/api/v1/models/?status=active").json()["results"]

    assert (row["name"], row["status"]) == ("phantom-net", "active")
    assert api(cara).get(f"/api/v1/models/{model.pk}/").json()["architecture"] == "resnet18"


@pytest.mark.parametrize("address", ["sites/", "sites/north/", "me/", "models/", "models/1/"])
class TestWhoDoesNotRead:
    def test_an_anonymous_caller_reads_no_sites_or_models(self, api, address):
        problem(api().get(f"/api/v1/{address}"), 401, "unauthenticated")

    def test_a_token_that_only_uploads_reads_no_sites_or_models(self, api, cara, address):
        problem(api(cara, "upload").get(f"/api/v1/{address}"), 403, "forbidden")
