"""Many pay at once: the plain cases of a crowd in one transaction and a few statements, for PostgreSQL.

Each statement costs more than what it asks for one payer. Whoever is not a plain case (their budget does not
cover all of it, another transaction charges it just now, a ceiling is near, or the credential was stopped) is
left out, and pays alone: there it says what is the matter. What is paid here is counted as ``budget`` counts
it: the owner's totals under the owner's lock, what all see together in lanes. Locks and lanes are taken
before anything is counted, so that one round trip asks for everything. Far from the ceilings it is lanes that
nobody holds: then no process waits for what another one is still writing to its disk.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import Any, Final

from django.db import DatabaseError, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access import ceilings, pulse, totals
from confide.access.budget import own_of
from confide.access.ceilings import Bound
from confide.access.decide import Grant
from confide.access.exposure import LOCKS, Charge, Sight, recording, weigh
from confide.access.groups import Group, Step, add_up, exceeds, gather, plus, see
from confide.access.limits import Sum
from confide.access.models import Exposure
from confide.access.roles import Form, Role
from confide.access.statements import Insert, Query, Rows, as_json, ask, writing
from confide.access.totals import MONTH, Change, Counted
from confide.errors import AccessDenied, Unavailable
from confide.protect.elements import Element

_PERSONS: Final = (
    "SELECT w.i, a.suspect_at IS NOT NULL OR s.suspect_at IS NOT NULL"
    " FROM json_to_recordset(%s::json) w(i int, session text, account text)"
    " JOIN access_account a ON a.id = w.account AND a.is_active AND a.frozen_at IS NULL"
    " LEFT JOIN access_session s ON s.id = w.session AND s.account_id = a.id AND s.frozen_at IS NULL"
    " WHERE w.session = '' OR s.id IS NOT NULL"
)
_CLIENTS: Final = (
    "SELECT w.i, c.suspect_at IS NOT NULL FROM json_to_recordset(%s::json) w(i int, client text)"
    " JOIN access_client c ON c.id = w.client AND c.active AND c.frozen_at IS NULL"
)
# The plan is kept, and may have been made when the table was empty: by OFFSET each patient is looked up in
# the index, where a join would read the whole table.
_LOOK: Final = (
    "SELECT w.i, s.patient, s.element, s.form, s.slot, s.weight"
    " FROM json_to_recordset(%s::json) w(i int, owner text, practice text, patient text)"
    " CROSS JOIN LATERAL (SELECT * FROM access_exposure e WHERE e.owner = w.owner AND e.practice = w.practice"
    " AND e.patient = w.patient AND e.slot > %s OFFSET 0) s"
)
_ANEW: Final[list[Query]] = [("ROLLBACK", []), ("BEGIN", [])]
# Nobody waits for one owner's other transaction: who cannot be charged at once pays alone.
_LOCK: Final = (
    "SELECT w.i FROM json_to_recordset(%s::json) w(i int, owner text)"
    " WHERE pg_try_advisory_xact_lock(%s, hashtext(w.owner))"
)


@dataclass(frozen=True, slots=True)
class Purchase:
    """What somebody would pay for.

    Attributes:
        grant: Whose budget it is.
        charges: As in ``budget.reserve``.
    """

    grant: Grant
    charges: Sequence[Charge]


@dataclass(slots=True)
class _Payer:
    """Somebody who pays.

    Attributes:
        i: Which of the purchases.
        most: What paying adds to any total at most.
    """

    i: int
    grant: Grant
    owner: str
    groups: list[Group]
    own: Bound = field(init=False)
    most: Sum = field(init=False)
    steps: list[Step] = field(init=False)
    change: Change = field(init=False)

    def __post_init__(self) -> None:
        self.own = own_of(self.grant)
        units = 0
        for _, shown in self.groups:
            for element, form in shown.items():
                units += weigh(element, form)
        self.most = Sum(len(self.groups), units)

    def see(self, sight: Sight) -> bool:
        """Mark its groups as seen; tell whether anything of that is to be paid for."""
        self.steps = [see(sight, patient, shown) for patient, shown in self.groups]
        self.change = self.steps[0].change if len(self.steps) == 1 else add_up(self.steps)
        return any(step.charges for step in self.steps)


@dataclass(frozen=True, slots=True)
class _Ceiling:
    """A ceiling, those who are under it, and the lanes that they need; all in the first one's lanes."""

    bound: Bound
    payers: list[_Payer]
    lanes: Sequence[str]

    @classmethod
    def over(cls, bound: Bound, payers: list[_Payer]) -> _Ceiling:
        most = [payer.most for payer in payers]
        together = Sum(sum(each.patients for each in most), sum(each.units for each in most))
        # A ceiling that is near when nothing was seen yet is never far.
        return cls(bound, payers, bound.choose_lanes([Sum(0, 0)] * len(bound.book.windows), [together]))

    @property
    def is_exact(self) -> bool:
        """Whether it is so near that all of its lanes are needed, and what is seen is counted exactly."""
        return len(self.lanes) == len(self.bound.book.names)

    def change(self, paying: Collection[int]) -> Change:
        """What those of its payers who are *paying* change."""
        return add_up(step for payer in self.payers if payer.i in paying for step in payer.steps)

    def covers(self, paying: Collection[int], counted: Counted, now: datetime) -> bool:
        """Tell whether *paying* stay below it, whatever others are about to show."""
        if not self.is_exact:
            return self.bound.is_far(counted.sums, 2 * len(self.bound.book.names))
        return _fits(self.bound, counted, self.change(paying), now)


