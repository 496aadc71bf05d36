"""The outermost layer: errors become answers, and every answer carries the headers that keep it private."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import resolve_url

from confide.audit import receipts
from confide.audit.receipts import Receipt
from confide.server import errors
from confide.server.headers import HEADERS, LEAVING

# Django answers these itself, through the functions that urls.py names.
_DJANGO = (Http404, PermissionDenied, SuspiciousOperation, BadRequest, MultiPartParserError)


@cache
def _leaving() -> str:
    return resolve_url("account_logout")


class Outermost:
    """First in the list of middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with receipts.collecting() as entries:
            response = self._get_response(request)
        if entries:
            response[receipts.HEADER] = str(Receipt.of(entries))
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        if not request.path.startswith("/static/") or response.status_code >= 400:
            # What was uncovered is in no cache: not the browser's, not a proxy's.
            response["Cache-Control"] = "no-store"
        if request.method == "POST" and request.path == _leaving():
            response["Clear-Site-Data"] = LEAVING
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer what a view raised; None leaves it to Django."""
        return None if isinstance(exception, _DJANGO) else errors.answer(request, exception)
