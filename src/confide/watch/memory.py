"""What the watch remembers of one login, and of one role in one practice. Small, and no value in it.

Days are proleptic ordinals of UTC, moments seconds since 1970. Patients are 64-bit hashes of their random
ids, and only today's; of the days before there are counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final

import msgspec

from confide.protect.elements import CATALOGUE
from confide.watch import thresholds
from confide.watch.events import Batch
from confide.watch.traits import Trait

KEPT_DAYS: Final = 35
_MOST_PATIENTS: Final = 300  # of one day, whom it tells apart; no default budget shows more than 150
_MOST_IDS: Final = thresholds.EVIDENCE // 2
_MOST_TURNS: Final = 12
_PLACE: Final = thresholds.of("place")
_ENUMERATION: Final = thresholds.of("enumeration")
_HEAVY: Final = frozenset(
    str(element) for element, kind in CATALOGUE.items() if kind.weight >= thresholds.of("elements")["heavy"]
)
_HEX: Final = frozenset("0123456789abcdef-")
_ROLE_DAYS: Final = 200
_HALF: Final = 50_000  # openings after which the hours of a role fade by half


class Distinct(msgspec.Struct):
    """Counts patients once a day; whoever comes after the most that it tells apart counts each time."""

    patients: set[int] = msgspec.field(default_factory=set)
    more: int = 0

    def add(self, patient: int) -> bool:
        """Count one; tell whether it is new today."""
        if patient in self.patients:
            return False
        if len(self.patients) < _MOST_PATIENTS:
            self.patients.add(patient)
        else:
            self.more += 1
        return True

    def __len__(self) -> int:
        return len(self.patients) + self.more


class Order(msgspec.Struct):
    """Steps up and down in one order: bits, the newest last.

    Attributes:
        last: The place of the newest.
        ups: A bit for each step that went up; ``downs`` likewise.
        steps: How many there were, up to those that are looked at.
    """

    last: int = -1
    ups: int = 0
    downs: int = 0
    steps: int = 0

    def step(self, place: int) -> None:
        """Go on to a place; standing still is no step."""
        if self.last >= 0 and place != self.last:
            mask = (1 << _ENUMERATION["of"]) - 1
            self.ups = (self.ups << 1 | (place > self.last)) & mask
            self.downs = (self.downs << 1 | (place < self.last)) & mask
            self.steps = min(self.steps + 1, _ENUMERATION["of"])
        self.last = place


class Day(msgspec.Struct, array_like=True):
    """One day in counts of patients."""

    day: int
    opened: int = 0
    bare: int = 0
    own: int = 0
    heavy: int = 0


class Memory(msgspec.Struct):
    """Of one login.

    Attributes:
        day: The day that is counted now; 0 before the first.
        last: When it last opened or found somebody.
        slept: Days that it had slept when this day began.
        opened: Whose charts were opened today; ``bare`` those without an explanation, ``own`` those explained
            by what the person made, ``heavy`` those with sensitive numbers; ``found`` who was found.
        days: The days before, the oldest first.
        hours: Openings for each hour of the day.
        hour: The hour now, counted since 1970, and the people opened in it.
        places: Networks and devices, with the day of their last use.
        fresh: What is new among the places of the newest batch: ``network``, ``device``.
        turns: Moments at which network and device both changed; ``where`` is what they changed to.
        orders: By name of the order.
        pages: Pages of a list in a row that go up; ``page`` is the place of the last.
        ids: Ids of entries that findings rest on, by the name of the detector.
        answers: What somebody has explained, by practice and code: until which day no finding of at most
            that weight is made.
    """

    day: int = 0
    last: float = 0.0
    slept: int = 0
    opened: Distinct = msgspec.field(default_factory=Distinct)
    bare: Distinct = msgspec.field(default_factory=Distinct)
    own: Distinct = msgspec.field(default_factory=Distinct)
    heavy: Distinct = msgspec.field(default_factory=Distinct)
    found: Distinct = msgspec.field(default_factory=Distinct)
    days: list[Day] = msgspec.field(default_factory=list)
    hours: list[int] = msgspec.field(default_factory=lambda: [0] * 24)
    hour: int = 0
    in_hour: Distinct = msgspec.field(default_factory=Distinct)
    places: dict[str, int] = msgspec.field(default_factory=dict)
    fresh: list[str] = msgspec.field(default_factory=list)
    where: tuple[str, str] = ("", "")
    turns: list[float] = msgspec.field(default_factory=list)
    orders: dict[str, Order] = msgspec.field(default_factory=dict)
    pages: int = 0
    page: int = -1
    ids: dict[str, list[int]] = msgspec.field(default_factory=dict)
    answers: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)

    def note(self, name: str, id_: int) -> None:
        """Remember an entry that a finding may rest on; of too many the newest."""
        ids = self.ids.setdefault(name, [])
        ids.append(id_)
        if len(ids) > _MOST_IDS:
            del ids[0]

    def lately(self, days: int) -> list[Day]:
        """Return those of the days before that lie in a window that ends today."""
        begin = self.day - days + 1
        return [each for each in self.days[-days:] if each.day >= begin]


class Norm(msgspec.Struct):
    """Of one role in one practice, or of all of the practice: what is usual.

    Attributes:
        days: Charts that one login opened in one working day, the newest last.
        bare: Of each, how many nothing explains; ``heavy`` likewise.
        hours: Openings for each hour of the day, UTC; older ones fade.
    """

    days: list[int] = msgspec.field(default_factory=list)
    bare: list[int] = msgspec.field(default_factory=list)
    heavy: list[int] = msgspec.field(default_factory=list)
    hours: list[int] = msgspec.field(default_factory=lambda: [0] * 24)

    def learn(self, day: Day) -> None:
        """Take in a working day."""
        for listed, number in ((self.days, day.opened), (self.bare, day.bare), (self.heavy, day.heavy)):
            listed.append(number)
            del listed[:-_ROLE_DAYS]

    def pass_hour(self, hour: int, number: int) -> None:
        """Count openings in an hour."""
        self.hours[hour] += number
        if self.hours[hour] > _HALF:
            self.hours = [each // 2 for each in self.hours]


def take(memory: Memory, norm: Norm, batch: Batch, traits: Sequence[Trait]) -> None:
    """Let the memory of a login take in a batch.

    Args:
        memory: Of the login.
        norm: Of its role; learns when a day of the login is over.
        batch: What it did.
        traits: Of each patient, in the order of the batch.
    """
    day = batch.at.toordinal()
    # Yesterday's last entries may come after today's first. What is older: a clock had run ahead.
    if day > memory.day or day < memory.day - 1:
        _turn(memory, norm, day)
    memory.last = batch.at.timestamp()
    _take_place(memory, batch)
    if batch.opening:
        _take_openings(memory, batch, traits)
    else:
        for seen in batch.seen:
            if memory.found.add(_hash(seen.patient)):
                memory.note("bulk", seen.id)
    _take_orders(memory, batch, traits)


def _hash(patient: str) -> int:
    return int.from_bytes(blake2b(patient.encode(), digest_size=8).digest())


def _turn(memory: Memory, norm: Norm, day: int) -> None:
    """Close the day that was counted, and begin another."""
    if memory.day:
        closed = Day(memory.day, len(memory.opened), len(memory.bare), len(memory.own), len(memory.heavy))
        if closed.opened:
            memory.days.append(closed)
            norm.learn(closed)
        memory.slept = max(day - memory.day, 0)
    memory.day = day
    memory.days = [each for each in memory.days if day - KEPT_DAYS < each.day < day]
    memory.answers = {key: each for key, each in memory.answers.items() if each[0] >= day}
    memory.opened, memory.bare, memory.own = Distinct(), Distinct(), Distinct()
    memory.heavy, memory.found = Distinct(), Distinct()
    for name in ("breadth", "elements", "bulk", "dormant"):
        memory.ids.pop(name, None)


def _take_place(memory: Memory, batch: Batch) -> None:
    memory.fresh = []
    learned = len(memory.days) >= _PLACE["learned_days"]
    for name, value in (("network", batch.network), ("device", batch.device)):
        if not value:
            continue
        key = f"{name}:{value}"
        if key not in memory.places and learned:
            memory.fresh.append(name)
        memory.places[key] = memory.day
    if len(memory.places) > 2 * _PLACE["kept"]:
        oldest = min(memory.places, key=memory.places.__getitem__)
        del memory.places[oldest]
    where = (batch.network, batch.device)
    if all(where) and all(a != b for a, b in zip(where, memory.where, strict=True)):
        if all(memory.where):
            memory.turns = [*memory.turns, batch.at.timestamp()][-_MOST_TURNS:]
            memory.note("two-places", batch.seen[0].id)
        memory.where = where


def _take_openings(memory: Memory, batch: Batch, traits: Sequence[Trait]) -> None:
    hour = int(batch.at.timestamp()) // 3600
    if hour != memory.hour:
        memory.hour, memory.in_hour = hour, Distinct()
        memory.ids.pop("hour", None)
    for seen, trait in zip(batch.seen, traits, strict=True):
        patient = _hash(seen.patient)
        if memory.in_hour.add(patient):
            memory.note("hour", seen.id)
        if memory.opened.add(patient):
            memory.hours[batch.at.hour] += 1
            memory.note("breadth", seen.id)
            if is_bare(batch, seen.related, trait) and memory.bare.add(patient):
                memory.note("unexplained", seen.id)
            elif seen.own and not trait.explained and memory.own.add(patient):
                memory.note("self-made", seen.id)
        if not _HEAVY.isdisjoint(seen.elements) and memory.heavy.add(patient):
            memory.note("elements", seen.id)


def is_bare(batch: Batch, related: bool, trait: Trait) -> bool:  # noqa: FBT001 - a fact, no switch
    """Tell whether nothing explains that a patient was met."""
    del batch
    return not related and not trait.explained


def _take_orders(memory: Memory, batch: Batch, traits: Sequence[Trait]) -> None:
    """Step on in every order; one step for a batch, because lists are shown in some order anyway."""
    bare = [
        (seen, trait)
        for seen, trait in zip(batch.seen, traits, strict=True)
        if is_bare(batch, seen.related, trait)
    ]
    # A few with appointments among a page of strangers hide it from nobody.
    if not bare or len(bare) < min(_ENUMERATION["part"] * len(batch.seen), _ENUMERATION["page"]):
        return
    memory.note("enumeration", bare[0][0].id)
    ids = min(_place_of(seen.patient) for seen, _ in bare)
    if batch.program and len(bare) >= _ENUMERATION["page"]:
        memory.pages = memory.pages + 1 if ids > memory.page >= 0 else 1
        memory.page = ids
        memory.note("paging", bare[0][0].id)
    memory.orders.setdefault("id", Order()).step(ids)
    for name in {name for _, trait in bare for name in trait.orders}:
        place = min(trait.orders[name] for _, trait in bare if name in trait.orders)
        memory.orders.setdefault(name, Order()).step(place)


def _place_of(patient: str) -> int:
    """Return where a random id stands among all ids."""
    return int(patient.replace("-", "")[:12].ljust(12, "0"), 16) if _is_hex(patient) else 0


def _is_hex(patient: str) -> bool:
    return bool(patient) and _HEX.issuperset(patient)


def day_of(moment: datetime) -> int:
    """Return the ordinal of a moment's UTC day."""
    return moment.toordinal()
