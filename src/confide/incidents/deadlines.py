"""The clocks of an incident: what is known of it, its scope and its signed assessment, counted by the law."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from confide.access.decide import Grant
from confide.access.models import Practice
from confide.errors import Invalid
from confide.incidents import calendar, clocks, reading
from confide.incidents.cases import Cases, storing
from confide.incidents.clocks import Clocks
from confide.incidents.course import Act, Breadth, State, covers
from confide.incidents.duties import Duty, warn
from confide.incidents.facts import Encryption, Entity, Harm, Statement, Way, day, everywhere
from confide.incidents.facts import Incident as Facts
from confide.incidents.federal import EUROPEAN
from confide.incidents.models import Incident, Scope
from confide.incidents.statutes import UNKNOWN
from confide.vault.door import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a person knows of an incident beside its scope; what is None is read most strictly.

    Attributes:
        As of the same name in ``facts.Incident``.
    """

    aware: datetime | None = None
    determined: datetime | None = None
    scoped: datetime | None = None
    notified: datetime | None = None
    secretary: datetime | None = None
    informed: datetime | None = None
    vendor: bool | None = None
    hipaa: bool = True
    europeans: int = 0
    facility: bool = False
    part2: bool = False
    zone: str = ""
    statements: tuple[Statement, ...] = ()

    def write(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        told: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, datetime):
                told[each.name] = value.astimezone(UTC).isoformat()
            elif each.name == "statements":
                told[each.name] = [[_iso(s.made), _iso(s.until), _iso(s.cleared)] for s in value]
            elif value is not None:
                told[each.name] = value
        return told

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Known:
        """Return what `write` wrote."""
        values = dict(told)
        for name in _MOMENTS:
            if values.get(name):
                values[name] = datetime.fromisoformat(values[name])
        values["statements"] = tuple(
            Statement(date.fromisoformat(made), *(date.fromisoformat(d) if d else None for d in rest))
            for made, *rest in values.get("statements", ())
        )
        return cls(**values)


_MOMENTS: Final = ("aware", "determined", "scoped", "notified", "secretary", "informed")


_FRESH: Final = timedelta(minutes=1)
"""So long what is near is remembered: every page of an officer asks for it."""


class Deadlines:
    """The clocks of one installation's incidents.

    Args:
        cases: The incidents.
        clock: Returns now, aware UTC.
    """

    def __init__(self, cases: Cases, clock: Clock) -> None:
        self._cases = cases
        self._clock = clock
        self._near: dict[str, tuple[datetime, list[tuple[Incident, Duty]]]] = {}

    def tell(self, grant: Grant, incident: Incident, **changes: Any) -> Known:
        """Write down what is known now; who said it, and which of it, is in journal and timeline.

        Args:
            grant: The privacy officer's.
            incident: Which.
            changes: Attributes of ``Known``.

        Raises:
            Invalid: The facts cannot be; the message says which.
        """
        self._cases.require_lead(grant)
        known = replace(Known.read(incident.facts), **changes)
        if known.zone:
            _zone(known.zone)
        before, incident.facts = incident.facts, known.write()
        try:
            self.reckon(incident)
        except Invalid:
            incident.facts = before
            raise
        with storing():
            incident.save(update_fields=["facts"])
            self._cases.record(grant, incident, Act.FACTS, " ".join(sorted(changes)))
        self._near.pop(incident.practice, None)
        return known

    def reckon(self, incident: Incident, scope: Scope | None = None) -> Clocks | None:
        """Return an incident's duties, and until when.

        Args:
            incident: Which.
            scope: By which count; None is the newest frozen one, or else the newest.

        Returns:
            None while nobody is known to be affected. Where data subjects under GDPR may be, and nobody is
            counted yet, its duties alone: the others go by who was counted.

        Raises:
            Invalid: The facts cannot be.
        """
        counted = scope or incident.latest_scope()
        now = self._clock()
        if counted is not None and counted.records:
            return clocks.reckon(describe(incident, counted), reading.held(), now)
        if not Known.read(incident.facts).europeans:
            return None
        found = clocks.reckon(describe(incident, counted), reading.held(), now)
        return replace(
            found,
            duties=tuple(each for each in found.duties if each.id in EUROPEAN),
            newer=tuple(each for each in found.newer if each.id in EUROPEAN),
        )

    def feed(self, incident: Incident) -> bytes:
        """Return the clocks as an iCalendar file, with warnings; its name is the incident's id."""
        found = self.reckon(incident)
        law, now = reading.held(), self._clock()
        return calendar.feed(found.duties if found else (), law, incident.pk[:8], now)

    def near(self, practice: str) -> list[tuple[Incident, Duty]]:
        """Return the clocks of a practice's incidents that run out soon or did, the nearest first."""
        law, now = reading.held(), self._clock()
        kept = self._near.get(practice)
        if kept is not None and timedelta() <= now - kept[0] < _FRESH:
            return kept[1]
        found: list[tuple[Incident, Duty]] = []
        for incident in Incident.objects.filter(practice=practice).exclude(state=State.CLOSED):
            try:
                reckoned = self.reckon(incident)
            except Invalid:
                continue  # its own page says so
            if reckoned is not None:
                found += [(incident, duty) for duty in warn(reckoned.duties, law, now)]
        found.sort(key=lambda each: (each[1].ends or now, each[1].id))
        self._near[practice] = now, found
        return found


