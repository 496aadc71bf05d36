"""A breach, said shortly: what the tests of the clocks vary."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from confide.incidents import clocks, reading
from confide.incidents.duties import Duty
from confide.incidents.facts import Entity, Incident

LATER = datetime(2027, 6, 1, 12, tzinfo=UTC)
NAMED = frozenset({"name", "ssn"})


def moment(said: str) -> date | datetime:
    return datetime.fromisoformat(said) if "T" in said else date.fromisoformat(said)


def incident(residents: dict[str, int] | tuple[Entity, ...], discovered: str, **known: Any) -> Incident:
    entities = (Entity("Elm", residents),) if isinstance(residents, dict) else residents
    known = {name: moment(fact) if isinstance(fact, str) and fact[:2] in {"19", "20"} else fact
             for name, fact in known.items()}  # fmt: skip
    return Incident(entities, moment(discovered), **{"elements": NAMED, **known})


def duties(made: Incident, now: datetime = LATER) -> dict[str, Duty]:
    found = clocks.reckon(made, reading.held(), now).duties
    assert len({duty.id for duty in found}) == len(found)
    return {duty.id: duty for duty in found}