def reserve(purchases: Sequence[Purchase], now: datetime) -> tuple[list[bool], list[Query]]:
    """Pay for the plain cases of *purchases*, each in full, in the caller's transaction.

    It is the first thing in it, and may begin it anew.

    What that writes is returned, so that it can go with what else the caller writes.

    Args:
        purchases: What is paid for, by whom.
        now: Aware UTC.

    Returns:
        Which are paid for, once the statements that follow are run: nothing may be told before. The others
        pay nothing, and should try alone.

    Raises:
        Unavailable: The database refused; nothing may be committed.
    """
    connection: BaseDatabaseWrapper = transaction.get_connection(router.db_for_write(Exposure))
    if not connection.in_atomic_block:
        raise Unavailable("a budget is spent inside the transaction of what it pays for")
    payers: dict[str, _Payer] = {}  # one purchase an owner: the next one would have to count this one
    for i, purchase in enumerate(purchases):
        grant, owner = purchase.grant, purchase.grant.actor.owner
        groups = gather(purchase.charges)
        plain = grant.actor.role is not Role.SYSTEM and all(patient and shown for patient, shown in groups)
        if plain and groups and now < grant.expires and owner not in payers:
            payers[owner] = _Payer(i, grant, owner, groups)
    if not payers:
        return [False] * len(purchases), []
    try:
        paid, writes = _pay(connection, list(payers.values()), now)
    except DatabaseError as error:
        raise Unavailable(f"the exposure budget cannot be charged ({type(error).__name__})") from None
    return [i in paid for i in range(len(purchases))], writes


def _pay(
    connection: BaseDatabaseWrapper, payers: list[_Payer], now: datetime
) -> tuple[set[int], list[Query]]:
    """Charge those whose own budget covers it, while all together stay below the ceilings.

    Returns who pays, and what that writes. Whoever saw it all just now has paid for it already.
    """
    under = _ceilings(connection, payers)
    books = [payer.own.book for payer in payers] + [ceiling.bound.book for ceiling in under]
    before = [*_acting(payers), (_LOCK, [as_json({"i": p.i, "owner": p.owner} for p in payers), LOCKS])]
    after = [
        _looking(payers, now),
        totals.counting(connection, books, now),  # last: what is locked above does not change any more
    ]
    wanted = [(ceiling.bound.book.names, len(ceiling.lanes)) for ceiling in under]
    held, near = None, any(ceiling.is_exact for ceiling in under)
    if not near:
        *acting, locked, lanes, seen, sums = ask(connection, [*before, ceilings.trying(wanted), *after])
        held = ceilings.taken(wanted, lanes)
    if held is not None:
        homes = zip(under, held, strict=True)
        under = [replace(each, bound=each.bound.written_to(some[0])) for each, some in homes]
    else:  # who waits holds nothing that others wait for, so what was had is let go first
        waiting = ceilings.taking([lane for ceiling in under for lane in ceiling.lanes])
        *acting, locked, _, seen, sums = ask(connection, [*before, waiting, *after], () if near else _ANEW)
    suspect, free = dict(chain.from_iterable(acting)), {i for (i,) in locked}
    sights, counted = _sights(payers, seen, now), totals.counted(books, sums)
    paid, paying = set(), set()
    for payer, own in zip(payers, counted, strict=False):
        if not _acts(payer, suspect):
            continue
        if not payer.see(sights[payer.i]):
            paid.add(payer.i)
        elif payer.i in free and _covers(payer, own, now):
            paying.add(payer.i)
    together = zip(under, counted[len(payers) :], strict=True)
    if not paying or not all(ceiling.covers(paying, found, now) for ceiling, found in together):
        return paid, []
    return paid | paying, _writing([payer for payer in payers if payer.i in paying], under, now)


