"""What the tests of accounts share."""

import pytest
from django.core.cache import cache


@pytest.fixture
def fresh_limits():
    """No failed attempt of an earlier test counts."""
    cache.clear()
    yield
    cache.clear()
