"""The worklist: what is shown to whom, in which order, narrowed how."""

import re
from datetime import UTC, date, datetime

import pytest

from cases.casework import close_case
from cases.search import MOST_WORDS
from cases.worklist import WorklistFilter, worklist
from tests.cast import answer, make_case, make_patient, make_person, make_scan

pytestmark = pytest.mark.django_db


def shown(response):
    """The numbers of the listed cases, in their order."""
    return [int(number) for number in re.findall(r'<tr id="case-(\d+)"', response.content.decode())]


def test_anonymous_visitors_are_sent_to_the_log_in(client):
    response = client.get("/")
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/?next=/"


def test_lists_the_cases_of_ones_own_sites_only(login, cara, case, jonas):
    foreign = make_case(jonas)
    response = login(cara).get("/?status=any")
    assert shown(response) == [case.pk]
    assert f"case-{foreign.pk}" not in response.content.decode()


def test_cases_to_read_come_first_then_the_pressing_and_positive(login, rita, cara, anna, model, media):
    routine_negative = make_case(anna)
    routine_positive = make_case(anna)
    urgent_negative = make_case(anna, priority="urgent")
    emergency_without_scan = make_case(anna, priority="emergency")
    for case, decision in [
        (routine_negative, "non_covid"),
        (routine_positive, "covid"),
        (urgent_negative, "non_covid"),
    ]:
        answer(make_scan(case, cara), model, decision)
    expected = [urgent_negative, routine_positive, routine_negative, emergency_without_scan]
    assert shown(login(rita).get("/")) == [case.pk for case in expected]


def test_closed_cases_wait_behind_their_own_view(login, cara, rita, answered, review):
    review(answered, rita)
    close_case(case=answered.case, user=rita)
    client = login(cara)
    assert shown(client.get("/")) == []
    assert shown(client.get("/?status=closed")) == [answered.case_id]


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("q=sample", True),
        ("q=Anna+n-1001", True),
        ("q=acc-1", True),
        ("q=Anna+Muster", False),
        ("status=open", True),
        ("status=in_review", False),
        ("priority=routine", True),
        ("priority=urgent", False),
        ("decision=covid", True),
        ("decision=non_covid", False),
        ("needs_review=on", True),
        ("mine=on", False),
        ("label=covid", False),
        ("opened_to=2020-01-01", False),
        ("opened_from=2020-01-01", True),
    ],
)
def test_a_search_or_filter_finds_the_matching_case(login, rita, answered, query, is_found):
    assert shown(login(rita).get(f"/?{query}", follow=True)) == ([answered.case_id] if is_found else [])


def test_a_number_with_a_hash_finds_the_case(login, cara, case):
    assert shown(login(cara).post("/", {"q": f"#{case.pk}"}, follow=True)) == [case.pk]
    assert shown(login(cara).post("/", {"q": f"#{case.pk + 1}"}, follow=True)) == []


def test_a_filter_that_makes_no_sense_is_left_out_and_says_so(login, cara, case):
    response = login(cara).get("/?opened_from=0001-01-01&priority=soon&opened_to=9999-12-31&page=x&sort=colour")
    assert shown(response) == [case.pk]
    assert b"Check the year." in response.content


@pytest.mark.parametrize("address", ["/patients/?q=%00", "/cases/new/?q=%00anna", "/?q=%00", "/members/?site=%00"])
def test_a_null_character_in_an_address_breaks_nothing(login, cara, address):
    assert login(cara).get(address, follow=True).status_code in (200, 403, 404)


def test_only_the_first_words_of_a_long_search_count(cara, case):
    assert worklist(cara, WorklistFilter(search="anna " * MOST_WORDS + "nobody")).get() == case


def test_the_last_day_there_is_can_be_the_last(cara, case):
    assert worklist(cara, WorklistFilter(opened_to=date.max)).get() == case


def test_the_day_of_opening_is_a_day_in_the_users_zone(login, cara, anna):
    cara.timezone = "Pacific/Auckland"
    cara.save()
    case = make_case(anna, created_at=datetime(2026, 3, 1, 13, tzinfo=UTC))
    client = login(cara)  # 2 March, 02:00 in Auckland
    assert shown(client.get("/?opened_from=2026-03-02&opened_to=2026-03-02")) == [case.pk]
    assert shown(client.get("/?opened_from=2026-03-01&opened_to=2026-03-01")) == []