def describe(incident: Incident, scope: Scope | None) -> Facts:
    """Return an incident as the law's counting takes it: each practice a covered entity.

    While nobody is counted it is the incident's own practice, with nobody.
    """
    known = Known.read(incident.facts)
    signed = incident.latest_assessment()
    breach = signed is not None and signed.outcome == "breach"
    # It was determined by the first such signature: another one must not move the last days behind.
    decided = incident.assessments.filter(outcome="breach").order_by("signed_at").first() if breach else None
    if signed is not None and (breach or scope is None or not covers(signed, scope)):
        signed = None  # nothing takes a duty away: a breach, or what was signed is not of all that is known
    facts = Facts(
        entities=_entities(incident, scope),
        discovered=incident.discovered,
        aware=known.aware,
        determined=known.determined or (None if decided is None else decided.signed_at),
        scoped=known.scoped,  # never from the count itself: it would move a last day behind
        notified=known.notified,
        secretary=known.secretary,
        informed=known.informed,
        elements=frozenset(scope.elements) if scope is not None and scope.elements else None,
        encryption=Encryption.NONE if signed is None else Encryption(signed.encryption),
        way=Way(incident.way),
        vendor=incident.breadth == Breadth.HOST if known.vendor is None else known.vendor,
        hipaa=known.hipaa,
        assessment=Harm.UNLIKELY if signed is not None and signed.outcome == "unlikely" else Harm.PRESUMED,
        statements=known.statements,
        europeans=known.europeans,
        facility=known.facility,
        part2=known.part2,
        zone=_zone(known.zone) if known.zone else None,
    )
    if scope is None or scope.first is None or scope.last is None:
        return facts
    zones = everywhere(facts, reading.held())
    first = day(scope.first, zones)
    end = min(scope.last, scope.made_at)  # a window may end after today
    if first > day(facts.discovered, zones):
        return facts  # what was known is known, and goes on: which days to tell is for a person
    last = max(day(end, (zone,)) for zone in zones)
    return replace(facts, accessed=(first, max(first, last)))


def _entities(incident: Incident, scope: Scope | None) -> tuple[Entity, ...]:
    """Each practice by its name; two of one name are told apart by their ids."""
    residents: dict[str, dict[str, int]] = {}
    if scope is not None:
        for practice, state, records in scope.shares.values_list("practice", "state", "records"):
            residents.setdefault(practice, {})[state or UNKNOWN] = records
    if not residents:
        residents[incident.practice] = {}
    names = dict(Practice.objects.filter(pk__in=residents).values_list("pk", "name"))
    many = len(names) - len(set(names.values()))
    made = []
    for practice, of in sorted(residents.items()):
        name = names.get(practice, practice)
        made.append(Entity(f"{name} ({practice[:8]})" if many else name, of))
    return tuple(made)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid("that is no time zone of the IANA database (America/Chicago is one)") from None


def _iso(moment: date | None) -> str | None:
    return None if moment is None else moment.isoformat()
