"""How many people share what a file says of them: the sizes of groups that some columns make.

Source:
    L. Sweeney, "k-anonymity", 2002. Groups of fewer than 11 are small: CMS cell size suppression policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from confide.errors import BrokenRow
from confide.protect.files.plan import reading
from confide.protect.files.sheets import as_text, open_sheet
from confide.protect.files.source import Source

MOST_ROWS: Final = 2_000_000
SMALL: Final = 11


@dataclass(frozen=True, slots=True)
class Crowd:
    """The groups that some columns make.

    Attributes:
        columns: Which.
        rows: How many rows were counted.
        groups: How many groups there are.
        smallest: The size of the smallest: the k of k-anonymity.
        alone: How many rows are the only one of their group.
        few: How many rows are in a group of fewer than 11.
    """

    columns: tuple[str, ...]
    rows: int
    groups: int
    smallest: int
    alone: int
    few: int


def count(source: Source, sets: Sequence[tuple[str, ...]], most: int = MOST_ROWS) -> list[Crowd]:
    """Count the groups that each set of columns makes, over the first *most* rows.

    Raises:
        BrokenRow: A row cannot be read.
    """
    names = sorted({name for each in sets for name in each})
    if not names:
        return []
    how = reading(source)
    codes: dict[tuple[str, ...], list[NDArray[np.uint64]]] = {each: [] for each in sets}
    rows = 0
    for unit in source.units():
        try:
            sheet = open_sheet(unit.content, how)
        except BrokenRow as problem:
            raise BrokenRow(rows + problem.row, problem.reason) from None
        marks = {name: _marks(sheet.column(name)) for name in names}
        for each, parts in codes.items():
            parts.append(_mix([marks[name] for name in each]))
        rows += len(sheet)
        if rows >= most:
            break
    nothing = np.empty(0, np.uint64)
    return [_crowd(each, np.concatenate([nothing, *parts])) for each, parts in codes.items()]


def _marks(column: pa.Array) -> NDArray[np.uint64]:
    """A number for each value, the same for equal ones. Python's own hash is keyed afresh in each process."""
    coded = as_text(column).dictionary_encode(null_encoding="encode")
    numbers = np.array([hash(value) for value in coded.dictionary.to_pylist()], np.int64)
    made: NDArray[np.uint64] = numbers.view(np.uint64)[coded.indices.to_numpy()]
    return made


def _mix(marks: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    mixed: Any = np.zeros_like(marks[0])
    for each in marks:
        mixed = (mixed ^ each) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return np.asarray(mixed, np.uint64)


def _crowd(columns: tuple[str, ...], marks: NDArray[np.uint64]) -> Crowd:
    if not marks.size:
        return Crowd(columns, 0, 0, 0, 0, 0)
    _, sizes = np.unique(marks, return_counts=True)
    few = int(sizes[sizes < SMALL].sum())
    alone = int(np.count_nonzero(sizes == 1))
    return Crowd(columns, marks.size, sizes.size, int(sizes.min()), alone, few)
