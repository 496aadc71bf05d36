"""What the database says of an actor, and of the patients they ask about: one query, whatever is asked.

A part that is a list comes as one column of JSON, which both databases make. Who adds a fact adds a column
here and reads it in ``load``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connections, router

from confide.access import glass, pulse, raises
from confide.access.actors import Actor, registered_elements
from confide.access.memberships import OPENING
from confide.access.models import Membership
from confide.access.relationships import MOST_ROWS, YEARS, Row
from confide.access.restrictions import RestrictionRow
from confide.access.roles import Purpose, Role
from confide.access.statements import Column, Query, ask, choose, moment_of
from confide.access.ties import Relationship
from confide.errors import AccessDenied, Frozen
from confide.protect.elements import Element


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision is made from.

    Attributes:
        elements: What a client is registered for; None is no limit.
        day_patients: The registered budget of a client, if it has one of its own.
        day_units: The same in weighted units.
        token_scopes: The recipients whose tokens a client may turn back.
        raised: How many times the budget is raised, until ``raised_until``.
        broken_until: Until when the glass is broken for all whom it is about; None where it is not.
        practitioner: The Practitioner that a person is in the practice's records; empty if none.
        relationships: Of each patient asked about, their newest rows.
        suspect: The credential is suspect.
        restrictions: Of the patients asked about, or of the whole practice, for this purpose.
    """

    elements: frozenset[Element] | None = None
    day_patients: int | None = None
    day_units: int | None = None
    token_scopes: frozenset[str] = frozenset()
    raised: int = 1
    raised_until: datetime | None = None
    broken_until: datetime | None = None
    practitioner: str = ""
    relationships: Mapping[str, list[Row]] = field(default_factory=dict)
    restrictions: Mapping[str, list[RestrictionRow]] = field(default_factory=dict)
    suspect: bool = False


def load(actor: Actor, purpose: Purpose, patients: Collection[str] | None, now: datetime) -> Facts:
    """Read what a decision needs.

    Args:
        actor: Who asks.
        purpose: Why.
        patients: Whom it is about; None is any patient of the practice.
        now: Aware UTC.

    Raises:
        AccessDenied: The account or client may not act here now.
        DatabaseError: The facts cannot be read.
    """
    if actor.kind == "person":
        return _load_person(actor, purpose, patients, now)
    if actor.kind == "client":
        return _load_client(actor, purpose, patients, now)
    raise AccessDenied("the system acts by system_grant alone")


def _load_person(actor: Actor, purpose: Purpose, patients: Collection[str] | None, now: datetime) -> Facts:
    if actor.role in {Role.INTEGRATOR, Role.SYSTEM}:
        raise AccessDenied("a person does not act in that role")
    columns = (
        ("m.practitioner", ()),
        ("a.suspect_at IS NOT NULL", ()),
        pulse.column(actor),
        *raises.columns(actor.owner, actor.practice, now),
        _restrictions(actor.practice, purpose, patients),
        _relationships(actor.practice, patients or (), now),
        glass.column(actor, patients if purpose is Purpose.BTG else None, now),
    )
    approved = "AND m.approved_at IS NOT NULL" if actor.role in OPENING else ""
    row = _first(choose(columns, _MEMBER + approved, (actor.id, actor.practice, actor.role.value)))
    if row is None:
        raise AccessDenied("the account is not an active member of this practice in that role")
    practitioner, suspect, session, raised, until, restrictions, relationships, broken = row
    if actor.session and session is None:
        raise Frozen("the session was stopped, or has ended")
    return Facts(
        raised=raised or 1,
        raised_until=moment_of(until),
        broken_until=moment_of(broken),
        practitioner=practitioner,
        relationships=_by_patient(relationships),
        restrictions=_by_patient(restrictions),
        suspect=bool(suspect) or session == pulse.SUSPECT,
    )


def _load_client(actor: Actor, purpose: Purpose, patients: Collection[str] | None, now: datetime) -> Facts:
    if actor.role is not Role.INTEGRATOR:
        raise AccessDenied("a client acts as an integrator")
    columns = (
        ("c.purpose", ()),
        ("c.elements", ()),
        ("c.day_patients", ()),
        ("c.day_units", ()),
        ("c.token_scopes", ()),
        ("c.suspect_at IS NOT NULL", ()),
        *raises.columns(actor.owner, actor.practice, now),
        _restrictions(actor.practice, purpose, patients),
    )
    row = _first(choose(columns, _CLIENT, (actor.id, actor.practice, actor.practice)))
    if row is None:
        raise AccessDenied("the client is not active in this practice")
    registered, elements, day_patients, day_units, token_scopes, suspect, raised, until, restrictions = row
    if registered != purpose:
        raise AccessDenied("the client is registered for another purpose")
    return Facts(
        registered_elements(json.loads(elements)),
        day_patients,
        day_units,
        frozenset(json.loads(token_scopes)),
        raised or 1,
        moment_of(until),
        restrictions=_by_patient(restrictions),
        suspect=bool(suspect),
    )


