"""Data sets as pages: looking before building, building once, what is in one, and taking it away."""

import io
import zipfile

import pytest
from django.urls import reverse

from learning.models import Dataset, DatasetScan
from tests.cast import make_case, make_person, make_scan
from tests.pages.learning_cast import make_base_set, make_dataset, make_run


def text(response):
    return " ".join(response.content.decode().split())


@pytest.fixture
def labelled(scan, rita, review):
    """Anna's scan, which Rita has labelled."""
    review(scan, rita)
    return scan


@pytest.fixture
def dataset(north, max, labelled):
    return make_dataset(north, user=max)


def test_before_building_the_page_says_what_would_be_in_it_and_stores_nothing(login, max, north, labelled):
    base = make_base_set(groups=10)
    page = text(login(max).get(reverse("dataset-build")))
    assert "11 scans of 11 patients" in page
    assert "Freeze these 11 scans" in page
    assert f"Freeze a data set of {north}, {base}?" in page
    page = text(login(max).get(reverse("dataset-build"), {"look": "1", "sites": north.pk, "consensus_only": "on"}))
    assert "No labelled scan" in page
    assert "Not enough yet: <strong>0 of 10 training patients with COVID-19</strong>" in page
    assert "Only one reader has decided" in page
    assert str(base) in page
    assert not Dataset.objects.exists()


def test_the_question_before_freezing_names_what_is_left_out_and_whether_synthetic_scans_are_in(
    login, sue, north, south, labelled
):
    base = make_base_set(groups=10)
    choice = {"look": "1", "sites": north.pk}
    question = text(login(sue).get(reverse("dataset-build"), choice))
    assert f"Not in it: {south}, {base}. Synthetic scans are not in it." in question
    everything = {"look": "1", "sites": [north.pk, south.pk], "base_sets": base.pk, "with_synthetic": "on"}
    question = text(login(sue).get(reverse("dataset-build"), everything))
    assert "Not in it:" not in question
    assert "Synthetic scans are in it, so no model that learns from it may read patients." in question


def test_a_data_set_too_small_to_train_on_says_so_and_offers_what_leads_on(login, max, north, labelled):
    small = make_dataset(north, user=max, base=make_base_set("few", groups=4))
    page = text(login(max).get(reverse("dataset-detail", args=[small.pk])))
    assert "No model can be trained on it." in page
    assert "Train on it" not in page
    assert ">Scans to read</a>" in page
    enough = make_dataset(north, user=max)
    page = text(login(max).get(reverse("dataset-detail", args=[enough.pk])))
    assert "Train on it" in page
    assert "No model can be trained on it." not in page


def test_building_freezes_once_and_says_so_the_second_time(login, max, north, labelled):
    client, choice = login(max), {"sites": north.pk}
    first = client.post(reverse("dataset-build"), choice, follow=True)
    dataset = Dataset.objects.get()
    assert first.redirect_chain == [(reverse("dataset-detail", args=[dataset.pk]), 302)]
    assert "is frozen: 1 scan" in text(first)
    assert "Nothing has changed" in text(client.post(reverse("dataset-build"), choice, follow=True))
    assert Dataset.objects.count() == 1
    assert "already contains exactly these scans and labels" in text(client.get(reverse("dataset-build")))


def test_what_has_changed_shows_before_building_and_after(login, max, north, cara, rita, labelled, review):
    client = login(max)
    client.post(reverse("dataset-build"), {"sites": north.pk})
    review(make_scan(labelled.case, cara), rita, "non_covid")
    assert "<strong>1 added</strong>" in text(client.get(reverse("dataset-build")))
    page = text(client.post(reverse("dataset-build"), {"sites": north.pk}, follow=True))
    assert "1 added" in page
    assert "New: Not COVID-19" in page


def test_nothing_chosen_and_foreign_sites_are_refused_in_words(login, max, south, labelled):
    client = login(max)
    refused = client.post(reverse("dataset-build"), {})
    assert refused.status_code == 422
    assert "Choose a site or a base set." in text(refused)
    assert client.post(reverse("dataset-build"), {"sites": south.pk}).status_code == 422
    assert not Dataset.objects.exists()


