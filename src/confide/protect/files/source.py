"""Files that are read: a unit at a time, so that a file of any length takes the same memory."""

from __future__ import annotations

import gzip
import mmap
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol, cast

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from confide.errors import BrokenRow, Invalid, Unavailable, Unknown
from confide.protect.files import delimited, lines
from confide.protect.files.formats import Form, is_packed

BLOCK: Final = 1 << 20
"""Bytes of text in a unit, about."""
ROWS: Final = 1 << 14
"""Rows of a typed file in a unit, at most."""
LONGEST_ROW: Final = 1 << 26

SEPARATORS: Final = {Form.CSV: ",", Form.TSV: "\t"}
_WIDE_CODES: Final = (b"\xff\xfe", b"\xfe\xff")
_ARROW_FILE: Final = b"ARROW1"


@dataclass(frozen=True, slots=True)
class Unit:
    """Some rows, as bytes that another process can read.

    Attributes:
        content: Text, or a stream of Arrow batches.
        read: How many bytes of the file have been read so far; for people.
    """

    content: bytes
    read: int

    def __repr__(self) -> str:
        return f"Unit({len(self.content)} bytes)"


class Source(Protocol):
    """A file that is read.

    Attributes:
        path: Where it is.
        form: Its format.
        names: The columns, in order.
        schema: The types of its columns, where the format has types.
        size: In bytes.
    """

    path: Path
    form: Form
    names: list[str]
    schema: pa.Schema | None
    size: int

    def units(self, step: int = 1) -> Iterator[Unit]:
        """All rows in order, or every *step*-th unit of them.

        Raises:
            Invalid: The file is not what its format says.
            Unavailable: It cannot be read any more.
        """


def open_source(path: Path, form: Form) -> Source:
    """Look at a file: its columns.

    Raises:
        Unknown: There is no such file.
        Invalid: It is not what its format says, or two columns have one name.
    """
    if not path.exists():
        raise Unknown(f"there is no {path} (is the path right?)")
    if not path.is_file():
        raise Invalid(f"{path} is not a file")
    source: Source
    with reading(path):
        if form.delimited:
            source = Delimited(path, form)
        elif form is Form.NDJSON:
            source = Objects(path)
        elif form is Form.PARQUET:
            source = Parquet(path)
        else:
            source = Arrow(path)
    twice = sorted({name for name in source.names if source.names.count(name) > 1})
    if twice:
        raise Invalid(f"{path} has two columns of one name: {', '.join(twice)}")
    return source


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


