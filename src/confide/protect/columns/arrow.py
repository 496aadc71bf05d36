"""Arrow arrays in and out: text by its own buffers, without a copy where the type allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from confide.errors import Invalid
from confide.protect.columns.cells import Cells, Mask

_MOST_BYTES: Final = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Integers:
    """Whole numbers, row by row; 0 where a row is null.

    Attributes:
        numbers: Of any integer type.
        valid: False where a row is null; None if none is.
    """

    numbers: NDArray[Any]
    valid: Mask | None = None

    def __len__(self) -> int:
        return len(self.numbers)


Content: TypeAlias = Cells | Integers | Any
"""What a column holds: text, whole numbers, or dates and other things that only a seal takes."""


def read(array: pa.Array) -> Content:
    """What an array holds.

    Raises:
        Invalid: Lists, structures and other types that are no column of values.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return read(array.dictionary_decode())
    if pa.types.is_null(kind) or (pa.types.is_floating(kind) and array.null_count == len(array)):
        return Cells(
            np.empty(0, np.uint8), np.zeros(len(array) + 1, np.int64), np.zeros(len(array), np.bool_)
        )
    if kind in {pa.string_view(), pa.binary_view()}:
        array = array.cast(pa.large_string() if kind == pa.string_view() else pa.large_binary())
        return _cells(array)
    if is_text(kind):
        return _cells(array)
    if pa.types.is_integer(kind):
        valid = _valid(array)
        numbers = np.frombuffer(array.buffers()[1] or b"", kind.to_pandas_dtype())
        numbers = numbers[array.offset : array.offset + len(array)]
        return Integers(numbers if valid is None else np.where(valid, numbers, 0), valid)
    if is_sealable(kind):
        return array
    raise Invalid(f"a column of {kind} is neither text nor numbers nor dates")


def is_text(kind: pa.DataType) -> bool:
    """Whether the bytes of its values lie one after another, as :class:`Cells` has them."""
    return kind in {pa.string(), pa.large_string(), pa.binary(), pa.large_binary()}


def is_sealable(kind: pa.DataType) -> bool:
    """Whether its values can be written as text and read again."""
    of_time = pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_time(kind)
    of_measure = pa.types.is_boolean(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return bool(of_time or of_measure)


def write(content: Content, kind: pa.DataType) -> pa.Array:
    """Make an array of the type *kind* where its values can be, else of text.

    A dictionary's index type is widened where it is too narrow for the new values.
    """
    if isinstance(content, Integers):
        mask = None if content.valid is None else ~content.valid
        return pa.array(content.numbers, pa.from_numpy_dtype(content.numbers.dtype), mask=mask)
    if not isinstance(content, Cells):
        return content
    if (pa.types.is_null(kind) or pa.types.is_floating(kind)) and not content.rows.size:
        return pa.nulls(len(content), kind)
    if pa.types.is_dictionary(kind):
        return _dictionary(write(content, kind.value_type), kind)
    if kind in {pa.string_view(), pa.binary_view()}:
        return _array(content, pa.large_string() if kind == pa.string_view() else pa.large_binary()).cast(
            kind
        )
    return _array(content, kind if is_text(kind) else pa.string())


def text_of(content: Content) -> Cells:
    """Any content as text: dates in ISO 8601, numbers in decimal."""
    if isinstance(content, Cells):
        return content
    array = write(content, pa.null())
    made = read(array.cast(pa.large_string()))
    assert isinstance(made, Cells)  # noqa: S101 - for mypy
    return made


def strings(cells: Cells) -> pa.Array:
    """Text as an array, for what Arrow computes.

    Raises:
        Invalid: It is not UTF-8.
    """
    if not cells.is_text():
        raise Invalid("a column of text has bytes in it that are not UTF-8")
    return _array(cells, pa.large_string())


def _cells(array: pa.Array) -> Cells:
    large = array.type in {pa.large_string(), pa.large_binary()}
    _, ends, data = array.buffers()
    rows = len(array)
    if not rows or ends is None:
        return Cells(np.empty(0, np.uint8), np.zeros(rows + 1, np.int64), _valid(array))
    offsets: Any = np.frombuffer(ends, np.int64 if large else np.int32)[
        array.offset : array.offset + rows + 1
    ]
    start, end = int(offsets[0]), int(offsets[-1])
    codes = np.frombuffer(data or b"", np.uint8)[start:end]
    if start:
        offsets = offsets - offsets[0]
    valid = _valid(array)
    if valid is not None and np.diff(offsets)[~valid].any():  # bytes under a null are nobody's to keep
        return Cells.of([b"" if part is None else part for part in _bytes(array)], valid)
    return Cells(codes, offsets, valid)


def _bytes(array: pa.Array) -> list[bytes | None]:
    binary = pa.large_binary() if array.type in {pa.large_string(), pa.large_binary()} else pa.binary()
    held: list[bytes | None] = array.cast(binary).to_pylist()
    return held


def _valid(array: pa.Array) -> Mask | None:
    if not array.null_count:
        return None
    first, end = array.offset, array.offset + len(array)
    held = np.frombuffer(array.buffers()[0], np.uint8)[first // 8 : (end + 7) // 8]
    bits = np.unpackbits(held, bitorder="little")[first % 8 :]
    return bits[: len(array)].astype(np.bool_)


def _array(cells: Cells, kind: pa.DataType) -> pa.Array:
    large = kind in {pa.large_string(), pa.large_binary()}
    if not large and cells.codes.size > _MOST_BYTES:
        raise Invalid(f"the result is too large for one array of {kind}: use large_string, or smaller chunks")
    if kind in {pa.string(), pa.large_string()} and not cells.is_text():
        raise Invalid("a column of text cannot hold bytes that are not UTF-8")
    offsets = cells.offsets.astype(np.int64 if large else np.int32, copy=False)
    nulls, bits = 0, None
    if cells.valid is not None:
        nulls = int(np.count_nonzero(~cells.valid))
        bits = pa.py_buffer(np.packbits(cells.valid, bitorder="little").tobytes())
    data = pa.py_buffer(np.ascontiguousarray(cells.codes))
    return pa.Array.from_buffers(
        kind, len(cells), [bits, pa.py_buffer(np.ascontiguousarray(offsets)), data], nulls
    )


def _dictionary(values: pa.Array, kind: pa.DataType) -> pa.Array:
    made = values.dictionary_encode()
    index = kind.index_type
    # int8 to int64, or their unsigned kin: the first that has room, from the given one on.
    family = [pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
    if index not in family:
        family = [pa.int8(), pa.int16(), pa.int32(), pa.int64()]
    for wider in family[family.index(index) :]:
        if len(made.dictionary) <= np.iinfo(wider.to_pandas_dtype()).max:
            return pa.DictionaryArray.from_arrays(made.indices.cast(wider), made.dictionary)
    return made
