"""CSV, TSV and NDJSON, read in blocks of whole rows."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

import pyarrow as pa
import pyarrow.json

from confide.errors import BrokenRow, Invalid
from confide.protect.files import delimited, lines, units
from confide.protect.files.formats import Form, is_packed
from confide.protect.files.units import ROWS, Pace, Unit, reading

SEPARATORS: Final = {Form.CSV: ",", Form.TSV: "\t"}
_FIRST: Final = 1 << 16
LONGEST_ROW: Final = 1 << 26
_WIDE_CODES: Final = (b"\xff\xfe", b"\xfe\xff")


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
            start = text.read(units.BLOCK)
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

    def units(self, every: int = 0) -> Iterator[Unit]:
        return _blocks(self.path, len(self.head), self._cut, every)

    def _cut(self, block: bytes) -> int:
        return delimited.cut(block, self.separator)


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

    def units(self, every: int = 0) -> Iterator[Unit]:
        with _text(self.path) as (text, _):
            mark = len(delimited.BOM) if text.read(3) == delimited.BOM else 0
        return _blocks(self.path, mark, lines.cut, every)

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


@contextmanager
def _text(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The text of a file, unpacked, and the file below it."""
    with path.open("rb") as file:
        if is_packed(path):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(IO[bytes], unpacked), file
        else:
            yield file, file


def _blocks(path: Path, skip: int, cut: Callable[[bytes], int], every: int) -> Iterator[Unit]:
    """The text of a file from byte *skip* on, in blocks of whole rows: not too many, nor too long."""
    pace, size = Pace(every), _FIRST
    with reading(path), _text(path) as (text, file):
        text.seek(skip)
        rest = b""
        while more := text.read(size):
            rest += more
            end = cut(rest)
            if end:
                yield from pace.unit(rest[:end], file.tell())
                size = max(_FIRST, min(units.BLOCK, ROWS * end // (1 + rest.count(b"\n", 0, end))))
                rest = rest[end:]
            elif len(rest) > LONGEST_ROW:
                raise Invalid(
                    f"{path} has a row of more than {LONGEST_ROW >> 20} MiB"
                    " (is there a quotation mark that is never closed?)"
                )
        if rest:
            yield from pace.unit(rest, file.tell())


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
