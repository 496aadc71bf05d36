"""Where a request comes from, when a proxy stands in front: only what named proxies say is believed."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

_Network = IPv4Network | IPv6Network


class Origin:
    """Sets ``REMOTE_ADDR`` to the last address in ``X-Forwarded-For`` that is not a named proxy's.

    A client may write anything into the header, but a proxy appends whom it heard it from: read from the end,
    it is true as far as the proxies are ours. The same proxies say with ``X-Forwarded-Proto`` whether the
    request came to them over TLS.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._proxies: list[_Network] = [ip_network(each, strict=False) for each in settings.CONFIG.proxies]

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        here = request.META.get("REMOTE_ADDR", "")
        if self._proxies and self._is_proxy(here):
            told = [each.strip() for each in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
            for each in reversed(told):
                if not _is_address(each):
                    break
                here = each
                if not self._is_proxy(each):
                    break
            request.META["REMOTE_ADDR"] = here
            if request.META.get("HTTP_X_FORWARDED_PROTO", "").strip().lower() == "https":
                request.META["wsgi.url_scheme"] = "https"
        return self._get_response(request)

    def _is_proxy(self, text: str) -> bool:
        if not _is_address(text):
            return False
        address = ip_address(text)
        return any(address.version == proxy.version and address in proxy for proxy in self._proxies)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
