"""Proofs about the journal for somebody who has only public keys: see ``proof``, which checks them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db import router, transaction

from confide.access.statements import ask
from confide.audit import places, receipts
from confide.audit.models import Checkpoint
from confide.audit.places import Placed
from confide.audit.receipts import Receipt
from confide.audit.tiles import Tiles
from confide.cipher.tree import prove_inclusion, verify_inclusion
from confide.errors import Damaged, Invalid, ProofBroken, Unavailable, Unknown
from confide.protect.elements import Element

ABSENCE: Final = "absence/1"
INCLUSION: Final = "inclusion/1"


@dataclass(frozen=True, slots=True)
class Claim:
    """That an element of a patient was not shown to somebody in a window of time.

    Attributes:
        practice: The practice's id.
        patient: The patient's id.
        element: Which element.
        begin: Aware UTC; the window begins here.
        end: Aware UTC; it ends before this.
        credential: The public name of a session or token; empty is any.
        actor: The id of an account or client; empty is any.
    """

    practice: str
    patient: str
    element: Element
    begin: datetime
    end: datetime
    credential: str = ""
    actor: str = ""


def prove_absence(claim: Claim, closing: int, tiles: Tiles) -> Iterator[str]:
    """Write all entries about a patient, each with its proof: whoever reads them sees what is not there.

    Args:
        claim: What is to be shown. Whether it holds, the reader finds out.
        closing: The id of a sealed entry about the patient that was written after the window.
        tiles: The published tree.

    Raises:
        Unknown: The closing entry has no place in the tree yet, or is about somebody else.
        Damaged: The tiles are not there, or an entry is not.
    """
    last = places.find([closing]).get(closing)
    if last is None or (last.require().entry.practice, last.require().entry.patient) != (
        claim.practice,
        claim.patient,
    ):
        raise Unknown("there is no sealed entry about the patient with that id")
    if last.require().entry.at < claim.end:
        raise Invalid("the window ends after the entry that is to close it")
    checkpoint = _checkpoint(last.position + 1)
    yield _line(
        confide=ABSENCE,
        checkpoint=places.cosigned(checkpoint),
        about=[claim.practice, claim.patient],
        element=claim.element.value,
        credential=claim.credential,
        actor=claim.actor,
        **{"from": _write(claim.begin), "to": _write(claim.end)},
    )
    for placed in places.read_about(claim.practice, claim.patient, last.position + 1):
        yield _with_proof(placed, checkpoint, tiles)


def prove_entries(ids: Iterable[int], tiles: Tiles) -> Iterator[str]:
    """Write entries, each with the proof that it is in the tree.

    Raises:
        Unknown: One has no place in the tree.
        Damaged: The tiles are not there, or an entry is not.
    """
    wanted = list(ids)
    found = places.find(wanted)
    if not wanted or any(id_ not in found for id_ in wanted):
        raise Unknown("an entry with such an id is not in the tree: it is not sealed yet, or there is none")
    checkpoint = _checkpoint(1 + max(placed.position for placed in found.values()))
    yield _line(confide=INCLUSION, checkpoint=places.cosigned(checkpoint))
    for id_ in wanted:
        yield _with_proof(found[id_], checkpoint, tiles)


def check_receipt(written: str) -> list[Placed]:
    """Check that the entries that a response named are in the journal as they were.

    Args:
        written: The header ``Confide-Receipt``.

    Returns:
        Their places.

    Raises:
        Invalid: It is no receipt.
        Damaged: One of them is not there, has no place, or was changed.
    """
    receipt = Receipt.parse(written.strip())
    found = places.find(receipt.ids)
    for id_ in receipt.ids:
        if id_ not in found:
            raise Damaged(f"the entry with id {id_} is not in the tree: never sealed, or removed")
        if not found[id_].sound:
            raise Damaged(f"the entry with id {id_} was changed")
    if receipts.Receipt.of([(id_, found[id_].require().leaf) for id_ in receipt.ids]) != receipt:
        raise Damaged("the entries with these ids are not those that the response was sent with")
    return [found[id_] for id_ in receipt.ids]


def _checkpoint(size: int) -> Checkpoint:
    """A checkpoint over so many entries at least: the first that was cosigned, or else the first."""
    connection = transaction.get_connection(router.db_for_read(Checkpoint))
    [rows] = ask(connection, [(_CHOSEN, [size, size])])
    if not rows:
        raise Unavailable("the entry is not sealed yet")
    [(number, root, note)] = rows
    return Checkpoint(size=number, root=bytes(root), note=note)


_CHOSEN: Final = (
    "SELECT size, root, note FROM audit_checkpoint WHERE size >= coalesce("
    "(SELECT size FROM audit_cosignature WHERE size >= %s ORDER BY size LIMIT 1), %s) ORDER BY size LIMIT 1"
)


def prove(leaf: bytes | None, position: int, checkpoint: Checkpoint, tiles: Tiles) -> list[bytes]:
    """Return the path from a leaf to the root that a checkpoint names.

    Args:
        leaf: The leaf's hash, 32 bytes; None if there is none.
        position: The leaf's, counted from 0.
        checkpoint: Of a tree that has the leaf.
        tiles: The published tree.

    Raises:
        Damaged: The tiles are not there.
    """
    path = prove_inclusion(position, checkpoint.size, tiles.known(checkpoint.size))
    try:
        verify_inclusion(position, checkpoint.size, leaf or b"", path, bytes(checkpoint.root))
    except ProofBroken:
        # The entry was changed, or the tree on the disk is another by now: whoever reads it finds out.
        tiles.forget()
        return prove_inclusion(position, checkpoint.size, tiles.nodes(checkpoint.size))
    return path


def _with_proof(placed: Placed, checkpoint: Checkpoint, tiles: Tiles) -> str:
    path = prove(placed.hash(), placed.position, checkpoint, tiles)
    return _line(**placed.write(whole=True), proof=[b64encode(each).decode() for each in path])


def _write(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _line(**told: Any) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"
