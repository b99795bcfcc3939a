"""Settings that would be misunderstood silently are refused at the start."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

EVENT_ADDRESSES = ("full", "network", "hash", "none")


@register
def check_event_addresses(**kwargs: Any) -> list[Error]:
    if settings.EVENT_ADDRESSES in EVENT_ADDRESSES:
        return []
    return [Error(f"EVENT_ADDRESSES is none of {', '.join(EVENT_ADDRESSES)}.", id="accounts.E001")]
