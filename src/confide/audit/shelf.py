"""The published tiles, compared with the leaves that were computed again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from confide.audit.tiles import HEIGHT, WIDTH, Tiles
from confide.cipher.tree import HASH_BYTES, hash_pairs
from confide.errors import ConfideError


class Shelf:
    """The published tiles, compared while the leaves come in order.

    Args:
        tiles: The folder.
        report: Is told which tile is wrong, and what about it.
        size: Leaves of the tree where the comparison begins.
    """

    def __init__(self, tiles: Tiles, report: Callable[[str, str], None], size: int) -> None:
        self._tiles = tiles
        self._report = report
        self._at: list[int] = []
        while size:
            self._at.append(size)
            size >>= HEIGHT
        # Of the tiles that were begun before, the hashes are not known here.
        self._levels: list[list[bytes | None]] = [[None] * (count % WIDTH) for count in self._at]

    def add(self, leaves: Sequence[bytes]) -> bool:
        """Take further leaves; compare each tile that is full."""
        return all(self._push(0, leaf) for leaf in leaves)

    def _push(self, level: int, hash_: bytes | None) -> bool:
        if level == len(self._levels):
            self._levels.append([])
            self._at.append(0)
        held = self._levels[level]
        held.append(hash_)
        self._at[level] += 1
        if len(held) < WIDTH:
            return True
        n = self._at[level] // WIDTH - 1
        same = self._same(level, n, held)
        self._levels[level] = []
        return same and self._push(level + 1, _over(held))

    def finish(self) -> bool:
        """Compare the tiles that are not full, at the end."""
        return all(
            self._same(level, self._at[level] // WIDTH, held)
            for level, held in enumerate(self._levels)
            if held and self._at[level]
        )

    def _same(self, level: int, n: int, held: list[bytes | None]) -> bool:
        """Is what lies in the folder what was computed, in each width in which it lies there?"""
        path = self._tiles.path(level, n)
        partial = path.with_name(f"{path.name}.p")
        name = path.relative_to(self._tiles.folder)
        try:
            listed = sorted(partial.iterdir()) if partial.is_dir() else []
            widths = {int(file.name) for file in listed if file.name.isdecimal()}
            read = [
                (width, self._tiles.read(level, n, width))
                for width in {len(held), *widths}
                if width <= len(held)
            ]
        except (OSError, ConfideError) as problem:
            told = str(problem) if isinstance(problem, ConfideError) else "it cannot be read"
            self._report(str(name), told)
            return False
        for width, data in read:
            for i, hash_ in enumerate(held[:width]):
                if hash_ is not None and data[i * HASH_BYTES : (i + 1) * HASH_BYTES] != hash_:
                    self._report(str(name), f"hash {i} is not that of the entries")
                    return False
        return True

    def leaves(self, start: int, end: int) -> list[bytes] | None:
        """Return the hashes of leaves as they were published; None if they are not there."""
        found: list[bytes] = []
        try:
            for n in range(start // WIDTH, (end + WIDTH - 1) // WIDTH):
                data = self._tiles.read(0, n, min(WIDTH, end - n * WIDTH))
                found += [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]
        except ConfideError:
            return None
        return found[start % WIDTH :]


def _over(hashes: list[bytes | None]) -> bytes | None:
    """The hash over a full tile; None where one of its hashes is not known here."""
    known = [each for each in hashes if each is not None]
    if len(known) < WIDTH:
        return None
    while len(known) > 1:
        known = hash_pairs(known)
    return known[0]
