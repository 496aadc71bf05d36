"""What carries a column: taken as it is, and given back as the same kind.

Arrow, pandas and Polars columns of text and NumPy's ``S`` arrays are read where they lie; NumPy's
``U``, object and StringDType arrays, lists, tuples and dictionaries (categoricals) are copied once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from confide.errors import Invalid
from confide.protect.columns import arrow
from confide.protect.columns.arrow import Content, Integers
from confide.protect.columns.cells import NO_ROWS, Cells, Mask, Rows, of_points, points
from confide.protect.columns.objects import is_null, read_objects, write_objects


@dataclass(frozen=True, slots=True)
class Carried:
    """A column, taken apart.

    Attributes:
        parts: What it holds; a chunked column has a part per chunk.
        build: Makes the same kind of column from as many parts of the same numbers of rows.
        holds_null: A null can stand in it.
        odd: Rows that are neither null nor what the others are; they are null in ``parts``.
    """

    parts: list[Content]
    build: Callable[[list[Content]], Any]
    holds_null: bool = True
    odd: Rows = field(default_factory=lambda: NO_ROWS)


def take(column: Any) -> Carried:
    """Take a column apart.

    Raises:
        Invalid: It is nothing that Confide knows, or a type that is no column of values.
    """
    if isinstance(column, pa.ChunkedArray):
        kind = column.type
        return Carried(
            [arrow.read(chunk) for chunk in column.chunks],
            lambda parts: _chunked([arrow.write(part, kind) for part in parts], kind),
        )
    if isinstance(column, pa.Array):
        return _one(arrow.read(column), lambda part: arrow.write(part, column.type))
    if isinstance(column, np.ndarray):
        return _take_numpy(column)
    if isinstance(column, list | tuple):
        content, odd = read_objects(column)
        give = tuple if isinstance(column, tuple) else list
        return _one(content, lambda part: give(write_objects(part)), odd=odd)
    # Who passes one of these has imported its library; it is no dependency.
    if (pandas := sys.modules.get("pandas")) and isinstance(column, pandas.Series):
        return _take_pandas(column, pandas)
    if (polars := sys.modules.get("polars")) and isinstance(column, polars.Series):
        return _take_polars(column, polars)
    raise Invalid(
        f"{type(column).__name__} is not a column: give a NumPy or Arrow array, a Series, a list or a tuple"
    )


def _one(
    content: Content, give: Callable[[Content], Any], *, holds_null: bool = True, odd: Rows = NO_ROWS
) -> Carried:
    return Carried([content], lambda parts: give(parts[0]), holds_null, odd)


def _chunked(chunks: list[pa.Array], kind: pa.DataType) -> pa.ChunkedArray:
    if not chunks:
        return pa.chunked_array([], kind)
    kinds = {chunk.type for chunk in chunks}
    if len(kinds) > 1:  # an index type grew in some of them
        widest = max(kinds, key=lambda each: each.index_type.bit_width)
        chunks = [chunk.cast(widest) for chunk in chunks]
    return pa.chunked_array(chunks)


# NumPy


def _take_numpy(column: NDArray[Any]) -> Carried:
    if column.ndim != 1:
        raise Invalid("a column has one dimension")
    kind = column.dtype.kind
    mask = np.ma.getmaskarray(column) if isinstance(column, np.ma.MaskedArray) else None
    valid: Mask | None = None if mask is None else ~mask
    plain: NDArray[Any] = np.ma.getdata(column)
    masked = mask is not None
    if kind == "O":
        values = _values(plain, mask)
        content, odd = read_objects(values, nulls=True)
        return _one(content, lambda part: _remask(_objects(part, values), part, masked=masked), odd=odd)
    if kind == "T":
        return _take_string_dtype(column, plain, mask)
    if kind in "SU":
        cells = _read_bytes(plain, valid) if kind == "S" else _read_unicode(plain, valid)
        return _one(
            cells,
            lambda part: _remask(_fixed(part, cells, plain.dtype), part, masked=masked),
            holds_null=masked,
        )
    if kind in "iu":
        numbers = plain.astype(plain.dtype.newbyteorder("="), copy=False)
        content = Integers(numbers if valid is None else np.where(valid, numbers, 0), valid)
        return _one(
            content, lambda part: _remask(_numbers(part, plain.dtype), part, masked=masked), holds_null=masked
        )
    if kind in "Mfb":
        array = arrow.read(pa.array(plain, mask=mask, from_pandas=True))  # NaN and NaT are null
        return _one(array, lambda part: _remask(_numbers(part, plain.dtype), part, masked=masked))
    raise Invalid(f"a NumPy array of {column.dtype} is neither text nor numbers nor dates")


def _take_string_dtype(column: NDArray[Any], plain: NDArray[Any], mask: Mask | None) -> Carried:
    dtype: Any = column.dtype
    nullable = hasattr(dtype, "na_object")
    values = _values(plain, mask)
    content, odd = read_objects(values, nulls=True)

    def give(part: Content) -> NDArray[Any]:
        made = write_objects(part)
        if not isinstance(part, Cells):
            return np.array(made, object)
        empty = dtype.na_object if nullable else ""
        array = np.array([empty if each is None else each for each in made], dtype=dtype)
        return _remask(array, part, masked=mask is not None)

    return _one(content, give, holds_null=nullable or mask is not None, odd=odd)


def _values(plain: NDArray[Any], mask: Mask | None) -> list[Any]:
    values: list[Any] = plain.tolist()
    for row in () if mask is None else np.flatnonzero(mask).tolist():
        values[row] = None
    return values


def _read_bytes(plain: NDArray[Any], valid: Mask | None) -> Cells:
    return Cells.of_matrix(_square(plain, np.uint8), valid)


def _read_unicode(plain: NDArray[Any], valid: Mask | None) -> Cells:
    square = _square(plain.astype(plain.dtype.newbyteorder("="), copy=False), np.uint32)
    if not square.size or square.max() < 0x80:
        return Cells.of_matrix(square.astype(np.uint8), valid)
    width = square.shape[1]
    lengths = np.where(square.any(axis=1), width - np.argmax(square[:, ::-1] != 0, axis=1), 0)
    if valid is not None:
        lengths = np.where(valid, lengths, 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return of_points(square[np.arange(width) < lengths[:, None]], offsets, valid)


def _square(plain: NDArray[Any], unit: type[np.uint8 | np.uint32]) -> NDArray[Any]:
    width = plain.dtype.itemsize // np.dtype(unit).itemsize
    return np.ascontiguousarray(plain).view(unit).reshape(len(plain), width)


def _fixed(part: Content, before: Cells, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Text as an array of fixed width: the given one where no length has changed, else the least."""
    if not isinstance(part, Cells):
        return _numbers(part, dtype)
    unicode = dtype.kind == "U"
    codes, offsets = points(part) if unicode else (part.codes, part.offsets)
    lengths = np.diff(offsets)
    unit: type[np.uint8 | np.uint32] = np.uint32 if unicode else np.uint8
    width = dtype.itemsize // np.dtype(unit).itemsize
    if part.offsets is not before.offsets and not np.array_equal(part.lengths, before.lengths):
        width = max(int(lengths.max(initial=0)), 1)
    if codes.size == len(part) * width:
        made = np.ascontiguousarray(codes.reshape(len(part), width))
    else:
        made = np.zeros((len(part), width), unit)
        made[np.arange(width) < lengths[:, None]] = codes
    native = (
        made.view(f"{dtype.kind}{max(width, 1)}").reshape(len(part)) if width else np.zeros(len(part), dtype)
    )
    return native.astype(native.dtype.newbyteorder(dtype.byteorder), copy=False)


