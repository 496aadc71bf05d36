"""Many pay at once: the plain cases of a crowd in one transaction and a few statements, for PostgreSQL.

Each statement costs more than what it asks for one payer. Whoever is not a plain case (their budget does not
cover all of it, another transaction charges it just now, a ceiling is near, or the credential was stopped) is
left out, and pays alone: there it is exact, and says what is the matter. What is paid here is counted as
``budget`` counts it: the owner's totals under the owner's lock, what all see together in lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import DatabaseError, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access import ceilings, pulse, totals
from confide.access.budget import Manner, bounds_of, fit, gain_of
from confide.access.ceilings import Bound
from confide.access.decide import Grant
from confide.access.exposure import LOCKS, Charge, Exposures, Sight
from confide.access.groups import Group, Step, add_up, gather, see
from confide.access.models import Exposure
from confide.access.roles import Role
from confide.access.statements import Insert, Query, Rows, as_json, ask, write
from confide.access.totals import MONTH, Book, Counted
from confide.errors import AccessDenied, Unavailable

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
_LOOK: Final = (
    "SELECT w.i, e.patient, e.element, e.form, e.slot, e.weight"
    " FROM json_to_recordset(%s::json) w(i int, owner text, practice text, patient text)"
    " JOIN access_exposure e ON e.owner = w.owner AND e.practice = w.practice AND e.patient = w.patient"
    " AND e.slot > %s"
)
_COUNT: Final = (
    "SELECT w.i, COALESCE(SUM(t.patients), 0), COALESCE(SUM(t.units), 0), MAX(t.slot)"
    " FROM json_to_recordset(%s::json) w(i int, owner text, span int, begin int)"
    " LEFT JOIN access_exposuretotal t ON t.owner = w.owner AND t.span = w.span AND t.slot > w.begin"
    " GROUP BY w.i"
)
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
    i: int
    grant: Grant
    groups: list[Group]
    exposures: Exposures
    bounds: list[Bound] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return self.grant.actor.owner

    def is_stale(self, sight: Sight) -> bool:
        return any(sight.find_stale(patient, shown) for patient, shown in self.groups)


def reserve(purchases: Sequence[Purchase], now: datetime) -> list[bool]:
    """Pay for the plain cases of *purchases*, each in full, in the caller's transaction.

    Args:
        purchases: What is paid for, by whom.
        now: Aware UTC.

    Returns:
        Which are paid for. The others have paid nothing, and should try alone.

    Raises:
        Unavailable: The database refused, or a ceiling came near meanwhile; nothing may be committed.
    """
    connection: BaseDatabaseWrapper = transaction.get_connection(router.db_for_write(Exposure))
    if not connection.in_atomic_block:
        raise Unavailable("a budget is spent inside the transaction of what it pays for")
    payers: dict[str, _Payer] = {}  # one purchase an owner: the next one would have to count this one
    for i, purchase in enumerate(purchases):
        grant = purchase.grant
        groups = gather(purchase.charges)
        plain = grant.actor.role is not Role.SYSTEM and all(patient and shown for patient, shown in groups)
        if plain and groups and now < grant.expires and grant.actor.owner not in payers:
            exposures = Exposures(connection, grant.actor.owner, now)
            payers[grant.actor.owner] = _Payer(i, grant, groups, exposures)
    paid = [False] * len(purchases)
    try:
        stale = _find_stale(connection, list(payers.values()), paid, now)
        for payer in _charge(connection, stale, now):
            paid[payer.i] = True
    except DatabaseError as error:
        raise Unavailable(f"the exposure budget cannot be charged ({type(error).__name__})") from None
    return paid


def _find_stale(
    connection: BaseDatabaseWrapper, payers: list[_Payer], paid: list[bool], now: datetime
) -> list[_Payer]:
    """Return who has something to pay; whoever saw it all just now has paid for it, and is marked so."""
    persons, clients, rows = ask(connection, [*_acting(payers), _looking(payers, now)])
    acting = dict([*persons, *clients])
    sights = _sights(payers, rows)
    stale = []
    for payer in payers:
        if payer.i not in acting:
            continue
        try:
            pulse.require_unchanged([(acting[payer.i],)], payer.grant)
        except AccessDenied:
            continue
        if payer.is_stale(sights[payer.i]):
            stale.append(payer)
        else:
            paid[payer.i] = True
    return stale


def _charge(connection: BaseDatabaseWrapper, stale: list[_Payer], now: datetime) -> list[_Payer]:
    """Charge those whose own budget covers it, while all together stay far from the ceilings."""
    if not stale:
        return []
    for payer in stale:
        payer.bounds = bounds_of(payer.grant, connection)
    locking = (_LOCK, [as_json({"i": p.i, "owner": p.owner} for p in stale), LOCKS])
    own = [payer.bounds[0].book for payer in stale]
    above = [ceiling.bound.book for ceiling in _ceilings(stale)]
    locked, rows, sums = ask(connection, [locking, _looking(stale, now), _counting([*own, *above], now)])
    counted = totals.counted([*own, *above], sums)
    sights, free = _sights(stale, rows), {i for (i,) in locked}
    paying = [
        payer
        for payer, found in zip(stale, counted, strict=False)
        if payer.i in free and _covers(payer, sights[payer.i], found, now)
    ]
    together = dict(zip((frozenset(book.names) for book in above), counted[len(own) :], strict=True))
    return _write(connection, paying, together, now) if paying else []


def _covers(payer: _Payer, sight: Sight, own: Counted, now: datetime) -> bool:
    """Tell whether the own budget covers all of it; prunes nothing, so not for the first time in hours."""
    if (own.newest or 0) < MONTH.slot(totals.slot_of(now)):
        return False
    payer.steps = [see(sight, patient, shown) for patient, shown in payer.groups]
    covered = [True] * len(payer.steps)
    return all(fit(payer.bounds[0], own.sums, payer.steps, covered, now, Manner.IN_ORDER))


@dataclass(frozen=True, slots=True)
class _Ceiling:
    """A ceiling, and those who are under it."""

    bound: Bound
    payers: list[_Payer]

    @property
    def steps(self) -> list[Step]:
        return [step for payer in self.payers for step in payer.steps]


def _ceilings(payers: Sequence[_Payer]) -> list[_Ceiling]:
    """Return what they are under: the ceiling of each practice, and the host's; all in one's lanes."""
    practices: dict[str, list[_Payer]] = {}
    for payer in payers:
        practices.setdefault(payer.grant.practice, []).append(payer)
    found = [_Ceiling(some[0].bounds[1], some) for some in practices.values()]
    return [*found, _Ceiling(payers[0].bounds[2], list(payers))]


def _write(
    connection: BaseDatabaseWrapper,
    paying: list[_Payer],
    together: dict[frozenset[str], Counted],
    now: datetime,
) -> list[_Payer]:
    """Take the lanes that all of them need, and write what is paid; nobody pays where a ceiling is near."""
    under = _ceilings(paying)
    lanes = []
    for ceiling in under:
        book = ceiling.bound.book
        gains = [gain_of(ceiling.steps, window, now) for window in book.windows]
        lanes.append(ceiling.bound.choose_lanes(together[frozenset(book.names)].sums, gains))
        if len(lanes[-1]) == len(book.names):
            return []
    books = [ceiling.bound.book for ceiling in under]
    taking = ceilings.taking([lane for some in lanes for lane in some])
    _, rows = ask(connection, [taking, _counting(books, now)])
    for ceiling, some, counted in zip(under, lanes, totals.counted(books, rows), strict=True):
        ceilings.require_far(ceiling.bound, some, counted.sums)
    seen: list[tuple[Insert, Rows]] = []
    added: list[tuple[Insert, Rows]] = []
    for payer in paying:
        charges = [charge for step in payer.steps for charge in step.charges]
        seen.append(payer.exposures.recording(payer.grant.practice, charges))
        added.append(totals.adding([payer.bounds[0].book], add_up(payer.steps), now))
    added += [totals.adding([c.bound.book], add_up(c.steps), now) for c in under]
    write(connection, [_joined(seen), _joined(added)])
    return paying


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
    return [(_PERSONS, [as_json(people)]), (_CLIENTS, [as_json(clients)])]


def _looking(payers: Sequence[_Payer], now: datetime) -> Query:
    wanted = [
        {"i": p.i, "owner": p.owner, "practice": p.grant.practice, "patient": patient}
        for p in payers
        for patient in sorted({patient for patient, _ in p.groups})
    ]
    return _LOOK, [as_json(wanted), MONTH.begin(now) * MONTH.span]


def _sights(payers: Sequence[_Payer], rows: Sequence[tuple[object, ...]]) -> dict[int, Sight]:
    found: dict[int, list[tuple[object, ...]]] = {payer.i: [] for payer in payers}
    for i, *row in rows:
        found[int(str(i))].append(tuple(row))
    return {payer.i: payer.exposures.sight(found[payer.i]) for payer in payers}


def _counting(books: Sequence[Book], now: datetime) -> Query:
    """Ask what *books* say, as ``totals.counting`` does, in one statement of one plan."""
    wanted, i = [], 0
    for book in books:
        for window in book.windows:
            i += 1
            begin = window.begin(now)
            wanted += [{"i": i, "owner": n, "span": window.span, "begin": begin} for n in book.names]
    return _COUNT, [as_json(wanted)]
