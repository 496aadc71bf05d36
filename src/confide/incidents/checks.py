"""Facts that cannot be, refused: a reversed window, an unknown state, a negative number, a day to come."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from confide.errors import Invalid
from confide.incidents.facts import Entity, Incident, day, everywhere, vocabulary
from confide.incidents.statutes import UNKNOWN, Law

MOMENTS: Final = ("discovered", "aware", "determined", "scoped", "notified", "secretary", "informed")
_IN_ORDER: Final = (
    ("access", "discovered"),
    ("access", "aware"),
    ("discovered", "determined"),
    ("discovered", "scoped"),
    ("discovered", "notified"),
    ("discovered", "secretary"),
    ("discovered", "informed"),
)
_EARLIEST: Final = date(1990, 1, 1)
_MOST: Final = 10_000_000_000


def check(incident: Incident, law: Law, now: datetime) -> None:
    """Refuse facts that cannot be.

    Raises:
        Invalid: The window is reversed, a state is unknown, a number is negative, a day is in the future or
            before another that it must follow; the message says which.
    """
    if now.tzinfo is None:
        raise TypeError("now is aware")
    if not incident.entities:
        raise Invalid("no covered entity is named (not even one)")
    names = [entity.name for entity in incident.entities]
    if len(set(names)) != len(names):
        raise Invalid("a covered entity is named twice")
    for entity in incident.entities:
        _check_entity(entity, law)
    _check_count(incident.europeans)
    if not incident.persons and not incident.europeans:
        raise Invalid("nobody is affected: no state has a person")
    _check_elements(incident, law)
    zones = everywhere(incident, law)
    today = max(now.astimezone(zone).date() for zone in (*zones, UTC))
    found = _days(incident, zones, today, now)
    found |= _window(incident, today)
    if min(found.values()) < _EARLIEST:
        raise Invalid("a day is before 1990, when there was no such law")
    for earlier, later in _IN_ORDER:
        if earlier in found and later in found and found[later] < found[earlier]:
            raise Invalid(f"the day '{later}' is before the day '{earlier}'")
    _check_statements(incident, today)


def _days(incident: Incident, zones: tuple[ZoneInfo, ...], today: date, now: datetime) -> dict[str, date]:
    found = {}
    for name in MOMENTS:
        moment = getattr(incident, name)
        if moment is None:
            continue
        if isinstance(moment, datetime) and moment.tzinfo is None:
            raise Invalid(f"the moment '{name}' has no time zone (write it like 2023-03-30T09:15-04:00)")
        if moment > now if isinstance(moment, datetime) else moment > today:
            raise Invalid(f"the day '{name}' is in the future")
        found[name] = day(moment, zones)
    return found


def _window(incident: Incident, today: date) -> dict[str, date]:
    if incident.accessed is None:
        return {}
    first, last = incident.accessed
    if first > last:
        raise Invalid("the window of access is reversed: its first day is after its last")
    if last > today:
        raise Invalid("the window of access ends in the future")
    return {"access": first}


def _check_entity(entity: Entity, law: Law) -> None:
    if any(code != UNKNOWN and code not in law.states for code in entity.residents):
        raise Invalid(
            "a state of residence is not known to the law's data (two capital letters, DC and PR among"
            f" them; '{UNKNOWN}' for persons whose state is not known, or is none of these)"
        )
    for number in (entity.unreachable, *entity.residents.values()):
        _check_count(number)
    if entity.unreachable > entity.persons:
        raise Invalid("more persons are out of reach than there are")


def _check_count(number: int) -> None:
    if number < 0:
        raise Invalid("a number of persons is negative")
    if number > _MOST:
        raise Invalid("a number of persons is larger than there are people")


def _check_elements(incident: Incident, law: Law) -> None:
    if incident.elements is None:
        return
    if not incident.elements:
        raise Invalid("no element is named (leave it out if it is not known which were shown)")
    if strange := incident.elements - vocabulary(law):
        raise Invalid(f"{len(strange)} of the elements are not in the vocabulary (confide clocks --help)")


def _check_statements(incident: Incident, today: date) -> None:
    for statement in incident.statements:
        if statement.made > today:
            raise Invalid("law enforcement's statement is in the future")
        if statement.until is not None and statement.until < statement.made:
            raise Invalid("the delay that law enforcement asked for ends before it was asked for")
        if statement.cleared is not None and not statement.made <= statement.cleared <= today:
            raise Invalid("law enforcement's clearance is before its statement, or in the future")
