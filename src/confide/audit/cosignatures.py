"""What witnesses have said of the journal's tree, and whether they are silent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError

from confide.audit.models import Checkpoint, Cosignature
from confide.audit.notes import Head, PublicKey, open_note
from confide.errors import JournalUnavailable, Unknown

UNCOSIGNED: Final = timedelta(minutes=10)
"""After how long without a cosignature a witness that is named counts as silent."""

AHEAD: Final = timedelta(minutes=5)
"""How far a witness's clock may be ahead."""


def take(written: bytes, witnesses: Sequence[PublicKey], now: datetime) -> int:
    """Store the cosignatures of a checkpoint of ours.

    Args:
        written: The checkpoint with cosignatures under it.
        witnesses: Whose cosignatures are taken.
        now: Aware UTC.

    Returns:
        How many were new.

    Raises:
        Invalid: It is no checkpoint, or no witness is named.
        ProofBroken: A cosignature does not hold, is from the future, or none is by a witness that is named.
        Unknown: The journal never had such a checkpoint.
        JournalUnavailable: The database does not answer.
    """
    note = open_note(written, witnesses)
    head = Head.parse(note.text)
    try:
        ours = Checkpoint.objects.filter(size=head.size).values_list("note", flat=True).first()
        if ours is None or not ours.startswith(f"{note.text}\n"):
            raise Unknown("the journal never had that checkpoint")
        new = 0
        for line in note.signatures:
            if line.at > now + AHEAD:
                raise Unknown("a cosignature is from the future: one of the clocks is wrong")
            if not Cosignature.objects.filter(size=head.size, line=str(line)).exists():
                Cosignature.objects.create(size=head.size, name=line.name, at=line.at, line=str(line))
                new += 1
    except DatabaseError as problem:
        raise JournalUnavailable(f"the journal cannot be written ({type(problem).__name__})") from None
    return new


def silent(witnesses: Iterable[PublicKey], now: datetime) -> dict[str, str]:
    """Return which witnesses have not cosigned for ten minutes, though there was a tree, and for how long.

    Args:
        witnesses: Those that are named.
        now: Aware UTC.
    """
    first = Checkpoint.objects.order_by("size").values_list("at", flat=True).first()
    if first is None or now - first < UNCOSIGNED:
        return {}
    found = {}
    for key in witnesses:
        last = Cosignature.objects.filter(name=key.name).order_by("-id").values_list("at", flat=True).first()
        if last is None:
            found[key.name] = "it has never cosigned"
        elif now - last >= UNCOSIGNED:
            found[key.name] = f"it has cosigned nothing for {int((now - last).total_seconds() // 60)} minutes"
    return found
