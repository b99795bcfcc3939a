"""Knows the address at which people reach the portal. Links in mails begin with it, whatever a request's Host says."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


def public_url(given: str, *, hosts: Sequence[str], port: int, is_https: bool, is_behind_proxy: bool) -> str:
    """PUBLIC_URL as it was set, else what follows from the other settings; without a slash at its end."""
    if given:
        return _checked(given).rstrip("/")
    host = next((name.lstrip(".") for name in hosts if name != "*"), "localhost")
    has_own_port = not is_https and not is_behind_proxy and port != 80
    return f"{'https' if is_https else 'http'}://{host}" + (f":{port}" if has_own_port else "")


def _checked(given: str) -> str:
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ImproperlyConfigured(f"PUBLIC_URL is {given!r}; write it like https://ct.example.org")
    return given
