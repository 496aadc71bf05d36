"""Exported resources as Parquet: one type a file, the resource as JSON and its plain values as columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from confide.fhir import json, tables
from confide.fhir.json import Number
from confide.protect.exports.exporter import Exported
from confide.protect.exports.ndjson import Sink

ROWS_PER_GROUP: Final = 20_000
BYTES_PER_GROUP: Final = 64 << 20

Column = tuple[str, pa.DataType, Callable[[Any], Any]]
"""Name, type, and what makes its value of the resource's member (None where there is none)."""

_TIMES = frozenset({"date", "dateTime", "instant"})
_QUANTITIES = frozenset(
    {"Quantity", "SimpleQuantity", "Age", "Count", "Distance", "Duration", "MoneyQuantity"}
)
_SIMPLE: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "positiveInt": pa.int32(),
    "unsignedInt": pa.int32(),
    "decimal": pa.float64(),
}
_SECONDS = re.compile(r"(:\d\d)(\.\d+)?(?=Z|[+-])")
_SKIPPED = frozenset({"id", "meta", "implicitRules", "language", "text", "contained", "extension"})


class ParquetWriter:
    """Writes the resources of one type in groups of rows, from the first byte to the last without seeking.

    Columns: ``id``, ``patient`` (handles), ``resource`` (the whole as JSON), and of the members at the top:

    - numbers, truth values, codes and texts as they are (decimals as floats; the JSON has their digits);
    - of a date ``x`` the day where it has one, ``x_year``, and ``x_time`` (UTC) where it has a time of day;
    - of a code with its system ``x_system``, ``x_code`` and ``x_display``: the first coding of the first;
    - of a quantity ``x_value``, ``x_unit`` and ``x_code``; of a period ``x_start`` and ``x_end``, as dates;
    - of a reference the text of the first.
    """

    suffix = ".parquet"

    def __init__(self, sink: Sink, type: str) -> None:
        self.type = type
        self.rows = 0
        self._columns = columns(type)
        self.schema = pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("patient", pa.string()),
                pa.field("resource", pa.string(), nullable=False),
                *(pa.field(name, kind) for _, (name, kind, _) in self._columns),
            ]
        )
        self._sink = pa.PythonFile(_Forward(sink), mode="w")
        self._writer = pq.ParquetWriter(self._sink, self.schema, compression="zstd")
        self._waiting: list[tuple[Any, ...]] = []
        self._bytes = 0

    def write(self, exported: Exported) -> None:
        """Append one resource of this writer's type."""
        resource = exported.resource
        body = json.format(resource).decode()
        self._waiting.append(
            (
                exported.id,
                exported.patient or None,
                body,
                *(_value(make, resource.get(key)) for key, (_, _, make) in self._columns),
            )
        )
        self.rows += 1
        self._bytes += len(body)
        if len(self._waiting) >= ROWS_PER_GROUP or self._bytes >= BYTES_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(zip(*self._waiting, strict=True), self.schema, strict=True)
            ]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
            self._waiting.clear()
            self._bytes = 0

    def close(self) -> None:
        """Write what is left and the footer; the sink stays open, it is the caller's."""
        self._flush()
        self._writer.close()


class _Forward:
    """A file object that can only be appended to; Arrow asks where it is, and that it is open."""

    closed = False

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._at = 0

    def write(self, data: Any) -> int:
        block = bytes(data)
        self._sink.write(block)
        self._at += len(block)
        return len(block)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """The sink flushes when its owner closes it."""

    def close(self) -> None:
        """The sink is closed by its owner."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


@cache
def columns(type: str) -> tuple[tuple[str, Column], ...]:
    """Return (the member, the column) for each column that a type has beside id, patient and resource."""
    found: list[tuple[str, Column]] = []
    taken = {"id", "patient", "resource"}
    for key, d in tables.TYPES[type].elements.items():
        if key in _SKIPPED:
            continue
        for column in _columns(key, d):
            # The column "patient" is the handle of the person whose it is.
            name = f"{column[0]}_" if column[0] in taken else column[0]
            taken.add(name)
            found.append((key, (name, *column[1:])))
    return tuple(found)


def _columns(key: str, d: tables.ElementDef) -> list[Column]:
    if d.type in _TIMES:
        return [] if d.many else _dates(key, lambda text: text)
    if d.primitive:
        return [] if d.many else [(key, _SIMPLE.get(d.type, pa.string()), _plain(d.type))]
    if d.type in {"Coding", "CodeableConcept"}:
        parts = ("system", "code", "display")
        return [(f"{key}_{part}", pa.string(), _in(_coding, part)) for part in parts]
    if d.type in _QUANTITIES:
        return [
            (f"{key}_value", pa.float64(), _in(_first, "value", _float)),
            (f"{key}_unit", pa.string(), _in(_first, "unit")),
            (f"{key}_code", pa.string(), _in(_first, "code")),
        ]
    if d.type == "Period":
        return [c for end in ("start", "end") for c in _dates(f"{key}_{end}", _in(_first, end))]
    if d.type == "Reference":
        return [(key, pa.string(), _in(_first, "reference"))]
    return []


def _dates(name: str, text: Callable[[Any], Any]) -> list[Column]:
    return [
        (name, pa.date32(), lambda member: _day(text(member))),
        (f"{name}_year", pa.int16(), lambda member: _year(text(member))),
        (f"{name}_time", pa.timestamp("us", "UTC"), lambda member: _time(text(member))),
    ]


def _value(make: Callable[[Any], Any], member: Any) -> Any:
    return None if member is None else make(member)


def _first(member: Any) -> Any:
    return member[0] if isinstance(member, list) else member


def _coding(member: Any) -> Any:
    one = _first(member)
    return one["coding"][0] if "coding" in one else one


def _in(
    where: Callable[[Any], Any], key: str, make: Callable[[Any], Any] = lambda value: value
) -> Callable[[Any], Any]:
    def value(member: Any) -> Any:
        found = where(member).get(key)
        return None if found is None else make(found)

    return value


def _plain(type: str) -> Callable[[Any], Any]:
    return _float if type == "decimal" else lambda value: value


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float | Number) else None


def _day(text: Any) -> date | None:
    return date.fromisoformat(text[:10]) if isinstance(text, str) and len(text) >= 10 else None


def _year(text: Any) -> int | None:
    return int(text[:4]) if isinstance(text, str) else None


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str) or "T" not in text:
        return None
    seconds, fraction = _SECONDS.search(text, 16).groups()  # type: ignore[union-attr]
    # A leap second is the last one of its minute to the calendar; digits below a microsecond go.
    second = ":59" if seconds == ":60" else seconds
    return datetime.fromisoformat(_SECONDS.sub(second + (fraction or "")[:7], text, count=1))
