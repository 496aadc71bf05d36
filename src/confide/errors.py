"""Every way Confide can refuse: five families, by what the caller should do.

A message never contains a clear value, a stand-in or a key. Only these exceptions come out of
Confide: each border translates what its libraries raise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

_ROWS_NAMED: Final = 10


class ConfideError(Exception):
    """The root; never raised itself. ``code`` is public and stable."""

    code: ClassVar[str] = "error"


# Invalid: fix your value (HTTP 422, or 400 where the request cannot be read at all)


class Invalid(ConfideError, ValueError):
    """A value that the caller must fix."""

    code = "invalid"


class AlphabetMismatch(Invalid):
    """A numeral or character is outside the alphabet."""

    code = "alphabet-mismatch"


class DomainTooSmall(Invalid):
    """The domain has fewer than one million values: too small to hide a value in."""

    code = "domain-too-small"


class BrokenJson(Invalid):
    """The bytes are not one JSON value in UTF-8."""

    code = "broken-json"


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong with a resource.

    Attributes:
        path: FHIRPath of the place, such as ``Patient.name[0].given``; never a value.
        kind: A code of FHIR's issue-type value set: ``structure``, ``required``, ``value``,
            ``code-invalid``, ``invariant``, ``not-found``, ``duplicate``, ``not-supported``,
            ``too-long``.
        text: One readable sentence; never a value.
    """

    path: str
    kind: str
    text: str


class InvalidResource(Invalid):
    """A FHIR resource, bundle or search that breaks a rule; ``issues`` says which and where."""

    code = "invalid-resource"

    def __init__(self, issues: list[Issue]) -> None:
        self.issues = issues
        first = issues[0]
        more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
        super().__init__(f"{first.path}: {first.text}{more}")

    def __reduce__(self) -> tuple[type[InvalidResource], tuple[list[Issue]]]:
        return (type(self), (self.issues,))


class MalformedColumn(Invalid):
    """Values of a column are not what its element asks for; ``rows`` says where, counted from 0."""

    code = "malformed-column"

    def __init__(self, rows: Sequence[int], what: str) -> None:
        self.rows = tuple(rows)
        self.what = what
        first = ", ".join(str(row) for row in self.rows[:_ROWS_NAMED])
        more = ", ..." if len(self.rows) > _ROWS_NAMED else ""
        many = "row" if len(self.rows) == 1 else "rows"
        super().__init__(f"{len(self.rows):,} {many} {what} (counted from 0: {first}{more})")

    def __reduce__(self) -> tuple[type[MalformedColumn], tuple[tuple[int, ...], str]]:
        return (type(self), (self.rows, self.what))


class MalformedFile(Invalid):
    """Columns of a file are malformed; ``columns`` says where.

    Attributes:
        columns: By name: how many rows, the first of them counted from 0, and what is wrong with them.
    """

    code = "malformed-file"

    def __init__(self, columns: Mapping[str, tuple[int, Sequence[int], str]]) -> None:
        self.columns = dict(columns)
        told = []
        for name, (count, rows, what) in self.columns.items():
            first = ", ".join(f"{row + 1}" for row in rows[:_ROWS_NAMED])
            more = ", ..." if count > _ROWS_NAMED else ""
            many = "row" if count == 1 else "rows"
            told.append(f"column {name}: {count:,} {many} {what}, data rows {first}{more}")
        super().__init__("; ".join(told))

    def __reduce__(self) -> tuple[type[MalformedFile], tuple[dict[str, tuple[int, Sequence[int], str]]]]:
        return (type(self), (self.columns,))


class BrokenRow(Invalid):
    """A row of a file cannot be read; ``row`` says which, counted from 0 and without the header."""

    code = "broken-row"

    def __init__(self, row: int, reason: str) -> None:
        self.row = row
        self.reason = reason
        super().__init__(f"data row {row + 1:,} {reason}")

    def __reduce__(self) -> tuple[type[BrokenRow], tuple[int, str]]:
        return (type(self), (self.row, self.reason))


