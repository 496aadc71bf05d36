"""Errors as FHIR OperationOutcomes, with the HTTP status that each family has."""

from __future__ import annotations

from typing import Any

from confide.errors import (
    BrokenJson,
    BudgetSpent,
    ConfideError,
    Gone,
    Invalid,
    InvalidResource,
    Issue,
    Refused,
    TooFast,
    TooLarge,
    Unavailable,
    Unknown,
    VersionConflict,
)

_STATUS: tuple[tuple[type[ConfideError], int, str], ...] = (
    (BrokenJson, 400, "structure"),
    (TooLarge, 413, "too-long"),
    (VersionConflict, 409, "conflict"),
    (Invalid, 422, "invalid"),
    (BudgetSpent, 403, "throttled"),
    (Refused, 403, "forbidden"),
    (Gone, 410, "deleted"),
    (Unknown, 404, "not-found"),
    (TooFast, 429, "throttled"),
    (Unavailable, 503, "transient"),
)


def status_of(problem: ConfideError) -> int:
    """The HTTP status of an error's family; 500 where stored bytes are damaged."""
    if isinstance(problem, InvalidResource) and all(i.kind == "conflict" for i in problem.issues):
        return 409
    return next((status for family, status, _ in _STATUS if isinstance(problem, family)), 500)


def outcome(problem: ConfideError) -> dict[str, Any]:
    """An OperationOutcome that says what is wrong and where; never the value."""
    if isinstance(problem, InvalidResource):
        issues = problem.issues
    else:
        kind = next((kind for family, _, kind in _STATUS if isinstance(problem, family)), "exception")
        issues = [Issue("", kind, str(problem))]
    return {"resourceType": "OperationOutcome", "issue": [_issue(i) for i in issues]}


def _issue(issue: Issue) -> dict[str, Any]:
    written: dict[str, Any] = {"severity": "error", "code": issue.kind, "diagnostics": issue.text}
    if issue.path:
        written["expression"] = [issue.path]
    return written


def note(kind: str, text: str) -> dict[str, Any]:
    """An informational OperationOutcome, for a search's result."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "information", "code": kind, "diagnostics": text}],
    }


def etag(version: int) -> str:
    """The tag by which HTTP names a version."""
    return f'W/"{version}"'
