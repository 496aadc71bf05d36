"""Files that are written: what workers have made, one unit after the other."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import IO, Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from confide.protect.files import delimited
from confide.protect.files.formats import Form, is_packed
from confide.protect.files.place import Place
from confide.protect.files.sheets import Writing
from confide.protect.files.texts import SEPARATORS
from confide.protect.files.units import unpack

ROW_GROUP: Final = 1 << 16
"""Rows of a row group of Parquet: enough for readers, few enough to be held while they come."""


class Sink(Protocol):
    """Takes what workers have made."""

    def add(self, content: bytes | memoryview) -> None:
        """Write a unit; what it looks at may change afterwards."""

    def close(self) -> None:
        """Write what ends the file."""


def open_sink(place: Place, how: Writing, head: bytes | None, random: Iterable[str]) -> Sink:
    """Begin to write.

    Args:
        place: An open file.
        how: Format and columns.
        head: The header line where it stays as it was.
        random: Columns whose values are all different and without a pattern: nothing makes them smaller.
    """
    if how.form.delimited:
        if head is None:
            names = [pa.array([name], pa.string()) for name in how.names]
            head = delimited.write_rows(names, SEPARATORS[how.form])
        return _Text(place, head)
    if how.form is Form.NDJSON:
        return _Text(place, b"")
    if how.form is Form.PARQUET:
        return _Parquet(place.file, how.schema, frozenset(random))
    return _Arrow(place.file, how)


class _Text:
    def __init__(self, place: Place, head: bytes) -> None:
        self._packed = None
        self._file: Any = place.file
        if is_packed(place.path):
            # Without the name that the file has meanwhile, and without the time.
            self._packed = gzip.GzipFile("", "wb", compresslevel=6, fileobj=place.file, mtime=0)
            self._file = self._packed
        self._file.write(head)

    def add(self, content: bytes | memoryview) -> None:
        self._file.write(content)

    def close(self) -> None:
        if self._packed is not None:
            self._packed.close()


class _Parquet:
    def __init__(self, file: IO[bytes], schema: pa.Schema, random: frozenset[str]) -> None:
        self._schema = schema
        self._rows = 0
        self._held: list[pa.RecordBatch] = []
        self._writer = pq.ParquetWriter(
            file,
            schema,
            compression={name: "none" if name in random else "zstd" for name in schema.names},
            use_dictionary=[name for name in schema.names if name not in random],
            write_statistics=[name for name in schema.names if name not in random],
        )

    def add(self, content: bytes | memoryview) -> None:
        batch = unpack(bytes(content))  # what lies in a slot does not stay there
        self._held.append(batch)
        self._rows += batch.num_rows
        if self._rows >= ROW_GROUP:
            self._write()

    def _write(self) -> None:
        table = pa.Table.from_batches(self._held, self._schema)
        self._writer.write_table(table, row_group_size=max(self._rows, 1))
        self._held, self._rows = [], 0

    def close(self) -> None:
        if self._held:
            self._write()
        self._writer.close()


class _Arrow:
    def __init__(self, file: IO[bytes], how: Writing) -> None:
        opener = pa.ipc.new_file if how.form is Form.ARROW else pa.ipc.new_stream
        self._writer = opener(file, how.schema)

    def add(self, content: bytes | memoryview) -> None:
        self._writer.write_batch(unpack(content))

    def close(self) -> None:
        self._writer.close()
