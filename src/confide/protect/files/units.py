"""Some rows at a time: what a file of any length is read in, so that it takes the same memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from confide.errors import Invalid, Unavailable

BLOCK: Final = 1 << 20
"""Bytes of text in a unit, at most."""
ROWS: Final = 1 << 13
"""Rows of a unit, about."""
_PIECE: Final = 2 << 20


@dataclass(frozen=True, slots=True)
class Unit:
    """Some rows, as bytes that another process can read.

    Attributes:
        content: Text, or a stream of Arrow batches.
        read: How many bytes of the file have been read so far; for people.
        number: How many units came before it.
    """

    content: bytes
    read: int
    number: int = 0

    def __repr__(self) -> str:
        return f"Unit({len(self.content)} bytes)"


class Pace:
    """Counts units, and lets only some of them through, so many bytes of the file apart."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._next = 0
        self._number = 0

    def unit(self, content: bytes, read: int) -> Iterator[Unit]:
        if self._through(read):
            yield Unit(content, read, self._number)
        self._number += 1

    def pieces(self, batch: pa.RecordBatch, read: int) -> Iterator[Unit]:
        """A batch as units of at most 2 MiB, about."""
        step = max(1, batch.num_rows // (1 + batch.nbytes // _PIECE))
        through = self._through(read)
        for start in range(0, batch.num_rows, step):
            if through:
                yield Unit(pack(batch.slice(start, step)), read, self._number)
            self._number += 1

    def _through(self, read: int) -> bool:
        if read < self._next:
            return False
        self._next = read + self._every if self._every else 0
        return True


def pack(batch: pa.RecordBatch) -> bytes:
    """A batch as bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def unpack(content: bytes | memoryview) -> pa.RecordBatch:
    """The inverse of :func:`pack`."""
    with pa.ipc.open_stream(pa.py_buffer(content)) as reader:
        return reader.read_next_batch()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Translate what goes wrong while a file is read; what the libraries say may hold a value."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error):
        problem = "is not a whole gzip file"
    except pa.ArrowException:
        problem = "is damaged, or not of this format"
    except OSError as error:
        # The Arrow library raises it for a broken file too; only the system's own has a number.
        if error.errno:
            raise Unavailable(f"{path} cannot be read ({error.strerror})") from None
        problem = "is damaged, or not of this format"
    else:
        return
    raise Invalid(f"{path} {problem}")
