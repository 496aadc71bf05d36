"""One unit of a file, read: its columns, and the same rows written in any format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from confide.errors import Invalid
from confide.protect.files import delimited, lines
from confide.protect.files.formats import Form
from confide.protect.files.texts import SEPARATORS, read_json
from confide.protect.files.units import pack, unpack

JSON: Final = "json"
"""The type of a column whose texts are JSON values as they were written."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How units are read.

    Attributes:
        form: Of the file.
        names: Its columns.
        texts: Of NDJSON: the names under which there are only texts.
    """

    form: Form
    names: tuple[str, ...]
    texts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Writing:
    """How rows are written.

    Attributes:
        form: Of the file.
        names: The columns that stay, in order.
        schema: Their types, where the format has types.
        as_json: Of NDJSON: names whose texts are values as they are written.
    """

    form: Form
    names: tuple[str, ...]
    schema: pa.Schema | None = None
    as_json: frozenset[str] = frozenset()


class Sheet(Protocol):
    """Rows of a file."""

    def __len__(self) -> int:
        """How many rows."""

    def column(self, name: str) -> pa.Array:
        """A column as it is in the file: text, or of its type."""

    def write(self, changed: Mapping[str, pa.Array], how: Writing) -> bytes:
        """The rows with other values in some columns."""


def open_sheet(content: bytes, how: Reading) -> Sheet:
    """Read a unit.

    Raises:
        BrokenRow: A row cannot be read.
    """
    if how.form.delimited:
        separator = SEPARATORS[how.form]
        return Fields(delimited.grid(content, separator, len(how.names)), how)
    if how.form is Form.NDJSON:
        return Objects(lines.lines(content), content, how)
    return Batch(unpack(content))


class Fields:
    """Rows of CSV or TSV."""

    def __init__(self, grid: delimited.Grid, how: Reading) -> None:
        self._grid = grid
        self._how = how
        self._place = {name: at for at, name in enumerate(how.names)}

    def __len__(self) -> int:
        return len(self._grid)

    def column(self, name: str) -> pa.Array:
        return self._grid.column(self._place[name])

    def write(self, changed: Mapping[str, pa.Array], how: Writing) -> bytes:
        if how.form is self._how.form and how.names == self._how.names:
            columns = {self._place[name]: array for name, array in changed.items()}
            return self._grid.replace(columns, SEPARATORS[how.form])
        return _write(_mixed(self, changed, how), how)


class Objects:
    """Rows of NDJSON."""

    def __init__(self, found: lines.Lines, content: bytes, how: Reading) -> None:
        self._lines = found
        self._content = content
        self._how = how

    def __len__(self) -> int:
        return len(self._lines)

    def column(self, name: str) -> pa.Array:
        return self._lines.column(name, as_json=name not in self._how.texts)

    def write(self, changed: Mapping[str, pa.Array], how: Writing) -> bytes:
        if how.form is Form.NDJSON:
            dropped = set(self._how.names).difference(how.names)
            return self._lines.replace(changed, dropped, how.as_json)
        rest = [name for name in how.names if name not in changed]
        if how.schema is None:
            return _write({**{name: self.column(name) for name in rest}, **changed}, how)
        table: Any = {}
        if rest and len(self):
            found = read_json(self._content, pa.schema([how.schema.field(name) for name in rest]))
            table = found.combine_chunks()
            table = {name: whole(table.column(name)) for name in rest}
        return _write({**table, **changed}, how)


class Batch:
    """Rows of a typed file."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    def column(self, name: str) -> pa.Array:
        return self._batch.column(name)

    def write(self, changed: Mapping[str, pa.Array], how: Writing) -> bytes:
        return _write(_mixed(self, changed, how), how)


def _mixed(sheet: Sheet, changed: Mapping[str, pa.Array], how: Writing) -> dict[str, pa.Array]:
    return {name: changed[name] if name in changed else sheet.column(name) for name in how.names}


def _write(columns: Mapping[str, pa.Array], how: Writing) -> bytes:
    """Rows anew."""
    if how.schema is not None:
        arrays = [cast(columns[field.name], field.type) for field in how.schema]
        return pack(pa.record_batch(arrays, schema=how.schema))
    if how.form is Form.NDJSON:
        values = [_for_json(columns[name]) for name in how.names]
        return lines.write(how.names, values, how.as_json)
    return delimited.write_rows([as_text(columns[name]) for name in how.names], SEPARATORS[how.form])


def _for_json(array: pa.Array) -> pa.Array:
    """Times as ISO 8601 writes them; JSON has no type for them."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_timestamp(array.type):
        return pc.replace_substring(as_text(array), " ", "T", max_replacements=1)
    return as_text(array) if pa.types.is_temporal(array.type) else array


# Types


def as_text(array: pa.Array) -> pa.Array:
    """A column of any simple type as text: dates in ISO 8601, numbers in decimal."""
    return cast(array, pa.string())


def cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column as another type.

    Raises:
        Invalid: A value does not fit.
    """
    if array.type == kind:
        return array
    try:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        return array.cast(kind)
    except pa.ArrowException:
        pass  # what the library says may hold a value
    raise Invalid(f"a value is no {kind}")


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of Arrow's for text; a dictionary of texts is one too."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind in {pa.string(), pa.large_string(), pa.string_view()}


def fits_text(kind: pa.DataType) -> bool:
    """Whether values of a type can be written as text and read again."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    of_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    of_bytes = of_bytes or pa.types.is_fixed_size_binary(kind) or kind == pa.binary_view()
    simple = pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    return not of_bytes and (simple or is_text(kind))


_STAMP: Final = re.compile(r"timestamp\[(s|ms|us|ns), tz=([\w/+:-]+)\]").fullmatch
_DECIMAL: Final = re.compile(r"decimal(32|64|128|256)\((\d+), (-?\d+)\)").fullmatch


def type_of(text: str) -> pa.DataType | None:
    """The type that a recipe names, as Arrow writes it; None for one that it cannot name."""
    if found := _STAMP(text):
        return pa.timestamp(found[1], found[2])
    try:
        if found := _DECIMAL(text):
            return getattr(pa, f"decimal{found[1]}")(int(found[2]), int(found[3]))
        return pa.type_for_alias(text)
    except ValueError:
        return None


def returns(kind: pa.DataType) -> bool:
    """Whether a recipe can name the type, and text can be read as it again."""
    if type_of(str(kind)) != kind:
        return False
    try:
        pa.array([], pa.string()).cast(kind)
    except pa.ArrowException:
        return False
    return True


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    chunks = column.chunks
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
