"""What is answered when something goes wrong: an outcome or JSON to programs, a readable page to people.

No answer holds a value, and no traceback leaves the log.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import resolve_url
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.utils.html import format_html

from confide.errors import ConfideError, Unavailable
from confide.records.outcomes import status_of
from confide.server import throttle
from confide.server.fhir.answers import RETRY_SECONDS, send_issue, send_problem
from confide.server.pages.troubles import explain
from confide.server.vault import answers as vault

_log = logging.getLogger(__name__)
FHIR = "/fhir/"
OAUTH = "/oauth/"
VAULT = "/vault/"
OPENAPI = "/openapi.json"
_TITLES = {
    400: "This request cannot be read",
    403: "You may not do this",
    404: "There is nothing here",
    405: "That cannot be done here",
    409: "Somebody else was faster",
    410: "It was deleted",
    413: "This is too large",
    422: "Something needs to be corrected",
    503: "Please try again in a moment",
}
_FAILED = "Something went wrong on our side"
_KEPT = "Nothing was changed. If it happens again, tell whoever runs this server; the log says where."
_KINDS = {
    400: "invalid",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    500: "exception",
    503: "transient",
}
_CODES = {400: "invalid", 403: "refused", 404: "not-found", 405: "not-supported", 503: "unavailable"}
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>{}</title>'
    '<main><h1>{}</h1><p>{}</p><p><a href="/">Back to the first page</a></p></main></html>'
)


def is_for_programs(request: HttpRequest) -> bool:
    """Tell whether an address is a program's: it shows a token in a header, and no cookie counts there."""
    return request.path.startswith((FHIR, VAULT, OAUTH, OPENAPI))


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer what a view raised, and log what is our fault."""
    problem = Unavailable("the database does not answer now") if isinstance(error, DatabaseError) else error
    if not isinstance(problem, ConfideError):
        _log.error("a request failed", exc_info=error)
        return say(request, 500, _KEPT)
    status = status_of(problem)
    if status >= 500:
        _log.error("a request failed", exc_info=error)
    if request.path.startswith(FHIR):
        return send_problem(problem)
    if request.path.startswith(VAULT):
        return vault.send_problem(problem)
    trouble = explain(problem)
    return say(request, trouble.status, f"{trouble.happened} {trouble.advice}")


def say(request: HttpRequest, status: int, text: str) -> HttpResponse:
    """Answer an error in the form that fits the address."""
    title = _TITLES.get(status, _FAILED)
    if request.path.startswith(FHIR):
        response = send_issue(status, _KINDS.get(status, "exception"), text)
    elif request.path.startswith(VAULT):
        response = vault.send_trouble(status, _CODES.get(status, "error"), text)
    elif request.path.startswith(OAUTH):
        response = JsonResponse(
            {"error": "server_error" if status >= 500 else "invalid_request"}, status=status
        )
    else:
        response = HttpResponse(_page(status, title, text), status=status)
    if status == 503:
        response["Retry-After"] = RETRY_SECONDS
    return response


def _page(status: int, title: str, text: str) -> str:
    try:
        return render_to_string("error.html", {"status": status, "title": title, "text": text})
    except TemplateDoesNotExist:
        return format_html(_PAGE, title, title, text)
    except Exception as error:  # noqa: BLE001 - the last resort
        # An error page that fails must not hide what it was to tell.
        _log.exception("the error page failed", exc_info=error)
        return format_html(_PAGE, title, title, text)


# Django's own refusals, named in urls.py


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - it may hold what was sent
    """Answer what cannot be read."""
    return say(request, 400, "The request is malformed, or was sent to a name that is not this server's.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - as above
    """Answer what a view refused."""
    return say(request, 403, "This is not for you, or you are not signed in.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django passes it
    """Answer a form that is too old, or was sent by another site, or by a program that tries passwords."""
    if request.path == resolve_url(settings.LOGIN_URL):
        throttle.note_unasked(request)
    return say(
        request,
        403,
        "The page was open for too long. Go back, reload it, and try again; nothing was changed.",
    )


def refuse_another_site(request: HttpRequest) -> HttpResponse:
    """Answer what another site has caused."""
    if request.path == resolve_url(settings.LOGIN_URL):
        throttle.note_unasked(request)
    return say(request, 403, "Another site has asked for this, and not you. Nothing was changed.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - as above
    """Answer an address that there is not."""
    return say(request, 404, "There is nothing at this address, or nothing for you.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what failed outside of a view."""
    return say(request, 500, _KEPT)
