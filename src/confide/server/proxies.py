"""What proxies in front say of a request: where it comes from, and which certificate the caller has proved.

Only what named proxies say is believed.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

CERTIFICATES: Final = ("HTTP_CLIENT_CERT", "HTTP_CLIENT_CERT_CHAIN")
"""The headers of RFC 9440."""

_Network = IPv4Network | IPv6Network


class Origin:
    """Removes a certificate that no named proxy has told, and says where the request comes from.

    ``REMOTE_ADDR`` becomes the last address in ``X-Forwarded-For`` that is not a named proxy's.

    A client may write anything into the header, but a proxy appends whom it heard it from: read from the end,
    it is true as far as the proxies are ours. The same proxies say with ``X-Forwarded-Proto`` whether the
    request came to them over TLS.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._proxies: list[_Network] = [ip_network(each, strict=False) for each in settings.CONFIG.proxies]

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        here = request.META.get("REMOTE_ADDR", "")
        if not self._is_proxy(here):
            for name in CERTIFICATES:
                request.META.pop(name, None)
        else:
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
