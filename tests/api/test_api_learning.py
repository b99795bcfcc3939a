"""The learning loop by API: data sets, training runs, comparisons, promotion; who may and who may not."""

import csv
import io
import zipfile

import pytest

from learning.comparison.gate import RULES
from learning.models import Comparison, Dataset, TrainingRun
from tests.api.calls import problem
from tests.learning.training_cast import add_own_scan, freeze, registered

API = "/api/v1"
FIGURES = {
    "n": 6,
    "positives": 3,
    "patients": 6,
    "champion": {},
    "challenger": {},
    "differences": {},
    "gate": {"rules": RULES},
}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture(autouse=True)
def _stores(settings, tmp_path):
    settings.TRAINING_LEAST_PATIENTS = 3
    settings.TRAINING_STORE, settings.MODEL_STORE = tmp_path / "training", tmp_path / "models"


@pytest.fixture
def champion(tmp_path):
    return registered(tmp_path, version="1", active=True)


@pytest.fixture
def challenger(tmp_path, champion):
    return registered(tmp_path, version="2")


@pytest.fixture
def dataset(north):
    return freeze(sites=[north])


@pytest.fixture
def comparison(dataset, champion, challenger):
    return Comparison.objects.create(
        dataset=dataset, champion=champion, challenger=challenger, figures=FIGURES, passed=True, reasons=["It is open."]
    )


@pytest.fixture
def shut(dataset, champion, challenger):
    return Comparison.objects.create(
        dataset=dataset, champion=champion, challenger=challenger, figures=FIGURES, passed=False, reasons=["Too few."]
    )


@pytest.fixture
def comparison_after_the_answer(dataset, model, tmp_path):
    """The champion is the cast's own model."""
    return Comparison.objects.create(
        dataset=dataset, champion=model, challenger=registered(tmp_path, version="2"), figures=FIGURES, passed=True
    )


class TestDatasets:
    def test_a_manager_freezes_the_labelled_set_once(self, api, max, north, answered, rita, review):
        review(answered, rita)
        first = api(max).post(f"{API}/datasets/", {"sites": ["north"]})

        assert first.status_code == 201, first.json()
        assert first["Location"].endswith(f"{API}/datasets/{first.json()['id']}/")
        assert first.json()["counts"]["scans"] == 1
        again = api(max).post(f"{API}/datasets/", {})
        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])

    def test_the_scans_are_listed_with_their_sides_and_cases(self, api, max, dataset, scan):
        add_own_scan(dataset, scan, split="train", label="covid")

        row = api(max).get(f"{API}/datasets/{dataset.pk}/scans/").json()["results"][0]

        assert (row["case"], row["scan"], row["split"], row["label"]) == (scan.case_id, scan.pk, "train", "covid")
        assert "N-1001" not in str(row)

    def test_the_zip_holds_the_sides(self, api, max, dataset):
        Dataset.objects.update(counts={"scans": 18, "images": 18})
        response = api(max).get(f"{API}/datasets/{dataset.pk}/export/")

        assert (response["Cache-Control"], response["X-Accel-Buffering"]) == ("private, no-store", "no")
        data = b"".join(response.streaming_content)
        assert len(data) == int(response["Content-Length"])
        rows = list(csv.DictReader(io.StringIO(zipfile.ZipFile(io.BytesIO(data)).read("manifest.csv").decode())))
        assert {row["split"] for row in rows} == {"train", "validation", "test"}

    def test_a_site_that_is_not_the_callers_is_not_known(self, api, max, south):
        problem(api(max).post(f"{API}/datasets/", {"sites": ["south"]}), 422, "invalid")

    def test_an_empty_set_is_not_frozen(self, api, max):
        problem(api(max).post(f"{API}/datasets/", {}), 409, "wrong-state")


class TestTraining:
    def test_the_plan_of_a_run_is_shown_before_it_starts(self, api, max, dataset, champion):
        plan = api(max).post(f"{API}/training-runs/plan/", {"dataset": dataset.pk})

        assert plan.status_code == 200, plan.json()
        assert plan.json()["refusals"] == []
        assert plan.json()["test_patients"] == 6
        assert not TrainingRun.objects.exists()

    def test_a_run_is_started_watched_and_cancelled(self, api, max, dataset, champion):
        started = api(max).post(f"{API}/training-runs/", {"dataset": dataset.pk})
        assert started.status_code == 201, started.json()
        address = started["Location"]
        assert api(max).get(address).json()["status"] == "queued"

        cancelled = api(max).post(f"{address}cancel/")

        assert cancelled.json()["status"] == "cancelled"
        problem(api(max).post(f"{address}cancel/"), 409, "wrong-state")

    def test_the_same_key_starts_one_run(self, api, max, dataset, champion):
        calls = [
            api(max).post(f"{API}/training-runs/", {"dataset": dataset.pk}, headers={"Idempotency-Key": "once"})
            for _ in range(2)
        ]
        assert {call.json()["id"] for call in calls} == {TrainingRun.objects.get().pk}

    def test_a_second_run_is_refused_while_one_is_under_way(self, api, max, dataset, champion):
        api(max).post(f"{API}/training-runs/", {"dataset": dataset.pk})
        problem(
            api(max).post(f"{API}/training-runs/", {"dataset": dataset.pk, "settings": {"seed": 5}}), 409, "wrong-state"
        )

    def test_without_a_model_in_service_it_says_so(self, api, max, dataset):
        problem(api(max).post(f"{API}/training-runs/", {"dataset": dataset.pk}), 409, "wrong-state")

    def test_an_unknown_setting_is_refused(self, api, max, dataset, champion):
        sent = {"dataset": dataset.pk, "settings": {"weights": "/etc/passwd"}}
        problem(api(max).post(f"{API}/training-runs/", sent), 422, "invalid")