class WeakPassword(Invalid):
    """A password that is too short, expected, or known from a breach; the message says which."""

    code = "weak-password"


class TooLarge(Invalid):
    """The body is larger than the server reads (HTTP 413)."""

    code = "too-large"


class VersionConflict(Invalid):
    """Somebody else wrote a newer version first (HTTP 409 or 412)."""

    code = "conflict"


# Refused: you may not (HTTP 403)


class Refused(ConfideError):
    """The caller may not do this."""

    code = "refused"


class AccessDenied(Refused):
    """Role, purpose, relationship or account state does not allow it."""

    code = "access-denied"


class Frozen(AccessDenied):
    """The login, program or session was stopped; a second person lets it in again."""

    code = "frozen"


class NoRelationship(AccessDenied):
    """The patient is none of this person's business now; an appointment, or the broken glass, opens it."""

    code = "no-relationship"


class PatientRestricted(AccessDenied):
    """The patient has asked that it be kept from this purpose (45 CFR 164.522(a))."""

    code = "patient-restricted"


class SuspectSession(AccessDenied):
    """The login or session is suspect: it sees stand-ins, and of today's patients what care needs."""

    code = "suspect"


class StepUpNeeded(Refused):
    """The person must prove a second factor again first; what they may do is not the matter."""

    code = "step-up-needed"


class BudgetSpent(Refused):
    """The credential's exposure budget does not cover it; nothing was revealed."""

    code = "budget-spent"


class GrantMismatch(Refused):
    """The grant in hand is for something else."""

    code = "grant-mismatch"


class GrantExpired(Refused):
    """The grant in hand is too old."""

    code = "grant-expired"


# Unknown: no such thing, or not for you (HTTP 404)


class Unknown(ConfideError, LookupError):
    """There is no such thing, or none that the caller may know of."""

    code = "not-found"


class Gone(Unknown):
    """It was here and has been deleted (HTTP 410)."""

    code = "deleted"


# Damaged: stored bytes are not ours (HTTP 500, and an incident)


class Damaged(ConfideError):
    """Stored bytes are missing or not as they were written."""

    code = "damaged"


class SealBroken(Damaged):
    """A seal does not open: wrong key, moved blob, or edited bytes."""

    code = "seal-broken"


class BrokenCells(SealBroken):
    """Sealed cells of a column do not open; ``rows`` says where, counted from 0."""

    code = "seal-broken"

    def __init__(self, rows: Sequence[int]) -> None:
        self.rows = tuple(rows)
        first = ", ".join(str(row) for row in self.rows[:_ROWS_NAMED])
        more = ", ..." if len(self.rows) > _ROWS_NAMED else ""
        super().__init__(
            f"{len(self.rows):,} sealed cells do not open: another keyring, element or version, or edited"
            f" (rows counted from 0: {first}{more})"
        )

    def __reduce__(self) -> tuple[type[BrokenCells], tuple[tuple[int, ...]]]:
        return (type(self), (self.rows,))


class ProofBroken(Damaged):
    """A proof or a signature does not hold: forged, edited, or of another tree or key."""

    code = "proof-broken"


# Unavailable: try later; nothing was revealed (HTTP 503)


class Unavailable(ConfideError):
    """Something that is needed does not answer now; nothing was revealed or half done."""

    code = "unavailable"


class KeyUnavailable(Unavailable):
    """A key cannot be had: the KMS is locked, the keyring is missing, or the key was shredded."""

    code = "key-unavailable"


class TooFast(Unavailable):
    """Questions come faster than they are answered here (HTTP 429); ``wait`` is in seconds."""

    code = "too-fast"

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(f"too many questions at once; nothing was answered (ask again in {wait} seconds)")

    def __reduce__(self) -> tuple[type[TooFast], tuple[int]]:
        return (type(self), (self.wait,))


class JournalUnavailable(Unavailable):
    """The journal cannot be written, so nothing may be revealed."""

    code = "journal-unavailable"


class Misconfigured(ConfideError):
    """The installation is not set up for what was asked; the message says what to do."""

    code = "misconfigured"
