"""Who comes today: the patients of whom a suspect session still sees what care needs."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.db import DatabaseError

from confide.access import relationships
from confide.access.actors import Actor
from confide.access.models import Membership
from confide.access.relationships import RULES, Row, Sealed
from confide.access.ties import Relationship
from confide.errors import Unavailable


def find_today(actor: Actor, sealed: Sealed, now: datetime) -> frozenset[str]:
    """Return the patients who come, or are here, today, by a relationship that the person did not make.

    Args:
        actor: A person.
        sealed: Opens the days of relationships.
        now: Aware UTC.

    Raises:
        Unavailable: They cannot be read now.
        Damaged: A relationship's sealed days are not as they were written.
    """
    if actor.kind != "person" or actor.role not in RULES:
        return frozenset()
    try:
        found = list(
            Relationship.objects.filter(
                practice=actor.practice, kind__in=relationships.HERE, year__gte=now.year - 1
            ).values_list("patient", "kind", "resource", "version", "people", "year", "owner", "made", "days")
        )
        member = Membership.objects.filter(
            account_id=actor.id, practice_id=actor.practice, role=actor.role, active=True
        )
        practitioner = member.values_list("practitioner", flat=True).first() or ""
    except DatabaseError as problem:
        raise Unavailable(f"who comes today cannot be read now ({type(problem).__name__})") from None
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for patient, kind, resource, version, people, year, owner, made, days in found:
        rows[patient].append((patient, kind, resource, version, people, year, owner, made, bytes(days).hex()))
    return frozenset(
        patient
        for patient, mine in rows.items()
        if relationships.relate(
            actor.role, actor.owner, practitioner, mine, actor.practice, sealed, now
        ).today
    )
