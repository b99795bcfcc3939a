from datetime import timedelta

import pytest
from django.utils import timezone

from cases.models import Review
from tests.api.calls import problem


def url(scan) -> str:
    return f"/api/v1/scans/{scan.pk}/reviews/"


def test_a_reader_confirms_the_models_answer(api, rita, answered):
    response = api(rita).post(url(answered), {"label": "covid", "prediction": answered.prediction_id})

    assert response.status_code == 201
    body = response.json()
    assert (body["reader"], body["label"], body["agrees"], body["is_current"]) == ("rita", "covid", True, True)
    assert body["model_decision"] == "covid"
    answered.refresh_from_db()
    assert answered.final_label == "covid"


def test_an_override_needs_a_reason(api, rita, answered):
    client = api(rita)

    body = problem(client.post(url(answered), {"label": "non_covid"}), 422, "invalid")
    assert body["errors"][0]["pointer"] == "#/reason"

    overridden = client.post(url(answered), {"label": "non_covid", "reason": "Motion artefact"})
    assert (overridden.status_code, overridden.json()["agrees"]) == (201, False)


def test_a_change_of_mind_supersedes_the_earlier_decision(api, rita, answered):
    client = api(rita)
    first = client.post(url(answered), {"label": "covid"}).json()

    second = client.post(url(answered), {"label": "cannot_tell", "reason": "On reflection"}).json()

    assert second["supersedes"] == first["id"]
    rows = client.get(f"/api/v1/reviews/?scan={answered.pk}").json()["results"]
    assert [(row["id"], row["is_current"]) for row in rows] == [(second["id"], True), (first["id"], False)]


def test_an_answer_that_came_after_the_look_is_not_confirmed_unseen(api, rita, answered):
    body = problem(
        api(rita).post(url(answered), {"label": "covid", "prediction": answered.prediction_id + 1}), 409, "wrong-state"
    )

    assert "look again" in body["detail"]
    assert not Review.objects.exists()


def test_a_confirmation_of_another_label_than_the_models_is_refused(api, rita, answered):
    sent = {"label": "non_covid", "confirm": True, "reason": "Scars"}
    body = problem(api(rita).post(url(answered), sent), 409, "wrong-state")

    assert "to confirm" in body["detail"]
    assert not Review.objects.exists()
    assert api(rita).post(url(answered), {"label": "covid", "confirm": True}).status_code == 201


def test_a_decision_made_on_an_outdated_look_is_refused(api, rita, rob, answered, review):
    seen = review(answered, rob).pk

    body = problem(api(rita).post(url(answered), {"label": "covid", "seen_review": 0}), 409, "wrong-state")
    assert "has decided scan" in body["detail"]
    assert api(rita).post(url(answered), {"label": "covid", "seen_review": seen}).status_code == 201


def test_the_same_decision_sent_twice_is_one_review(api, rita, answered):
    sent = {"label": "covid", "seen_review": 0}
    first, second = (api(rita).post(url(answered), sent).json()["id"] for _ in range(2))

    assert first == second


def test_a_review_can_close_the_case(api, rita, answered):
    api(rita).post(url(answered), {"label": "covid", "close": True})

    answered.case.refresh_from_db()
    assert answered.case.status == "closed"


def test_an_unknown_label_is_refused(api, rita, answered):
    body = problem(api(rita).post(url(answered), {"label": "flu"}), 422, "invalid")

    assert body["errors"][0]["code"] == "invalid_choice"


def test_a_withdrawn_scan_is_not_reviewed(api, rita, answered):
    answered.withdraw(reason="Wrong patient")

    problem(api(rita).post(url(answered), {"label": "covid"}), 409, "wrong-state")


def test_a_scan_of_a_closed_case_is_not_reviewed(api, rita, rob, answered):
    api(rita).post(url(answered), {"label": "covid", "close": True})

    problem(api(rob).post(url(answered), {"label": "covid"}), 409, "wrong-state")


