"""What the laws have in common: starting moments, law enforcement's delay, thresholds."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from confide.incidents import days
from confide.incidents.facts import Entity, Harm, Incident, Moment, Statement, day, everywhere
from confide.incidents.statutes import UNKNOWN, Clock, Counting, Law, State, Unit

_OPERATORS: Final[dict[str, Callable[[int, int], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Start:
    """A starting moment: by the right reading, by the strictest, and whether it has come."""

    right: date
    strict: date
    words: str
    projected: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """The end of a period: by the right reading, by the strictest, and from where."""

    until: Moment | None = None
    strict: Moment | None = None
    ends: datetime | None = None
    start: str = ""
    started: Moment | None = None
    projected: bool = False
    zone: ZoneInfo | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Who reaches a threshold, with how many persons, and what one would have to find out."""

    entities: tuple[str, ...]
    persons: int
    question: str = ""
    note: str = ""


class Reckoning:
    """One incident under one law.

    Args:
        incident: Checked.
        law: Checked.
    """

    def __init__(self, incident: Incident, law: Law) -> None:
        self.incident = incident
        self.law = law
        self.zones = everywhere(incident, law)
        self._letters: dict[str, tuple[date | None, date | None]] = {}

    # Starting moments

    def start(self, word: str, zones: tuple[ZoneInfo, ...], code: str = "") -> Start | None:
        """Return the starting moment that a law's word means; one that nobody knows is read most strictly.

        Returns:
            None for letters that have not gone and for which no confirmed rule sets a last day.
        """
        anchor = self.law.anchor(word)
        [name] = anchor.facts
        if name == "notified":
            return self._sent(anchor.words, zones, code)
        if name == "secretary":
            if (told := self.incident.secretary) is not None:
                return Start(day(told, zones), day(told, zones), anchor.words)
            last = self.secretary_latest
            return Start(last, last, f"{anchor.words}, if it is made on its last day", projected=True)
        found = self.discovered(zones)
        moment = getattr(self.incident, name)
        if moment is None:
            return Start(found.right, found.strict, f"{anchor.words} (not known: discovery)")
        right = day(moment, zones)
        return Start(right, min(found.strict, right), anchor.words)

    def discovered(self, zones: tuple[ZoneInfo, ...]) -> Start:
        """Return the day of discovery."""
        found = day(self.incident.discovered, zones)
        return Start(found, found, self.law.anchor("discovery").words)

    def _sent(self, words: str, zones: tuple[ZoneInfo, ...], code: str) -> Start | None:
        """When the letters went into a state, or when they must at the latest."""
        if (went := self.incident.notified) is not None:
            return Start(day(went, zones), day(went, zones), words)
        own, strictest = self._letters.get(code, (None, None))
        common = _date(self.hipaa_letters.until) if self.hipaa_applies else None
        right = min((each for each in (own, common) if each), default=None)
        strict = min((each for each in (strictest, common) if each), default=None)
        if right is None or strict is None:
            return None
        return Start(right, strict, f"{words}, if they go on the last day", projected=True)

    def tell_letters(self, code: str, applied: date | None, strictest: date | None) -> None:
        """Remember a state's own last day for letters, as applied and as read most strictly."""
        self._letters[code] = (applied, strictest)

    def days(
        self, start: Start, amount: int, unit: Unit, zones: tuple[ZoneInfo, ...], code: str = ""
    ) -> Term:
        """Count days from a starting moment."""
        until = days.add(start.right, amount, unit, code)
        strict = days.add(start.strict, amount, unit, code)
        return self.term(until, strict, start, zones)

    def term(self, until: date, strict: date, start: Start, zones: tuple[ZoneInfo, ...]) -> Term:
        """Return a period that ends with a day."""
        zone = min(zones, key=lambda each: days.end(until, (each,)))
        return Term(until, strict, days.end(until, zones), start.words, start.right, start.projected, zone)

    def hours(self, moment: Moment | None, amount: int, words: str, zones: tuple[ZoneInfo, ...]) -> Term:
        """Count hours from a moment; of a day of which no hour is known, from its beginning."""
        exact = [
            each if isinstance(each, datetime) else days.begin(each, zones)
            for each in (moment, self.incident.discovered)
            if each is not None
        ]
        right, strict = exact[0], min(exact)
        span = timedelta(hours=amount)
        return Term(right + span, strict + span, right + span, words, right, zone=zones[0])

    # HIPAA's own days, on which the states' letters lean

    @cached_property
    def covered(self) -> Start:
        """When the covered entities discovered it: by a business associate's word, or with it."""
        start = self.discovered(self.zones)
        if not self.incident.vendor:
            return start
        if self.incident.informed is None:
            return Start(start.right, start.strict, "the business associate's discovery (as its agent's)")
        return Start(day(self.incident.informed, self.zones), start.strict, "the business associate's word")

    @cached_property
    def year_end(self) -> Start:
        """The end of the calendar year in which the covered entities discovered it."""
        words = self.law.anchor("end_of_calendar_year_of_discovery").words
        return Start(date(self.covered.right.year, 12, 31), date(self.covered.strict.year, 12, 31), words)

    @cached_property
    def hipaa_letters(self) -> Term:
        """HIPAA's last day for the letters."""
        clock = self.law.clocks["hipaa-individual"]
        return self.hipaa(clock, self.covered)

    def hipaa(self, clock: Clock, start: Start) -> Term:
        """Count one of HIPAA's clocks, with law enforcement's delay where it has one."""
        assert clock.amount is not None  # noqa: S101 - tests/incidents exercises each clock
        plain = self.days(start, clock.amount, clock.unit, self.zones)
        if not clock.delay or not isinstance(plain.until, date) or not isinstance(plain.strict, date):
            return plain
        return self.term(self._impeded(plain.until), self._impeded(plain.strict), start, self.zones)

    def _impeded(self, until: date) -> date:
        """Move a last day behind the delay of 45 CFR 164.412: as written, or counted from the word."""
        clock = self.law.clocks["hipaa-le-delay-oral"]
        for statement in self._asked():
            last = statement.until or days.add(statement.made, clock.amount or 0, clock.unit)
            last = min(last, statement.cleared) if statement.cleared else last
            if statement.made <= until:
                until = max(until, last)
        return until

    def _asked(self) -> list[Statement]:
        """Law enforcement's statements by day: one that comes when the time is over gives no more of it."""
        return sorted(self.incident.statements, key=lambda each: each.made)

    @property
    def hipaa_applies(self) -> bool:
        """Whether HIPAA asks for letters: unsecured PHI, and compromise not decided to be unlikely."""
        incident = self.incident
        return incident.hipaa and not incident.secured and incident.assessment is not Harm.UNLIKELY

    @cached_property
    def secretary_latest(self) -> date:
        """The last day on which the Secretary is told first: of a large breach, or else of a small one."""
        large, small = (self.law.clocks[f"hipaa-secretary-{size}"] for size in ("large", "small"))
        if self.reach("", self.law.rules.clocks[large.id]).entities:
            return _date(self.hipaa(large, self.covered).until)
        return _date(self.hipaa(small, self.year_end).until)

    # Law enforcement's delay in the states

    def delayed(self, state: State, until: date) -> date:
        """Move a state's last day behind what law enforcement has asked for, as far as the data say."""
        if state.le_delay != "Y" or not self.law.confirmed(state.le_cert):
            return until
        for statement in self._asked():
            if statement.made > until:
                continue
            if statement.cleared is not None:
                until = max(until, self._cleared(state, statement.cleared))
            elif statement.until is not None:
                until = max(until, statement.until)
        return until

    def _cleared(self, state: State, cleared: date) -> date:
        term = self.law.rules.delay_ends.get(state.code)
        if term is None:
            return cleared
        if term.clock:
            clock = self.law.clocks[term.clock]
            return days.add(cleared, clock.amount or 0, clock.unit, state.code)
        return days.add(cleared, term.days or 0, term.unit, state.code)

    # Thresholds

    def reach(self, code: str, counting: Counting) -> Reach:
        """Return which covered entities reach a threshold about the residents of *code*."""
        sure, maybe = [], []
        for entity in self.concerned(code):
            known, at_most = _counts(entity, code, counting)
            if _reached(counting, known):
                sure.append(entity)
            elif _reached(counting, at_most):
                maybe.append(entity)
        if counting.counted == "all" and self.incident.vendor and _reached(counting, self.incident.persons):
            return _reach(self.concerned(code), code)
        unsure = "it depends on persons whose state of residence is not known"
        if sure:
            note = f"covered entities of which {unsure}: {len(maybe):,} more" if maybe else ""
            return replace(_reach(sure, code), note=note)
        if maybe:
            return replace(_reach(maybe, code), question=unsure)
        total = self.incident.persons if counting.counted == "all" else self.incident.totals.get(code, 0)
        if (
            counting.counted in {"state", "all"}
            and len(self.incident.entities) > 1
            and _reached(counting, total)
        ):
            return Reach(
                (),
                total,
                f"no covered entity reaches it alone; together they have {total:,} (is it one notice?)",
            )
        return Reach((), 0)

    def concerned(self, code: str) -> list[Entity]:
        """Return the covered entities with residents of *code*, or with anybody where it is empty."""
        return self._living.get(code, [])

    @cached_property
    def _living(self) -> dict[str, list[Entity]]:
        found: dict[str, list[Entity]] = {}
        for entity in self.incident.entities:
            for code, count in (*entity.residents.items(), ("", entity.persons)):
                if count:
                    found.setdefault(code, []).append(entity)
        return found


def _date(moment: Moment | None) -> date:
    assert moment is not None  # noqa: S101 - HIPAA's letters have an end
    return moment


def _reach(entities: list[Entity], code: str) -> Reach:
    return Reach(tuple(each.name for each in entities), sum(_persons(each, code) for each in entities))


def _persons(entity: Entity, code: str) -> int:
    return entity.residents.get(code, 0) if code else entity.persons


def _counts(entity: Entity, code: str, counting: Counting) -> tuple[int, int]:
    """The persons that count surely, and at most."""
    if counting.counted == "unreachable":
        return entity.unreachable, entity.unreachable
    if counting.counted in {"entity", "all"}:
        return entity.persons, entity.persons
    known = entity.residents.get(code, 0)
    return known, known + entity.residents.get(UNKNOWN, 0)


def _reached(counting: Counting, count: int) -> bool:
    if not counting.op or counting.n is None:
        return count > 0
    return _OPERATORS[counting.op](count, counting.n)