def _numbers(part: Content, dtype: np.dtype[Any]) -> NDArray[Any]:
    if isinstance(part, Integers):
        return part.numbers.astype(dtype, copy=False)
    if isinstance(part, Cells):
        if dtype.kind == "f" and not part.rows.size:
            return np.full(len(part), np.nan, dtype)
        return np.array(write_objects(part), object)
    made: NDArray[Any] = part.to_numpy(zero_copy_only=False)
    return made.astype(dtype, copy=False) if dtype.kind in "Mfb" else made


def _objects(part: Content, before: Sequence[Any]) -> NDArray[Any]:
    """Text or numbers as objects; a null stays the object that it was."""
    made = np.empty(len(part), object)
    made[:] = [
        old if new is None and is_null(old) else new
        for new, old in zip(write_objects(part), before, strict=True)
    ]
    return made


def _remask(made: NDArray[Any], part: Content, *, masked: bool) -> NDArray[Any]:
    if not masked:
        return made
    valid = (
        part.valid if isinstance(part, Cells | Integers) else part.is_valid().to_numpy(zero_copy_only=False)
    )
    return np.ma.MaskedArray(made, mask=False if valid is None else ~valid)


# pandas and Polars


def _take_pandas(column: Any, pandas: Any) -> Carried:
    dtype = column.dtype

    def series(values: Any) -> Any:
        return pandas.Series(values, index=column.index, name=column.name)

    if isinstance(dtype, np.dtype):
        carried = _take_numpy(column.to_numpy())

        def rebuild(parts: list[Content]) -> Any:
            made = carried.build(parts)
            if dtype.kind == made.dtype.kind == "O":
                return pandas.Series(made, index=column.index, name=column.name, dtype=object)
            return series(made)

        return Carried(carried.parts, rebuild, carried.holds_null, carried.odd)
    categorical = isinstance(dtype, pandas.CategoricalDtype)
    if categorical and not len(dtype.categories):
        return _one(arrow.read(pa.nulls(len(column))), lambda _part: column.copy())
    array = pa.array(column.array, from_pandas=True)
    carried = take(array)

    def build(parts: list[Content]) -> Any:
        made = carried.build(parts)
        if categorical:
            return series(pandas.Categorical(made.to_pandas().astype(dtype.categories.dtype)))
        if hasattr(dtype, "__from_arrow__") and made.type == array.type:
            return series(dtype.__from_arrow__(made))
        return series(made.to_pandas().array)

    return Carried(carried.parts, build, carried.holds_null, carried.odd)


def _take_polars(column: Any, polars: Any) -> Carried:
    if isinstance(column.dtype, polars.Enum):
        raise Invalid("an Enum lists its values in its type; cast it to String first")
    array = column.to_arrow()
    carried = take(array)

    def build(parts: list[Content]) -> Any:
        made = carried.build(parts)
        if isinstance(made, pa.DictionaryArray):
            return polars.Series(column.name, made.dictionary_decode()).cast(column.dtype)
        return polars.Series(column.name, made)

    return Carried(carried.parts, build, carried.holds_null, carried.odd)
