"""The journal: append and read. It happened, and cannot un-happen.

An entry is written in the transaction of what it tells, so that neither exists without the other. It names
elements and forms, never values. Its leaf is the RFC 6962 leaf hash of its canonical bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

import msgspec
from django.db import DatabaseError, router, transaction

from confide.access import pulse
from confide.access.decide import Actor, Grant
from confide.access.relationships import Relation
from confide.access.roles import Action, Form, Purpose
from confide.access.statements import Query
from confide.audit import inserts, receipts
from confide.audit.inserts import COLUMNS, LATER, Writing
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
    return _format(_values(entry), _encode(entry.elements))


def _format(values: Sequence[Any], elements: bytes) -> bytes:
    told = dict(zip(COLUMNS, values, strict=True))
    told["elements"] = msgspec.Raw(elements)
    for name in LATER:
        if not told[name]:
            del told[name]
    return _encode(told)


_encode: Final = msgspec.json.Encoder(order="sorted").encode


def hash_leaf(entry: Entry) -> bytes:
    """Return the leaf hash of *entry*, 32 bytes.

    Source:
        RFC 6962 section 2.1: SHA-256(0x00 || leaf input).
    """
    return _write(entry).leaf


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


_values: Final = attrgetter(*COLUMNS)


class Journal:
    """Appends and reads. It holds nothing; every row is in the database before the caller's commit."""

    def append(
        self, entries: Sequence[Entry], before: Sequence[Query] = (), after: Sequence[Query] = ()
    ) -> list[int]:
        """Write *entries* in the caller's transaction.

        Args:
            entries: What happened.
            before: Statements of the same transaction that go in the same round trip, before the entries.
            after: The same, after them: the end of the transaction, for whoever has nothing else to do in it.

        Returns:
            Their ids, in the order of *entries*.

        Raises:
            JournalUnavailable: There is no transaction, a moment is not in UTC, or the database refused.
                The transaction must not be committed.
        """
        if not entries and not before and not after:
            return []
        connection = transaction.get_connection(router.db_for_write(JournalEntry))
        if not connection.in_atomic_block:
            raise JournalUnavailable("an entry is written inside the transaction of what it tells")
        try:
            writings = [_write(entry) for entry in entries]
            ids = inserts.insert(connection, writings, before, after)
        except (DatabaseError, TypeError, ValueError) as error:
            raise JournalUnavailable(
                f"the journal cannot be written, so nothing was stored or shown ({type(error).__name__})"
            ) from None
        told = [
            (id_, writing.leaf)
            for id_, entry, writing in zip(ids, entries, writings, strict=True)
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


def _write(entry: Entry) -> Writing:
    if entry.at.tzinfo is not UTC:
        raise JournalUnavailable("an entry's moment is not aware UTC")
    values, elements = _values(entry), _encode(entry.elements)
    canonical = _format(values, elements)
    return Writing(values, elements, canonical, hashlib.sha256(b"\x00" + canonical).digest())


def line_of(row: JournalEntry) -> Line:
    """Return a row as the journal tells it."""
    values = {name: getattr(row, name) for name in COLUMNS}
    values["at"] = row.at.astimezone(UTC)
    values["body_sha256"], values["reason_sealed"] = bytes(row.body_sha256), bytes(row.reason_sealed)
    return Line(row.pk, Entry(**values), bytes(row.leaf))
