"""Several statements to PostgreSQL, and all their answers, in one exchange of messages.

The driver's own pipeline sends each statement by itself, and waits in between: the server wakes, answers and
sleeps as often, and a transaction's beginning and end are round trips of their own. Here a transaction begins
and ends in the messages of what it does. Statements that come again are prepared, so that they are read and
planned once for a connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Any, Final
from weakref import WeakKeyDictionary

from psycopg import Connection, OperationalError, errors
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import fetch_many
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.waiting import Ready, Wait

from confide.access.statements import COMMIT, Query
from confide.errors import Unavailable

Rows = list[tuple[Any, ...]]

_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
"""Whatever the database's default is: after its lock, a count reads what others have committed meanwhile."""

_MOST: Final = 200  # statements that are kept prepared on one connection

Key = tuple[bytes, tuple[int, ...]]
_known: Final[WeakKeyDictionary[Connection[Any], dict[Key, bytes]]] = WeakKeyDictionary()
_names: Final = count()


class _Sending:
    """The messages of one exchange, and what each of their answers is for."""

    def __init__(self, raw: Connection[Any]) -> None:
        self._raw = raw
        self._prepared = _known.setdefault(raw, {})
        self._expected: list[tuple[int, Key | None, bytes]] = []
        self._transformer = Transformer(raw)
        self.texts: list[str] = []
        self.ended = False

    def add(self, text: str, parameters: Sequence[Any]) -> None:
        """Send a statement; what it needs is prepared before."""
        pgconn, transformer = self._raw.pgconn, self._transformer
        query, place = _numbered(text), len(self.texts)
        self.texts.append(text)
        if not parameters:
            pgconn.send_query_params(query, None)
            self._expected.append((place, None, b""))
            return
        values = transformer.dump_sequence(parameters, [PyFormat.AUTO] * len(parameters))
        types, formats = transformer.types or (), transformer.formats
        key = (query, types)
        name = self._prepared.get(key)
        if name is None and (len(self._prepared) >= _MOST or self._raw.prepare_threshold is None):
            pgconn.send_query_params(query, values, types, formats)
            self._expected.append((place, None, b""))
            return
        if name is None:
            name = b"confide_%d" % next(_names)
            pgconn.send_prepare(name, query, types)
            self._expected.append((-1, key, name))
        pgconn.send_query_prepared(name, values, formats)
        self._expected.append((place, None, b""))

    def receive(self) -> PQGen[list[Rows]]:
        """Wait for all answers; raise the first problem, if there is one."""
        pgconn = self._raw.pgconn
        pgconn.pipeline_sync()
        while pgconn.flush():
            if (yield Wait.RW) & Ready.R:
                pgconn.consume_input()  # else both sides could wait until the other one reads
        rows: list[Rows] = [[] for _ in self.texts]
        problem: Exception | None = None
        for place, key, name in self._expected:
            [result] = yield from fetch_many(pgconn)
            if result.status not in _DONE:
                problem = problem or errors.error_from_result(result)
            elif key is not None:
                self._prepared[key] = name
            elif self.texts[place] == COMMIT[0] and result.command_status != COMMIT[0].encode():
                problem = problem or OperationalError("the transaction was not committed")
            elif result.status == ExecStatus.TUPLES_OK:
                self._transformer.set_pgresult(result)
                rows[place] = self._transformer.load_rows(0, result.ntuples, tuple)
        [end] = yield from fetch_many(pgconn)
        if end.status != ExecStatus.PIPELINE_SYNC:
            raise Unavailable("the database did not answer in order")
        self.ended = True
        if problem is not None:
            self._prepared.clear()  # one of them may be what is the matter
            raise problem
        return rows


_DONE: Final = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})


def exchange(raw: Connection[Any], queries: Sequence[Query]) -> list[Rows]:
    """Run statements one after the other; the transaction begins with them where none is open.

    Args:
        raw: The driver's connection.
        queries: The last one may be `COMMIT`: then all of it is durable when this returns.

    Returns:
        The rows of each.

    Raises:
        psycopg.Error: One of them failed. None that follow it were run, a `COMMIT` neither.
        Unavailable: The answers are not those that were asked for; the connection is closed.
    """
    pgconn = raw.pgconn
    with raw.lock:
        begins = not raw.autocommit and pgconn.transaction_status == TransactionStatus.IDLE
        pgconn.enter_pipeline_mode()
        sending = _Sending(raw)
        try:
            if begins:
                sending.add(_BEGIN, ())
            for text, parameters in queries:
                sending.add(text, parameters)
            rows = raw.wait(sending.receive())
        finally:
            if sending.ended:
                pgconn.exit_pipeline_mode()
            else:  # whatever is still to come would answer somebody else's question
                raw.close()
    return rows[begins:]


@lru_cache(maxsize=1024)
def _numbered(text: str) -> bytes:
    """Return a statement with PostgreSQL's own placeholders."""
    first, *others = text.split("%s")
    return "".join([first, *(f"${n}{part}" for n, part in enumerate(others, 1))]).replace("%%", "%").encode()