def _acts(payer: _Payer, suspect: Mapping[int, bool]) -> bool:
    try:
        pulse.require_unchanged([(suspect[payer.i],)] if payer.i in suspect else [], payer.grant)
    except AccessDenied:
        return False
    return True


def _covers(payer: _Payer, own: Counted, now: datetime) -> bool:
    """Tell whether the own budget covers all of it; prunes nothing, so not for the first time in hours."""
    if (own.newest or 0) < MONTH.slot(totals.slot_of(now)):
        return False
    return _fits(payer.own, own, payer.change, now)


def _fits(bound: Bound, counted: Counted, change: Change, now: datetime) -> bool:
    """Tell whether a change as a whole stays within the limits; no part of one makes a total less."""
    gains = totals.gains(bound.book.windows, change, now)
    return not any(map(exceeds, map(plus, counted.sums, gains), gains, bound.limits()))


def _ceilings(connection: BaseDatabaseWrapper, payers: list[_Payer]) -> list[_Ceiling]:
    """Return what they are under: the ceiling of each practice, and the host's."""
    practices: dict[str, list[_Payer]] = {}
    for payer in payers:
        practices.setdefault(payer.grant.practice, []).append(payer)
    found = []
    for practice, some in practices.items():
        own, host = ceilings.ceilings_of(connection, practice, some[0].owner)
        found.append(_Ceiling.over(own, some))
    return [*found, _Ceiling.over(host, payers)]


def _writing(paying: list[_Payer], under: list[_Ceiling], now: datetime) -> list[Query]:
    """Return what writes what is paid."""
    who, slot = {payer.i for payer in paying}, totals.slot_of(now)
    seen = [
        recording(payer.owner, payer.grant.practice, step.charges, slot)
        for payer in paying
        for step in payer.steps
    ]
    added = [totals.adding([payer.own.book], payer.change, now) for payer in paying]
    added += [totals.adding([ceiling.bound.book], ceiling.change(who), now) for ceiling in under]
    return writing([_joined(seen), _joined(added)])


def _joined(batches: list[tuple[Insert, Rows]]) -> tuple[Insert, Rows]:
    return batches[0][0], [row for _, rows in batches for row in rows]


# Asking for many


def _acting(payers: Sequence[_Payer]) -> list[Query]:
    actors = [(payer.i, payer.grant.actor) for payer in payers]
    people = [
        {"i": i, "session": actor.session, "account": actor.id}
        for i, actor in actors
        if actor.kind != "client"
    ]
    clients = [{"i": i, "client": actor.id} for i, actor in actors if actor.kind == "client"]
    asking: list[Query] = [(_PERSONS, [as_json(people)])] if people else []
    return [*asking, (_CLIENTS, [as_json(clients)])] if clients else asking


def _looking(payers: Sequence[_Payer], now: datetime) -> Query:
    wanted = [
        {"i": p.i, "owner": p.owner, "practice": p.grant.practice, "patient": patient}
        for p in payers
        for patient in sorted({patient for patient, _ in p.groups})
    ]
    return _LOOK, [as_json(wanted), MONTH.begin(now) * MONTH.span]


def _sights(payers: Sequence[_Payer], rows: Sequence[tuple[Any, ...]], now: datetime) -> dict[int, Sight]:
    slot = totals.slot_of(now)
    sights = {payer.i: Sight(slot) for payer in payers}
    for i, patient, element, form, seen, weight in rows:
        sights[i].mark(patient, Element(element), Form(form), seen, weight)
    return sights
