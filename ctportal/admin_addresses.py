"""From where the administration may be opened, where an installation says so."""

import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.defaults import page_not_found

Handler = Callable[[HttpRequest], HttpResponse]


class AdminAddressMiddleware:
    """Below /admin/ there is nothing for an address outside ADMIN_NETWORKS, with or without a session."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.networks = [ipaddress.ip_network(network) for network in settings.ADMIN_NETWORKS]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if self.networks and request.path_info.startswith("/admin") and not self._is_inside(address_of(request)):
            return page_not_found(request, Http404())
        return self.get_response(request)

    def _is_inside(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self.networks)


def address_of(request: HttpRequest) -> str:
    """The client's; behind a proxy the one that the proxy, which is trusted, added last."""
    if settings.PROXIES:
        return request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return str(request.META.get("REMOTE_ADDR", ""))