_MEMBER: Final = (
    "FROM access_membership m JOIN access_account a ON a.id = m.account_id"
    " WHERE m.account_id = %s AND m.practice_id = %s AND m.role = %s AND m.active"
    " AND a.is_active AND a.frozen_at IS NULL "
)
_CLIENT: Final = (
    "FROM access_client c WHERE c.id = %s AND c.active AND c.frozen_at IS NULL"
    # `reach.inside` says the same for queries of many clients.
    " AND (c.practice_id = %s OR EXISTS (SELECT 1 FROM access_reach r"
    " WHERE r.client_id = c.id AND r.practice_id = %s AND r.ended_at IS NULL))"
)


def find_relationships(
    patients: Collection[tuple[str, str]], now: datetime
) -> dict[tuple[str, str], list[Row]]:
    """Return the rows that may count of patients of any practices, the newest first.

    Args:
        patients: The practice and the patient, of each.
        now: Aware UTC.
    """
    connection = connections[router.db_for_read(Relationship)]
    [rows] = ask(connection, [(_OF_ALL[connection.vendor], [json.dumps(list(patients)), now.year - YEARS])])
    found: dict[tuple[str, str], list[Row]] = {}
    for practice, *row in sorted(rows, key=lambda row: (row[6], row[8], row[10]), reverse=True):
        found.setdefault((practice, row[0]), []).append(tuple(row[:9]))
    return found


def _first(query: Query) -> tuple[Any, ...] | None:
    [rows] = ask(connections[router.db_for_read(Membership)], [query])
    return rows[0] if rows else None


# Columns that hold lists


def _vendor() -> str:
    return connections[router.db_for_read(Relationship)].vendor


def _relationships(practice: str, patients: Collection[str], now: datetime) -> Column:
    """The newest rows of each of *patients*."""
    text = _RELATIONSHIPS[_vendor()]
    parameters = (practice, now.year - YEARS, json.dumps(list(patients)), MOST_ROWS)
    return text, parameters


def _restrictions(practice: str, purpose: Purpose, patients: Collection[str] | None) -> Column:
    """What *patients*, or all of the practice, have kept from *purpose*."""
    among, chosen = ("", ()) if patients is None else (_AMONG[_vendor()], (json.dumps(list(patients)),))
    text = _RESTRICTIONS[_vendor()].format(among)
    return text, (practice, purpose.value, *chosen)


def _by_patient(column: str | None) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in json.loads(column) if column else ():
        found.setdefault(row[0], []).append(tuple(row))
    return found


_AMONG: Final = {
    "sqlite": "AND patient IN (SELECT value FROM json_each(%s))",
    "postgresql": "AND patient IN (SELECT json_array_elements_text(%s::json))",
}
_NEWEST: Final = """
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY patient ORDER BY year DESC, made DESC, id DESC) AS place
  FROM access_relationship WHERE practice = %s AND year >= %s {}) AS newest WHERE place <= %s)"""
_RELATIONSHIPS: Final = {
    "sqlite": "(SELECT json_group_array(json_array("
    "patient, kind, resource, version, people, year, owner, made, hex(days)))"
    + _NEWEST.format(_AMONG["sqlite"]),
    "postgresql": "(SELECT json_agg(json_build_array("
    "patient, kind, resource, version, people, year, owner, made, encode(days, 'hex')))::text"
    + _NEWEST.format(_AMONG["postgresql"]),
}
_RESTRICTIONS: Final = {
    "sqlite": "(SELECT json_group_array(json_array(patient, elements, resource, version, hex(days)))"
    " FROM access_restriction WHERE practice = %s AND purpose = %s {})",
    "postgresql": "(SELECT json_agg(json_build_array(patient, elements, resource, version,"
    " encode(days, 'hex')))::text FROM access_restriction WHERE practice = %s AND purpose = %s {})",
}
# Each of the patients is looked up alone: while a table is young, the planner would rather read all of it.
_OF_ALL: Final = {
    "sqlite": "SELECT r.practice, r.patient, r.kind, r.resource, r.version, r.people, r.year, r.owner,"
    " r.made, hex(r.days), r.id FROM json_each(%s) p CROSS JOIN access_relationship r"
    " ON r.practice = p.value ->> 0 AND r.patient = p.value ->> 1 AND r.year >= %s",
    "postgresql": "SELECT r.* FROM json_array_elements(%s::json) p (value) CROSS JOIN LATERAL ("
    "SELECT practice, patient, kind, resource, version, people, year, owner, made, encode(days, 'hex'), id"
    " FROM access_relationship WHERE practice = p.value ->> 0 AND patient = p.value ->> 1 AND year >= %s"
    " OFFSET 0) r",
}