def test_synthetic_scans_stay_ticked_across_errors_and_steps(login, max, north, labelled):
    client, ticked = login(max), 'id="id_with_synthetic" checked'
    assert ticked not in text(client.get(reverse("dataset-build")))
    looked = {"look": "1", "sites": north.pk, "with_synthetic": "on"}
    assert ticked in text(client.get(reverse("dataset-build"), looked))
    assert ticked in text(client.get(reverse("dataset-build")))
    refused = client.post(reverse("dataset-build"), {"with_synthetic": "on"})
    assert (refused.status_code, ticked in text(refused)) == (422, True)
    client.post(reverse("dataset-build"), {"sites": north.pk})
    client.post(reverse("dataset-build"), {"sites": north.pk, "with_synthetic": "on"})
    assert ticked in text(client.get(reverse("dataset-build")))
    assert ticked not in text(client.get(reverse("dataset-build"), {"look": "1", "sites": north.pk}))
    assert ticked not in text(client.get(reverse("dataset-build")))


def test_a_refused_building_keeps_what_was_ticked(login, max, north):
    refused = login(max).post(reverse("dataset-build"), {"sites": north.pk, "with_synthetic": "on"})
    assert refused.status_code == 409
    assert 'id="id_with_synthetic" checked' in text(refused)
    assert "review scans, or choose a base set or other sites" in text(refused)


def test_without_a_label_building_is_refused_with_what_to_do(login, max, north):
    refused = login(max).post(reverse("dataset-build"), {"sites": north.pk})
    assert refused.status_code == 409
    assert "review scans, or choose a base set or other sites" in text(refused)


def test_a_data_set_shows_its_counts_scans_and_what_was_left_out(login, max, cara, labelled, north):
    make_scan(labelled.case, cara)
    dataset = make_dataset(north, user=max)
    page = text(login(max).get(reverse("dataset-detail", args=[dataset.pk])))
    assert "held out: never used for training" in page
    assert f'href="{reverse("case-detail", args=[labelled.case_id])}">Scan {labelled.pk}</a>' in page
    assert "No reader has decided yet" in page
    assert "No model was trained on it yet." in page
    make_run(dataset, "queued")
    assert "Training run" in text(login(max).get(reverse("dataset-detail", args=[dataset.pk])))


def test_the_scans_of_a_data_set_are_filtered(login, max, dataset):
    address = reverse("dataset-detail", args=[dataset.pk])
    own = text(login(max).get(address, {"source": "north"}))
    assert "1–1 of 1" in own
    assert "1–50 of 60" in text(login(max).get(address, {"label": "non_covid"}))
    assert "Nothing fits these filters" in text(login(max).get(address, {"name": "nobody"}))
    assert login(max).get(address, {"split": "elsewhere", "page": "x", "out": "y", "reason": "z"}).status_code == 200


def test_another_sites_data_set_is_not_there(login, client, otto, rita, sue, dataset):
    for name in ("dataset-detail", "dataset-export"):
        address = reverse(name, args=[dataset.pk])
        call = "post" if name == "dataset-export" else "get"
        assert getattr(client, call)(address).status_code == 302
        assert getattr(login(rita), call)(address).status_code == 403
        assert getattr(login(otto), call)(address).status_code == 404
        client.logout()
    assert login(sue).get(reverse("dataset-detail", args=[dataset.pk])).status_code == 200
    assert str(dataset) not in text(login(otto).get(reverse("dataset-list")))


def test_a_blinded_reader_who_manages_learns_no_label_before_deciding(login, otto, south, jonas, review, media):
    scan = make_scan(make_case(jonas), otto)
    review(scan, make_person("ole", (south, "reader")))
    dataset = make_dataset(south, user=otto)
    address = reverse("dataset-detail", args=[dataset.pk])
    assert "1 scan that you have to decide on first is neither listed nor counted here" in text(
        login(otto).get(address)
    )
    assert f"Scan {scan.pk}</a>" not in text(login(otto).get(address, {"label": "covid"})).split('id="left-out"')[0]


def test_the_export_is_a_zip_whose_length_is_known(login, max, north, labelled):
    client = login(max)
    client.post(reverse("dataset-build"), {"sites": north.pk})
    response = client.post(reverse("dataset-export", args=[Dataset.objects.get().pk]))
    data = b"".join(response.streaming_content)
    assert response["Content-Length"] == str(len(data))
    assert "manifest.csv" in zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_the_list_tells_data_sets_and_base_sets(login, max, dataset):
    page = text(login(max).get(reverse("dataset-list")))
    assert str(dataset) in page
    assert "CC BY 4.0" in page
    assert DatasetScan.objects.filter(dataset=dataset).count() == 121
