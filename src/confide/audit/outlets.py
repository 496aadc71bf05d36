"""Where checkpoints go besides the journal's folder: out of reach of whoever holds this machine.

A file (on a disk that is only written once, or of another machine), a syslog, a bucket with object lock, or a
command that gets the checkpoint on its standard input and puts it where it likes.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from confide.audit.alarms import parse_syslog, tell_syslog
from confide.audit.bucket import Bucket
from confide.audit.notes import Head, parse_note
from confide.errors import Invalid, Unavailable

EVERY: Final = timedelta(seconds=60)
"""How often at most a checkpoint goes to each outlet."""

_PATIENCE: Final = 60


class Kind(StrEnum):
    """What an outlet is."""

    FILE = "file"
    SYSLOG = "syslog"
    COMMAND = "command"
    S3 = "s3"


@dataclass(frozen=True, slots=True)
class Outlet:
    """One place.

    Attributes:
        kind: What it is.
        place: A path; a socket or HOST:PORT; a command; a bucket, as ``bucket`` reads it.
    """

    kind: Kind
    place: str

    @classmethod
    def parse(cls, written: str) -> Outlet:
        """Read ``file:/path``, ``syslog:/socket``, ``syslog:HOST:PORT``, ``s3:BUCKET``, ``command:PROGRAM``.

        Raises:
            Invalid: It is none of these.
        """
        kind, _, place = written.partition(":")
        try:
            found = cls(Kind(kind), place)
            if found.kind is Kind.SYSLOG:
                parse_syslog(place)
            elif found.kind is Kind.S3:
                Bucket.parse(place)
            elif not shlex.split(place) or (found.kind is Kind.FILE and not place.startswith("/")):
                raise ValueError
        except Invalid:
            raise
        except ValueError:
            raise Invalid(
                "an outlet is file:/path, syslog:/socket, syslog:HOST:PORT, s3:BUCKET/PREFIX or command:..."
            ) from None
        return found

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}"

    def put(self, note: str, now: datetime) -> None:
        """Put a checkpoint there.

        Args:
            note: The signed note.
            now: Aware UTC.

        Raises:
            Unavailable: It was not taken.
        """
        head = Head.parse(parse_note(note).text)
        if self.kind is Kind.FILE:
            _append(Path(self.place), note)
        elif self.kind is Kind.SYSLOG:
            line = " ".join(note.split())
            if not tell_syslog(parse_syslog(self.place), f"checkpoint {line}", logging.INFO):
                raise Unavailable("the syslog does not take checkpoints")
        elif self.kind is Kind.S3:
            Bucket.parse(self.place).put(note, head.size, now)
        else:
            _run(self.place, note, head.size)


def send(outlets: Sequence[Outlet], note: str, folder: Path, now: datetime) -> list[str]:
    """Put the newest checkpoint everywhere where it is not yet, each at most once a minute.

    One process at a time does it; what went where is remembered beside the tiles.

    Args:
        outlets: Where to.
        note: The checkpoint.
        folder: The journal's.
        now: Aware UTC.

    Returns:
        What did not go, a sentence each.
    """
    size = Head.parse(parse_note(note).text).size
    failed = []
    with _memory(folder) as sent:
        for outlet in outlets if sent is not None else ():
            last, at = sent.get(str(outlet), (0, 0.0))
            if size == last or 0 <= now.timestamp() - at < EVERY.total_seconds():  # clocks run ahead, too
                continue
            try:
                outlet.put(note, now)
                sent[str(outlet)] = (size, now.timestamp())
            except Unavailable as problem:
                sent[str(outlet)] = (last, now.timestamp())
                failed.append(f"{outlet.kind}: {problem}")
    return failed


@contextmanager
def _memory(folder: Path) -> Iterator[Any]:
    """What was sent where; None while another process is at it."""
    with (folder / ".sent").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        file.seek(0)
        sent: dict[str, Any] = {}
        with suppress(ValueError, TypeError, AttributeError):  # who forgets sends once more
            sent = {place: (int(size), float(at)) for place, (size, at) in json.loads(file.read()).items()}
        before = dict(sent)
        yield sent
        if sent != before:
            file.seek(0)
            file.truncate()
            file.write(json.dumps(sent))


def _append(path: Path, note: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{note}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        raise Unavailable(f"{path} does not take checkpoints ({type(problem).__name__})") from None


def _run(command: str, note: str, size: int) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
            [each.replace("{size}", str(size)) for each in shlex.split(command)],
            input=note.encode(),
            timeout=_PATIENCE,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as problem:
        raise Unavailable(f"the command does not take checkpoints ({type(problem).__name__})") from None
    if done.returncode != 0:
        raise Unavailable(f"the command ended with code {done.returncode}")
