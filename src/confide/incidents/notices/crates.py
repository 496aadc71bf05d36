"""Encrypted files for a print house or a partner: each has its name only when it is whole and durable."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from confide.errors import Misconfigured, Unavailable

_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
_PATIENCE: Final = 300
_PAUSE: Final = 0.1


def place(folder: Path, name: str, content: bytes) -> None:
    """Write encrypted bytes durably; the file has its name when it is whole."""
    hidden = folder / f".{name}"
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    hidden.replace(folder / name)
    sync(folder)


def place_list(folder: Path, name: str, recipient: str, rows: Iterable[Iterable[str]]) -> None:
    """Write a list as CSV, encrypted to the key of its *recipient*; nothing of it is in clear on the disk.

    Args:
        folder: Where it goes.
        name: Of the file.
        recipient: An age public key.
        rows: The first of them says what the others hold.
    """
    import pyrage
    from pyrage import x25519

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    place(folder, name, pyrage.encrypt(text.getvalue().encode(), [x25519.Recipient.from_str(recipient)]))


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing() -> Iterator[None]:
    """Say what the system says of a file that cannot be written."""
    try:
        yield
    except OSError as problem:
        raise Unavailable(
            f"the files cannot be written ({problem.strerror}); run the mailing again"
        ) from None


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """Take a folder for this process.

    Raises:
        Misconfigured: It is not there, or cannot be used.
        Unavailable: Another process writes there.
    """
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as problem:
        raise Misconfigured(f"the folder cannot be used ({problem.strerror}; is it there?)") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Unavailable("another process writes a mailing there (wait until it is done)") from None
    finally:
        os.close(descriptor)


@contextmanager
def shared(folder: Path) -> Iterator[Path]:
    """Write into a folder beside other processes of the same run.

    Raises:
        Unavailable: The folder is not there.
    """
    with writing():
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield folder
    finally:
        os.close(descriptor)


def settle(folder: Path) -> None:
    """Wait until nobody writes into a folder any more: what a killed run has left behind ends with its batch.

    Raises:
        Unavailable: Somebody still does.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(_PATIENCE):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_PAUSE)
            else:
                return
        raise Unavailable("another process writes a mailing there (wait until it is done)")
    finally:
        os.close(descriptor)
