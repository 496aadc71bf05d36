"""The token table: what a token store does, and the one that is a single file.

The file implementation is for use as a library; the server keeps the same rows in its own database.
What lies here tells nothing without the practice's token key: digests are keyed, values are sealed.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import RLock
from typing import Final, NamedTuple, Protocol

from confide.errors import Damaged, Unavailable


class TokenRow(NamedTuple):
    """A token that is not spent; a tuple, because they come by the ten thousand.

    Attributes:
        token: Unique in its practice and scope.
        digest: Keyed, of practice, scope, element and value, so there is one of it. 32 hexadecimal digits.
        element: A code of ``elements.Element``.
        subject: The patient's id, or ``""``.
        expires: Microseconds since 1970, UTC; None is never.
        version: Of the token key.
        sealed: The value.
    """

    token: str
    digest: str
    element: str
    subject: str
    expires: int | None
    version: int
    sealed: bytes = b""

    def __repr__(self) -> str:
        return "TokenRow()"

    @classmethod
    def read(cls, stored: Sequence[object]) -> TokenRow:
        """Take a row as a database gave it.

        Raises:
            Damaged: A part is of another type, which SQLite lets anybody write.
        """
        if tuple(map(type, stored)) not in _TYPES:
            raise Damaged("a row of the token table is not as it was written")
        return cls._make(stored)


_TYPES: Final = {(str, str, str, str, expires, int, bytes) for expires in (int, type(None))}


class TokenStore(Protocol):
    """A table of tokens.

    A row's end is that it is *spent*: all but practice, scope and token is taken out of it, and what is left
    keeps the token from ever coming to mean something else. No method but :meth:`add` knows of spent rows.

    Every method raises ``Unavailable`` when the store does not answer.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing of what is done inside; in force when the outermost transaction ends."""

    def by_digest(self, practice: str, scope: str, digests: Collection[str]) -> dict[str, TokenRow]:
        """The rows of those *digests* that have one, expired ones too. One query, however many."""

    def by_token(self, practice: str, scope: str, tokens: Collection[str]) -> dict[str, TokenRow]:
        """The rows of those *tokens* that have one, expired ones too. One query, however many."""

    def add(self, practice: str, scope: str, rows: Sequence[TokenRow]) -> set[str]:
        """Keep those *rows* whose token and digest nobody has, not even another one of *rows*.

        Of two transactions that add the same digest, the later one waits for the end of the first.

        Returns:
            The digests of the rows that were kept.
        """

    def extend(self, practice: str, scope: str, rows: Sequence[TokenRow]) -> None:
        """Give the rows with these digests and tokens another expiry and seal."""

    def spend(self, practice: str, scope: str, digests: Collection[str], now: int) -> None:
        """Spend those rows of *digests* that expire at *now* or before.

        Meanwhile another process may have spent one and made a new one of the same digest, which lives.
        """

    def spend_expired(self, practice: str, now: int) -> int:
        """Spend the rows that expire at *now* or before; return how many."""

    def spend_subject(self, practice: str, subject: str) -> int:
        """Spend the rows of a subject; return how many."""


# Practice and scope have a number, and a row has one after those before it: then only two narrow indexes are
# written here and there, and a million tokens cost half as much.
_SCHEMA: Final = """
CREATE TABLE space (
    id INTEGER PRIMARY KEY, practice TEXT NOT NULL, scope TEXT NOT NULL, UNIQUE (practice, scope)
);
CREATE TABLE token (
    id INTEGER PRIMARY KEY, space INTEGER NOT NULL, token TEXT NOT NULL, digest TEXT, element TEXT NOT NULL,
    subject TEXT NOT NULL, expires INTEGER, version INTEGER NOT NULL, sealed BLOB NOT NULL
);
CREATE UNIQUE INDEX token_means_one ON token (space, token);
CREATE UNIQUE INDEX token_made_once ON token (space, digest);
CREATE INDEX token_expires ON token (space, expires) WHERE expires IS NOT NULL
"""

_COLUMNS: Final = "token, digest, element, subject, expires, version, sealed"
_SELECT: Final = f"SELECT {_COLUMNS} FROM token WHERE space = ? AND "  # noqa: S608 - names of columns
_INSERT: Final = (
    f"INSERT INTO token (space, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - the same
    " ON CONFLICT DO NOTHING"
)
_SPEND: Final = (
    "UPDATE token SET digest = NULL, element = '', subject = '', expires = NULL, version = 0, sealed = x''"
    " WHERE digest IS NOT NULL AND "
)
_OF_PRACTICE: Final = "space IN (SELECT id FROM space WHERE practice = ?) AND "
PATIENCE: Final = 30
"""Seconds that a writer waits for another one."""

_APPLICATION: Final = 0x0C0F1DE7
"""In the file's header, so that no other program's database is taken for a token store, nor one of ours."""

_PRAGMAS: Final = (
    "journal_mode=WAL",
    # FULL: a token that was given away is on the disk.
    "synchronous=FULL",
    # What is spent leaves no free page behind.
    "secure_delete=ON",
    "temp_store=MEMORY",
    "cache_size=-65536",
    # 64 MiB, after which the log is written into the table: most of its pages come again.
    "wal_autocheckpoint=4096",
)


class FileTokenStore:
    """:class:`TokenStore` in one SQLite file of mode 0600. Threads and processes may share it."""

    def __init__(self, path: Path | str) -> None:
        """Open the file; make it if it is missing.

        Raises:
            Unavailable: It cannot be opened.
            Damaged: It is something else than a token store.
        """
        try:
            # SQLite gives its WAL and journal the mode of the database, so this protects all three.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise Unavailable(f"token store {path}: {error.strerror}") from None
        self._lock = RLock()
        try:
            self._database = sqlite3.connect(
                path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise Unavailable(f"token store: {error}") from None
        try:
            _prepare(self._database)
        except (sqlite3.Error, Damaged) as error:
            self._database.close()
            if isinstance(error, sqlite3.OperationalError):
                raise Unavailable(f"token store: {error}") from None
            raise Damaged(f"{path} is not a token store") from None

    def close(self) -> None:
        """Close the file; a later call raises ``Unavailable``."""
        with self._lock:
            self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See :class:`TokenStore`. Other threads wait."""
        with self._using() as database:
            if database.in_transaction:
                yield
                return
            database.execute("BEGIN IMMEDIATE")
            try:
                yield
                database.execute("COMMIT")
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")

    def by_digest(self, practice: str, scope: str, digests: Collection[str]) -> dict[str, TokenRow]:
        """See :class:`TokenStore`."""
        which = "digest IN (SELECT value FROM json_each(?))"
        return {row.digest: row for row in self._rows(practice, scope, which, digests)}

    def by_token(self, practice: str, scope: str, tokens: Collection[str]) -> dict[str, TokenRow]:
        """See :class:`TokenStore`."""
        which = "token IN (SELECT value FROM json_each(?))"
        return {row.token: row for row in self._rows(practice, scope, which, tokens)}

    def _rows(self, practice: str, scope: str, which: str, among: Collection[str]) -> list[TokenRow]:
        with self._using() as database:
            space = _space(database, practice, scope)
            rows = database.execute(_SELECT + which, (space, _listed(among))).fetchall() if space else []
        # Spent ones are left out here and not in the query, which would then read the index of digests.
        return [TokenRow.read(row) for row in rows if row[1] is not None]

    def add(self, practice: str, scope: str, rows: Sequence[TokenRow]) -> set[str]:
        """See :class:`TokenStore`."""
        with self.transaction(), self._using() as database:
            database.execute(
                "INSERT INTO space (practice, scope) VALUES (?, ?) ON CONFLICT DO NOTHING", (practice, scope)
            )
            space = _space(database, practice, scope)
            (last,) = database.execute("SELECT coalesce(max(id), 0) FROM token").fetchone()
            kept = database.executemany(_INSERT, [(space, *row) for row in rows]).rowcount
            if kept == len(rows):
                return {row.digest for row in rows}
            return {name for (name,) in database.execute("SELECT digest FROM token WHERE id > ?", (last,))}

    def extend(self, practice: str, scope: str, rows: Sequence[TokenRow]) -> None:
        """See :class:`TokenStore`."""
        with self.transaction(), self._using() as database:
            space = _space(database, practice, scope)
            database.executemany(
                "UPDATE token SET expires = ?, sealed = ? WHERE space = ? AND digest = ? AND token = ?",
                [(row.expires, row.sealed, space, row.digest, row.token) for row in rows],
            )

    def spend(self, practice: str, scope: str, digests: Collection[str], now: int) -> None:
        """See :class:`TokenStore`."""
        which = (
            "space = (SELECT id FROM space WHERE practice = ? AND scope = ?)"
            " AND digest IN (SELECT value FROM json_each(?)) AND expires <= ?"
        )
        self._spend(which, practice, scope, _listed(digests), now)

    def spend_expired(self, practice: str, now: int) -> int:
        """See :class:`TokenStore`."""
        return self._spend_for_good(_OF_PRACTICE + "expires <= ?", practice, now)

    def spend_subject(self, practice: str, subject: str) -> int:
        """See :class:`TokenStore`."""
        return self._spend_for_good(_OF_PRACTICE + "subject = ?", practice, subject)

    def _spend_for_good(self, which: str, *parameters: str | int) -> int:
        spent = self._spend(which, *parameters)
        with self._using() as database:
            if spent and not database.in_transaction:
                # Empties the log, which still has the rows as they were.
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return spent

    def _spend(self, which: str, *parameters: str | int) -> int:
        with self.transaction(), self._using() as database:
            return database.execute(_SPEND + which, parameters).rowcount

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._database
            except sqlite3.Error as error:
                raise Unavailable(f"token store: {type(error).__name__}") from None


