"""The rows of one patient's chart that a page needs, and the public names that it refers to."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from confide.access.roles import Action
from confide.errors import Unknown
from confide.records import terms
from confide.records.models import Resource, Term
from confide.records.rows import current, parse_id, some
from confide.server.apps import system
from confide.server.pages.visitor import Visitor

_NAMED = ("Practitioner", "PractitionerRole", "Organization", "Location", "Medication")


def patient_row(practice: str, patient: str) -> Resource:
    """The current Patient row.

    Raises:
        Unknown: There is none in this practice.
    """
    return current(practice, "Patient", patient)


def rows(practice: str, patient: str, types: Collection[str]) -> list[Resource]:
    """The current rows of *types* in a patient's compartment, in a fixed order."""
    key = terms.term(practice, "", terms.COMPARTMENT, patient)
    ids = Term.objects.filter(key=key).values_list("resource", flat=True)
    wanted = Resource.objects.filter(practice=practice, deleted=False, type__in=types)
    # The term only narrows: the row says whose it is.
    found = [row for row in some(wanted, ids) if patient in row.patients.split()]
    return sorted(found, key=lambda row: (row.type, row.pk))


def row_of(practice: str, patient: str, kind: str, id_: str) -> Resource:
    """One row of the patient's chart.

    Raises:
        Unknown: There is none, or it is in somebody else's chart.
    """
    row = current(practice, kind, id_)
    if str(row.pk) != patient and patient not in row.patients.split():
        raise Unknown("there is no such record in this chart")
    return row


def owners(rows: Iterable[Resource], patient: str) -> frozenset[str]:
    """Everyone in whose compartment one of *rows* lies: a policy may insure a whole family."""
    return frozenset({patient}).union(*(row.patients.split() for row in rows))


def names(visitor: Visitor, bodies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What people read for the references to staff, organisations and medicines in *bodies*.

    These lie outside every patient's compartment, are kept, and cost nothing.
    """
    wanted = {target for body in bodies for target in _references(body)}
    ids: list[uuid.UUID] = []
    for target in wanted:
        try:
            ids.append(parse_id(target.split("/")[1]))
        except Unknown:
            continue
    grant = system().decide(visitor.actor, Action.READ, visitor.usual, None, ())
    found = list(
        some(Resource.objects.filter(practice=visitor.actor.practice, type__in=_NAMED, deleted=False), ids)
    )
    views = system().charts.views(grant, found, frozenset())
    return {f"{v.type}/{v.id}": title for v in views if v.body and (title := _title(v.body))}


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        target = value.get("reference")
        if isinstance(target, str) and target.split("/")[0] in _NAMED and "/" in target:
            yield target
        for member in value.values():
            yield from _references(member)
    elif isinstance(value, list):
        for member in value:
            yield from _references(member)


def _title(body: Mapping[str, Any]) -> str:
    if isinstance(body.get("name"), str):
        return str(body["name"])
    if isinstance(body.get("name"), list):
        return person(body["name"])
    code = body.get("code")
    if isinstance(code, dict):
        codings = code.get("coding") or [{}]
        return str(code.get("text") or codings[0].get("display") or "")
    return ""


def person(humans: Any) -> str:
    """Write a list of HumanName: the official one, in the order in which it is said."""
    listed = [n for n in humans if isinstance(n, dict)] if isinstance(humans, list) else []
    if not listed:
        return ""
    chosen = next((n for n in listed if n.get("use") == "official"), listed[0])
    if isinstance(chosen.get("text"), str) and not chosen.get("family"):
        return str(chosen["text"])
    words = [
        *chosen.get("prefix", ()),
        *chosen.get("given", ()),
        chosen.get("family"),
        *chosen.get("suffix", ()),
    ]
    return " ".join(w for w in words if isinstance(w, str))
