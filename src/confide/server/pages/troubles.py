"""A refusal as a person reads it: what happened, what was kept, what to do. Never a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from confide.errors import (
    AccessDenied,
    BudgetSpent,
    ConfideError,
    Damaged,
    Frozen,
    Gone,
    GrantExpired,
    Invalid,
    NoRelationship,
    PatientRestricted,
    Refused,
    StepUpNeeded,
    SuspectSession,
    TooFast,
    Unavailable,
    Unknown,
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One readable refusal.

    Attributes:
        status: The HTTP status.
        happened: What happened and what was kept.
        advice: What to do.
    """

    status: int
    happened: str
    advice: str


_TROUBLES: Final[tuple[tuple[type[ConfideError], Trouble], ...]] = (
    (
        BudgetSpent,
        Trouble(
            403,
            "Your exposure budget does not cover this, so nothing was uncovered.",
            "What you have already uncovered stays yours to open. Ask a colleague, or wait: the budget "
            "looks back over one hour, one day and 30 days. The privacy officer or practice manager can "
            "raise it for some hours; they also know whether the whole practice has reached its ceiling.",
        ),
    ),
    (
        Frozen,
        Trouble(
            403,
            "This login was stopped while you worked, so nothing was shown or stored.",
            "All that you had saved is kept. The privacy officer or manager of your practice can let you in.",
        ),
    ),
    (
        SuspectSession,
        Trouble(
            403,
            "This login is suspect, so nothing of that was shown, not even its last digits.",
            "Of today’s patients the name, birth date, allergies, medicines and notes stay open. The "
            "privacy officer or practice manager can trust the login again; in an emergency, those who treat "
            "can break the glass with their passkey.",
        ),
    ),
    (
        NoRelationship,
        Trouble(
            403,
            "Nothing makes this patient your work now, so nothing was uncovered.",
            "An appointment within 30 days, a visit, or a care team or claim that names you opens it. One "
            "that you made yourself opens only a little until 24 hours have passed; ask a colleague to book. "
            "In an emergency, those who treat can break the glass.",
        ),
    ),
    (
        PatientRestricted,
        Trouble(
            403,
            "The patient has asked that this be kept from that purpose, so nothing was uncovered.",
            "Choose the purpose that it is really for. In an emergency, those who treat can break the glass.",
        ),
    ),
    (
        AccessDenied,
        Trouble(
            403,
            "Your role may not do this for that purpose. Nothing was shown or changed.",
            "If your work needs it, choose another purpose, or ask the privacy officer of your practice.",
        ),
    ),
    (
        StepUpNeeded,
        Trouble(
            403,
            "This asks you to prove again that it is you, so nothing was uncovered.",
            "Prove it with your passkey or a code from your app; that holds for ten minutes.",
        ),
    ),
    (
        GrantExpired,
        Trouble(403, "This took too long to answer, so nothing was uncovered.", "Try once more."),
    ),
    (
        Refused,
        Trouble(403, "This is not allowed here. Nothing was shown or changed.", "Go back to the finder."),
    ),
    (
        Gone,
        Trouble(404, "This record was deleted. Its history is kept.", "Go back to the finder."),
    ),
    (
        Unknown,
        Trouble(
            404,
            "There is no such record in this practice. Nothing was shown.",
            "Find the patient by name; an address that was copied may be incomplete.",
        ),
    ),
    (
        Damaged,
        Trouble(
            500,
            "A stored record is not as it was written, so it is not shown. Nothing was changed.",
            "Tell the person who runs this server: it has to be looked into, and trying again will not help.",
        ),
    ),
    (
        TooFast,
        Trouble(
            429,
            "So many questions came at once that this one was not answered. Nothing was lost.",
            "Wait some seconds, and ask again. If it was not you, tell the privacy officer.",
        ),
    ),
    (
        Unavailable,
        Trouble(
            503,
            "Keys, journal or database do not answer now, so nothing was uncovered. Nothing is lost.",
            "Try again in a minute. If it stays so, tell the person who runs this server.",
        ),
    ),
    (
        Invalid,
        Trouble(422, "This cannot be read. Nothing was shown or changed.", "Go back, and choose again."),
    ),
)
_OTHER: Final = Trouble(
    500,
    "This installation is not set up for what was asked. Nothing was shown or changed.",
    "Tell the person who runs this server.",
)


def explain(problem: ConfideError) -> Trouble:
    """Return the sentences for a refusal."""
    return next((trouble for kind, trouble in _TROUBLES if isinstance(problem, kind)), _OTHER)
