"""The token table in the database: the server's implementation of ``protect.tokenstore.TokenStore``."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, connection, transaction

from confide.errors import Unavailable
from confide.protect.tokenstore import TokenRow

_TYPES: Final = {
    "token": "text",
    "digest": "text",
    "element": "text",
    "subject": "text",
    "expires": "bigint",
    "version": "int",
    "sealed": "bytea",
}
_COLUMNS: Final = ", ".join(_TYPES)
_ARRAYS: Final = ", ".join(f"%s::{kind}[]" for kind in _TYPES.values())

_SELECT: Final = f"SELECT {_COLUMNS} FROM vault_token WHERE practice = %s AND scope = %s AND "  # noqa: S608 - names of columns
_INSERT: Final = f"INSERT INTO vault_token (practice, scope, {_COLUMNS}) "
_INSERT_ROW: Final = f"{_INSERT} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
_INSERT_COLUMNS: Final = (
    f"{_INSERT} SELECT %s, %s, * FROM unnest({_ARRAYS}) ON CONFLICT DO NOTHING RETURNING digest"  # noqa: S608 - the same
)
_AMONG_JSON: Final = "IN (SELECT value FROM json_each(%s))"
_EXTEND: Final = (
    "UPDATE vault_token SET expires = %s, sealed = %s"
    " WHERE practice = %s AND scope = %s AND digest = %s AND token = %s"
)
_SPEND: Final = (
    "UPDATE vault_token SET digest = NULL, element = '', subject = '', expires = NULL, version = 0,"
    " sealed = %s WHERE practice = %s AND digest IS NOT NULL AND "
)


class DatabaseTokenStore:
    """Tokens in the records' database. A transaction that its caller has open takes it in."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See ``TokenStore``; a savepoint where the caller has a transaction open."""
        with _answering(), transaction.atomic():
            yield

    def by_digest(self, practice: str, scope: str, digests: Collection[str]) -> dict[str, TokenRow]:
        """See ``TokenStore``."""
        which, listed = _among("digest", digests)
        return {row.digest: row for row in _rows(_SELECT + which, practice, scope, listed)}

    def by_token(self, practice: str, scope: str, tokens: Collection[str]) -> dict[str, TokenRow]:
        """See ``TokenStore``."""
        which, listed = _among("token", tokens)
        return {row.token: row for row in _rows(_SELECT + which, practice, scope, listed)}

    def add(self, practice: str, scope: str, rows: Sequence[TokenRow]) -> set[str]:
        """See ``TokenStore``."""
        if not rows:
            return set()
        with self.transaction(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":  # as columns: one statement, whatever its length
                columns = [list(column) for column in zip(*rows, strict=True)]
                cursor.execute(_INSERT_COLUMNS, [practice, scope, *columns])
            else:
                cursor.execute("SELECT coalesce(max(id), 0) FROM vault_token")
                last = cursor.fetchone()
                cursor.executemany(_INSERT_ROW, [(practice, scope, *row) for row in rows])
                if cursor.rowcount == len(rows):
                    return {row.digest for row in rows}
                # Nobody else writes: SQLite's transactions are serial from their beginning.
                cursor.execute("SELECT digest FROM vault_token WHERE id > %s", last)
            return {name for (name,) in cursor.fetchall()}

    def extend(self, practice: str, scope: str, rows: Sequence[TokenRow]) -> None:
        """See ``TokenStore``."""
        with self.transaction(), connection.cursor() as cursor:
            cursor.executemany(
                _EXTEND, [(row.expires, row.sealed, practice, scope, row.digest, row.token) for row in rows]
            )

    def spend(self, practice: str, scope: str, digests: Collection[str], now: int) -> None:
        """See ``TokenStore``."""
        which, listed = _among("digest", digests)
        self._spend(f"scope = %s AND {which} AND expires <= %s", practice, scope, listed, now)

    def spend_expired(self, practice: str, now: int) -> int:
        """See ``TokenStore``."""
        return self._spend("expires <= %s", practice, now)

    def spend_subject(self, practice: str, subject: str) -> int:
        """See ``TokenStore``."""
        return self._spend("subject = %s", practice, subject)

    def _spend(self, which: str, *parameters: Any) -> int:
        with self.transaction(), connection.cursor() as cursor:
            cursor.execute(_SPEND + which, [b"", *parameters])
            return int(cursor.rowcount)


def _among(column: str, texts: Collection[str]) -> tuple[str, Any]:
    """A condition and its one parameter: SQLite limits the number of parameters, not their length."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s)", list(texts)
    return f"{column} {_AMONG_JSON}", json.dumps(list(texts))


def _rows(statement: str, *parameters: Any) -> list[TokenRow]:
    with _answering(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        # Spent ones are left out here and not in the query, which would then read the index of digests.
        return [TokenRow.read(row) for row in cursor.fetchall() if row[1] is not None]


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (DatabaseError, InterfaceError) as problem:
        raise Unavailable(f"the token table does not answer ({type(problem).__name__})") from None
