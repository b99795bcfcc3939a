"""The administration is nothing to addresses outside the networks that an installation names."""

import pytest

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        ([], "192.0.2.7", 302),
        (["10.0.0.0/8", "127.0.0.1"], "10.9.8.7", 302),
        (["10.0.0.0/8", "127.0.0.1"], "127.0.0.1", 302),
        (["10.0.0.0/8"], "192.0.2.7", 404),
        (["10.0.0.0/8"], "", 404),
        (["10.0.0.0/8", "fd00::/8"], "fd00::1", 302),
    ],
)
def test_who_may_open_the_administration(client, settings, networks, address, status):
    settings.ADMIN_NETWORKS = networks

    assert client.get("/admin/", REMOTE_ADDR=address).status_code == status
    assert client.get("/accounts/login/", REMOTE_ADDR=address).status_code == 200


def test_the_address_that_a_client_claims_does_not_count(client, settings):
    settings.ADMIN_NETWORKS = ["10.0.0.0/8"]
    claims = {"X-Forwarded-For": "10.0.0.1"}

    assert client.get("/admin/", REMOTE_ADDR="192.0.2.7", headers=claims).status_code == 404
    settings.PROXIES = 1
    forwarded = {"X-Forwarded-For": "10.0.0.1, 192.0.2.7"}
    assert client.get("/admin/", REMOTE_ADDR="127.0.0.1", headers=forwarded).status_code == 404
    assert client.get("/admin/", REMOTE_ADDR="127.0.0.1", headers=claims).status_code == 302
