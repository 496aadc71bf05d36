"""The walk over the places of the tree: each entry is hashed and counted again, each root is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from confide.audit import places
from confide.audit.models import Checkpoint, Leaf
from confide.audit.moments import Moments
from confide.audit.notes import Head, PublicKey, open_note
from confide.audit.places import Placed
from confide.audit.shelf import Shelf
from confide.audit.tiles import Tiles
from confide.cipher.tree import Frontier
from confide.errors import ConfideError

_TELL_EVERY: Final = 1000


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is not as it was sealed.

    Attributes:
        where: ``entry 41 (id 97)``, ``tile/0/003``, ``checkpoint 300``; never a value.
        what: One sentence.
    """

    where: str
    what: str


@dataclass(slots=True)
class Verdict:
    """What was looked at, and what is wrong with it.

    Attributes:
        start: The first entry that was looked at.
        size: Entries in the newest tree.
        wrong: In the order in which it was found; the first one names the first wrong entry.
        cosigned: Entries that a known witness has cosigned.
        notes: What is to be known, but is no fault: what it is about, and a sentence.
    """

    start: int = 0
    size: int = 0
    wrong: list[Wrong] = field(default_factory=list)
    cosigned: int = 0
    notes: list[tuple[str, str]] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        self.wrong.append(Wrong(where, what))


