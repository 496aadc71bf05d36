"""The tree in files: tiles of 256 hashes, and the newest checkpoint. Whoever has them can make every proof.

A tile of level *l* holds hashes of complete subtrees of 256 ** *l* leaves. A full one never changes; of the
last one of a level there is a file for each width at which a checkpoint was written, until it is full.

Source:
    C2SP tlog-tiles.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from confide.audit.notes import Head, parse_note
from confide.cipher import tree
from confide.cipher.tree import HASH_BYTES, Nodes
from confide.errors import Damaged, Invalid, Unavailable

WIDTH: Final = 256
HEIGHT: Final = 8
CHECKPOINT: Final = "checkpoint"
MOST_KEPT: Final = 256
"""Tiles of which the hashes are kept in memory, 16 kB for each: at 50 million entries, a third of those above
the lowest level."""


class Tiles:
    """The folder of one log. Processes may share it; one at a time writes.

    Args:
        folder: Made when it is first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = lru_cache(MOST_KEPT)(self._pyramid)

    # Reading

    def note(self) -> str | None:
        """Return the newest checkpoint that was written here, with its signature; None before the first.

        Raises:
            Unavailable: It cannot be read.
        """
        try:
            return (self.folder / CHECKPOINT).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError) as problem:
            raise Unavailable(f"the journal's folder cannot be read ({type(problem).__name__})") from None

    def head(self) -> Head | None:
        """Return what that checkpoint says; nobody has checked its signature.

        Raises:
            Damaged: It is no checkpoint.
            Unavailable: It cannot be read.
        """
        note = self.note()
        try:
            return None if note is None else Head.parse(parse_note(note).text)
        except Invalid:
            raise Damaged("the checkpoint in the journal's folder is not as it was written") from None

    def read(self, level: int, n: int, width: int = WIDTH) -> bytes:
        """Return the first *width* hashes of a tile, 32 bytes each.

        Args:
            level: Of the tile, from 0, the leaves.
            n: Which one of that level, from 0.
            width: From 1 to 256; a wider file than that is cut.

        Raises:
            Damaged: There is none so wide, or it has another length than its name says.
            Unavailable: It cannot be read.
        """
        if not (0 <= level < 8 and n >= 0 and 1 <= width <= WIDTH):
            raise Damaged("the journal has no such tile")
        path = self.path(level, n)
        parts = path.with_name(f"{path.name}.p")
        for there in (width, WIDTH) if width < WIDTH else (WIDTH,):
            if (hashes := _load(path if there == WIDTH else parts / str(there), there)) is not None:
                return hashes[: width * HASH_BYTES]
        # After a crash the files are brought up to date at once: what was signed meanwhile has no tile
        # of its own, and lies in a wider one.
        with suppress(OSError):
            wider = sorted(int(each.name) for each in parts.iterdir() if each.name.isdecimal())
            for there in wider:
                if width < there < WIDTH and (hashes := _load(parts / str(there), there)) is not None:
                    return hashes[: width * HASH_BYTES]
        raise Damaged("a tile of the journal is missing")

    def path(self, level: int, n: int) -> Path:
        """Return where a full tile lies."""
        return self.folder / place(level, n)

    def nodes(self, size: int) -> Nodes:
        """Return the hashes of complete subtrees of the tree of *size* leaves, as they lie here.

        Each tile is read once, and anew for each call: by these the tree that lies here is checked.
        """

        @cache
        def hashes(level: int, n: int) -> list[bytes]:
            width = min(WIDTH, (size >> (HEIGHT * level)) - WIDTH * n)
            return _split(self.read(level, n, width))

        def node(level: int, i: int) -> bytes:
            tile, height = divmod(level, HEIGHT)
            first = i << height
            some = hashes(tile, first // WIDTH)[first % WIDTH :][: 1 << height]
            while len(some) > 1:
                some = tree.hash_pairs(some)
            if not some:
                raise Damaged("the tree in the journal's folder is smaller")
            return some[0]

        return node

    def known(self, size: int) -> Nodes:
        """Return the same for making proofs, from tiles that may have been read before.

        The first hashes of a tile never change. Where they do, because the tree was put back from elsewhere,
        no proof holds any more: whoever makes one checks it, and calls `forget`.
        """

        def node(level: int, i: int) -> bytes:
            tile, height = divmod(level, HEIGHT)
            n, place = divmod(i << height, WIDTH)
            width = min(WIDTH, (size >> (HEIGHT * tile)) - WIDTH * n)
            rows = self._kept(tile, n, width)
            at = HASH_BYTES * (place >> height)
            found = rows[height][at : at + HASH_BYTES] if height < len(rows) else b""
            if not found:
                raise Damaged("the tree in the journal's folder is smaller")
            return found

        return node

    def forget(self) -> None:
        """Read every tile anew from now on."""
        self._kept.cache_clear()

    def _pyramid(self, level: int, n: int, width: int) -> list[bytes]:
        """Return the first hashes of a tile, and above them those of the complete subtrees over them."""
        some = _split(self.read(level, n, width))
        rows = []
        while some:
            rows.append(b"".join(some))
            some = tree.hash_pairs(some)
        return rows

    # Writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only one of this machine that writes here.

        Raises:
            Unavailable: The folder cannot be made or written to.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.folder / ".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as problem:
            raise Unavailable(f"the journal's folder cannot be written ({type(problem).__name__})") from None

    def grow(self, size: int, leaves: Iterable[Sequence[bytes]]) -> int:
        """Write the tiles of further leaves. The checkpoint is left as it is.

        Args:
            size: Leaves in the tree that lies here.
            leaves: Lists of hashes of the leaves that follow, in order.

        Returns:
            Leaves in the tree afterwards.

        Raises:
            Damaged: A tile that must be continued is missing.
            OSError: It cannot be written.
        """
        for some in leaves:
            written: list[tuple[Path, bytes]] = []
            full: list[Path] = []
            at, hashes, level = size, list(some), 0
            while hashes:
                n, width = divmod(at, WIDTH)
                if width:
                    hashes = _split(self.read(level, n, width)) + hashes
                parents = []
                for start in range(0, len(hashes), WIDTH):
                    tile = hashes[start : start + WIDTH]
                    path = self.path(level, n + start // WIDTH)
                    if len(tile) == WIDTH:
                        full.append(path)
                        parents.append(_over(tile))
                    else:
                        path = path.with_name(f"{path.name}.p") / str(len(tile))
                    written.append((path, b"".join(tile)))
                at, hashes, level = at // WIDTH, parents, level + 1
            _store(written)
            for path in full:
                shutil.rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)
            size += len(some)
        return size

    def publish(self, note: str) -> None:
        """Write the checkpoint, last: what it speaks of lies here already."""
        _store([(self.folder / CHECKPOINT, note.encode())])


def place(level: int, n: int) -> str:
    """Return the name of a full tile, such as ``tile/0/x001/x234/067``."""
    parts = [f"{n % 1000:03}"]
    while n := n // 1000:
        parts.append(f"x{n % 1000:03}")
    return f"tile/{level}/{'/'.join(reversed(parts))}"


def _load(path: Path, width: int) -> bytes | None:
    """Return the hashes in a file of so many; None where there is none."""
    try:
        hashes = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        what = type(problem).__name__
        raise Unavailable(f"the journal's folder cannot be read ({what})") from None
    if len(hashes) != width * HASH_BYTES:
        raise Damaged("a tile of the journal has another length than it was written with")
    return hashes


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES)]


def _over(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = tree.hash_pairs(hashes)
    return hashes[0]


def _store(files: list[tuple[Path, bytes]]) -> None:
    """Write files beside their places, wait for the disk, and only then put them there."""
    beside = []
    folders = set()
    for path, content in files:
        if path.parent not in folders:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folders.add(path.parent)
        other = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with other.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.append((other, path))
    for other, path in beside:
        other.replace(path)
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
