"""What is turned away unseen: strange methods, tokens in the clear, and what another site has caused.

Nobody's page opens, and nothing is changed, because a third page asked for it.

A browser says with ``Sec-Fetch-Site`` who caused a request, and no page can write that header. From elsewhere
one comes in by the few doors named here; whatever else is asked for leads to the first page, which the person
then has asked for. Browsers too old to send the header are kept out by ``SameSite`` and the form's token.

Source:
    W3C Fetch Metadata Request Headers (https://www.w3.org/TR/fetch-metadata/).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render, resolve_url
from django.urls import Resolver404, resolve

from confide.server import errors

DOORS: Final = frozenset({"front", "account_login", "invitation", "issuer_return"})
"""Names of the addresses that a link elsewhere or an identity provider may lead to; no patient is there."""

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

# No TRACE, which sends back what it was sent, and none of WebDAV's.
_METHODS = (*sorted(SAFE), "POST", "PUT", "PATCH", "DELETE")
_ELSEWHERE = frozenset({"cross-site", "same-site"})
_DOCUMENTS = frozenset({"document", ""})


class Border:
    """Turns away what has no business here."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method not in _METHODS:
            response = errors.say(request, 405, "that method is not answered here")
            response["Allow"] = ", ".join(_METHODS)
            return response
        if errors.is_for_programs(request):
            if settings.SECURE_SSL_REDIRECT and not request.is_secure():
                # A person is led to TLS. A program that was would go on sending its token in the clear.
                return errors.say(request, 403, "this is answered over TLS only: use an https address")
            return self._get_response(request)
        if request.headers.get("Sec-Fetch-Site", "") not in _ELSEWHERE:
            return self._get_response(request)
        if request.method not in SAFE:
            return errors.refuse_another_site(request)
        if _is_door(request) and request.headers.get("Sec-Fetch-Dest", "") in _DOCUMENTS:
            return self._get_response(request)
        return _lead_in(request)


def _is_door(request: HttpRequest) -> bool:
    try:
        return resolve(request.path_info).url_name in DOORS
    except Resolver404:
        return False


def _lead_in(request: HttpRequest) -> HttpResponse:
    """Lead to the first page by a page of our own: the next request is ours, and not the other site's."""
    if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        return errors.refuse_another_site(request)
    return render(request, "entered.html", {"front": resolve_url("pages:front")})
