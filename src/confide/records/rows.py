"""Rows to documents and back, and what a caller gets to see of one."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connections, router
from django.db.models import QuerySet

from confide.access.decide import Grant
from confide.access.roles import Form
from confide.access.statements import among, ask
from confide.errors import Gone, Unknown
from confide.protect.documents import Place
from confide.protect.elements import Element
from confide.records.models import ChangeCounter, PatientChange, Resource, Stored
from confide.vault.door import Document

_BITS = {element: 1 << i for i, element in enumerate(Element)}
# More parameters than this in one query are slow to plan.
_MOST_AT_ONCE = 900


@dataclass(frozen=True, slots=True)
class View:
    """A resource as one grant may see it.

    Attributes:
        body: FHIR JSON: clear where clear, stand-ins elsewhere; None where it was deleted.
        shown: Elements that are clear or masked in it.
        hidden: Elements that are still veiled.
    """

    type: str
    id: str
    version: int
    updated: datetime
    body: dict[str, Any] | None
    shown: frozenset[Element]
    hidden: frozenset[Element]
    patients: tuple[str, ...]


def is_unpaid(grant: Grant, view: View) -> bool:
    """Tell whether something that a grant shows clear is covered: the budget did not pay for it."""
    return any(grant.form(element, view.patients) is Form.CLEAR for element in view.hidden)


def is_kept(grant: Grant, view: View) -> bool:
    """Tell whether something is covered because its patient has asked for it."""
    return any(grant.keeps(view.hidden, patient) for patient in view.patients)


@lru_cache(10_000)
def bits(elements: frozenset[Element]) -> int:
    """Data elements as one number, a bit for each in the order of the catalogue."""
    return sum(_BITS[e] for e in elements)


@lru_cache(10_000)
def elements(number: int) -> frozenset[Element]:
    """The data elements of such a number."""
    return frozenset(e for e, bit in _BITS.items() if number & bit)


def document(row: Stored) -> Document:
    """Return a row as the vault sees it."""
    place = Place(row.practice, row.subject, row.type, str(row.id), row.version)  # type: ignore[attr-defined]  # both models have an id
    patients = tuple(row.patients.split())
    return Document(place, patients, bytes(row.body), bytes(row.seal), elements(row.elements))


def parse_id(text: str) -> uuid.UUID:
    """Return one of our ids.

    Raises:
        Unknown: It is none, so there is nothing of that id.
    """
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != text:
        msg = "there is no resource of that type and id"
        raise Unknown(msg)
    return parsed


def current(practice: str, kind: str, id_: str) -> Resource:
    """Return the current row of one resource of one practice.

    Raises:
        Unknown: There is none, or it is another practice's.
        Gone: It was deleted.
    """
    row = Resource.objects.filter(pk=parse_id(id_), practice=practice, type=kind).first()
    if row is None:
        msg = "there is no resource of that type and id"
        raise Unknown(msg)
    if row.deleted:
        msg = "the resource was deleted"
        raise Gone(msg)
    return row


def some(rows: QuerySet[Resource], ids: Iterable[uuid.UUID]) -> Iterator[Resource]:
    """The rows among *rows* with these ids, in batches, in no order."""
    wanted = list(ids)
    for start in range(0, len(wanted), _MOST_AT_ONCE):
        yield from rows.filter(pk__in=wanted[start : start + _MOST_AT_ONCE])


def known_patients(practice: str, ids: Iterable[str]) -> frozenset[str]:
    """Those of *ids* that are patients of the practice; whatever else they are is Unknown there."""
    wanted = []
    for id_ in ids:
        try:
            wanted.append(parse_id(id_))
        except Unknown:
            continue
    rows = Resource.objects.filter(practice=practice, type="Patient", deleted=False)
    return frozenset(
        str(pk)
        for start in range(0, len(wanted), _MOST_AT_ONCE)
        for pk in rows.filter(pk__in=wanted[start : start + _MOST_AT_ONCE]).values_list("pk", flat=True)
    )


class ChangedPatients:
    """A practice's patients in the order of their last change: the identity index's source."""

    def last_change(self, practice: str) -> int:
        row = ChangeCounter.objects.filter(pk=practice).values_list("number", flat=True).first()
        return row or 0

    def last_changes(self, practices: Collection[str]) -> dict[str, int]:
        """Return the same for some practices at once."""
        connection = connections[router.db_for_read(ChangeCounter)]
        condition, asked = among(connection, "practice", practices)
        query = f"SELECT practice, number FROM records_change_counter WHERE {condition}"  # noqa: S608 - ours
        [rows] = ask(connection, [(query, [asked])])
        return dict.fromkeys(practices, 0) | dict(rows)

    def changed(self, practice: str, after: int) -> Iterator[tuple[int, str, Document | None]]:
        changes = PatientChange.objects.filter(practice=practice, number__gt=after).order_by("number")
        last: dict[uuid.UUID, int] = dict(changes.values_list("patient", "number").iterator())
        rows = Resource.objects.filter(practice=practice, type="Patient")
        wanted = rows.filter(pk__in=list(last)) if len(last) <= _MOST_AT_ONCE else rows
        fields = ("id", "version", "subject", "patients", "body", "seal", "elements", "deleted")
        # Plain values: a model's object takes longer than its row.
        for id_, version, subject, patients, body, seal, hidden, deleted in wanted.values_list(
            *fields
        ).iterator():
            if id_ in last:
                patient = str(id_)
                place = Place(practice, subject, "Patient", patient, version)
                sealed = Document(place, tuple(patients.split()), bytes(body), bytes(seal), elements(hidden))
                yield last[id_], patient, None if deleted else sealed
