"""Tests stored images through the rights check."""

import io
from pathlib import Path

import pytest
from django.urls import reverse
from PIL import Image

from accounts.models import Action, Event
from tests.cast import answer, make_case, make_scan

KINDS = ["slice-view", "slice-original", "slice-map"]


@pytest.fixture
def one(answered):
    return answered.slices.get()


def content(response):
    return b"".join(response.streaming_content) if response.streaming else response.content


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_gets_the_picture_and_nobody_else(login, client, cara, rita, max, otto, one, kind):
    url = reverse(kind, args=[one.pk])
    assert client.get(url).status_code == 302
    assert login(otto).get(url).status_code == 404
    for person in (cara, rita, max):
        response = login(person).get(url)
        assert response.status_code == 200
        assert response["Content-Type"] == "image/png"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "private" in response["Cache-Control"]
        Image.open(io.BytesIO(content(response))).verify()
    assert login(rita).post(url).status_code == 405


@pytest.mark.parametrize("kind", ["slice-view", "slice-map"])
def test_what_the_browser_has_is_not_sent_again(login, rita, one, kind):
    url = reverse(kind, args=[one.pk])
    tag = login(rita).get(url)["ETag"]
    again = login(rita).get(url, headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again["ETag"] == tag


def test_a_known_tag_opens_nothing_to_a_stranger(login, rita, otto, one):
    url = reverse("slice-view", args=[one.pk])
    tag = login(rita).get(url)["ETag"]
    assert login(otto).get(url, headers={"If-None-Match": tag}).status_code == 404


def test_the_original_is_a_download_with_a_neutral_name_and_an_event(login, rita, one):
    response = login(rita).get(reverse("slice-original", args=[one.pk]))
    assert response["Content-Disposition"] == f'attachment; filename="scan-{one.scan_id}-slice-001.png"'
    event = Event.objects.get(action=Action.FILE_DOWNLOADED)
    assert (event.actor, event.case_id, event.subject_id) == (rita, one.scan.case_id, one.pk)


def test_the_map_is_clear_where_the_model_saw_nothing(login, rita, answered, one):
    grey = io.BytesIO()
    Image.frombytes("L", (3, 1), bytes([0, 128, 255])).save(grey, "PNG")
    one.answers.update(map_png=grey.getvalue())
    response = login(rita).get(reverse("slice-map", args=[one.pk]))
    pixels = list(Image.open(io.BytesIO(response.content)).convert("RGBA").getdata())
    assert pixels[0][3] == 0
    assert 0 < pixels[1][3] < pixels[2][3]


def test_a_blinded_reader_gets_the_picture_but_no_map(login, otto, jonas, model, review, media):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model)
    one = scan.slices.get()
    assert login(otto).get(reverse("slice-view", args=[one.pk])).status_code == 200
    assert login(otto).get(reverse("slice-map", args=[one.pk])).status_code == 403
    review(scan, otto)
    assert login(otto).get(reverse("slice-map", args=[one.pk])).status_code == 200


def test_there_is_no_map_before_an_answer(login, rita, scan):
    assert login(rita).get(reverse("slice-map", args=[scan.slices.get().pk])).status_code == 404


@pytest.mark.parametrize("kind", ["view", "original"])
def test_a_file_that_is_gone_is_said_to_be_lost_with_what_to_do(login, rita, scan, kind):
    one = scan.slices.get()
    getattr(one, kind).storage.delete(getattr(one, kind).name)
    response = login(rita).get(reverse(f"slice-{kind}", args=[one.pk]))
    assert response.status_code == 410
    assert f"of slice 1 of scan {scan.pk} is missing from the store. Withdraw this scan" in response.content.decode()


@pytest.mark.parametrize("damage", [lambda data: data[:-40], lambda data: data[:90] + b"?" + data[91:]])
def test_a_picture_that_is_not_what_was_stored_is_not_shown(login, rita, scan, damage):
    path = Path(scan.slices.get().view.path)
    path.write_bytes(damage(path.read_bytes()))
    response = login(rita).get(reverse("slice-view", args=[scan.slices.get().pk]))
    assert response.status_code == 410
    assert "is damaged in the store. Withdraw this scan and upload it again." in response.content.decode()


def test_while_the_store_is_away_no_picture_is_said_to_be_lost(login, rita, scan, media):
    media.rename(media.with_name("unmounted"))
    assert login(rita).get(reverse("slice-view", args=[scan.slices.get().pk])).status_code == 503


@pytest.mark.parametrize("kind", ["slice-view", "slice-map"])
def test_a_picture_opened_by_its_address_is_a_look_at_the_case_and_many_are_one(login, rita, one, kind):
    client = login(rita)
    for _ in range(3):
        client.get(reverse(kind, args=[one.pk]))

    event = Event.objects.get(action=Action.CASE_VIEWED)
    assert (event.actor, event.case_id) == (rita, one.scan.case_id)


def test_the_pictures_of_the_reading_page_are_no_further_look(login, rita, one):
    client = login(rita)
    client.get(reverse("case-read", args=[one.scan.case_id]))
    client.get(reverse("slice-view", args=[one.pk]))

    assert Event.objects.get(action=Action.CASE_VIEWED).details == {"reading": True}


@pytest.mark.parametrize("address", ["/scans/{scan}/answer/", "/cases/{case}/scans/"])
def test_an_answer_opened_by_its_address_is_a_look_at_the_case(login, rita, one, address):
    login(rita).get(address.format(scan=one.scan_id, case=one.scan.case_id))

    assert Event.objects.filter(action=Action.CASE_VIEWED, actor=rita).count() == 1
