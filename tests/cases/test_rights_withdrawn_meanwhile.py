"""Reading an upload takes time: what its sender may do is asked again before anything is stored."""

import functools
import io

import pytest
from django.core.exceptions import PermissionDenied

from accounts.models import Event, Membership, User
from cases import uploads
from cases.intake import SentFile
from cases.models import Scan
from cases.uploads import receive_upload
from tests.cast import phantom_png

pytestmark = pytest.mark.django_db


def take_the_role(user):
    Membership.objects.filter(user=user).delete()


def change_the_role(user):
    Membership.objects.filter(user=user).update(role="reader")


def make_inactive(user):
    User.objects.filter(pk=user.pk).update(is_active=False)


@pytest.mark.parametrize("withdraw", [take_the_role, change_the_role, make_inactive])
def test_nothing_is_stored_of_an_upload_whose_sender_lost_the_right_while_it_was_read(
    case, cara, media, monkeypatch, withdraw
):
    read = uploads.read_upload

    def read_for_long(*arguments, **options):
        intake = read(*arguments, **options)
        withdraw(cara)
        return intake

    monkeypatch.setattr(uploads, "read_upload", read_for_long)
    data = phantom_png(1)
    file = SentFile(name="one.png", open=functools.partial(io.BytesIO, data), size=len(data))

    with pytest.raises(PermissionDenied):
        receive_upload(case=case, user=cara, files=[file])

    assert not Scan.objects.exists()
    assert not [path for path in media.rglob("*") if path.is_file()]
    assert not Event.objects.filter(action="scan_uploaded").exists()
