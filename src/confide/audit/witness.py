"""A witness: a small process elsewhere that remembers how large the log was, and that it only grew.

It reads the log's newest checkpoint, checks its signature and that the tree is the one it knows, grown, and
cosigns. What it cosigns is on its own disk, flushed, before anybody else sees it; so even after kill -9 it
never cosigns a smaller tree than before, nor a second root for one size. No Django here.

Source:
    C2SP tlog-cosignature (what a cosignature says), tlog-witness (in which order it is checked and kept).
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from confide.audit.notes import SEED_BYTES, Head, Kind, Note, PublicKey, SigningKey, open_note
from confide.audit.sources import LARGEST_NOTE, Source, read_nodes
from confide.cipher.tree import prove_consistency, root, verify_consistency
from confide.errors import Damaged, Invalid, Misconfigured, ProofBroken, Unavailable, Unknown

SILENCE: Final = timedelta(minutes=10)
"""After how long without a checkpoint that holds the log is called silent."""

AGAIN: Final = timedelta(minutes=4)
"""How old a cosignature of a tree that does not grow becomes before it is made again."""

HISTORY_EVERY: Final = timedelta(hours=1)
_ENDS: Final = re.compile(
    "\n\u2014 [^\n\0]+\n\n".encode()
).finditer  # the last signature, and what follows a note


class Trouble(StrEnum):
    """What is wrong with a log."""

    DAMAGED = "damaged"
    FORGED = "forged"
    FORKED = "forked"
    SHRUNK = "shrunk"
    SILENT = "silent"
    STILL = "still"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a log found.

    Attributes:
        size: Leaves of the newest tree that was cosigned.
        trouble: What is wrong, if anything is.
        text: One sentence about it.
        grown: Leaves since the last look.
    """

    size: int
    trouble: Trouble | None = None
    text: str = ""
    grown: int = 0


