"""Scans that were sent in the wrong parts are put right on the record: joined, or split."""

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import Action, Event
from accounts.refusals import WrongState
from cases.casework import close_case
from cases.joining import join_scans, split_scan
from cases.models import Case, Scan
from inference.models import Prediction
from tests.api.calls import client_of, problem
from tests.cast import answer, make_case, make_patient, make_person, make_scan, phantom_png


@pytest.fixture
def loose(model, case, cara, media):
    """Provides three images, a scan each."""
    return [make_scan(case, cara, seed=number) for number in (11, 12, 13)]


@pytest.fixture
def stack(model, case, cara, media):
    """Provides four images, one scan."""
    return make_scan(case, cara, slices=4)


def keys(scan):
    return list(scan.slices.order_by("position").values_list("key", flat=True))


def test_joined_scans_are_one_scan_of_their_slices_in_the_order_named(loose, case, cara):
    first, second, third = loose
    joined = join_scans(case=case, scans=[second, first, third], user=cara, reason="One series.")

    assert keys(joined) == keys(second) + keys(first) + keys(third)
    assert joined.slices.get(position=0).view.name == second.slices.get().view.name
    assert (joined.slice_count, joined.description) == (3, "3 images")
    for scan in loose:
        scan.refresh_from_db()
        assert (scan.status, scan.withdrawn_reason) == ("withdrawn", f"Joined into scan {joined.pk}: One series.")
    assert joined.notes[-1] == f"Joined from scans {second.pk}, {first.pk}, {third.pk}: One series."


def test_joining_is_an_event_and_asks_the_model_about_the_new_scan(loose, case, cara):
    joined = join_scans(case=case, scans=loose, user=cara, reason="One series.")

    event = Event.objects.get(action=Action.SCANS_JOINED)
    assert (event.subject_id, event.details) == (
        joined.pk, {"scans": [scan.pk for scan in loose], "reason": "One series."},
    )  # fmt: skip
    assert Prediction.objects.waiting().filter(scan=joined).exists()


def test_the_parts_of_a_split_scan_begin_where_they_were_named(stack, cara):
    before = keys(stack)
    parts = split_scan(scan=stack, user=cara, reason="Two series.", starts=[3])

    assert [keys(part) for part in parts] == [before[:2], before[2:]]
    assert [part.slices.order_by("position").first().position for part in parts] == [0, 0]
    stack.refresh_from_db()
    assert stack.withdrawn_reason == f"Split into scans {parts[0].pk}, {parts[1].pk}: Two series."
    assert keys(stack) == before
    assert Event.objects.get(action=Action.SCAN_SPLIT).details["scans"] == [part.pk for part in parts]
    assert Prediction.objects.waiting().filter(scan__in=parts).count() == 2


def test_without_a_place_each_slice_becomes_a_scan(stack, cara):
    assert [part.slice_count for part in split_scan(scan=stack, user=cara, reason="Loose.")] == [1, 1, 1, 1]


def test_what_was_split_can_be_joined_again(stack, case, cara):
    parts = split_scan(scan=stack, user=cara, reason="Loose.")
    joined = join_scans(case=case, scans=parts, user=cara, reason="It was one after all.")

    assert keys(joined) == keys(stack)


@pytest.mark.parametrize("starts", [[1], [5], [0, 2]])
def test_a_place_outside_the_scan_is_refused(stack, cara, starts):
    with pytest.raises(WrongState, match="Name slices from 2 to 4"):
        split_scan(scan=stack, user=cara, reason="Two series.", starts=starts)
    assert Scan.objects.ready().get() == stack


def test_reviews_stay_with_the_withdrawn_scans_and_only_a_manager_takes_them_out(loose, case, cara, rita, max, review):
    answer(loose[0], loose[0].predictions.get().model_version)
    held = review(loose[0], rita)
    with pytest.raises(WrongState, match="ask a manager"):
        join_scans(case=case, scans=loose, user=cara, reason="One series.")

    joined = join_scans(case=case, scans=loose, user=max, reason="One series.")

    held.refresh_from_db()
    assert held.scan_id == loose[0].pk
    assert joined.final_label is None
    assert Case.objects.get(pk=case.pk).needs_review


def test_neither_in_a_closed_case(loose, case, cara, rita, review):
    for scan in loose:
        review(scan, rita)
    close_case(case=case, user=rita)
    with pytest.raises(WrongState, match="is closed"):
        join_scans(case=case, scans=loose, user=cara, reason="One series.")


def test_neither_without_a_reason(loose, stack, case, cara):
    with pytest.raises(WrongState, match="only with a reason"):
        join_scans(case=case, scans=loose, user=cara, reason=" ")
    with pytest.raises(WrongState, match="only with a reason"):
        split_scan(scan=stack, user=cara, reason="")


