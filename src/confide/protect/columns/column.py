"""Protect and reveal one column: take it apart, work on what it holds, give back the same kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from confide.errors import Invalid, MalformedColumn
from confide.protect.columns import arrow, carriers, kinds
from confide.protect.columns.arrow import Content, Integers
from confide.protect.columns.carriers import Carried
from confide.protect.columns.cells import Cells, Rows
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.columns.kinds import ColumnElement, Malformed, Method
from confide.protect.columns.tweaks import row_tweaks
from confide.protect.columns.work import Done, Part, Terms, protecting, revealing


def protect(
    column: Any,
    element: ColumnElement | str,
    keyring: ColumnKeyring,
    *,
    malformed: Malformed | str = Malformed.REFUSE,
    method: Method | str | None = None,
    alphabet: str | None = None,
    tweaks: Any = None,
    version: int | None = None,
    threads: int = 1,
    today: date | None = None,
) -> Any:
    """Protect a column.

    Equal values of one element have equal stand-ins under one keyring and version, in whatever column,
    so that tables can be joined; under another keyring they are unrelated. Separators and nulls stay
    where they were. FF1 has no integrity: an edited stand-in, another keyring or another version reveals
    as another value, without an error; a seal does not open then.

    A value of an FF1 element is written in digits (SSN, phone, card, NPI) or in digits and capital letters
    (the others), with separators among them; anything else in it makes it malformed, as do too few
    characters. Name an *alphabet* for a column that is written otherwise: "10" keeps a column of digits one
    of digits, "62" takes small letters too.

    Args:
        column: A NumPy or Arrow array, a ChunkedArray, a pandas or Polars Series, a list or a tuple.
        element: What it holds.
        keyring: Its keys.
        malformed: What becomes of values that are not what the element asks for: ``refuse`` the whole
            column, make them ``null``, or ``seal`` them (where text can stand). For a NumPy array that
            cannot hold nulls, ``null`` refuses too.
        method: Another one than the element's own.
        alphabet: For FF1, a name ("10", "36U", "36L", "62") or the characters, where it is not the
            element's own; ``reveal`` must be given the same.
        tweaks: For FF1, a column beside it, of text, bytes or whole numbers (such as a person's id): equal
            values beside different ones then have unrelated stand-ins. ``reveal`` needs it again.
        version: Of the keyring; the current one when absent.
        threads: How many cores to use for FF1.
        today: For ``generalise``: who is 90 by now. The clock's day, UTC, when absent.

    Returns:
        The same kind of column: type, length, name and index. A sealed cell is text, so a column of dates
        or numbers becomes one of text, and a fixed-width one becomes wider.

    Raises:
        MalformedColumn: Values are malformed; ``rows`` are their row numbers. Nothing is given back.
        KeyUnavailable: The keyring has no such version.
        Invalid: The column, the element, the method or the alphabet do not go together.
    """
    terms = _terms(element, keyring, method, alphabet, version, threads, today=today)
    choice = kinds.malformed_of(malformed)
    carried = carriers.take(column)
    if terms.method is Method.KEEP:
        return column
    return _each(carried, terms, choice, row_tweaks(tweaks, carried, terms), protecting(terms))


def reveal(
    column: Any,
    element: ColumnElement | str,
    keyring: ColumnKeyring,
    *,
    malformed: Malformed | str = Malformed.REFUSE,
    method: Method | str | None = None,
    alphabet: str | None = None,
    tweaks: Any = None,
    version: int | None = None,
    threads: int = 1,
    as_type: Any = None,
) -> Any:
    """Undo :func:`protect`. Sealed cells are opened wherever they stand.

    Args:
        column: What ``protect`` gave, in any kind of column.
        element: As it was given to ``protect``.
        keyring: As it was given to ``protect``.
        malformed: ``refuse`` or ``null``: what becomes of values that ``protect`` never gives.
        method: As it was given to ``protect``.
        alphabet: As it was given to ``protect``.
        tweaks: As it was given to ``protect``.
        version: Of the keyring when the column was protected; the current one when absent. A seal says
            its version itself, and opens only under this one if one is asked for.
        threads: How many cores to use for FF1.
        as_type: For sealed dates and numbers: the Arrow type to read the text as, such as ``"date32"`` or
            ``pyarrow.timestamp("us")``; text when absent.

    Returns:
        The same kind of column.

    Raises:
        MalformedColumn: A value is no stand-in and no seal; ``rows`` are the row numbers.
        SealBroken: A seal is of another keyring, element or version, or was edited.
        KeyUnavailable: The keyring has no such version.
        Invalid: As for ``protect``; or the method has no way back (generalise, pseudonym).
    """
    terms = _terms(element, keyring, method, alphabet, version, threads, as_type=as_type)
    choice = kinds.malformed_of(malformed)
    if choice is Malformed.SEAL:
        raise Invalid("reveal does not seal: malformed values are refused or made null")
    run = revealing(terms)
    carried = carriers.take(column)
    if terms.method is Method.KEEP:
        return column
    return _each(carried, terms, choice, row_tweaks(tweaks, carried, terms), run)


def find_malformed(
    column: Any,
    element: ColumnElement | str,
    *,
    method: Method | str | None = None,
    alphabet: str | None = None,
) -> list[int]:
    """The rows, counted from 0, that :func:`protect` would refuse, make null or seal. No key is needed.

    Raises:
        Invalid: The column, the element, the method or the alphabet do not go together.
    """
    known = kinds.element_of(element)
    terms = Terms(known, kinds.method_of(known, method), alphabet)
    carried = carriers.take(column)
    if terms.method is Method.KEEP:
        return [int(row) for row in carried.odd]
    run, found, base = protecting(terms), [carried.odd], 0
    for part in carried.parts:
        found.append(base + run(Part(part, base))[1])
        base += len(part)
    return [int(row) for row in np.unique(np.concatenate(found))]


def _terms(
    element: str,
    keyring: Any,
    method: str | None,
    alphabet: str | None,
    version: Any,
    threads: Any,
    *,
    today: Any = None,
    as_type: Any = None,
) -> Terms:
    known = kinds.element_of(element)
    chosen = kinds.method_of(known, method)
    if as_type is not None:
        if chosen is not Method.SEAL:
            raise Invalid("as_type is for sealed columns only")
        as_type = _arrow_type(as_type)
    if not isinstance(threads, int) or threads < 1:
        raise Invalid("threads is a whole number of at least 1")
    if not isinstance(today, date | None) or not isinstance(version, int | None):
        raise Invalid("today is a date, and version a whole number")
    if not isinstance(keyring, ColumnKeyring):
        raise Invalid("columns take a column keyring (ColumnKeyring.open), and no other key")
    keyring.ff1(version)  # is there such a version?
    day = today or datetime.now(UTC).date()
    used = keyring.version if version is None else version
    return Terms(known, chosen, alphabet, keyring, used, version, threads, day, as_type)


def _arrow_type(name: Any) -> pa.DataType:
    try:
        return name if isinstance(name, pa.DataType) else pa.type_for_alias(str(name))
    except ValueError:
        raise Invalid("as_type is an Arrow type or the name of one, such as date32") from None


def _each(
    carried: Carried,
    terms: Terms,
    choice: Malformed,
    tweaks: NDArray[np.uint8] | None,
    run: Callable[[Part], Done],
) -> Any:
    """Work on each part, see to the malformed rows, and make the column of the results."""
    made: list[Content] = []
    wrong: list[Rows] = [carried.odd]
    base = 0
    for part in carried.parts:
        own = None if tweaks is None else tweaks[base : base + len(part)]
        content, bad = run(Part(part, base, own))
        if bad.size and choice is not Malformed.REFUSE:
            content = _settle(part, content, bad, terms if choice is Malformed.SEAL else None)
        made.append(content)
        wrong.append(bad + base)
        base += len(part)
    rows = np.unique(np.concatenate(wrong))
    if rows.size:
        _judge(rows, carried, terms, choice)
    return carried.build(made)


def _settle(part: Content, content: Content, bad: Rows, terms: Terms | None) -> Content:
    """Seal malformed rows, or make them null where no terms are given."""
    if isinstance(content, Cells):
        if terms is None:
            return content.blank(bad)
        return content.put(bad, terms.seal(arrow.text_of(part).pick(bad)))
    if isinstance(content, Integers):
        valid = np.ones(len(content), np.bool_) if content.valid is None else content.valid.copy()
        valid[bad] = False
        return Integers(content.numbers, valid)
    return content


def _judge(rows: Rows, carried: Carried, terms: Terms, choice: Malformed) -> None:
    """Refuse the column where malformed rows cannot become what the caller chose.

    Raises:
        MalformedColumn: With all rows that are in the way.
    """
    what = f"without a well-formed value ({terms.asks})"
    if choice is Malformed.REFUSE:
        raise MalformedColumn(rows.tolist(), what)
    if choice is Malformed.NULL and not carried.holds_null:
        raise MalformedColumn(rows.tolist(), f"{what}, where no null can stand")
    if choice is Malformed.SEAL and any(isinstance(part, Integers) for part in carried.parts):
        raise MalformedColumn(rows.tolist(), f"{what}, where no seal can stand, as the others are numbers")
    if choice is Malformed.SEAL and carried.odd.size:
        raise MalformedColumn(
            carried.odd.tolist(), "with a value that is not text, so it is not sealed as text"
        )
