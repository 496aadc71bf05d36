"""The journal: append and read. It happened, and cannot un-happen.

An entry is written in the transaction of what it tells, so that neither exists without the other. It names
elements and forms, never values. Its leaf is the RFC 6962 leaf hash of its canonical bytes.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

import msgspec
from django.db import DatabaseError, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access import pulse
from confide.access.decide import Actor, Grant
from confide.access.relationships import Relation
from confide.access.roles import Action, Form, Purpose
from confide.audit import receipts
from confide.audit.models import JournalEntry
from confide.errors import GrantMismatch, Invalid, JournalUnavailable
from confide.protect.elements import Element

LIMIT: Final = 1000
"""Entries that one reading returns at most."""


class Outcome(StrEnum):
    """How it ended.

    Source:
        FHIR R4 value set audit-event-outcome.
    """

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"
    MAJOR_FAILURE = "12"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who did what, to whose record, why, and which elements in which form. Never a value.

    Attributes:
        at: Aware UTC.
        practice: The practice's id.
        actor_kind: ``person``, ``client`` or ``system``.
        actor: The account's or client's id.
        credential: The public name of the session or token.
        patient: The patient's id; empty if it is about none.
        elements: Codes of the elements that were shown, asked by or written, each with the code of its form.
        resource_type: FHIR type of the resource; empty if it is about none.
        version: Version of the resource that was read or written; 0 if it is about none.
        body_sha256: SHA-256 of the stored body, 32 bytes; empty if nothing was stored.
        outcome: A code of ``Outcome``.
        address: The network address that it came from.
        reason_sealed: The typed reason, sealed; empty if none was typed.
        device: The public name of the browser or machine that it came from; empty if it is not known.
        relationship: Why the patient is the person's business: codes of ``relationships.Kind``, and ``own``
            where nobody but the person says so; empty for programs, and where nobody is named.
    """

    at: datetime
    practice: str
    actor_kind: str
    actor: str
    credential: str
    role: str
    action: str
    purpose: str
    patient: str = ""
    elements: Mapping[str, str]
    resource_type: str = ""
    resource_id: str = ""
    version: int = 0
    body_sha256: bytes = b""
    outcome: str = Outcome.SUCCESS.value
    address: str = ""
    reason_sealed: bytes = b""
    device: str = ""
    relationship: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it stands in the journal.

    Attributes:
        id: Grows with every entry; has gaps where a transaction was rolled back.
        leaf: The leaf hash that was stored, 32 bytes.
    """

    id: int
    entry: Entry
    leaf: bytes


def format_canonical(entry: Entry) -> bytes:
    """Return the one writing of *entry* that is hashed: compact JSON, keys sorted, bytes in base64.

    What was added later is left out where it is empty, so that entries from before keep their hash.
    """
    told = dict(zip(COLUMNS, _values(entry), strict=True))
    for name in _LATER:
        if not told[name]:
            del told[name]
    return _encode(told)


_LATER: Final = ("device", "relationship")
"""Fields that the first release did not have."""

_encode: Final = msgspec.json.Encoder(order="sorted").encode


def hash_leaf(entry: Entry) -> bytes:
    """Return the leaf hash of *entry*, 32 bytes.

    Source:
        RFC 6962 section 2.1: SHA-256(0x00 || leaf input).
    """
    return _write(entry)[1]


def entry_for(
    grant: Grant,
    now: datetime,
    *,
    patient: str = "",
    elements: Mapping[Element, Form] | None = None,
    resource_type: str = "",
    resource_id: str = "",
    version: int = 0,
    body_sha256: bytes = b"",
    outcome: str = Outcome.SUCCESS,
    reason_sealed: bytes = b"",
) -> Entry:
    """Return the entry for something done under *grant*.

    Args:
        grant: Under what it was done.
        now: Aware UTC.
        patient: Whose record.
        elements: What was really shown, asked by or written; not what was asked for.
        resource_type: As in ``Entry``, like all that follow.
        resource_id: Of the resource that was shown or written.
        version: Of the resource that was shown or written.
        body_sha256: Of what was stored.
        outcome: How it ended.
        reason_sealed: The typed reason, sealed.
    """
    return refusal_for(
        grant.actor,
        grant.action,
        grant.purpose,
        now,
        patient=patient,
        elements=elements,
        resource_type=resource_type,
        resource_id=resource_id,
        version=version,
        body_sha256=body_sha256,
        outcome=outcome,
        reason_sealed=reason_sealed,
        relationship=name_relation(grant.relations.get(patient)),
    )


def name_relation(relation: Relation | None) -> str:
    """Return what an entry says of how a patient stands to a person; empty where nothing does."""
    if relation is None or not relation.kinds:
        return ""
    return " ".join([*sorted(relation.kinds), *(["own"] if relation.own else [])])


def refusal_for(
    actor: Actor,
    action: Action,
    purpose: Purpose,
    now: datetime,
    *,
    patient: str = "",
    elements: Mapping[Element, Form] | None = None,
    resource_type: str = "",
    resource_id: str = "",
    version: int = 0,
    body_sha256: bytes = b"",
    outcome: str = Outcome.MINOR_FAILURE,
    reason_sealed: bytes = b"",
    relationship: str = "",
) -> Entry:
    """Return the entry for something that was refused, so that there is no grant."""
    return Entry(
        at=now,
        practice=actor.practice,
        actor_kind=actor.kind,
        actor=actor.id,
        credential=actor.credential,
        role=actor.role.value,
        action=action.value,
        purpose=purpose.value,
        patient=patient,
        elements={} if elements is None else {key.value: form.value for key, form in elements.items()},
        resource_type=resource_type,
        resource_id=resource_id,
        version=version,
        body_sha256=body_sha256,
        outcome=str(outcome),
        address=actor.address,
        reason_sealed=reason_sealed,
        device=actor.device,
        relationship=relationship,
    )


COLUMNS: Final = tuple(field.name for field in fields(Entry))
"""Of an entry, without its id and its hash."""

_INSERT: Final = f"INSERT INTO audit_journalentry ({', '.join((*COLUMNS, 'leaf'))}) "
_SQLITE: Final = f"{_INSERT} VALUES ({', '.join(['%s'] * (len(COLUMNS) + 1))})"
# PostgreSQL takes a batch as one JSON text: the writings that were hashed, each with its leaf. It is
# several times faster than as many parameters.
_TYPES: Final = {"at": "timestamptz", "elements": "jsonb", "version": "integer"}
_PARTS: Final = {
    **{name: f"decode({name}, 'base64')" for name in ("body_sha256", "reason_sealed", "leaf")},
    **{name: f"coalesce({name}, '')" for name in _LATER},
}
_POSTGRESQL: Final = (
    _INSERT  # noqa: S608 - names of columns
    + "SELECT "
    + ", ".join(_PARTS.get(name, name) for name in (*COLUMNS, "leaf"))
    + " FROM json_to_recordset(%s::json) AS entry("
    + ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in (*COLUMNS, "leaf"))
    + ") RETURNING id"
)
_values: Final = attrgetter(*COLUMNS)
_AT: Final = COLUMNS.index("at")
_ELEMENTS: Final = COLUMNS.index("elements")


class Journal:
    """Appends and reads. It holds nothing; every row is in the database before the caller's commit."""

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Write *entries* in the caller's transaction.

        Returns:
            Their ids, in the order of *entries*.

        Raises:
            JournalUnavailable: There is no transaction, a moment is not in UTC, or the database refused.
                The transaction must not be committed.
        """
        if not entries:
            return []
        connection = transaction.get_connection(router.db_for_write(JournalEntry))
        if not connection.in_atomic_block:
            raise JournalUnavailable("an entry is written inside the transaction of what it tells")
        try:
            writings = [_write(entry) for entry in entries]
            with connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    cursor.execute(_POSTGRESQL, [_batch(writings)])
                    ids = [int(row[0]) for row in cursor.fetchall()]
                else:
                    cursor.executemany(_SQLITE, _rows(entries, writings, connection))
                    cursor.execute("SELECT last_insert_rowid()")
                    last = int(cursor.fetchone()[0])  # one writer at a time, so a batch has no gaps
                    ids = list(range(last - len(entries) + 1, last + 1))
        except (DatabaseError, TypeError, ValueError) as error:
            raise JournalUnavailable(
                f"the journal cannot be written, so nothing was stored or shown ({type(error).__name__})"
            ) from None
        told = [
            (id_, leaf)
            for id_, entry, (_, leaf) in zip(ids, entries, writings, strict=True)
            if receipts.shows(entry.action, entry.elements.values())
        ]
        transaction.on_commit(lambda: receipts.note(told), using=connection.alias)
        return ids

    def read(
        self,
        grant: Grant,
        now: datetime,
        *,
        patient: str | None = None,
        actor: str | None = None,
        after: int | None = None,
        before: int | None = None,
        actions: Collection[str] | None = None,
        limit: int = 100,
    ) -> list[Line]:
        """Read the grant's practice's entries, newest first; the reading is an entry itself.

        Args:
            grant: For ``JOURNAL_READ``.
            now: Aware UTC.
            patient: Only entries about this patient.
            actor: Only entries of this account or client.
            after: Only entries with a greater id.
            before: Only entries with a smaller id: the last id of a page asks for the next page.
            actions: Only entries of these actions.
            limit: 1 to 1000.

        Raises:
            GrantMismatch: The grant is for something else.
            GrantExpired: The grant is too old.
            Invalid: *limit* is out of range.
            JournalUnavailable: The journal cannot be read, or this reading cannot be recorded.
        """
        grant.require(Action.JOURNAL_READ, patient, now)
        if grant.actor.kind == "system":
            raise GrantMismatch("the journal is read by people")
        pulse.recheck(grant)
        if not 1 <= limit <= LIMIT:
            raise Invalid(f"limit must be from 1 to {LIMIT}")
        chosen = JournalEntry.objects.filter(practice=grant.practice)
        for condition, value in (
            ("patient", patient),
            ("actor", actor),
            ("id__gt", after),
            ("id__lt", before),
            ("action__in", actions),
        ):
            if value is not None:
                chosen = chosen.filter(**{condition: value})
        try:
            with transaction.atomic(using=router.db_for_write(JournalEntry)):
                lines = [line_of(row) for row in chosen.order_by("-id")[:limit]]
                self.append([entry_for(grant, now, patient=patient or "", resource_type="AuditEvent")])
        except DatabaseError as error:
            raise JournalUnavailable(f"the journal cannot be read ({type(error).__name__})") from None
        return lines


def _write(entry: Entry) -> tuple[bytes, bytes]:
    """Return the canonical writing and its leaf."""
    if entry.at.tzinfo is not UTC:
        raise JournalUnavailable("an entry's moment is not aware UTC")
    writing = format_canonical(entry)
    return writing, hashlib.sha256(b"\x00" + writing).digest()


def _batch(writings: Iterable[tuple[bytes, bytes]]) -> str:
    objects = [b'%s,"leaf":"%s"}' % (writing[:-1], b64encode(leaf)) for writing, leaf in writings]
    return (b"[%s]" % b",".join(objects)).decode()


def _rows(
    entries: Sequence[Entry], writings: Iterable[tuple[bytes, bytes]], connection: BaseDatabaseWrapper
) -> Iterator[list[Any]]:
    moments: dict[datetime, Any] = {}  # a batch has few
    for entry, (_, leaf) in zip(entries, writings, strict=True):
        row = list(_values(entry))
        if entry.at not in moments:
            moments[entry.at] = connection.ops.adapt_datetimefield_value(entry.at)
        row[_AT] = moments[entry.at]
        row[_ELEMENTS] = _encode(entry.elements).decode()
        row.append(leaf)
        yield row


def line_of(row: JournalEntry) -> Line:
    """Return a row as the journal tells it."""
    values = {name: getattr(row, name) for name in COLUMNS}
    values["at"] = row.at.astimezone(UTC)
    values["body_sha256"], values["reason_sealed"] = bytes(row.body_sha256), bytes(row.reason_sealed)
    return Line(row.pk, Entry(**values), bytes(row.leaf))
