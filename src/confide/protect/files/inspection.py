"""What is in a file: each column judged by a sample of the whole file. Never a value comes out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from confide.errors import BrokenRow, Invalid
from confide.protect.columns.kinds import ColumnElement
from confide.protect.files import crowd, shapes
from confide.protect.files.crowd import Crowd
from confide.protect.files.judge import Evidence, Finding, judge
from confide.protect.files.plan import reading
from confide.protect.files.recipe import Recipe
from confide.protect.files.sheets import as_text, fits_text, open_sheet
from confide.protect.files.source import Source

SAMPLE: Final = 12_000
"""Rows that are looked at, from all over the file."""
_UNITS: Final = 12


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in a file.

    Attributes:
        columns: What each column seems to hold, in order.
        rows: How many rows were looked at.
        before: What groups the columns make that help to tell who somebody is.
        after: What groups they make once the proposal is carried out.
    """

    columns: dict[str, Finding]
    rows: int
    before: list[Crowd]
    after: list[Crowd]

    @property
    def recipe(self) -> Recipe:
        """The proposal."""
        return Recipe({name: found.treatment for name, found in self.columns.items()})


def inspect(source: Source, now: datetime | None = None) -> Inspection:
    """Look at a file.

    Args:
        source: The file.
        now: Aware; to tell birth dates from others. The clock's when absent.

    Raises:
        BrokenRow: A row cannot be read.
        Invalid: The first line is no header.
    """
    check_header(source)
    findings, rows, broken = _judge(source, source.names, now)
    if broken:
        raise Invalid(f"{source.path}: a row {broken} (confide protect tells which one)")
    quasi = tuple(name for name, found in findings.items() if found.quasi)
    telling = {ColumnElement.BIRTH_DATE, ColumnElement.ZIP}
    with_dates = tuple(
        name for name, found in findings.items() if found.quasi or found.treatment.element in telling
    )
    sets = [each for each in dict.fromkeys((with_dates, quasi)) if each]
    counted = {each.columns: each for each in crowd.count(source, sets)}
    before = [counted[with_dates]] if with_dates and with_dates != quasi else []
    after = [counted[quasi]] if quasi else []
    return Inspection(findings, rows, before, after)


def identifying(source: Source, names: Sequence[str]) -> dict[str, str]:
    """Those of some columns that seem to tell who somebody is, and what they seem to hold.

    Raises:
        BrokenRow: A row cannot be read.
        Invalid: The first line is no header.
    """
    check_header(source)
    findings, _, _ = _judge(source, names, None)  # a row that cannot be read is told by the run itself
    return {name: found.what for name, found in findings.items() if found.identifies}


def check_header(source: Source) -> None:
    """Refuse a file whose first line is data: its names would be values, and would be told.

    Raises:
        Invalid: A name of a column looks like a value.
    """
    tests = (
        shapes.finds_identifier,
        shapes.is_nine_digits,
        shapes.is_card,
        shapes.is_phone_bare,
    )
    values = [name for name in source.names if any(test(name.strip()) for test in tests)]
    if source.form.delimited and values:
        raise Invalid(f"the first line of {source.path} looks like data (the first line names the columns)")


def _judge(
    source: Source, names: Sequence[str], now: datetime | None
) -> tuple[dict[str, Finding], int, str]:  # fmt: skip
    year = (now or datetime.now(UTC)).year
    sample = _sample(source, names)
    findings = {
        name: judge(Evidence(name, texts, year, name in sample.nested))
        for name, texts in sample.texts.items()
    }
    return findings, sample.rows, sample.broken


@dataclass(slots=True)
class _Sample:
    """Rows from all over a file.

    Attributes:
        texts: By column, without nulls and empty ones.
        nested: Columns of lists or objects.
        rows: How many rows were looked at.
        broken: What is wrong with a row of which nobody knows which one it is.
    """

    texts: dict[str, list[str]]
    nested: set[str] = field(default_factory=set)
    rows: int = 0
    broken: str = ""


def _sample(source: Source, names: Iterable[str]) -> _Sample:
    sample = _Sample({name: [] for name in names})
    if not sample.texts:
        return sample
    how, rows = reading(source), 0
    for at, unit in enumerate(source.units(source.size // _UNITS)):
        try:
            sheet = open_sheet(unit.content, how)
        except BrokenRow as problem:
            if unit.number == at:
                raise BrokenRow(rows + problem.row, problem.reason) from None
            sample.broken = problem.reason
            continue
        for name, texts in sample.texts.items():
            column = sheet.column(name)
            if not fits_text(column.type):
                sample.nested.add(name)
            texts.extend(_texts(column))
        rows += len(sheet)
        sample.rows += len(_places(len(sheet)))
    sample.nested |= getattr(source, "nested", frozenset()) & sample.texts.keys()
    return sample


def _places(rows: int) -> range:
    """Which rows of a unit are looked at."""
    return range(0, rows, max(1, -(-rows * _UNITS // SAMPLE)))


def _texts(column: pa.Array) -> list[str]:
    """The texts of some rows, evenly taken, without nulls and empty ones."""
    taken = column.take(pa.array(_places(len(column)), pa.int64()))
    taken = taken.filter(pc.is_valid(taken))
    texts: list[str] = []
    if fits_text(taken.type):
        texts = as_text(taken).to_pylist()
    else:
        texts = [_json(value) for value in taken.to_pylist()]
    return [text for each in texts if (text := each.strip())]


def _json(value: Any) -> str:
    return json.dumps(value, default=lambda each: "" if isinstance(each, bytes) else str(each))
