"""What a form sends as a number may be anything; it is refused as nothing that exists."""

import pytest

from ctportal.pages.shared.requests import number, sent_json

HUGE = "9" * 5000


@pytest.mark.parametrize("text", ["", None, "0", "-1", "1.0", "٣", "²", " 1", "1e3", HUGE, str(2**63)])
def test_what_no_row_can_have_is_no_number(text):
    assert number(text) is None


def test_the_largest_number_of_a_row_is_one():
    assert number(str(2**63 - 1)) == 2**63 - 1


@pytest.mark.parametrize("wanted", [HUGE, "²", "0", ""])
def test_comparing_on_such_a_data_set_is_comparing_on_none(login, sue, north, model, wanted):
    assert login(sue).post(f"/learning/models/{model.pk}/compare/", {"dataset": wanted}).status_code == 404


@pytest.mark.parametrize("leaving", [HUGE, "²", "0"])
def test_rolling_back_such_a_model_is_rolling_back_none(login, sue, north, model, leaving):
    answer = login(sue).post("/learning/rollback/", {"leaving": leaving, "reason": "A mistake."})

    assert answer.status_code == 404


@pytest.mark.parametrize(
    "address",
    ["/cases/new/?patient={}", "/learning/runs/new/?run={}", "/learning/runs/new/?dataset={}", "/read/next/?after={}"],
)
@pytest.mark.parametrize("text", [HUGE, "²"])
def test_such_a_number_in_an_address_breaks_nothing(login, cara, max, rita, address, text):
    person = {"cases": cara, "learning": max, "read": rita}[address.split("/")[1]]

    assert login(person).get(address.format(text)).status_code < 500


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "\ud800"])
def test_json_that_is_none_is_nothing(text):
    assert sent_json(text) is None


def test_an_upload_whose_names_are_nested_without_end_goes_by_the_files_own_names(login, cara, case, media):
    answer = login(cara).post(f"/cases/{case.pk}/upload/", {"names": "[" * 100_000})

    assert answer.status_code in (302, 422)
