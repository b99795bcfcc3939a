"""No reading asks the database more than fifteen questions, and no writing more for more, however much there is."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.cast import answer, make_case, make_patient, make_scan, phantom_png

MOST = 15
MOST_TO_WRITE = 34


@pytest.fixture
def everyone(north, cara):
    """Somebody with every role, so that nothing is skipped for lack of a right."""
    for role in ("reader", "manager"):
        cara.memberships.create(site=north, role=role)
    return cara


@pytest.fixture
def busy(everyone, rita, anna, case, model, media, review):
    """A case with answered, waiting and reviewed scans, and others beside it, at a site that reads blinded."""
    anna.site.blinded_reads = True
    anna.site.save()
    for _ in range(3):
        answer(make_scan(case, everyone, slices=2), model)
        make_scan(case, everyone)
        make_case(make_patient(anna.site))
    scan = case.scans.first()
    review(scan, rita)
    review(scan, everyone)
    return scan


ADDRESSES = [
    "me/",
    "sites/",
    "sites/north/",
    "patients/",
    "patients/{patient}/",
    "cases/",
    "cases/{case}/",
    "scans/",
    "scans/{scan}/",
    "slices/",
    "slices/{slice}/",
    "slices/{slice}/image/",
    "slices/{slice}/original/",
    "slices/{slice}/map/",
    "predictions/",
    "predictions/{prediction}/",
    "reviews/",
    "reviews/{review}/",
    "labels/",
    "models/",
    "models/{model}/",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_is_read_with_few_queries(api, everyone, busy, model, address, django_assert_max_num_queries):
    named = address.format(
        patient=busy.case.patient_id,
        case=busy.case_id,
        scan=busy.pk,
        slice=busy.slices.first().pk,
        prediction=busy.prediction_id,
        review=busy.reviews.first().pk,
        model=model.pk,
    )
    client = api(everyone)

    with django_assert_max_num_queries(MOST):
        assert client.get(f"/api/v1/{named}").status_code == 200


@pytest.mark.parametrize("address", ["patients/search/", "cases/search/"])
def test_a_search_takes_few_queries(api, everyone, busy, address, django_assert_max_num_queries):
    client = api(everyone)

    with django_assert_max_num_queries(MOST):
        assert client.post(f"/api/v1/{address}", {"search": "anna"}).status_code == 200


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("patients/", {"record_number": "Q-1", "name": "Quick One"}),
        ("cases/", {"patient": "{patient}"}),
        ("cases/{case}/close/", {}),
    ],
)
def test_a_short_change_takes_few_queries(api, everyone, case, address, body, django_assert_max_num_queries):
    body = {name: case.patient_id if value == "{patient}" else value for name, value in body.items()}
    client = api(everyone)

    with django_assert_max_num_queries(MOST_TO_WRITE):
        response = client.post(f"/api/v1/{address.format(case=case.pk)}", body, headers={"Idempotency-Key": "k"})
    assert response.status_code in (200, 201)


def test_an_upload_asks_no_more_for_more_slices(api, everyone, model, case, media, django_assert_max_num_queries):
    client = api(everyone)
    files = [SimpleUploadedFile(f"{n}.png", phantom_png(n)) for n in range(8)]

    with django_assert_max_num_queries(MOST_TO_WRITE):
        url = f"/api/v1/cases/{case.pk}/scans/"
        response = client.post(url, {"files": files, "together": "true"}, format="multipart")
    assert response.json()["scans"][0]["slice_count"] == 8
