"""What is done to one column of a DataFrame, checked before any job runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import types

from confide.errors import ConfideError, Invalid
from confide.protect.columns.column import protect, reveal
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.columns.kinds import (
    ColumnElement,
    Malformed,
    Method,
    element_of,
    malformed_of,
    method_of,
)

# What may be protected or revealed, as Spark calls it and as Arrow does. Other columns may be anything.
_TYPES: Final[Mapping[pa.DataType, type[types.DataType]]] = {
    pa.string(): types.StringType,
    pa.binary(): types.BinaryType,
    pa.bool_(): types.BooleanType,
    pa.int8(): types.ByteType,
    pa.int16(): types.ShortType,
    pa.int32(): types.IntegerType,
    pa.int64(): types.LongType,
    pa.float32(): types.FloatType,
    pa.float64(): types.DoubleType,
    pa.date32(): types.DateType,
    pa.timestamp("us", tz="UTC"): types.TimestampType,
    pa.timestamp("us"): types.TimestampNTZType,
}
_LIMIT: Final = "__CHAR_VARCHAR_TYPE_STRING"
"""Where Spark notes that a text comes from a VARCHAR: a sealed cell is longer than that allows."""


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """How one column is protected, where its element's usual way does not fit. ``reveal`` takes the same.

    Attributes:
        element: What it holds.
        method: The catalogue's when absent.
        alphabet: The characters of an identifier, or an alphabet's name; the element's own when absent.
        malformed: What becomes of values that are none of the element; as for the whole call when absent.
        tweaks: The name of a column beside it: equal values beside different ones there have unrelated
            stand-ins.
        as_type: What ``reveal`` reads sealed dates and numbers as, such as ``date32``; text when absent.
    """

    element: ColumnElement | str
    method: Method | str | None = None
    alphabet: str | None = None
    malformed: Malformed | str | None = None
    tweaks: str | None = None
    as_type: str | None = None


Columns = Mapping[str, ColumnElement | str | ColumnRule]


@dataclass(frozen=True, slots=True)
class Step:
    """What is done to one column.

    Attributes:
        forward: Whether it is protected, not revealed.
        column: Its name, for errors.
        position: Its place in the frame, from 0.
        element: What it holds.
        options: As ``columns.protect`` and ``columns.reveal`` take them.
        beside: The place of the column of tweaks.
    """

    forward: bool
    column: str
    position: int
    element: ColumnElement
    options: Mapping[str, Any]
    beside: int | None

    def run(self, batch: pa.RecordBatch, keyring: ColumnKeyring) -> pa.Array:
        """Protect or reveal some rows.

        Raises:
            ConfideError: As ``columns.protect`` and ``columns.reveal``.
        """
        tweaks = None if self.beside is None else batch.column(self.beside)
        function = protect if self.forward else reveal
        made: pa.Array = function(
            batch.column(self.position), self.element, keyring, tweaks=tweaks, **self.options
        )
        return made

    def field(self, was: types.StructField) -> types.StructField:
        """The column in the schema of what comes out.

        Raises:
            Invalid: The column's type does not fit.
        """
        given = next((arrow for arrow, kind in _TYPES.items() if type(was.dataType) is kind), None)
        if isinstance(was.dataType, types.DecimalType):
            given = pa.decimal128(was.dataType.precision, was.dataType.scale)
        if given is None:
            raise Invalid(f"column {self.column!r} is {was.dataType.simpleString()}, not one value per row")
        # No value decides what type comes out, so no row gives the answer.
        options = {name: option for name, option in self.options.items() if name != "version"}
        function = protect if self.forward else reveal
        try:
            made = function(pa.array([], given), self.element, ColumnKeyring.random(), **options).type
        except ConfideError as error:
            reason = str(error)
        else:
            kind = was.dataType if made == given else _spark_type(made)
            nullable = was.nullable or self.options["malformed"] is Malformed.NULL
            metadata = {name: noted for name, noted in was.metadata.items() if name != _LIMIT}
            return types.StructField(was.name, kind, nullable, metadata)
        raise Invalid(f"column {self.column!r}: {reason}")


def steps(
    names: list[str],
    columns: Columns,
    malformed: Malformed | str,
    version: int | None,
    today: date | None,
    *,
    forward: bool,
) -> tuple[Step, ...]:
    """Read the rules for a frame whose columns have these *names*.

    Raises:
        Invalid: There is no such column, element, method or choice.
    """
    made = []
    for name, wanted in columns.items():
        rule = wanted if isinstance(wanted, ColumnRule) else ColumnRule(wanted)
        element = element_of(rule.element)
        choice = malformed_of(malformed if rule.malformed is None else rule.malformed)
        if choice is Malformed.SEAL and not forward:
            choice = Malformed.REFUSE  # what was malformed then is a seal now, and opens
        options: dict[str, Any] = {
            "malformed": choice,
            "method": method_of(element, rule.method),
            "alphabet": rule.alphabet,
            "version": version,
        }
        if forward:
            options["today"] = today
        else:
            options["as_type"] = rule.as_type
        if rule.tweaks in columns:
            raise Invalid(f"column {rule.tweaks!r} cannot be changed and be the tweaks of {name!r}")
        beside = None if rule.tweaks is None else _position(rule.tweaks, names)
        made.append(Step(forward, name, _position(name, names), element, options, beside))
    if not made:
        raise Invalid("name at least one column")
    return tuple(made)


def _position(name: str, names: list[str]) -> int:
    if names.count(name) != 1:
        which = "more than one column" if name in names else "no column"
        raise Invalid(f"there is {which} {name!r} (there are: {', '.join(names)})")
    return names.index(name)


def _spark_type(arrow: pa.DataType) -> types.DataType:
    if pa.types.is_decimal(arrow):
        return types.DecimalType(arrow.precision, arrow.scale)
    return _TYPES.get(arrow, types.StringType)()
