"""Tests that run side by side share no queue: each process has a Redis database of its own."""

import os

import pytest
from django.conf import settings
from django.core.cache import cache

from ctportal.celery import app


def test_settings_are_read_after_the_services_are_named() -> None:
    assert os.environ["REDIS_URL"] == settings.REDIS_URL
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "ctportal.settings"


def test_each_process_has_its_own_redis_database(worker_id: str) -> None:
    wanted = 0 if worker_id == "master" else int(worker_id.removeprefix("gw")) + 1
    if not settings.REDIS_URL.startswith("unix:"):
        pytest.skip("Redis is the environment's, not the tests' own")
    with app.connection_for_write() as broker:
        channel = broker.default_channel
        number = channel.client.connection_pool.connection_kwargs["db"]  # type: ignore[attr-defined]
    cached = cache._cache.get_client().connection_pool.connection_kwargs["db"]  # type: ignore[attr-defined]
    assert (number, cached) == (wanted, wanted)
