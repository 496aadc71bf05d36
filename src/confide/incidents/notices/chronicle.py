"""What letters do, in the story of their incident: lines of its timeline, under entries that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from confide.errors import Invalid
from confide.incidents import scopes
from confide.incidents.course import Act, require_ready
from confide.incidents.course import State as Stage
from confide.incidents.deadlines import Known
from confide.incidents.models import Happening, Incident, Match, Scope
from confide.incidents.notices.models import Batch, Mailing
from confide.incidents.notices.states import Round, State
from confide.vault.mandates import unpack

_CHUNK: Final = 100


def follow(incident: str, about: str, by: str, entry: int, now: datetime, act: Act = Act.NOTICE) -> None:
    """Write a line of the timeline, in the caller's transaction.

    Args:
        incident: The incident's id.
        about: Codes and figures.
        by: The account's id.
        entry: Of the journal, that says the same.
        now: Aware UTC.
        act: What kind of line.
    """
    Happening.objects.create(
        incident_id=incident, at=now, noted_at=now, kind=act, by=by, about=about[:100], entry=entry
    )


def tell(mailing: Mailing, did: str, by: str, entry: int, now: datetime) -> None:
    """Write what became of a mailing; in the caller's transaction."""
    about = f"{mailing.channel} {did}: {mailing.people:,} persons ({mailing.pk[:8]})"
    follow(mailing.incident, about, by, entry, now)


def arrive(mailing: Mailing, by: str, entry: int, now: datetime) -> None:
    """A mailing is finished: if everybody of the frozen scope has been written to, the incident knows it.

    Everybody is each record of the newest frozen scope, in all of its practices. Whoever has no good address
    is written to as far as can be; they are counted for substitute notice. What a person wrote down about
    when the letters went stays.
    """
    incident = Incident.objects.select_for_update().get(pk=mailing.incident)
    if mailing.round != Round.NOTICE:
        return
    if incident.state == Stage.ASSESSED:
        try:
            require_ready(incident, Stage.NOTIFYING)
        except Invalid:
            return  # it is no breach: whoever was written to was so without a duty
        incident.state = Stage.NOTIFYING
        incident.save(update_fields=["state"])
        follow(incident.pk, f"{Stage.ASSESSED} {Stage.NOTIFYING}", by, entry, now, Act.MOVE)
    known = Known.read(incident.facts)
    if known.notified is None and _is_whole(incident):
        incident.facts = replace(known, notified=now).write()
        incident.save(update_fields=["facts"])
        follow(incident.pk, "notified", by, entry, now, Act.FACTS)


def _is_whole(incident: Incident) -> bool:
    """Tell whether each record of the newest frozen scope is in a finished mailing."""
    scope = incident.frozen_scope()
    if scope is None:
        return False
    concerned = scopes.practices(scope)
    done = Mailing.objects.filter(incident=incident.pk, round=Round.NOTICE, state=State.FINISHED)
    if set(concerned) - set(done.values_list("practice", flat=True)):
        return False  # asked first: of sixteen hundred practices only the last one's letters are compared
    missing: dict[str, str] = {}
    matched = Match.objects.filter(scope=scope).count()
    for practice in concerned:
        written = _written(done.filter(practice=practice))
        missing.update(
            (r.patient, practice) for r in scopes.records(scope, practice) if r.patient not in written
        )
        if len(missing) > matched:
            return False
    return not missing or _by_another(scope, missing, done)


def _written(done: QuerySet[Mailing]) -> set[str]:
    found: set[str] = set()
    for batch in Batch.objects.filter(mailing__in=done).only("packed").iterator(chunk_size=_CHUNK):
        found.update(patient for patient, _ in unpack(bytes(batch.packed)))
    return found


def _by_another(scope: Scope, missing: Mapping[str, str], done: QuerySet[Mailing]) -> bool:
    """Tell whether each of these records is a person's who was written to by another record."""
    persons: dict[int, dict[str, str]] = {}
    rows = Match.objects.filter(scope=scope).values_list("person", "patient", "practice")
    for person, patient, practice in rows.iterator():
        persons.setdefault(person, {})[patient] = practice
    wanted = [group for group in persons.values() if not group.keys().isdisjoint(missing)]
    if sum(len(group.keys() & missing.keys()) for group in wanted) < len(missing):
        return False
    others = {practice for group in wanted for practice in group.values()}
    written = _written(done.filter(practice__in=others))
    return all(not group.keys().isdisjoint(written) for group in wanted)
