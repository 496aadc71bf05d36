"""Answers of the FHIR API: resources and OperationOutcomes with their headers, in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from confide.errors import ConfideError, InvalidResource, TooFast, VersionConflict
from confide.fhir import json
from confide.records.outcomes import etag, outcome, status_of
from confide.records.rows import View

FHIR_JSON = "application/fhir+json"
JSON_TYPES = frozenset({FHIR_JSON, "application/json", "text/json"})
_ACCEPTED = JSON_TYPES | {"*/*", "application/*", "json"}
KEPT = '199 confide "the patient has asked that values be kept from this purpose; they are stand-ins"'
WITHHELD = '199 confide "the exposure budget of this client does not cover the values; they are stand-ins"'
RETRY_SECONDS = "5"


class Declined(Exception):
    """An answer of HTTP itself: no such address, method or format; no valid token.

    Args:
        status: Of HTTP.
        kind: A code of FHIR's issue-type value set.
        text: One sentence, without values.
        headers: To send with it.
    """

    def __init__(self, status: int, kind: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.kind = kind
        self.text = text
        self.headers = dict(headers or {})


def base_url(request: HttpRequest) -> str:
    """Return the address of the API, as the caller wrote its host."""
    return request.build_absolute_uri("/fhir/R4")


def negotiate(request: HttpRequest) -> None:
    """Refuse to answer in a format that the caller did not ask for.

    Raises:
        Declined: Neither ``_format`` nor ``Accept`` takes JSON.
    """
    wanted = request.GET.get("_format")
    # A plus sign in an address is a space unless it is written %2B; nearly nobody writes it so.
    listed = wanted.replace(" ", "+") if wanted else request.headers.get("Accept", "*/*")
    for part in listed.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        version = dict(p.split("=", 1) for p in parameters if "=" in p).get("fhirversion", "4.0").strip('"')
        if name in _ACCEPTED and version.startswith("4.0"):
            return
    raise Declined(406, "not-supported", "this server answers in application/fhir+json, of FHIR 4.0, only")


def send(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with a resource."""
    return HttpResponse(
        json.format(body),
        status=status,
        headers=dict(headers or {}),
        content_type=f"{FHIR_JSON}; charset=utf-8",
    )


def send_view(view: View, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with one version of a resource as its reader may see it."""
    return send(view.body, status, {**tags(view), **dict(headers or {})})


def tags(view: View) -> dict[str, str]:
    """The headers that name a version."""
    return {"ETag": etag(view.version), "Last-Modified": http_date(view.updated.timestamp())}


def instant(view: View) -> str:
    """When a version was written, as a FHIR instant."""
    return view.updated.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def send_declined(declined: Declined) -> HttpResponse:
    """Answer a refusal of HTTP itself."""
    return send_issue(declined.status, declined.kind, declined.text, declined.headers)


def send_issue(status: int, kind: str, text: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with an OperationOutcome of one issue."""
    issue = {"severity": "error", "code": kind, "diagnostics": text}
    return send({"resourceType": "OperationOutcome", "issue": [issue]}, status, headers)


def send_problem(
    problem: ConfideError, *, conditional: bool = False, searching: bool = False
) -> HttpResponse:
    """Answer with an error of ours as an OperationOutcome.

    Args:
        problem: What was raised.
        conditional: The request named the version that it had seen: a conflict is a condition that failed.
        searching: The request was a search: what is invalid is the request itself.
    """
    status = status_of(problem)
    if conditional and isinstance(problem, VersionConflict):
        status = 412
    elif searching and isinstance(problem, InvalidResource):
        status = 400
    wait = str(problem.wait) if isinstance(problem, TooFast) else RETRY_SECONDS if status == 503 else ""
    return send(outcome(problem), status, {"Retry-After": wait} if wait else None)
