"""Is the journal in the database what was sealed? All is computed again, and the first wrong entry named.

Whoever can drop triggers can change rows, tiles and checkpoints, and with the log's key sign another tree. So
what is computed here is compared with everything that is not in the same hands: the tiles, the cosignatures,
and best a checkpoint that a witness kept elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError
from django.db.models import Exists, OuterRef, Q

from confide.audit import extract, forms, openings
from confide.audit.cosignatures import silent
from confide.audit.models import Checkpoint, Cosignature, JournalEntry, Leaf, Tally
from confide.audit.notes import Head, PublicKey, Signature, open_note, parse_note
from confide.audit.tiles import Tiles
from confide.audit.walk import Verdict, Walk
from confide.errors import ConfideError, Invalid, JournalUnavailable, ProofBroken

LATE: Final = timedelta(minutes=1)
"""How long an entry may wait for its place."""

MOMENT: Final = 2.0
"""Seconds in which a running server seals what was committed just now."""

_MOST: Final = 1000
_BETWEEN: Final = 0.1  # seconds


def read_heads(notes: Iterable[str], log: PublicKey, witnesses: Sequence[PublicKey]) -> list[Head]:
    """Check checkpoints that were kept elsewhere.

    Args:
        notes: Signed notes.
        log: The log's key; must have signed.
        witnesses: If there are any, one must have signed each.

    Raises:
        Invalid: One is no checkpoint of this log.
        ProofBroken: A signature is missing or does not hold.
    """
    heads = []
    for written in notes:
        note = open_note(written, [log, *witnesses])
        head = Head.parse(note.text)
        if head.origin != log.name:
            raise Invalid("the witness's checkpoint is of another log")
        if note.by(log) is None or (witnesses and not any(note.by(key) for key in witnesses)):
            raise ProofBroken("the witness's checkpoint lacks the log's signature or the witness's")
        heads.append(head)
    return heads


def verify(
    log: PublicKey,
    witnesses: Sequence[PublicKey],
    tiles: Tiles | None,
    kept: Sequence[Head],
    now: datetime,
    *,
    since: datetime | None = None,
    patience: float = MOMENT,
    tell: Callable[[int, int], object] = lambda *_: None,
) -> Verdict:
    """Compute the journal's tree again from the entries, and compare.

    Memory grows with the number of patients and credentials, not with that of entries.

    Args:
        log: The log's public key.
        witnesses: Those whose cosignatures count.
        tiles: The published tree; None where it is not at hand.
        kept: Checkpoints that were kept elsewhere, checked by :func:`read_heads`.
        now: Aware UTC.
        since: From the last checkpoint before; None is all.
        patience: Seconds in which a running server seals and publishes what was committed just now.
        tell: Called with how many entries are done, and of how many.

    Raises:
        JournalUnavailable: The database does not answer.
    """
    try:
        verdict = Verdict()
        unreadable = forms.find_unreadable()
        if unreadable is not None:  # and so nothing can be read together with it
            verdict.add(unreadable, "changed: it holds what Confide never writes there")
            return verdict
        newest = Checkpoint.objects.order_by("-size").first()
        verdict.size = 0 if newest is None else newest.size
        walk = Walk(verdict, extract.begin(since), tiles, kept, log)
        walk.run(tell)
        for head in kept:
            if head.size > verdict.size:
                missing = head.size - verdict.size
                verdict.add(
                    f"entry {verdict.size}", f"cut off: {missing} entries more were cosigned elsewhere"
                )
                break
        strange = forms.find_strange(verdict.start)
        if strange is not None:
            verdict.add(f"entry with id {strange}", "stored in another writing: no report finds it")
        _check_cosignatures(verdict, witnesses, now)
        _check_waiting(verdict, now, patience)
        verdict.notes += [("moments", told) for told in walk.moments.notes()]
        verdict.notes += [("key use", told) for told in openings.reconcile(verdict.add)]
        if walk.whole:
            _check_tallies(verdict, walk.counts)
            if tiles is not None:
                _check_published(verdict, tiles, patience)
    except DatabaseError as problem:
        raise JournalUnavailable(f"the journal cannot be read ({type(problem).__name__})") from None
    return verdict


def _check_cosignatures(verdict: Verdict, witnesses: Sequence[PublicKey], now: datetime) -> None:
    """Each stored line must hold, and a witness that is named must not be silent for long."""
    keys = {(key.name, key.id): key for key in witnesses}
    heard: dict[str, int] = {}
    for row in Cosignature.objects.filter(size__gte=verdict.start).order_by("id").iterator():
        where = f"cosignature {row.id} of checkpoint {row.size}"
        note = Checkpoint.objects.filter(size=row.size).values_list("note", flat=True).first()
        if note is None:
            verdict.add(where, "there is no such checkpoint")
            continue
        try:
            signature = Signature.parse(row.line)
            key = keys.get((signature.name, signature.id))
            if signature.name != row.name or abs(signature.at - row.at) >= timedelta(seconds=1):
                raise ProofBroken("the row says other than its line")
            if key is not None:
                key.verify(parse_note(note).text, signature)
                heard[key.name] = max(row.size, heard.get(key.name, 0))
        except (Invalid, ProofBroken) as problem:
            verdict.add(where, str(problem))
    verdict.cosigned = max(heard.values(), default=0)
    for name, what in silent(witnesses, now).items():
        verdict.add(f"witness {name}", what)


def _check_waiting(verdict: Verdict, now: datetime, patience: float) -> None:
    """Every entry has a place, but for those that were committed this moment."""
    waiting = _unplaced(now)
    if waiting:
        time.sleep(patience)
        still = set(_unplaced(now))
        waiting = [each for each in waiting if each in still]
    if waiting:
        more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        verdict.add(
            f"entry with id {waiting[0]}", f"it has no place in the tree{more}: added, or never sealed"
        )


def _unplaced(now: datetime) -> list[int]:
    floor = Checkpoint.objects.order_by("-size").values_list("floor", flat=True).first() or 0
    late = Q(at__lt=now - LATE) | Q(id__lte=floor)
    chosen = JournalEntry.objects.filter(~Exists(Leaf.objects.filter(entry=OuterRef("pk"))), late)
    return list(chosen.order_by("id").values_list("id", flat=True)[:_MOST])


def _check_tallies(verdict: Verdict, counts: dict[tuple[str, str], int]) -> None:
    """What the next entries count on from is what was counted, unless a round came in between."""
    if Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() != (verdict.size or None):
        return
    rows = 0
    for kind, key, count in Tally.objects.values_list("kind", "key", "count").iterator():
        rows += 1
        expected = counts.get((kind, key), None if verdict.start == 0 else count)
        if count != expected:
            verdict.add("a running count", f"the table counts {count}, the entries {expected or 0}")
            return
    if verdict.start == 0 and rows != len(counts):
        verdict.add("a running count", f"the table has {rows}, the entries {len(counts)}")


def _check_published(verdict: Verdict, tiles: Tiles, patience: float) -> None:
    """The published checkpoint is the newest one, or was a moment ago."""
    for _ in range(1 + int(patience / _BETWEEN)):
        newest = Checkpoint.objects.order_by("-size").first()
        try:
            written = tiles.note()
        except ConfideError as problem:
            verdict.add("the published checkpoint", str(problem))
            return
        if written == (None if newest is None else newest.note):
            return
        time.sleep(min(patience, _BETWEEN))
    verdict.add("the published checkpoint", "it is not the newest one of the database")
