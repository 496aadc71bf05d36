"""The token table in the database: the server's implementation of ``protect.tokenstore.TokenStore``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, connection, transaction

from confide.access.statements import among, ask
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
# By OFFSET each is looked up in the index in which it is unique. PostgreSQL, which knows nothing yet of a
# young table, would else read all tokens of the scope; therefore the scope stands outside with digests.
_EACH: Final = (
    f"SELECT {_COLUMNS} FROM unnest(%s::text[]) w(wanted) CROSS JOIN LATERAL (SELECT * FROM vault_token"  # noqa: S608 - the same
)
_BY_DIGEST: Final = f"{_EACH} WHERE practice = %s AND digest = w.wanted OFFSET 0) s WHERE scope = %s"
_BY_TOKEN: Final = f"{_EACH} WHERE practice = %s AND scope = %s AND token = w.wanted OFFSET 0) s"
_INSERT: Final = f"INSERT INTO vault_token (practice, scope, {_COLUMNS}) "
_INSERT_ROW: Final = f"{_INSERT} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
_INSERT_COLUMNS: Final = (
    f"{_INSERT} SELECT %s, %s, * FROM unnest({_ARRAYS}) ON CONFLICT DO NOTHING RETURNING digest"  # noqa: S608 - the same
)
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
        return {row.digest: row for row in _find(_BY_DIGEST, practice, scope, "digest", digests)}

    def by_token(self, practice: str, scope: str, tokens: Collection[str]) -> dict[str, TokenRow]:
        """See ``TokenStore``."""
        return {row.token: row for row in _find(_BY_TOKEN, practice, scope, "token", tokens)}

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
        which, listed = among(connection, "digest", digests)
        self._spend(f"scope = %s AND {which} AND expires <= %s", practice, scope, listed, now)

    def spend_expired(self, practice: str, now: int) -> int:
        """See ``TokenStore``."""
        return self._spend("expires <= %s", practice, now)

    def spend_now(self, practice: str, scope: str, digests: Collection[str]) -> int:
        """Spend living rows whose values get other tokens."""
        which, listed = among(connection, "digest", digests)
        return self._spend(f"scope = %s AND {which}", practice, scope, listed)

    def spend_subject(self, practice: str, subject: str) -> int:
        """See ``TokenStore``."""
        return self._spend("subject = %s", practice, subject)

    def _spend(self, which: str, *parameters: Any) -> int:
        with self.transaction(), connection.cursor() as cursor:
            cursor.execute(_SPEND + which, [b"", *parameters])
            return int(cursor.rowcount)


def _find(each: str, practice: str, scope: str, column: str, texts: Collection[str]) -> list[TokenRow]:
    """Find tokens; *each* is PostgreSQL's way to ask."""
    with _answering():
        if connection.vendor == "postgresql":
            query = each, [list(texts), practice, scope]
        else:
            which, listed = among(connection, column, texts)
            query = _SELECT + which, [practice, scope, listed]
        [rows] = ask(connection, [query])
        # Spent ones are left out here and not in the query, which would then read the index of digests.
        return [TokenRow.read(row) for row in rows if row[1] is not None]


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (DatabaseError, InterfaceError) as problem:
        raise Unavailable(f"the token table does not answer ({type(problem).__name__})") from None
