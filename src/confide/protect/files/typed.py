"""Parquet and Arrow, read a batch at a time."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from confide.errors import Invalid
from confide.protect.files.formats import Form
from confide.protect.files.units import BLOCK, ROWS, Pace, Unit, reading

_ARROW_FILE: Final = b"ARROW1"


class Parquet:
    """Parquet, read through a buffer: a row group may be as large as the file."""

    form = Form.PARQUET

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        with self._open() as file:
            self.schema = file.schema_arrow
        self.names = list(self.schema.names)

    def units(self, every: int = 0) -> Iterator[Unit]:
        with reading(self.path), self._open() as file:
            total, done = max(file.metadata.num_rows, 1), 0
            pace = Pace(every)
            for batch in file.iter_batches(ROWS, use_threads=False):
                done += batch.num_rows
                yield from pace.pieces(batch, self.size * done // total)

    def _open(self) -> Any:
        return pq.ParquetFile(self.path, buffer_size=BLOCK, pre_buffer=False)


class Arrow:
    """Arrow's own format, as a file or as a stream; which one, its first bytes say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(len(_ARROW_FILE))
        self.form = Form.ARROW if head == _ARROW_FILE else Form.ARROW_STREAM
        with self._open() as (reader, _):
            self.schema = reader.schema
        self.names = list(self.schema.names)

    def units(self, every: int = 0) -> Iterator[Unit]:
        pace = Pace(every)
        with reading(self.path), self._open() as (reader, file):
            for batch, before, after in self._batches(reader, file):
                for start in range(0, batch.num_rows, ROWS):
                    read = before + (after - before) * min(start + ROWS, batch.num_rows) // batch.num_rows
                    yield from pace.pieces(batch.slice(start, ROWS), read)
                    # A mapped file's pages that were read count as this process's memory until they go.
                    file.forget()

    def _batches(self, reader: Any, file: _Mapped) -> Iterator[tuple[pa.RecordBatch, int, int]]:
        """Batches, and about where in the file each begins and ends."""
        if self.form is Form.ARROW_STREAM:
            before = 0
            for batch in reader:
                yield batch, before, file.tell()
                before = file.tell()
        else:
            total = reader.num_record_batches
            for number in range(total):
                yield reader.get_batch(number), self.size * number // total, self.size * (number + 1) // total

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, _Mapped]]:
        with self.path.open("rb") as file:
            mapped = _Mapped(file)
            try:
                if self.form is Form.ARROW:
                    yield pa.ipc.open_file(mapped.buffer), mapped
                else:
                    yield pa.ipc.open_stream(mapped.buffer), mapped
            finally:
                mapped.close()


class _Mapped:
    """A file in memory, of which only what is looked at is there."""

    def __init__(self, file: IO[bytes]) -> None:
        try:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise Invalid(f"{file.name} is empty") from None
        self.buffer = pa.BufferReader(pa.py_buffer(self._map))

    def tell(self) -> int:
        return int(self.buffer.tell())

    def forget(self) -> None:
        self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        with suppress(BufferError):  # an array still looks at it, and lets it go when it goes
            self._map.close()