def _prepare(database: sqlite3.Connection) -> None:
    """Lay the tables in a new file, and set what holds for a connection; wait for others that do so."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            _lay(database)
            for pragma in _PRAGMAS:
                database.execute(f"PRAGMA {pragma}")
            return
        except sqlite3.OperationalError as error:
            # For some locks SQLite does not wait by itself: a deadlock might come of it.
            if (
                getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY
                or time.monotonic() > deadline
            ):
                raise
            time.sleep(0.02)


def _lay(database: sqlite3.Connection) -> None:
    """Make an empty file a token store.

    Raises:
        Damaged: It is something else.
    """
    database.execute("PRAGMA page_size=16384")
    if _application(database) == _APPLICATION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        # Asked again, because another process may just have done it.
        if _application(database) != _APPLICATION:
            (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if _application(database) or tables:
                raise Damaged("not a token store")
            for statement in (f"PRAGMA application_id={_APPLICATION}", *_SCHEMA.split(";")):
                database.execute(statement)
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def _application(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA application_id").fetchone()[0])


def _space(database: sqlite3.Connection, practice: str, scope: str) -> int | None:
    """The number of a practice's scope; None where nothing was ever added to it."""
    row = database.execute(
        "SELECT id FROM space WHERE practice = ? AND scope = ?", (practice, scope)
    ).fetchone()
    return row and int(row[0])


def _listed(texts: Collection[str]) -> str:
    """One JSON parameter: SQLite limits the number of parameters, not their length."""
    return json.dumps(list(texts))
