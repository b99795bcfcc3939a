from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.tasks import tidy_up

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


def test_tidying_up_removes_ended_sessions_and_keeps_living_ones(now):
    Session.objects.create(session_key="ended", session_data="", expire_date=now - timedelta(minutes=1))
    Session.objects.create(session_key="living", session_data="", expire_date=now + timedelta(hours=1))
    tidy_up()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["living"]