class TestPromotion:
    def test_past_the_open_gate(self, api, sue, comparison, challenger):
        promoted = api(sue).post(f"{API}/comparisons/{comparison.pk}/promote/")

        assert promoted.status_code == 200, promoted.json()
        assert (promoted.json()["id"], promoted.json()["status"]) == (challenger.pk, "active")
        back = api(sue).post(f"{API}/models/roll-back/", {"reason": "It misses more."})
        assert back.json()["version"] == "1"

    def test_after_a_rollback_the_comparison_says_so_and_offers_nothing(self, api, sue, comparison):
        address = f"{API}/comparisons/{comparison.pk}/"
        assert api(sue).get(address).json()["promotion"]["possible"] is True
        api(sue).post(f"{address}promote/")
        api(sue).post(f"{API}/models/roll-back/", {"reason": "Too many false alarms."})

        told = api(sue).get(address).json()["promotion"]
        assert (told["possible"], told["may_be_overridden"], told["rolled_back"]) == (False, False, True)
        assert "(“Too many false alarms.”)" in told["obstacles"][0]
        problem(api(sue).post(f"{address}promote/"), 409, "wrong-state")
        problem(api(sue).post(f"{address}override/", {"reason": "Try again."}), 409, "wrong-state")

    def test_not_past_the_closed_one(self, api, sue, shut):
        problem(api(sue).post(f"{API}/comparisons/{shut.pk}/promote/"), 409, "wrong-state")

    def test_an_override_takes_two_people(self, api, sue, max, shut):
        asked = api(max).post(f"{API}/comparisons/{shut.pk}/override/", {"reason": "More sensitive in practice."})
        assert asked.status_code == 201, asked.json()
        sent = {"override": asked.json()["overrides"][0]["id"], "approved": True}
        problem(api(max).post(f"{API}/comparisons/{shut.pk}/decide/", sent), 409, "wrong-state")

        assert (
            api(sue).post(f"{API}/comparisons/{shut.pk}/decide/", sent).json()["overrides"][0]["status"] == "approved"
        )
        approved = api(sue).get(f"{API}/comparisons/{shut.pk}/").json()
        assert approved["overrides"][0]["overridden"] == ["Too few."]
        assert approved["promotion"]["possible"] is True
        assert api(sue).post(f"{API}/comparisons/{shut.pk}/promote/").status_code == 200

    def test_a_candidate_is_refused_with_a_reason(self, api, sue, challenger):
        problem(api(sue).post(f"{API}/models/{challenger.pk}/refuse/", {}), 422, "invalid")
        refused = api(sue).post(f"{API}/models/{challenger.pk}/refuse/", {"reason": "Misses too many."})
        assert refused.json()["status"] == "refused"

    def test_a_candidate_answers_silently_and_stops(self, api, sue, north, challenger):
        assert api(sue).post(f"{API}/models/{challenger.pk}/start-shadow/").json()["is_shadow"] is True
        assert api(sue).get(f"{API}/models/{challenger.pk}/shadow-report/").status_code == 200
        assert api(sue).post(f"{API}/models/{challenger.pk}/stop-shadow/").json()["is_shadow"] is False

    def test_a_manager_of_some_sites_does_not_decide_for_all(self, api, max, south, comparison):
        problem(api(max).post(f"{API}/comparisons/{comparison.pk}/promote/"), 403, "forbidden")

    def test_open_cases_are_read_again(self, api, max, answered, comparison_after_the_answer, sue):
        assert api(max).post(f"{API}/models/reread/", {}).json() == {"scans": 0}
        assert api(sue).post(f"{API}/comparisons/{comparison_after_the_answer.pk}/promote/").status_code == 200

        assert api(max).post(f"{API}/models/reread/", {}).json() == {"scans": 1}

        models = [row["model"]["version"] for row in api(max).get(f"{API}/predictions/").json()["results"]]
        assert models == ["2", "1"]


READING = ["datasets/", "training-runs/", "comparisons/", "comparison-requests/", "base-sets/", "monitoring/"]