@contextmanager
def _text(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The text of a file, unpacked, and the file below it."""
    with path.open("rb") as file:
        if is_packed(path):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(IO[bytes], unpacked), file
        else:
            yield file, file


class Delimited:
    """CSV or TSV.

    Attributes:
        head: The header line as it stands there, with a byte order mark if there is one.
    """

    schema = None

    def __init__(self, path: Path, form: Form) -> None:
        self.path, self.form = path, form
        self.separator = SEPARATORS[form]
        self.size = path.stat().st_size
        with _text(path) as (text, _):
            start = text.read(BLOCK)
            if start.startswith(_WIDE_CODES):
                raise Invalid(f"{path} is in UTF-16 (convert it to UTF-8 first)")
            mark = len(delimited.BOM) if start.startswith(delimited.BOM) else 0
            end = delimited.first_line(start[mark:], self.separator)
        self.head = start[: mark + end]
        line = self.head[mark:]
        if not line.strip():
            raise Invalid(f"{path} has no header (the first line names the columns)")
        try:
            self.names = delimited.header(line, self.separator)
        except BrokenRow as problem:
            raise Invalid(f"the header of {path} {problem.reason}") from None

    def units(self, step: int = 1) -> Iterator[Unit]:
        for at, unit in enumerate(
            _blocks(self.path, len(self.head), lambda block: delimited.cut(block, self.separator))
        ):
            if at % step == 0:
                yield unit


class Objects:
    """NDJSON. The whole file is looked through, for any line may bring another name.

    Attributes:
        texts: Names under which there are only texts and nulls.
        nested: Names under which there are lists or objects.
    """

    form = Form.NDJSON
    schema = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        kinds: dict[str, set[lines.Kind]] = {}
        before = 0
        for unit in self.units():
            try:
                there = lines.lines(unit.content)
            except BrokenRow as problem:
                raise BrokenRow(before + problem.row, problem.reason) from None
            for row in there.rows:
                for name, raw in row.items():
                    kinds.setdefault(name, set()).add(lines.kind_of(raw))
            before += len(there)
        self.names = list(kinds)
        plain = {lines.Kind.TEXT, lines.Kind.NULL}
        self.texts = frozenset(name for name, found in kinds.items() if found <= plain)
        self.nested = frozenset(name for name, found in kinds.items() if lines.Kind.NESTED in found)

    def units(self, step: int = 1) -> Iterator[Unit]:
        with _text(self.path) as (text, _):
            mark = len(delimited.BOM) if text.read(3) == delimited.BOM else 0
        for at, unit in enumerate(_blocks(self.path, mark, lines.cut)):
            if at % step == 0:
                yield unit

    def types(self) -> pa.Schema:
        """The types that Arrow finds for all columns; a text that looks like a time stays a text.

        Raises:
            Invalid: Lines do not agree in them.
        """
        schema = pa.schema([])
        try:
            for unit in self.units():
                # No values in the error: what the library says is not passed on.
                found = pyarrow.json.read_json(
                    pa.BufferReader(unit.content),
                    pyarrow.json.ReadOptions(use_threads=False, block_size=1 << 30),
                ).schema
                schema = pa.unify_schemas([schema, found], promote_options="permissive")
        except pa.ArrowException:
            schema = None
        if schema is None:
            raise Invalid(f"the lines of {self.path} do not agree in their types (write NDJSON instead)")
        return pa.schema([(field.name, _plain(field.type)) for field in schema])


class Parquet:
    """Parquet, read through a buffer: a row group may be as large as the file."""

    form = Form.PARQUET

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        with self._open() as file:
            self.schema = file.schema_arrow
        self.names = list(self.schema.names)

    def units(self, step: int = 1) -> Iterator[Unit]:
        with reading(self.path), self._open() as file:
            total, done = max(file.metadata.num_rows, 1), 0
            for at, batch in enumerate(file.iter_batches(ROWS, use_threads=False)):
                done += batch.num_rows
                if at % step == 0:
                    yield from _pieces(batch, self.size * done // total)

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

    def units(self, step: int = 1) -> Iterator[Unit]:
        at = 0
        with reading(self.path), self._open() as (reader, file):
            for batch in self._batches(reader):
                for start in range(0, batch.num_rows, ROWS):
                    if at % step == 0:
                        yield from _pieces(batch.slice(start, ROWS), min(file.tell(), self.size))
                        # A mapped file's pages that were read count as this process's memory until they go.
                        file.forget()
                    at += 1

    def _batches(self, reader: Any) -> Iterator[pa.RecordBatch]:
        if self.form is Form.ARROW_STREAM:
            yield from reader
        else:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)

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


def _blocks(path: Path, skip: int, cut: Any) -> Iterator[Unit]:
    """The text of a file from byte *skip* on, in blocks of whole rows."""
    with reading(path), _text(path) as (text, file):
        text.seek(skip)
        rest = b""
        while more := text.read(BLOCK):
            rest += more
            end = cut(rest)
            if end:
                yield Unit(rest[:end], file.tell())
                rest = rest[end:]
            elif len(rest) > LONGEST_ROW:
                raise Invalid(
                    f"{path} has a row of more than {LONGEST_ROW >> 20} MiB"
                    " (is there a quotation mark that is never closed?)"
                )
        if rest:
            yield Unit(rest, file.tell())


def _pieces(batch: pa.RecordBatch, read: int) -> Iterator[Unit]:
    """A batch as units of at most 8 MiB, about."""
    rows = batch.num_rows
    step = max(1, rows // (1 + batch.nbytes // (8 * BLOCK)))
    for start in range(0, rows, step):
        yield Unit(pack(batch.slice(start, step)), read)


def pack(batch: pa.RecordBatch) -> bytes:
    """A batch as bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def unpack(content: bytes) -> pa.RecordBatch:
    """The inverse of :func:`pack`."""
    with pa.ipc.open_stream(content) as reader:
        return reader.read_next_batch()


def read_json(content: bytes, schema: pa.Schema | None) -> pa.Table:
    """Lines as a table: of these columns and types, or of those that Arrow finds."""
    return pyarrow.json.read_json(
        pa.BufferReader(content),
        pyarrow.json.ReadOptions(use_threads=False, block_size=1 << 30),
        pyarrow.json.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior="infer" if schema is None else "ignore"
        ),
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    """The same type with text instead of times, which NDJSON does not have."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _plain(field.type)) for field in kind])
    return kind
