"""Wrapped keys at rest: what a key store does, and the one that is a single file.

The file implementation is for use as a library; the server keeps the same rows in its own database.
What lies here opens nothing without the Kms.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Final, Protocol

from confide.errors import Damaged, KeyUnavailable

PRACTICE: Final = ""
"""What ``WrappedDataKey.under`` says for the practice key."""


class KeyUse(StrEnum):
    """What a purpose key is for."""

    FF1 = "ff1"
    INDEX = "index"
    PSEUDONYM = "pseudonym"
    TOKEN = "token"  # noqa: S105 - the name of a use
    SNAPSHOT = "snapshot"
    JOURNAL = "journal"
    DAYS = "days"


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A purpose key, wrapped under the practice key."""

    use: KeyUse
    version: int
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class WrappedDataKey:
    """A subject's data key.

    Attributes:
        subject: Whose.
        under: ``""`` when the practice key wraps it, else the patient whose data key does.
        version: Of the data key, from 1.
        wrapped: What ``SealingKey.wrap`` gave.
    """

    subject: str
    under: str
    version: int
    wrapped: bytes


class DataKeys(Protocol):
    """The store of wrapped keys. It is kept apart from the records, with shorter-lived backups.

    Every method raises ``Unavailable`` when the store does not answer. Each ``add`` is all or
    nothing, is in force when it returns (or when the caller's transaction commits), and raises
    ``KeyUnavailable`` when one of the keys is there already: a key is never written over.
    """

    def practice_key(self, practice: str) -> bytes | None:
        """The practice key as the Kms wrapped it, or None."""

    def add_practice_key(self, practice: str, wrapped: bytes) -> None:
        """Keep a practice's key; it has one."""

    def purpose_keys(self, practice: str) -> list[WrappedKey]:
        """All versions of all purpose keys, in any order."""

    def add_purpose_key(self, practice: str, key: WrappedKey) -> None:
        """Keep a purpose key; one per use and version."""

    def data_keys(self, practice: str, subjects: Collection[str]) -> dict[str, list[WrappedDataKey]]:
        """The wrapped data keys of those *subjects* that have one. One query, however many."""

    def add_data_keys(self, practice: str, keys: list[WrappedDataKey]) -> None:
        """Keep data keys; one per subject, wrapping subject and version."""

    def drop_data_keys(self, practice: str, keys: list[WrappedDataKey]) -> None:
        """Destroy data keys; what they alone open is lost. All or nothing, and none that is not there."""


SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS practice_key (
    practice TEXT PRIMARY KEY, wrapped BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS purpose_key (
    practice TEXT, use TEXT, version INTEGER, wrapped BLOB NOT NULL,
    PRIMARY KEY (practice, use, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS data_key (
    practice TEXT, subject TEXT, under TEXT, version INTEGER, wrapped BLOB NOT NULL,
    PRIMARY KEY (practice, subject, under, version)
) WITHOUT ROWID;
"""


class FileDataKeys:
    """:class:`DataKeys` in one SQLite file of mode 0600. Threads and processes may share it."""

    def __init__(self, path: Path | str) -> None:
        """Open the file; make it if it is missing.

        Raises:
            KeyUnavailable: It cannot be opened.
            Damaged: It is something else than a key store.
        """
        try:
            # SQLite gives its WAL and journal the mode of the database, so this protects all three.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise KeyUnavailable(f"key store {path}: {error.strerror}") from None
        self._lock = Lock()
        try:
            self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            # FULL: a key that was acknowledged is on the disk before anything is sealed with it.
            # secure_delete: a shredded key leaves no free page behind.
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                self._database.execute(f"PRAGMA {pragma}")
            self._database.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            raise KeyUnavailable(f"key store: {error}") from None
        except sqlite3.DatabaseError:
            raise Damaged(f"{path} is not a key store") from None

    def close(self) -> None:
        """Close the file; a later call raises ``KeyUnavailable``."""
        with self._lock:
            self._database.close()

    def practice_key(self, practice: str) -> bytes | None:
        """See :class:`DataKeys`."""
        with self._reading() as database:
            row = database.execute(
                "SELECT wrapped FROM practice_key WHERE practice = ?", (practice,)
            ).fetchone()
        return bytes(row[0]) if row else None

    def add_practice_key(self, practice: str, wrapped: bytes) -> None:
        """See :class:`DataKeys`."""
        with self._writing() as database:
            database.execute("INSERT INTO practice_key VALUES (?, ?)", (practice, wrapped))

    def purpose_keys(self, practice: str) -> list[WrappedKey]:
        """See :class:`DataKeys`."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT use, version, wrapped FROM purpose_key WHERE practice = ?", (practice,)
            ).fetchall()
        try:
            return [WrappedKey(KeyUse(use), version, wrapped) for use, version, wrapped in rows]
        except ValueError:
            raise Damaged("the key store has a key of an unknown use") from None

    def add_purpose_key(self, practice: str, key: WrappedKey) -> None:
        """See :class:`DataKeys`."""
        with self._writing() as database:
            database.execute(
                "INSERT INTO purpose_key VALUES (?, ?, ?, ?)", (practice, key.use, key.version, key.wrapped)
            )

    def data_keys(self, practice: str, subjects: Collection[str]) -> dict[str, list[WrappedDataKey]]:
        """See :class:`DataKeys`."""
        found: dict[str, list[WrappedDataKey]] = {}
        with self._reading() as database:
            # One JSON parameter: SQLite limits the number of parameters, not their length.
            rows = database.execute(
                "SELECT subject, under, version, wrapped FROM data_key"
                " WHERE practice = ? AND subject IN (SELECT value FROM json_each(?))",
                (practice, json.dumps(list(subjects))),
            ).fetchall()
        for subject, under, version, wrapped in rows:
            found.setdefault(subject, []).append(WrappedDataKey(subject, under, version, wrapped))
        return found

    def add_data_keys(self, practice: str, keys: list[WrappedDataKey]) -> None:
        """See :class:`DataKeys`."""
        with self._writing() as database:
            database.executemany(
                "INSERT INTO data_key VALUES (?, ?, ?, ?, ?)",
                [(practice, key.subject, key.under, key.version, key.wrapped) for key in keys],
            )

    def drop_data_keys(self, practice: str, keys: list[WrappedDataKey]) -> None:
        """See :class:`DataKeys`."""
        with self._writing() as database:
            database.executemany(
                "DELETE FROM data_key WHERE practice = ? AND subject = ? AND under = ? AND version = ?",
                [(practice, key.subject, key.under, key.version) for key in keys],
            )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._database
            except sqlite3.Error as error:
                raise KeyUnavailable(f"key store: {type(error).__name__}") from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException as error:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                if isinstance(error, sqlite3.IntegrityError):
                    raise KeyUnavailable("the key is there already; a key is never written over") from None
                raise