def test_sorts_by_patient_both_ways(login, cara, north):
    zoe, abel = (make_case(make_patient(north, name=name)) for name in ("Zoe", "Abel"))
    client = login(cara)
    assert shown(client.get("/?sort=patient")) == [abel.pk, zoe.pk]
    assert shown(client.get("/?sort=-patient")) == [zoe.pk, abel.pk]


def test_long_lists_come_in_pages(login, cara, anna):
    for _ in range(51):
        make_case(anna)
    client = login(cara)
    first, second = shown(client.get("/")), shown(client.get("/?page=2"))
    assert (len(first), len(second), len({*first, *second})) == (50, 1, 51)


def test_an_empty_worklist_says_what_to_do_next(login, cara, rita):
    assert b"Open a case" in login(cara).get("/").content
    assert b"Nothing to read" in login(rita).get("/").content
    assert b"No case matches" in login(rita).post("/", {"q": "nobody"}, follow=True).content


def test_a_full_page_takes_at_most_15_queries(
    login, cara, rita, max, anna, model, media, django_assert_max_num_queries
):
    for _ in range(12):
        answer(make_scan(make_case(anna, assigned_reader=rita), cara), model)
    for person in (cara, rita, max):
        client = login(person)
        found = client.post("/", {"q": "patient", "decision": "covid"})["Location"]
        with django_assert_max_num_queries(15):
            assert client.get(found).status_code == 200


class TestBlindedSite:
    """At South, Otto must not learn what the model says before he has decided."""

    @pytest.fixture
    def cases(self, jonas, otto, model, media):
        """Provides two cases: the older one unlikely, the newer one likely."""
        unlikely, likely = make_case(jonas), make_case(jonas)
        answer(make_scan(unlikely, otto), model, "non_covid")
        answer(make_scan(likely, otto), model, "covid")
        return unlikely, likely

    def test_the_answer_is_hidden_and_the_order_does_not_betray_it(self, login, otto, cases):
        response = login(otto).get("/")
        words = response.content.decode()
        assert shown(response) == [case.pk for case in cases]
        assert words.count("Hidden until you decide") == 2
        assert '<span class="tag tag-alarm"' not in words

    @pytest.mark.parametrize("decision", ["covid", "non_covid", "uncertain", "unsuitable"])
    def test_no_filter_betrays_it(self, login, otto, cases, decision):
        assert shown(login(otto).get(f"/?decision={decision}")) == []

    def test_what_a_colleague_decided_is_hidden_with_it(self, login, otto, cases, south, review):
        client = login(otto)
        before = client.get("/").content.decode().count("Cannot tell")  # the filter's choice
        review(cases[0].scans.get(), make_person("ole", (south, "reader")), "cannot_tell")
        assert client.get("/").content.decode().count("Cannot tell") == before
        assert shown(client.get("/?label=cannot_tell")) == []

    def test_the_patients_page_hides_it_too(self, login, otto, cases, jonas):
        words = login(otto).get(f"/patients/{jonas.pk}/").content.decode()
        assert words.count("Hidden until you decide") == 2
        assert "Opacities as in COVID-19 likely" not in words

    def test_one_undecided_scan_hides_the_case(self, otto, cases, model, review):
        _, likely = cases
        second = make_scan(likely, otto)
        review(likely.scans.first(), otto)
        assert worklist(otto).get(pk=likely.pk).answer_hidden
        review(second, otto)
        assert not worklist(otto).get(pk=likely.pk).answer_hidden

    def test_it_appears_after_the_decision(self, login, otto, cases, review):
        unlikely, likely = cases
        review(likely.scans.get(), otto)
        response = login(otto).get("/?decision=covid")
        assert shown(response) == [likely.pk]
        assert [case.pk for case in worklist(otto, WorklistFilter(needs_review=True))] == [unlikely.pk]

    def test_whoever_does_not_read_there_sees_it(self, login, south, cases):
        manager = make_person("mia", (south, "manager"))
        response = login(manager).get("/?decision=covid")
        assert shown(response) == [cases[1].pk]
        assert "Hidden until you decide" not in response.content.decode()
