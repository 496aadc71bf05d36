"""Archives of the journal: what is older than six years, as a sealed file that can be verified by itself.

A segment goes from the end of the one before to the last checkpoint before its cutoff, in the format of
exports, encrypted to an age key that is kept elsewhere. It is verified before it is written and read back
afterwards; that it was made is an entry, with the file's hash. Nothing is dropped here.

Source:
    45 CFR 164.316(b)(2)(i): six years from when it was made, or was last in effect.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, cast

from django.db import transaction

from confide.access.destinations import parse_recipient
from confide.access.models import Practice
from confide.audit import extract, places, standalone
from confide.audit.journal import Journal
from confide.audit.models import Checkpoint, JournalEntry
from confide.audit.notes import Head, PublicKey, parse_note
from confide.audit.terminal import entry_at
from confide.cipher.tree import Frontier
from confide.errors import Damaged, Invalid, Unavailable

YEARS: Final = 6
"""What is younger stays where it is."""

ACTION: Final = "journal-archive"
RESOURCE: Final = "Archive"
"""What the journal calls it; the id says from which place to before which."""

_BUFFER: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the tree.

    Attributes:
        start: Its first place.
        end: The checkpoint with which it ends.
    """

    start: int
    end: Checkpoint


def plan(now: datetime, years: int = YEARS) -> Segment:
    """Return what can be archived now.

    Args:
        now: Aware UTC.
        years: Older than that; six at least.

    Raises:
        Invalid: Fewer than six, or there is nothing as old.
    """
    if years < YEARS:
        raise Invalid(f"the journal is kept for {YEARS} years at least (45 CFR 164.316(b)(2))")
    day = min(now.day, 28)
    cutoff = now.replace(year=now.year - years, day=day)
    start = archived()
    end = Checkpoint.objects.filter(at__lt=cutoff, size__gt=start).order_by("-size").first()
    if end is None:
        raise Invalid(f"nothing is older than {years} years and not archived yet")
    return Segment(start, end)


def archived() -> int:
    """Return up to which place the journal was archived, by its own word; 0 if nothing was."""
    made = JournalEntry.objects.filter(action=ACTION).order_by("-id").values_list("resource_id", flat=True)
    return max((int(each.partition("-")[2]) for each in made), default=0)


def lines(segment: Segment) -> Iterator[str]:
    """Write a segment as an export: it begins where the last one ended, and ends with its checkpoint.

    Raises:
        Damaged: An entry is not there as it was written.
    """
    before = Checkpoint.objects.filter(size=segment.start).first()
    if before is None and segment.start:
        raise Damaged("the checkpoint with which the last archive ended is not there")
    peaks = () if before is None else Frontier.parse(segment.start, bytes(before.frontier)).hashes
    yield _line(
        confide=extract.FORMAT,
        origin=Head.parse(parse_note(segment.end.note).text).origin,
        start=segment.start,
        frontier=[b64encode(peak).decode() for peak in peaks],
        checkpoint=places.cosigned(segment.end),
    )
    for placed in places.read(segment.start, segment.end.size):
        yield _line(**placed.write(whole=True))


def write(
    journal: Journal, path: Path, segment: Segment, recipient: str, log: PublicKey, now: datetime
) -> bytes:
    """Write a segment, verify it, and enter it in the journal.

    Args:
        journal: Where it is entered, for every practice.
        path: A file that does not exist.
        segment: What `plan` has returned.
        recipient: An age public key, whose private key is kept elsewhere.
        log: The log's public key.
        now: Aware UTC.

    Returns:
        The file's SHA-256, 32 bytes.

    Raises:
        Invalid: The file is there, or the key is none.
        Damaged: The journal is not what was sealed, or the file is not what was written; it is removed again.
        Unavailable: The file cannot be written.
    """
    public = parse_recipient(recipient)
    checked = _verify(lines(segment), log)
    beside = path.with_name(f".{path.name}.part")
    try:
        if path.exists():
            raise Invalid("the file is there already (another name, or remove it)")
        with os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            source = _Reading(lines(segment))
            written = _encrypt(source, file, public)
            if source.digest() != checked:
                raise Damaged("the journal was changed while it was archived")
            file.flush()
            os.fsync(file.fileno())
        with beside.open("rb") as file:
            if hashlib.file_digest(file, "sha256").digest() != written:
                raise Damaged("the archive is not what was written (is the disk sound?)")
        _enter(journal, segment, written, now)
        beside.rename(path)
    except OSError as problem:
        raise Unavailable(f"the archive cannot be written ({type(problem).__name__})") from None
    finally:
        beside.unlink(missing_ok=True)
    return written


def _verify(written: Iterator[str], log: PublicKey) -> bytes:
    """Check a segment as an outsider would; return the SHA-256 of its text."""
    text = hashlib.sha256()

    def read() -> Iterator[Any]:
        for line in written:
            text.update(line.encode())
            yield json.loads(line)

    found = read()
    try:
        standalone.check_export(next(found), found, [], (standalone.read_keys([str(log)], 1), {}))
    except standalone.Wrong as wrong:
        raise Damaged(f"nothing was archived: {wrong}") from None
    return text.digest()


def _encrypt(source: _Reading, file: IO[bytes], public: str) -> bytes:
    import pyrage
    from pyrage import x25519

    out = _Hashing(file)
    pyrage.encrypt_io(cast("IO[bytes]", source), cast("IO[bytes]", out), [x25519.Recipient.from_str(public)])
    return out.digest()


def _enter(journal: Journal, segment: Segment, sha256: bytes, now: datetime) -> None:
    about = f"{segment.start}-{segment.end.size}"
    practices = Practice.objects.order_by("created_at").values_list("pk", flat=True)
    entries = [
        replace(entry_at(ACTION, RESOURCE, about, now, practice=practice), body_sha256=sha256)
        for practice in practices
    ]
    with transaction.atomic(durable=True):
        journal.append(entries)


class _Reading(io.RawIOBase):
    """Lines as a file; it hashes what is read."""

    def __init__(self, source: Iterator[str]) -> None:
        super().__init__()
        self._source = source
        self._rest = b""
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = _BUFFER if size < 0 else size
        while len(self._rest) < wanted:
            line = next(self._source, None)
            if line is None:
                break
            self._rest += line.encode()
        if size < 0:
            self._rest += "".join(self._source).encode()
            wanted = len(self._rest)
        given, self._rest = self._rest[:wanted], self._rest[wanted:]
        self._hash.update(given)
        return given

    def digest(self) -> bytes:
        """The SHA-256 of all that was read, 32 bytes."""
        return self._hash.digest()


class _Hashing(io.RawIOBase):
    """Writes through, and hashes what is written."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        some = bytes(data)
        self._hash.update(some)
        return self._file.write(some)

    def flush(self) -> None:
        self._file.flush()

    def digest(self) -> bytes:
        """The SHA-256 of all that was written, 32 bytes."""
        return self._hash.digest()


def _line(**told: Any) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"