class Walk:
    """Goes through the places in order, and stops at the first that is wrong.

    Args:
        verdict: What is found goes there.
        before: The checkpoint from which it begins; None from the beginning.
        tiles: The published tree, if it is at hand.
        kept: Checkpoints that were kept elsewhere.
        log: The log's public key.

    Attributes:
        counts: How many entries there are of each patient and credential.
        moments: The entries' moments.
        whole: Whether the end was reached.
    """

    def __init__(
        self,
        verdict: Verdict,
        before: Checkpoint | None,
        tiles: Tiles | None,
        kept: Sequence[Head],
        log: PublicKey,
    ) -> None:
        self.counts: dict[tuple[str, str], int] = {}
        self.moments = Moments()
        self.whole = False
        self._verdict = verdict
        self._log = log
        self._frontier = Frontier()
        if before is not None and self._holds(before, None):
            self._frontier = Frontier.parse(before.size, bytes(before.frontier))
            self.moments.latest = before.at
        self._start = verdict.start = self._frontier.size
        self._shelf = None if tiles is None else Shelf(tiles, verdict.add, self._frontier.size)
        self._kept = sorted(kept, key=lambda head: head.size)
        self._agreed = self._start  # up to where a checkpoint from elsewhere agrees
        self._leaves: list[bytes] = []  # since the last root that was compared
        self._ids: list[int] = []

    def run(self, tell: Callable[[int, int], object]) -> None:
        """Compare all; ``whole`` says afterwards whether the end was reached."""
        position, end = self._start, self._verdict.size
        stops = self._stops()
        stop = next(stops, None)
        for placed in places.read(position, end):
            trouble = self._check(placed, position)
            if trouble:
                self._blame(f"entry {position} (id {placed.id})", trouble)
                return
            position += 1
            if stop is not None and position == stop[0]:
                if not self._compare(*stop[1:]):
                    return
                stop = next(stops, None)
            if position % _TELL_EVERY == 0:
                tell(position - self._start, end - self._start)
        if position != end or stop is not None:
            self._blame(f"entry {position}", "removed: the newest checkpoint says that there are more")
            return
        self.whole = self._require_no_more() and (self._shelf is None or self._shelf.finish())
        tell(end - self._start, end - self._start)

    def _stops(self) -> Iterator[tuple[int, Checkpoint | None, list[Head]]]:
        """The sizes at which a root is known, in order, with whoever knows it."""
        heads = [head for head in self._kept if self._start < head.size <= self._verdict.size]
        wanted = Checkpoint.objects.filter(size__gt=self._start, size__lte=self._verdict.size)
        for row in wanted.order_by("size").iterator():
            while heads and heads[0].size < row.size:
                yield heads[0].size, None, [heads.pop(0)]
            here = [head for head in heads if head.size == row.size]
            heads = heads[len(here) :]
            yield row.size, row, here
        for head in heads:
            yield head.size, None, [head]

    def _check(self, placed: Placed, position: int) -> str:
        """Say what is wrong with one place; nothing if nothing is."""
        if placed.position != position:
            return "removed, or moved: the next one is another"
        if placed.line is None:
            return "the entry is not there, stands twice, or cannot be read"
        if not placed.sound:
            return "its text is not what was hashed when it was written"
        entry = placed.line.entry
        for told, kind, key in (
            (placed.of_patient, "p", f"{entry.practice}/{entry.patient}" if entry.patient else ""),
            (placed.of_credential, "c", entry.credential),
        ):
            before = self.counts.get((kind, key), told - 1 if self._start and isinstance(told, int) else 0)
            if told != (before + 1 if key else 0) or (key and before < 0):
                whose = "patient" if kind == "p" else "credential"
                return f"it is not the next one of its {whose}: an entry is missing, added or moved"
            if key:
                self.counts[kind, key] = told
        leaf = placed.hash()
        if leaf is None:
            return "its place holds what is no number"
        self._leaves.append(leaf)
        self._ids.append(placed.id)
        self.moments.take(entry.at, position, placed.id)
        return ""

    def _compare(self, row: Checkpoint | None, heads: list[Head]) -> bool:
        """Compare the root here with what the database, and others, say of it."""
        grown = self._frontier.grow(self._leaves)
        root = grown.root()
        if row is not None:
            if bytes(row.root) != root:
                self._blame("", "not what was sealed under the checkpoint of {0} entries", grown.size)
                return False
            if not self._holds(row, grown):
                return False
            self.moments.seal(row.at)
        for head in heads:
            if head.root != root:
                where = f"an entry from {self._agreed} to {head.size - 1}"
                self._verdict.add(
                    where, f"another one was cosigned elsewhere, in a tree of {head.size} entries"
                )
                return False
            self._agreed = head.size
        if self._shelf is not None and not self._shelf.add(self._leaves):
            return False
        self._frontier, self._leaves, self._ids = grown, [], []
        return True

    def _holds(self, row: Checkpoint, grown: Frontier | None) -> bool:
        """Is a stored checkpoint signed by the log, and does it say what its row says?"""
        where = f"checkpoint {row.size}"
        try:
            head = Head.parse(open_note(row.note, [self._log]).text)
            frontier = Frontier.parse(row.size, bytes(row.frontier))
        except ConfideError as problem:
            self._verdict.add(where, str(problem))
            return False
        if (head.origin, head.size, head.root) != (self._log.name, row.size, bytes(row.root)):
            self._verdict.add(where, "its row says other than what was signed")
            return False
        if frontier.root() != head.root or (grown is not None and frontier != grown):
            self._verdict.add(where, "its row does not lead to its root")
            return False
        return True

    def _blame(self, where: str, what: str, size: int = 0) -> None:
        """Name the first wrong entry: the tiles tell which one, where they are what was signed."""
        sound = self._frontier.size
        first = self._first_changed()
        if first is not None:
            where, what = f"entry {sound + first} (id {self._ids[first]})", "changed after it was sealed"
        elif not where:
            where = f"an entry from {sound} to {sound + len(self._leaves) - 1}"
        self._verdict.add(where, what.format(size))

    def _first_changed(self) -> int | None:
        """Return the first leaf since the last root that is not as in the tiles; None if nobody knows."""
        row = (
            Checkpoint.objects.filter(size__gte=self._frontier.size + len(self._leaves))
            .order_by("size")
            .first()
        )
        if self._shelf is None or row is None:
            return None
        published = self._shelf.leaves(self._frontier.size, row.size)
        if published is None or self._frontier.grow(published).root() != bytes(row.root):
            return None
        pairs = enumerate(zip(self._leaves, published, strict=False))
        return next((i for i, (here, there) in pairs if here != there), None)

    def _require_no_more(self) -> bool:
        """No place lies beyond the newest checkpoint."""
        size = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0
        beyond = Leaf.objects.filter(position__gte=size).order_by("position").first()
        before = Leaf.objects.filter(position__lt=0).first()
        for row in (beyond, before):
            if row is not None:
                self._verdict.add(
                    f"entry {row.position} (id {row.entry})", "added: no checkpoint knows of it"
                )
                return False
        return True