def test_neither_by_who_may_not_upload(loose, stack, case, rita):
    with pytest.raises(PermissionDenied):
        join_scans(case=case, scans=loose, user=rita, reason="One series.")
    with pytest.raises(PermissionDenied):
        split_scan(scan=stack, user=rita, reason="Two series.")


def test_scans_of_another_case_or_withdrawn_ones_are_not_joined(loose, case, cara, north):
    other = make_scan(make_case(make_patient(north)), cara)
    with pytest.raises(WrongState, match=f"Choose scans of case {case.pk}"):
        join_scans(case=case, scans=[loose[0], other], user=cara, reason="One series.")
    join_scans(case=case, scans=loose[:2], user=cara, reason="One series.")
    with pytest.raises(WrongState, match="withdrawn"):
        join_scans(case=case, scans=loose, user=cara, reason="One series.")


def test_the_case_page_joins_and_splits(login, cara, loose, case):
    client = login(cara)
    assert "Join scans into one" in client.get(reverse("case-detail", args=[case.pk])).content.decode()

    client.post(reverse("case-join", args=[case.pk]), {"scan": [scan.pk for scan in loose], "reason": "One series."})
    joined = case.scans.ready().get()
    assert joined.slice_count == 3

    client.post(reverse("scan-split", args=[joined.pk]), {"starts": "2", "reason": "Two series."})
    assert [scan.slice_count for scan in case.scans.ready()] == [1, 2]
    history = client.get(reverse("case-detail", args=[case.pk])).content.decode()
    assert "joined scans into one" in history
    assert "split a scan" in history


@pytest.mark.parametrize("words", ["two", "2;3", "99999999"])
def test_the_page_says_what_a_place_looks_like(login, cara, stack, words):
    sent = login(cara).post(reverse("scan-split", args=[stack.pk]), {"starts": words, "reason": "Two series."})

    assert sent.status_code == 409
    assert "Write the numbers of the slices" in sent.content.decode()


def test_the_api_joins_and_splits(cara, loose, case):
    client = client_of(cara)
    body = client.post(f"/api/v1/cases/{case.pk}/join/", {"scans": [s.pk for s in loose], "reason": "One."}).json()
    (joined,) = [scan for scan in body["scans"] if scan["status"] == "ready"]
    assert joined["slice_count"] == 3

    parts = client.post(f"/api/v1/scans/{joined['id']}/split/", {"starts": [3], "reason": "Two."}).json()
    assert [part["slice_count"] for part in parts] == [2, 1]


def test_the_api_refuses_others_and_what_is_not_there(otto, rita, north, loose, case, cara):
    address, sent = f"/api/v1/cases/{case.pk}/join/", {"scans": [scan.pk for scan in loose], "reason": "One."}
    split = f"/api/v1/scans/{loose[0].pk}/split/"
    problem(client_of(None).post(address, sent), 401, "unauthenticated")
    problem(client_of(otto).post(address, sent), 404, "not-found")
    problem(client_of(rita).post(address, sent), 403, "forbidden")
    problem(client_of(cara, "read").post(address, sent), 403, "forbidden")
    problem(client_of(cara).post(address, {"scans": [1, 2], "reason": "One."}), 422, "invalid")
    problem(client_of(otto).post(split, {"reason": "Two."}), 404, "not-found")
    problem(client_of(make_person("rex", (north, "reader"))).post(split, {"reason": "Two."}), 403, "forbidden")
    problem(client_of(cara).post(split, {"reason": "Two."}), 409, "wrong-state")


@pytest.mark.parametrize(
    ("names", "sizes", "is_one"),
    [
        (["IM1.png", "IM2.png", "IM3.png"], [48, 48, 48], True),
        (["IM1.png", "IM2.png", "other.png"], [48, 48, 48], False),
        (["a1.png", "b2.png", "a3.png"], [48, 48, 48], False),
        (["IM1.png", "IM2.png", "IM3.png"], [48, 48, 64], False),
        (["IM1.png", "IM2.png"], [48, 48], False),
    ],
)
def test_without_scripts_numbered_images_are_suggested_for_joining(login, cara, case, media, names, sizes, is_one):
    files = [
        SimpleUploadedFile(name, phantom_png(400 + number, size=size))
        for number, (name, size) in enumerate(zip(names, sizes, strict=True))
    ]
    sent = login(cara).post(reverse("case-upload", args=[case.pk]), {"files": files}, follow=True)

    assert case.scans.count() == len(names)
    assert ("If they are one scan, join them" in sent.content.decode()) is is_one


def test_the_api_joins_files_into_one_scan_on_request(cara, case, media):
    files = [SimpleUploadedFile(f"IM{number}.png", phantom_png(420 + number)) for number in range(3)]
    sent = {"files": files, "as_one_scan": "true"}
    body = client_of(cara).post(f"/api/v1/cases/{case.pk}/scans/", sent, format="multipart").json()

    assert [scan["slice_count"] for scan in body["scans"]] == [3]
