"""Answers of the vault's API when something is wrong: ``{"error": {"code", "text"}}``, without values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from confide.errors import ConfideError
from confide.fhir import json
from confide.records.outcomes import status_of
from confide.server.fhir.answers import RETRY_SECONDS, Declined

JSON = "application/json"


def send(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with JSON."""
    return HttpResponse(json.format(body), status=status, headers=dict(headers or {}), content_type=JSON)


def trouble(code: str, text: str) -> dict[str, Any]:
    """Write an error: of an item, or of a whole request."""
    return {"error": {"code": code, "text": text}}


def send_trouble(status: int, code: str, text: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer a request of which nothing was done."""
    return send(trouble(code, text), status, headers)


def send_declined(declined: Declined) -> HttpResponse:
    """Answer a refusal of HTTP itself."""
    return send_trouble(declined.status, declined.kind, str(declined), declined.headers)


def send_problem(problem: ConfideError, *, lacking: str = "") -> HttpResponse:
    """Answer with an error of ours.

    Args:
        problem: What was raised.
        lacking: The scope that the token lacked, if that is what was raised.
    """
    status = status_of(problem)
    headers: dict[str, str] = {"Retry-After": RETRY_SECONDS} if status == 503 else {}
    if lacking:
        headers["WWW-Authenticate"] = f'Bearer realm="confide", error="insufficient_scope", scope="{lacking}"'
    return send_trouble(status, problem.code, str(problem), headers)