class State:
    """A witness's folder: its key, and for the log that it watches the last checkpoint that it cosigned.

    Args:
        folder: Made by :meth:`create`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def create(cls, folder: Path, name: str) -> State:
        """Make a folder with a new key; an existing key stays.

        Args:
            folder: Only its owner may look into it.
            name: The key's, such as ``witness.example/elm``.

        Raises:
            Invalid: The name is none for a key.
            Misconfigured: The folder cannot be written.
        """
        key = SigningKey(name, Kind.COSIGNATURE, secrets.token_bytes(SEED_BYTES))
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                descriptor = os.open(folder / "key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(f"{name}\n{key.seed.hex()}\n")
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as problem:
            raise Misconfigured(
                f"the witness's folder cannot be written ({type(problem).__name__})"
            ) from None
        return cls(folder)

    def key(self) -> SigningKey:
        """Return the witness's key.

        Raises:
            Misconfigured: There is none, or others can read it.
        """
        path = self._folder / "key"
        try:
            with path.open() as file:
                mode, (name, seed) = os.fstat(file.fileno()).st_mode, file.read().split()
            if mode & 0o077:
                raise Misconfigured(f"the witness's key can be read by others (chmod 600 {path})")
            return SigningKey(name, Kind.COSIGNATURE, bytes.fromhex(seed))
        except (OSError, ValueError):
            raise Misconfigured(f"no witness's key in {self._folder} (confide witness init)") from None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from the folder.

        Raises:
            Misconfigured: Another one has it.
        """
        with (self._folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Misconfigured(
                    "another process is this witness (one state folder, one process)"
                ) from None
            yield

    def last(self) -> str:
        """Return the last checkpoint that was cosigned, with its signatures; empty before the first."""
        try:
            return (self._folder / "checkpoint").read_text("utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeError):
            raise Damaged("the witness's last checkpoint cannot be read") from None

    def keep(self, note: str, now: datetime) -> None:
        """Write a cosigned checkpoint, durably; one an hour goes to the history as well.

        Raises:
            Unavailable: It cannot be written; then nobody may see the cosignature.
        """
        history = self._folder / "history"
        try:
            fresh = self._folder / "checkpoint.new"
            with fresh.open("w", encoding="utf-8") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._folder / "checkpoint")
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            age = now.timestamp() - history.stat().st_mtime if history.exists() else -1.0
            if not 0 <= age < HISTORY_EVERY.total_seconds():  # a clock may have run ahead
                _append(history, note)
                os.utime(history, (now.timestamp(), now.timestamp()))
        except OSError as problem:
            raise Unavailable(f"the witness's state cannot be written ({type(problem).__name__})") from None

    def keep_evidence(self, note: str, now: datetime) -> None:
        """Write a checkpoint that must not exist: signed by the log, at odds with what it signed before."""
        with suppress(OSError):
            (self._folder / f"evidence-{now:%Y%m%dT%H%M%SZ}").write_text(note, encoding="utf-8")


def _append(path: Path, note: str) -> None:
    """Append to what is whole: what a power cut has left of a last note is cut off, or none could be read."""
    with path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = file.seek(max(0, size - 2 * LARGEST_NOTE))
        whole = max((each.end() for each in _ENDS(file.read())), default=0)
        file.truncate(start + whole)
        file.write(f"{note}\n".encode())
        file.flush()
        os.fsync(file.fileno())


class Witness:
    """Watches one log.

    Args:
        source: Where the log is read.
        log: The log's public key.
        state: The witness's folder, held.
        now: Aware UTC; silence counts from here.
        silence: After how long without a checkpoint that holds the log is called silent.
        still: After how long without a new entry it is trouble, too; None where nights are quiet.

    Raises:
        Misconfigured: The folder has no key.
        Damaged: What the folder holds was not cosigned by its key, or is of another log.
    """

    def __init__(
        self,
        source: Source,
        log: PublicKey,
        state: State,
        now: datetime,
        *,
        silence: timedelta = SILENCE,
        still: timedelta | None = None,
    ) -> None:
        self._source = source
        self._log = log
        self._state = state
        self._key = state.key()
        self._heard = self._grew = now
        self._silence, self._still = silence, still
        self._handed = ""
        self._last: Note | None = None
        written = state.last()
        if written:
            try:
                self._last = open_note(written, [log, self._key.public])
            except (Invalid, ProofBroken):
                raise Damaged(
                    "the witness's last checkpoint is of another log or key, or was edited"
                ) from None
            if self._last.by(self._key.public) is None or self._last.by(log) is None:
                raise Damaged("the witness's last checkpoint lacks a signature")

    def look(self, now: datetime) -> Seen:
        """Read the log's newest checkpoint, check it, cosign it, and give it back to the log.

        Returns:
            What was found; trouble is returned, not raised.

        Raises:
            Unavailable: The witness's own state cannot be written.
        """
        # A clock that was set back hides no silence: what was heard in its future was heard now.
        self._heard, self._grew = min(self._heard, now), min(self._grew, now)
        known = None if self._last is None else Head.parse(self._last.text)
        size = 0 if known is None else known.size
        try:
            written = self._source.fetch("checkpoint", LARGEST_NOTE)
            note = open_note(written, [self._log])
            head = Head.parse(note.text)
            if head.origin != self._log.name:
                raise ProofBroken("the checkpoint is of another log")
            found = self._compare(known, head)
            if found is not None:
                self._state.keep_evidence(written.decode(), now)
                return found
        except (Invalid, ProofBroken) as problem:
            return Seen(size, Trouble.FORGED, f"the log shows a checkpoint that is not its own: {problem}")
        except (Unavailable, Unknown) as problem:
            silent = now - self._heard
            if silent < self._silence:
                return Seen(size, text=str(problem))
            minutes = int(silent.total_seconds() // 60)
            return Seen(size, Trouble.SILENT, f"nothing from the log for {minutes} minutes: {problem}")
        self._heard = now
        self._grew = now if head.size > size else self._grew
        seen = self._cosign(note, head, size, now)
        if self._still is not None and now - self._grew >= self._still:
            hours = (now - self._grew).total_seconds() / 3600
            text = f"the log answers, but has not grown for {hours:.1f} hours"
            return replace(seen, trouble=Trouble.STILL, text=text)
        return seen

    def _compare(self, known: Head | None, head: Head) -> Seen | None:
        """Say what is wrong with *head* for a log that was at *known*."""
        size, before = head.size, 0 if known is None else known.size
        if size < before:
            text = f"the log has shrunk: {before} entries were cosigned, and it shows {size}"
            return Seen(before, Trouble.SHRUNK, text)
        if known is not None and size == before:
            if head.root == known.root:
                return None
            return Seen(before, Trouble.FORKED, f"the log shows two trees of {size} entries")
        nodes = read_nodes(self._source, size)
        if root(size, nodes) != head.root:
            text = f"the log's tiles do not lead to the root of its tree of {size} entries"
            return Seen(before, Trouble.DAMAGED, text)
        if known is not None and before:
            proof = prove_consistency(before, size, nodes)
            try:
                verify_consistency(before, size, proof, known.root, head.root)
            except ProofBroken:
                text = f"the tree of {size} entries does not begin with the {before} that were cosigned"
                return Seen(before, Trouble.FORKED, text)
        return None

    def _cosign(self, note: Note, head: Head, before: int, now: datetime) -> Seen:
        if self._last is None or self._last.text != note.text or self._is_old(now):
            cosigned = replace(note, signatures=(*note.signatures, self._key.cosign(note.text, now)))
            self._state.keep(str(cosigned), now)
            self._last = cosigned
        text = str(self._last)
        if text != self._handed:
            try:
                self._source.hand_over(text)
            except Unavailable as problem:
                return Seen(head.size, text=f"cosigned, but {problem}", grown=head.size - before)
            self._handed = text
        return Seen(head.size, grown=head.size - before)

    def _is_old(self, now: datetime) -> bool:
        mine = None if self._last is None else self._last.by(self._key.public)
        return mine is None or not timedelta() <= now - mine.at < AGAIN
