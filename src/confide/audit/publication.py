"""The tree's files are kept up with the database: after each round, after a crash, on another machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Any, Final

from django.db import DatabaseError, router, transaction

from confide.audit.models import Checkpoint, JournalEntry
from confide.audit.notes import Head
from confide.audit.tiles import Tiles
from confide.cipher import tree
from confide.errors import Damaged, JournalUnavailable

LEAF: Final = Struct(">32sQQQ")
"""A leaf's input: the entry's hash, its id, and the n-th of whose it is (see ``models.Leaf``)."""

_AT_ONCE: Final = 50_000
# The ids of neighbours in the tree are neighbours as well: without their bounds a database that has the
# journal by months reads all of it for each of these pieces.
_LEAVES: Final = (
    "WITH l AS (SELECT position, entry, of_patient, of_credential FROM audit_leaf"
    " WHERE position >= %s AND position < %s)"
    " SELECT l.position, e.leaf, l.entry, l.of_patient, l.of_credential FROM l"
    " LEFT JOIN (SELECT id, leaf FROM audit_journalentry"
    " WHERE id BETWEEN (SELECT min(entry) FROM l) AND (SELECT max(entry) FROM l)) e ON e.id = l.entry"
    " ORDER BY l.position"
)


def hash_leaf(entry_hash: bytes, entry: int, of_patient: int, of_credential: int) -> bytes:
    """Return the hash of a leaf, 32 bytes.

    Args:
        entry_hash: ``journal.hash_leaf`` of the entry, 32 bytes.
        entry: The entry's id.
        of_patient: As in ``models.Leaf``.
        of_credential: As in ``models.Leaf``.

    Raises:
        Damaged: The entry's hash has another length.
    """
    if len(entry_hash) != tree.HASH_BYTES:
        raise Damaged("the hash of an entry of the journal has another length than it was written with")
    return tree.hash_leaf(LEAF.pack(entry_hash, entry, of_patient, of_credential))


def refuse_fork(tiles: Tiles, newest: Head | None) -> None:
    """Refuse to go on from a tree that does not begin with the one that was published here.

    A database that was put back from a backup has lost entries whose checkpoint may be elsewhere already; a
    log that signed another one of the same size would be caught lying.

    Args:
        tiles: What was published.
        newest: The newest checkpoint in the database, read after what was published.

    Raises:
        Damaged: The database is older than the files, or has another tree.
    """
    there = tiles.head()
    if there is None or there.size == 0:
        return
    if newest is not None and there.size == newest.size:
        root: Any = newest.root
    else:
        root = Checkpoint.objects.filter(size=there.size).values_list("root", flat=True).first()
    if newest is None or root is None or there.size > newest.size or bytes(root) != there.root:
        raise Damaged(
            "the database's journal is not the one that was published in the journal's folder:"
            " was it put back from a backup? (see docs/operations.md)"
        )


def publish(tiles: Tiles, recent: tuple[int, Sequence[bytes]] | None = None) -> int:
    """Write what the files lack of the newest checkpoint in the database.

    Args:
        tiles: Where it is written.
        recent: A size, and the hashes of the leaves from there on, so that they need not be read again.

    Returns:
        Leaves in the published tree.

    Raises:
        Damaged: The database's tree does not lead to its own checkpoint, or is not what was published.
        JournalUnavailable: The database does not answer.
        Unavailable: The files cannot be written.
    """
    with tiles.writing():
        there = tiles.head()
        size = there.size if there else 0
        try:
            newest = Checkpoint.objects.order_by("-size").first()
            if newest is None or (
                there is not None and (newest.size, bytes(newest.root)) == (size, there.root)
            ):
                return size
            refuse_fork(tiles, Head("", newest.size, bytes(newest.root)))
            try:
                if recent is not None and (recent[0], recent[0] + len(recent[1])) == (size, newest.size):
                    tiles.grow(size, [recent[1]])
                else:
                    tiles.grow(size, read_leaves(size, newest.size))
                _require(tiles, newest)
            except Damaged:  # the files are not as they were written; everything is in the database
                tiles.grow(0, read_leaves(0, newest.size))
                _require(tiles, newest)
        except DatabaseError as problem:
            raise JournalUnavailable(f"the journal cannot be read ({type(problem).__name__})") from None
        tiles.publish(newest.note)
        return int(newest.size)


def read_leaves(start: int, end: int) -> Iterator[list[bytes]]:
    """Read the hashes of leaves from the database, some at a time.

    Args:
        start: The first position.
        end: One more than the last position.

    Raises:
        Damaged: One is missing.
    """
    connection = transaction.get_connection(router.db_for_read(JournalEntry))
    for first in range(start, end, _AT_ONCE):
        last = min(first + _AT_ONCE, end)
        with connection.cursor() as cursor:
            cursor.execute(_LEAVES, [first, last])
            rows = cursor.fetchall()
        if [row[0] for row in rows] != list(range(first, last)) or any(row[1] is None for row in rows):
            raise Damaged("an entry of the journal, or its place in the tree, is missing")
        yield [hash_leaf(bytes(row[1]), *row[2:]) for row in rows]


def _require(tiles: Tiles, newest: Checkpoint) -> None:
    if tree.root(newest.size, tiles.nodes(newest.size)) != bytes(newest.root):
        raise Damaged("the journal's entries do not lead to its checkpoint: they were changed")