@pytest.mark.parametrize("part", READING)
class TestWhoDoesNotSeeTheLoop:
    def test_an_anonymous_caller_sees_nothing_of_the_loop(self, api, part):
        problem(api().get(f"{API}/{part}"), 401, "unauthenticated")

    @pytest.mark.parametrize("name", ["cara", "rita"])
    def test_a_caller_without_a_managers_role_sees_nothing_of_the_loop(self, api, request, part, name):
        problem(api(request.getfixturevalue(name)).get(f"{API}/{part}"), 403, "forbidden")

    def test_a_token_to_train_does_not_read(self, api, max, part):
        problem(api(max, "train").get(f"{API}/{part}"), 403, "forbidden")

    def test_a_manager_reads_every_part_of_the_loop(self, api, max, part):
        assert api(max).get(f"{API}/{part}").status_code == 200


def test_another_sites_manager_finds_nothing_of_it(api, otto, comparison, dataset):
    for part in ("datasets", "comparisons"):
        assert api(otto).get(f"{API}/{part}/").json()["results"] == []
    for address in (
        f"datasets/{dataset.pk}/",
        f"datasets/{dataset.pk}/export/",
        f"datasets/{dataset.pk}/lineage/",
        f"comparisons/{comparison.pk}/",
        f"comparisons/{comparison.pk}/scans/",
    ):
        problem(api(otto).get(f"{API}/{address}"), 404, "not-found")
    problem(api(otto).post(f"{API}/comparisons/{comparison.pk}/promote/"), 404, "not-found")
    problem(api(otto).post(f"{API}/training-runs/", {"dataset": dataset.pk}), 422, "invalid")


def test_a_token_that_reads_does_not_train(api, max, dataset, champion, comparison):
    reader = api(max, "read", "upload", "review")
    for address in ("datasets/", "training-runs/", f"comparisons/{comparison.pk}/promote/", "models/reread/"):
        problem(reader.post(f"{API}/{address}", {}), 403, "forbidden")


def test_lineage_leads_from_an_answer_to_its_model(api, cara, otto, answered, model):
    found = api(cara).get(f"{API}/predictions/{answered.prediction_id}/lineage/").json()

    assert found["model"]["model"]["model_id"] == model.pk
    assert found["scan"]["scan_id"] == answered.pk
    assert api(cara).get(f"{API}/scans/{answered.pk}/lineage/").status_code == 200
    problem(api(otto).get(f"{API}/scans/{answered.pk}/lineage/"), 404, "not-found")


def test_a_table_of_the_figures_is_taken_away(api, max, answered):
    figures = api(max).get(f"{API}/monitoring/").json()
    assert figures["total"]["scans"] == 1

    table = api(max).get(f"{API}/monitoring/models/?site=north")
    assert table["Content-Type"].startswith("text/csv")
    problem(api(max).get(f"{API}/monitoring/nothing/"), 404, "not-found")
    problem(api(max).get(f"{API}/monitoring/?site=south"), 422, "invalid")


def test_nothing_is_frozen_by_who_manages_nothing(api, rita):
    problem(api(rita).post(f"{API}/datasets/", {}), 403, "forbidden")
    assert not Dataset.objects.exists()


class TestNextStep:
    def test_it_says_what_is_not_enough_yet(self, api, max, scan):
        told = api(max).get(f"{API}/learning/next-step/").json()

        assert (told["next_step"]["step"], told["next_step"]["scans"]) == ("gather_labels", 1)
        assert (told["scans_to_read"], told["in_service"]) == (1, None)
        first = told["requirements"][0]
        assert (first["present"], first["needed"], first["is_met"]) == (0, 3, False)
        assert first["words"] == "0 of 3 training patients with COVID-19"

    def test_it_names_what_the_step_is_about(self, api, max, sue, comparison, champion):
        told = api(sue).get(f"{API}/learning/next-step/").json()
        assert (told["next_step"]["step"], told["next_step"]["comparison"]) == ("decide_candidate", comparison.pk)
        assert told["in_service"]["id"] == champion.pk
        told = api(max).get(f"{API}/learning/next-step/").json()
        assert told["next_step"]["step"] == "decide_candidate"

    def test_a_manager_of_another_site_learns_nothing_of_the_run(self, api, otto, comparison):
        told = api(otto).get(f"{API}/learning/next-step/").json()
        assert (told["next_step"]["step"], told["next_step"]["comparison"]) == ("build_dataset", None)

    def test_it_is_for_managers(self, api, max, cara, rita):
        problem(api().get(f"{API}/learning/next-step/"), 401, "unauthenticated")
        for person in (cara, rita):
            problem(api(person).get(f"{API}/learning/next-step/"), 403, "forbidden")
        problem(api(max, "train").get(f"{API}/learning/next-step/"), 403, "forbidden")
        problem(api(max).post(f"{API}/learning/next-step/"), 405, "method-not-allowed")

    def test_the_plan_says_what_is_missing_and_foretells_a_comparison_that_must_fail(self, api, max, north, champion):
        plan = api(max).post(f"{API}/training-runs/plan/", {"dataset": freeze(sites=[north], patients={"train": 3}).pk})
        assert [row["is_met"] for row in plan.json()["requirements"]] == [True, True, *[False] * 5]
        assert "could not be compared with resnet-test 1" in plan.json()["warnings"][0]
