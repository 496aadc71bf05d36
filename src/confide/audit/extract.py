"""Exports of the journal that can be checked where there is no Confide: see ``standalone``."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from django.db.models import Max

from confide.audit import places
from confide.audit.models import Checkpoint, Cosignature
from confide.audit.notes import Head, parse_note
from confide.cipher.tree import Frontier
from confide.errors import Invalid

FORMAT: Final = "journal/1"
EVERY: Final = 256
"""Entries between two checkpoints of an export, at least: one that does not fit lies between two of them."""


def begin(since: datetime | None) -> Checkpoint | None:
    """Return the last checkpoint before *since*, from which on the tree is read; None from the beginning."""
    if since is None:
        return None
    return Checkpoint.objects.filter(at__lt=since).order_by("-size").first()


def extract(
    practice: str | None, since: datetime | None, tell: Callable[[int, int], object] = lambda *_: None
) -> Iterator[str]:
    """Write the journal's tree as lines of JSON, up to its newest checkpoint.

    Entries of other practices of the same host, and of none, stand there as their hashes: they have places in
    the same tree, and are nobody else's business.

    Args:
        practice: Whose entries are written out; None is everybody's.
        since: Aware UTC; from the last checkpoint before. None is from the beginning.
        tell: Called with how many entries are written, and of how many.

    Raises:
        Invalid: Nothing was ever sealed.
        Damaged: An entry is not there (``verify`` says which).
    """
    newest = Checkpoint.objects.order_by("-size").first()
    if newest is None:
        raise Invalid("nothing is sealed yet: the journal is empty, or no server runs")
    before = begin(since)
    start = 0 if before is None else before.size
    peaks = () if before is None else Frontier.parse(start, bytes(before.frontier)).hashes
    yield _line(
        confide=FORMAT,
        origin=Head.parse(parse_note(newest.note).text).origin,
        start=start,
        frontier=[b64encode(peak).decode() for peak in peaks],
        checkpoint=places.cosigned(newest),
    )
    between = _between(start, newest.size)
    following = next(between, None)
    for placed in places.read(start, newest.size):
        yield _line(**placed.write(whole=practice in {None, placed.require().entry.practice}))
        if following is not None and placed.position + 1 >= following.size:
            yield _line(checkpoint=places.cosigned(following))
            following = next(between, None)
        if (placed.position + 1 - start) % places.AT_ONCE == 0:
            tell(placed.position + 1 - start, newest.size - start)
    tell(newest.size - start, newest.size - start)


def _between(start: int, end: int) -> Iterator[Checkpoint]:
    """Return checkpoints that are far enough from each other, and the last one that was cosigned."""
    last = Cosignature.objects.filter(size__gt=start, size__lt=end).aggregate(last=Max("size"))["last"]
    written = start
    for row in Checkpoint.objects.filter(size__gt=start, size__lt=end).order_by("size").iterator():
        if row.size - written >= EVERY or row.size == last:
            written = row.size
            yield row


def _line(**told: Any) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"
