"""What each method does to a part of a column; malformed rows are told, not yet settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from confide.errors import Invalid
from confide.protect.columns import arrow, classes, names, seals
from confide.protect.columns.arrow import Content, Integers
from confide.protect.columns.cells import NO_ROWS, Cells, Rows
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.columns.kinds import KINDS, Check, ColumnElement, Method, Writing, writing
from confide.protect.columns.seals import CellSeals
from confide.protect.columns.standins import StandIns, Tweaks

Done = tuple[Content, Rows]
"""What a part became, and its malformed rows; what stands in these is of no use."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a column is worked on with.

    Attributes:
        element: What it holds.
        method: How it is protected.
        alphabet: For FF1, where it is not the element's own.
        keyring: None where the column is only judged.
        version: Of the keyring.
        asked: The version that the caller named, if any: only its seals open then.
        threads: How many cores to use.
        today: Who is 90 by now.
        as_type: What revealed text is read as.
    """

    element: ColumnElement
    method: Method
    alphabet: str | None = None
    keyring: ColumnKeyring | None = None
    version: int = 0
    asked: int | None = None
    threads: int = 1
    today: date = date.max
    as_type: pa.DataType | None = None

    @property
    def label(self) -> str:
        return KINDS[self.element].label

    @property
    def asks(self) -> str:
        """What a well-formed value is, for people."""
        if self.method is not Method.FF1:
            return self.label
        return f"{self.label}: {writing(self.element, self.alphabet).domain}"

    def seal(self, cells: Cells) -> Cells:
        """Seal what is not null; where there is no keyring, nothing is done."""
        if self.keyring is None:
            return cells
        return CellSeals(self.keyring, self.element).seal(cells, self.version)

    def open(self, cells: Cells, names: Rows) -> Cells:
        """Open sealed cells."""
        if self.keyring is None:
            return cells
        return CellSeals(self.keyring, self.element).open(cells, names, self.asked)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a column that lie together.

    Attributes:
        content: What they hold.
        base: The row number of the first one.
        tweaks: 16 bytes per row, where they have tweaks of their own.
    """

    content: Content
    base: int = 0
    tweaks: NDArray[np.uint8] | None = None


class Format:
    """Stand-ins by FF1."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._writing: Writing = writing(terms.element, terms.alphabet)

    def protect(self, part: Part) -> Done:
        content, stand_ins = part.content, self._stand_ins(part)
        if isinstance(content, Cells):
            return stand_ins.protect(content)
        numbers, bad = stand_ins.protect_numbers(self._numbers(content), content.valid)
        return Integers(numbers, content.valid), bad

    def reveal(self, part: Part) -> Done:
        content, stand_ins = part.content, self._stand_ins(part)
        if not isinstance(content, Cells):
            numbers, bad = stand_ins.reveal_numbers(self._numbers(content), content.valid)
            return Integers(numbers, content.valid), bad
        sealed = seals.find(content)
        opened = self._terms.open(content.pick(sealed), sealed + part.base)
        made, bad = stand_ins.reveal(content.blank(sealed))
        return made.put(sealed, opened), bad

    def _stand_ins(self, part: Part) -> StandIns:
        terms = self._terms
        if terms.keyring is None:
            return StandIns(self._writing, None)
        tweaks: Tweaks | None = part.tweaks
        if tweaks is None:
            tweaks = terms.keyring.tweak(terms.element, terms.version)
        return StandIns(self._writing, terms.keyring.ff1(terms.version), tweaks, terms.threads)

    def _numbers(self, content: Content) -> NDArray[Any]:
        label = self._terms.label
        if not isinstance(content, Integers):
            stated = getattr(content, "type", "text")
            hint = " (in pandas, whole numbers with nulls are Int64)" if stated == "double" else ""
            raise Invalid(f"{label}: FF1 takes text or whole numbers, not a column of {stated}{hint}")
        kind = KINDS[self._terms.element]
        if not kind.fixed:
            raise Invalid(f"{label}: numbers have lost their leading zeros; read the column as text")
        most = (3 if kind.check is Check.NPI else 10) * 10 ** (kind.most - 1) - 1
        if np.iinfo(content.numbers.dtype).max < most:
            raise Invalid(f"{label}: {kind.most} digits do not fit in a column of {content.numbers.dtype}")
        numbers: NDArray[Any] = content.numbers
        return numbers


class Sealing:
    """Every value sealed."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    def protect(self, part: Part) -> Done:
        return self._terms.seal(arrow.text_of(part.content)), NO_ROWS

    def reveal(self, part: Part) -> Done:
        cells = part.content
        if not isinstance(cells, Cells):
            raise Invalid(f"{self._terms.label}: sealed cells are text, so this column holds none")
        sealed = np.zeros(len(cells), np.bool_)
        sealed[seals.find(cells)] = True
        bad = cells.rows[~sealed[cells.rows]]
        made = self._terms.open(cells.blank(bad), np.arange(part.base, part.base + len(cells)))
        return (made if self._terms.as_type is None else self._read(made)), bad

    def _read(self, cells: Cells) -> Content:
        try:
            return arrow.read(arrow.strings(cells).cast(self._terms.as_type))
        except pa.ArrowException:
            pass  # the error of Arrow would repeat the text
        raise Invalid(f"{self._terms.label}: the revealed text is not a column of {self._terms.as_type}")


class Naming:
    """Names to pseudonyms."""

    def __init__(self, terms: Terms) -> None:
        self._key = bytes(32) if terms.keyring is None else terms.keyring.pseudonym(terms.version)
        self._label = terms.label

    def protect(self, part: Part) -> Done:
        if not isinstance(part.content, Cells):
            raise Invalid(f"{self._label}: a pseudonym takes text")
        made, bad = names.pseudonyms(arrow.strings(part.content), self._key)
        return arrow.read(made), bad


class Classing:
    """Dates to years, ZIP codes to three digits."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    def protect(self, part: Part) -> Done:
        content, terms = part.content, self._terms
        is_zip = terms.element is ColumnElement.ZIP
        if isinstance(content, Cells):
            text = arrow.strings(content)
            made, bad = classes.zip3(text) if is_zip else classes.years(text, terms.today)
            return arrow.read(made), bad
        if isinstance(content, Integers):
            raise Invalid(f"{terms.label}: numbers have lost their leading zeros; read the column as text")
        if is_zip or not (pa.types.is_date(content.type) or pa.types.is_timestamp(content.type)):
            raise Invalid(f"{terms.label}: a column of {content.type} cannot be generalised")
        return classes.new_years(content, terms.today), NO_ROWS


def protecting(terms: Terms) -> Callable[[Part], Done]:
    """What protects a part of a column.

    Raises:
        Invalid: The alphabet does not fit the element, or is given for another method than FF1.
    """
    if terms.method is not Method.FF1 and terms.alphabet is not None:
        raise Invalid("an alphabet is for FF1 only")
    if terms.method is Method.FF1:
        return Format(terms).protect
    if terms.method is Method.PSEUDONYM:
        return Naming(terms).protect
    if terms.method is Method.GENERALISE:
        return Classing(terms).protect
    return Sealing(terms).protect


def revealing(terms: Terms) -> Callable[[Part], Done]:
    """What undoes it.

    Raises:
        Invalid: As for :func:`protecting`; or the method has no way back.
    """
    protecting(terms)
    if terms.method in {Method.PSEUDONYM, Method.GENERALISE}:
        raise Invalid(f"the method {terms.method} has no way back: what it took away is gone")
    return Format(terms).reveal if terms.method is Method.FF1 else Sealing(terms).reveal
