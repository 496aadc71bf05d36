"""What keys were used for, beside the journal: written down now and then, and compared when it is verified.

Nothing here delays a reveal: a process counts in memory, and its counts are committed with the sequencer's
rounds. What a killed process had not written down is missing here, never in the journal.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from django.db import DatabaseError, transaction
from django.db.models import Q

from confide.access.roles import Action
from confide.audit.models import JournalEntry, Opened
from confide.audit.writes import REMEDY, Renewing
from confide.errors import Invalid, JournalUnavailable
from confide.protect import uses
from confide.protect.uses import Kind

_PROCESS: Final = secrets.token_hex(8)
_AT_ONCE: Final = 900
_LAST: Final = 2**63 - 1
_SHOWING: Final = (Action.READ.value, Action.SEARCH.value, Action.REVEAL.value)

# Which entries allow an opening. A refusal does not, nor does an entry that names no element.
_ALLOWING: Final = {
    Kind.REVEAL: Q(action__in=_SHOWING, version__gt=0),
    Kind.INDEX: Q(action=Action.INDEX.value),
    Kind.EXPORT: Q(action=Action.EXPORT.value, resource_type="Export"),
    Kind.PACK: Q(action=Action.EXPORT.value, resource_type="DowntimePack"),
    Kind.MAILING: Q(action=Action.MAIL.value, resource_type="Letter"),
    Kind.REKEY: Q(action=Renewing.REKEY.value, resource_type=REMEDY),
    Kind.RENUMBER: Q(action=Renewing.RENUMBER.value, resource_type=REMEDY),
}


def flush(now: datetime) -> int:
    """Write down what this process has used its keys for since the last time.

    Args:
        now: Aware UTC.

    Returns:
        How many rows were written.

    Raises:
        JournalUnavailable: The database does not answer; the counts are kept for the next time.
    """
    taken = uses.take()
    rows = [
        Opened(at=now, process=_PROCESS, kind=kind.value, seals=use.seals, entries=write_ids(use.entries))
        for kind, use in taken.items()
    ]
    if not rows:
        return 0
    try:
        with transaction.atomic():
            Opened.objects.bulk_create(rows)
    except DatabaseError as problem:
        uses.give_back(taken)
        raise JournalUnavailable(f"the uses of keys cannot be written ({type(problem).__name__})") from None
    return len(rows)


def reconcile(report: Callable[[str, str], None]) -> list[str]:
    """Compare what keys were used for with the journal.

    Args:
        report: Is told what is wrong, and where.

    Returns:
        What is to be known, but is no fault.

    Raises:
        DatabaseError: The database does not answer.
    """
    seals: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for row in Opened.objects.order_by("id").iterator():
        where = f"key use {row.id} of process {row.process}"
        try:
            kind, ids = Kind(row.kind), list(read_ids(row.entries))
            if row.seals < 0 or write_ids(ids) != row.entries or max(ids, default=0) > _LAST:
                raise ValueError
        except ValueError:
            report(where, "it is not as it was written")
            continue
        seals[kind] += row.seals
        named[kind] += len(ids)
        missing = _missing(kind, ids)
        if missing is not None:
            report(where, f"seals were opened under entry {missing}, and there is no such {kind} entry")
    if seals[Kind.UNNAMED]:
        report("key use", f"{seals[Kind.UNNAMED]} seals were opened that name no entry")
    if seals[Kind.REVEAL] > named[Kind.REVEAL]:
        more = seals[Kind.REVEAL] - named[Kind.REVEAL]
        report("key use", f"{more} seals more were opened for reveals than there are entries for them")
    for kind in _ALLOWING:
        if kind is not Kind.REVEAL and seals[kind] and not named[kind]:
            report("key use", f"{seals[kind]} seals were opened for {kind}, and no entry is named")
    return list(_uncounted(named))


def _missing(kind: Kind, ids: list[int]) -> int | None:
    """Return the first of these that is no entry which allows such openings."""
    allowing = _ALLOWING.get(kind)
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        chosen = JournalEntry.objects.filter(pk__in=some)
        there = set(chosen.filter(allowing).values_list("pk", flat=True)) if allowing is not None else set()
        for id_ in some:
            if id_ not in there:
                return id_
    return None


def _uncounted(named: Counter[str]) -> Iterator[str]:
    """Entries that no process has named: it was killed before it opened anything, or wrote it down."""
    first = Opened.objects.order_by("id").values_list("at", flat=True).first()
    if first is None:
        allowed = Q()
        for allowing in _ALLOWING.values():
            allowed |= allowing
        if recorded := JournalEntry.objects.filter(allowed, outcome="0").exclude(elements={}).count():
            yield f"{recorded} entries allow openings, and none is noted: the notes were removed, or lost"
        return
    for kind, allowing in _ALLOWING.items():
        recorded = (
            JournalEntry.objects.filter(allowing, outcome="0", at__gte=first).exclude(elements={}).count()
        )
        if recorded > named[kind]:
            lost = recorded - named[kind]
            yield f"{kind}: {lost} recorded and not noted as done: a process was killed, or still has it"


def write_ids(ids: Iterable[int]) -> str:
    """Write ids as runs, such as ``12-40,43``."""
    runs: list[list[int]] = []
    for id_ in sorted(set(ids)):
        if runs and id_ == runs[-1][1] + 1:
            runs[-1][1] = id_
        else:
            runs.append([id_, id_])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)


def read_ids(written: str) -> Iterator[int]:
    """Read what :func:`write_ids` wrote.

    Raises:
        ValueError: It is something else (``Invalid`` where it is too much).
    """
    for run in written.split(",") if written else ():
        first, _, last = run.partition("-")
        if int(last or first) - int(first) > 10**7:
            raise Invalid("no process names so many")
        yield from range(int(first), int(last or first) + 1)
