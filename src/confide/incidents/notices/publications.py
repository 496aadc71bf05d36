"""What was told to nobody in person: by whom, on which day, to whom, in which words, and what proves it."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from pathlib import Path
from typing import Final

import msgspec

from confide.access.decide import Grant
from confide.errors import Invalid
from confide.incidents import exhibits
from confide.incidents.cases import Cases, storing
from confide.incidents.course import Act
from confide.incidents.exhibits import Kind
from confide.incidents.models import Exhibit, Incident, Scope
from confide.incidents.notices import facts, mailings
from confide.incidents.notices.announcements import Owed
from confide.incidents.notices.facts import Facts
from confide.incidents.notices.models import Draft, Mailing, Publication
from confide.incidents.notices.states import State
from confide.incidents.notices.templates import Notice

_LONGEST: Final = 200


def words(incident: Incident) -> Facts | None:
    """Return what the notices of an incident say: as written for them, or else in the newest mailing."""
    kept = Draft.objects.filter(incident=incident.pk).first()
    if kept is not None:
        return facts.read(json.loads(kept.facts))
    rows = Mailing.objects.filter(incident=incident.pk, practice=incident.practice)
    newest = rows.exclude(state=State.WITHDRAWN).order_by("requested_at").last()
    return None if newest is None else mailings.facts_of(newest)


def write(cases: Cases, grant: Grant, incident: Incident, told: Facts, now: datetime) -> None:
    """Write down what the notices say; what was given out already keeps its words."""
    cases.require_lead(grant)
    text = msgspec.json.encode(told).decode()
    with storing():
        Draft.objects.update_or_create(
            incident=incident.pk, defaults={"facts": text, "noted_by": grant.actor.id, "noted_at": now}
        )
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        cases.record(grant, incident, Act.NOTICE, f"words of public notices {sha256[:16]}")


def publish(
    cases: Cases,
    grant: Grant,
    incident: Incident,
    scope: Scope,
    owed: Owed,
    notice: Notice,
    *,
    day: date,
    to: str,
    proof: tuple[str, bytes],
    now: datetime,
) -> Publication:
    """Say that a notice was given out, with what proves it: journal, timeline and evidence at once.

    Args:
        cases: The incidents.
        grant: The leading officer's.
        incident: Of which.
        scope: The frozen scope whose figures it has.
        owed: Which notice.
        notice: Its words.
        day: On which it went.
        to: To whom: newspapers, stations, the page's address, agencies.
        proof: Name and content of a file: a receipt, a tear sheet, a picture of the page.
        now: Aware UTC.

    Raises:
        Invalid: The day is not over nor today, nobody is named, there is no proof, or it is said already.
    """
    cases.require_lead(grant)
    told, (name, content) = to.strip(), proof
    if day > now.date() or day < incident.discovered.date():
        raise Invalid("it went between the day of discovery and today")
    if not 0 < len(told) <= _LONGEST:
        raise Invalid(f"say to whom it went, in up to {_LONGEST} letters")
    if not 0 < len(content) <= exhibits.LARGEST:
        raise Invalid("a proof is a file of 1 byte to 64 MiB")
    sent = Publication.objects.filter(incident=incident.pk, scope=str(scope.pk), name=owed.name)
    if sent.exists():
        raise Invalid("it is marked as sent already")
    made = Publication(
        incident=incident.pk, scope=str(scope.pk), name=owed.name, text=notice.written(), sent_on=day,
        noted_by=grant.actor.id, noted_at=now,
    )  # fmt: skip
    made.to_sealed = cases.seal(incident, made.pk, "to", told)
    ending = "".join(each for each in Path(name).suffix[1:8] if each.isascii() and each.isalnum())
    file = f"{owed.kind}-{made.pk[:8]}.{ending or 'bin'}"
    sha256 = hashlib.sha256(made.text.encode()).hexdigest()
    with storing():
        kept = exhibits.keep(cases, incident, file, Kind.OTHER, content, grant.actor.id, now)
        made.exhibit = kept.pk
        made.save(force_insert=True)
        cases.record(grant, incident, Act.EXHIBIT, f"{kept.kind} {bytes(kept.sha256).hex()}")
        cases.record(grant, incident, Act.NOTICE, f"{owed.name} sent {day} {sha256[:16]}", told)
    return made


def sent(incident: Incident, scope: Scope) -> dict[str, Publication]:
    """Return what was given out with a scope's figures, by its name."""
    rows = Publication.objects.filter(incident=incident.pk, scope=str(scope.pk))
    return {row.name: row for row in rows}


def whom(cases: Cases, incident: Incident, made: Publication) -> str:
    """Return to whom one went."""
    return cases.unseal(incident, made.pk, "to", bytes(made.to_sealed))


def proof(made: Publication) -> Exhibit:
    """Return what proves it."""
    return Exhibit.objects.get(pk=made.exhibit)