@pytest.mark.parametrize("name", ["cara", "max"])
def test_only_a_reader_reviews(api, request, answered, name):
    problem(api(request.getfixturevalue(name)).post(url(answered), {"label": "covid"}), 403, "forbidden")


def test_a_token_without_the_review_scope_reviews_nothing(api, rita, answered):
    problem(api(rita, "read", "upload").post(url(answered), {"label": "covid"}), 403, "forbidden")


def test_another_sites_reader_finds_no_scan(api, otto, answered):
    problem(api(otto).post(url(answered), {"label": "covid"}), 404, "not-found")


def test_an_anonymous_caller_records_no_review(api, answered):
    problem(api().post(url(answered), {"label": "covid"}), 401, "unauthenticated")


def test_a_review_is_read(api, cara, rita, answered, review):
    pk = review(answered, rita).pk

    assert api(cara).get(f"/api/v1/reviews/{pk}/").json()["label"] == "covid"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("reader=rita", True),
        ("reader=rob", False),
        ("label=covid", True),
        ("label=non_covid", False),
        ("case=99", False),
    ],
)
def test_reviews_are_narrowed(api, cara, rita, answered, review, query, found):
    review(answered, rita)

    assert bool(api(cara).get(f"/api/v1/reviews/?{query}").json()["results"]) is found


def test_another_sites_reviews_are_not_seen(api, otto, rita, answered, review):
    pk = review(answered, rita).pk

    problem(api(otto).get(f"/api/v1/reviews/{pk}/"), 404, "not-found")
    assert api(otto).get("/api/v1/reviews/").json()["results"] == []


def test_an_anonymous_caller_reads_no_reviews(api, rita, answered, review):
    pk = review(answered, rita).pk

    problem(api().get("/api/v1/reviews/"), 401, "unauthenticated")
    problem(api().get(f"/api/v1/reviews/{pk}/"), 401, "unauthenticated")


# --- taking it back ---


def withdraw(pk: int) -> str:
    return f"/api/v1/reviews/{pk}/withdraw/"


def test_a_decision_is_withdrawn_at_once(api, rita, answered):
    client = api(rita)
    made = client.post(url(answered), {"label": "covid"}).json()

    response = client.post(withdraw(made["id"]))

    assert response.status_code == 201
    body = response.json()
    assert (body["withdraws"], body["supersedes"], body["label"], body["is_current"]) == (
        True,
        made["id"],
        None,
        False,
    )
    assert response["Location"].endswith(f"/api/v1/reviews/{body['id']}/")
    assert client.get(f"/api/v1/reviews/{made['id']}/").json()["is_current"] is False
    assert client.get(f"/api/v1/cases/{answered.case_id}/").json()["needs_review"] is True


def test_a_withdrawal_reopens_the_case_that_was_closed_with_the_decision(api, rita, answered):
    made = api(rita).post(url(answered), {"label": "covid", "close": True}).json()

    assert api(rita).post(withdraw(made["id"])).status_code == 201
    answered.case.refresh_from_db()
    assert answered.case.status == "open"


def test_a_decision_is_not_withdrawn_later(api, rita, answered, review, monkeypatch):
    made = review(answered, rita)
    now = timezone.now() + timedelta(minutes=1)
    monkeypatch.setattr("cases.withdrawal.timezone.now", lambda: now)

    body = problem(api(rita).post(withdraw(made.pk)), 409, "wrong-state")
    assert "can no longer be withdrawn" in body["detail"]


def test_only_the_reader_withdraws_the_decision(api, rita, rob, cara, otto, answered, review):
    made = review(answered, rita).pk

    problem(api().post(withdraw(made)), 401, "unauthenticated")
    problem(api(rob).post(withdraw(made)), 403, "forbidden")
    problem(api(cara).post(withdraw(made)), 403, "forbidden")
    problem(api(rita, "read", "upload").post(withdraw(made)), 403, "forbidden")
    problem(api(otto).post(withdraw(made)), 404, "not-found")
    assert Review.objects.count() == 1
