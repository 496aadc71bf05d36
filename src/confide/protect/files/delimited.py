"""CSV and TSV as it stands in the file: where each field is, and the same text with some fields replaced.

Everything is text: a leading zero stays. An empty field is null, a pair of quotation marks is empty text.
Fields are found in a whole block at once, and what is not replaced is not written anew, so that it stays
byte for byte. A block whose quotation marks are not as in the RFC is read field by field.

Source:
    RFC 4180 section 2; a quotation mark within a field that does not begin with one is only itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from confide.errors import BrokenRow

Places = NDArray[np.int64]
Mask = NDArray[np.bool_]

BOM: Final = b"\xef\xbb\xbf"
_QUOTE, _LF, _CR = 0x22, 0x0A, 0x0D


UNCLOSED: Final = "opens a quotation mark that is never closed"
_BEHIND: Final = "has text behind a closing quotation mark"
_ALONE: Final = "has a carriage return that neither ends a line nor stands between quotation marks"
_NOT_UTF8: Final = "is not in UTF-8 (convert the file first)"


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the fields of a block are.

    Attributes:
        block: Whole rows.
        starts: First byte of each field, quotation mark included; rows by columns.
        ends: The byte behind it.
        quoted: Whether it stands between quotation marks.
        doubled: Whether some field has a quotation mark in it, which is written twice.
    """

    block: bytes
    starts: Places
    ends: Places
    quoted: Mask
    doubled: bool

    def __len__(self) -> int:
        return len(self.starts)

    def column(self, at: int) -> pa.Array:
        """The text of a column."""
        rows, quoted = len(self), self.quoted[:, at]
        if not rows:
            return pa.array([], pa.string())
        starts, ends = self.starts[:, at], self.ends[:, at]
        # Value, gap, value, gap: offsets may go over a gap, so no byte is copied before the `take`.
        places = np.column_stack([starts + quoted, ends - quoted]).ravel().astype(np.int32)
        pieces = pa.Array.from_buffers(
            pa.string(), 2 * rows - 1, [None, pa.py_buffer(places), pa.py_buffer(self.block)]
        )
        null = starts == ends
        texts = pieces.take(_numbers(np.arange(0, 2 * rows, 2), null if null.any() else None))
        if self.doubled and quoted.any():
            texts = pc.if_else(_truths(quoted), pc.replace_substring(texts, '""', '"'), texts)
        return texts

    def replace(self, columns: Mapping[int, pa.Array], separator: str) -> bytes:
        """The block with other text in some columns; a field between quotation marks stays between them."""
        order = sorted(columns)
        rows = len(self)
        if not rows or not order:
            return self.block
        fields = rows * len(order)
        places = np.empty(2 * fields + 2, np.int32)
        places[0], places[-1] = 0, len(self.block)
        places[1:-1:2] = self.starts[:, order].ravel()
        places[2:-1:2] = self.ends[:, order].ravel()
        pieces = pa.Array.from_buffers(
            pa.binary(), 2 * fields + 1, [None, pa.py_buffer(places), pa.py_buffer(self.block)]
        )
        written = [write_fields(columns[at], separator, self.quoted[:, at]) for at in order]
        index = np.arange(2 * fields + 1)
        first = 2 * fields + 1 + rows * np.arange(len(order))
        index[1::2] = (first + np.arange(rows)[:, None]).ravel()
        return text_of(
            pa.concat_arrays([pieces, *(w.cast(pa.binary()) for w in written)]).take(_numbers(index))
        )


# Finding the fields


def grid(block: bytes, separator: str, columns: int) -> Grid:
    """Find the fields of whole rows. Empty lines are no rows, unless there is one column.

    Args:
        block: Whole rows; the last may lack its line end.
        separator: One ASCII character.
        columns: How many the header has.

    Raises:
        BrokenRow: A row has another number of fields, or is not UTF-8, or its quotation marks are wrong.
    """
    if not block:
        nothing = np.empty((0, columns), np.int64)
        return Grid(block, nothing, nothing, nothing.astype(np.bool_), doubled=False)
    codes = np.frombuffer(block, np.uint8)
    marks, quotes = _marks(block, codes, separator)
    ends = marks.astype(np.int64)
    starts = np.empty_like(ends)
    starts[0], starts[1:] = 0, ends[:-1] + 1
    closes = codes.take(np.minimum(marks, len(block) - 1)) == _LF
    closes[-1] = True
    quoted = np.zeros(len(marks), np.bool_)
    if quotes:
        quoted = (codes.take(np.minimum(starts, len(block) - 1)) == _QUOTE) & (ends > starts)
    last = np.flatnonzero(closes)
    if b"\r" in block:
        ends[last] -= (codes.take(ends[last] - 1) == _CR) & (ends[last] > starts[last])
    counts = np.diff(last, prepend=-1)
    kept = np.ones(len(last), np.bool_)
    if columns > 1:
        kept = ~((counts == 1) & (starts[last] == ends[last]))
    where = _Rows(marks[last], kept)
    _check_text(block, codes, marks, quoted, where)
    wrong = np.flatnonzero(kept & (counts != columns))
    if wrong.size:
        raise BrokenRow(
            where.number(int(wrong[0])), f"has {counts[wrong[0]]:,} fields, and the header has {columns:,}"
        )
    if not kept.all():
        fields = np.repeat(kept, counts)
        starts, ends, quoted = starts[fields], ends[fields], quoted[fields]
    shape = (-1, columns)
    doubled = quotes > 2 * int(quoted.sum())
    return Grid(block, starts.reshape(shape), ends.reshape(shape), quoted.reshape(shape), doubled)


def _marks(block: bytes, codes: NDArray[np.uint8], separator: str) -> tuple[Places, int]:
    """What ends each field, and how many quotation marks there are."""
    marks = np.flatnonzero((codes == ord(separator)) | (codes == _LF))
    count = 0
    if b'"' in block:
        quotes = np.flatnonzero(codes == _QUOTE)
        count = quotes.size
        if count % 2 == 0 and _is_regular(codes, quotes, ord(separator)):
            marks = marks[np.searchsorted(quotes, marks) % 2 == 0]
        else:
            found, trouble = _scan(block, separator)
            if trouble is not None:
                raise trouble
            marks = np.array(found, np.int64)
    if codes[-1] != _LF:
        marks = np.append(marks, len(block))  # the end of the file ends its last line
    return marks, count


@dataclass(frozen=True, slots=True)
class _Rows:
    """Where lines end, and which of them are rows."""

    ends: Places
    kept: Mask

    def number(self, line: int) -> int:
        return int(np.count_nonzero(self.kept[:line]))

    def at(self, place: int) -> int:
        return self.number(int(np.searchsorted(self.ends, place)))


def _check_text(block: bytes, codes: NDArray[np.uint8], marks: Places, quoted: Mask, rows: _Rows) -> None:
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError as problem:
            place = problem.start
        else:
            place = -1
        if place >= 0:
            raise BrokenRow(rows.at(place), _NOT_UTF8)
    if b"\r" in block:
        returns = np.flatnonzero(codes == _CR)
        alone = returns[codes.take(np.minimum(returns + 1, len(block) - 1)) != _LF]
        bare = alone[~quoted[np.searchsorted(marks, alone)]]
        if bare.size:
            raise BrokenRow(rows.at(int(bare[0])), _ALONE)


def _is_regular(codes: NDArray[np.uint8], quotes: Places, separator: int) -> bool:
    """Whether every quotation mark opens or closes a field, or is one of two within one."""
    before = np.zeros(256, np.bool_)
    before[[separator, _LF, _QUOTE]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    opens = before[codes.take(np.maximum(opening - 1, 0))] | (opening == 0)
    behind = before.copy()
    behind[_CR] = True
    closes = behind[codes.take(np.minimum(closing + 1, len(codes) - 1))] | (closing == len(codes) - 1)
    return bool(opens.all() and closes.all())


def _scan(block: bytes, separator: str) -> tuple[list[int], BrokenRow | None]:
    """Where fields end, one after the other; and the trouble that ended the search."""
    end_of_field = re.compile(b"[\n" + re.escape(separator.encode()) + b"]")
    marks: list[int] = []
    at = row = 0
    while at < len(block):
        if block[at] == _QUOTE:
            at = block.find(b'"', at + 1)
            while at >= 0 and block[at + 1 : at + 2] == b'"':
                at = block.find(b'"', at + 2)
            if at < 0:
                return marks, BrokenRow(row, UNCLOSED)
            at += 2 if block[at + 1 : at + 3] == b"\r\n" else 1
            if at < len(block) and not end_of_field.match(block, at):
                return marks, BrokenRow(row, _BEHIND)
        else:
            found = end_of_field.search(block, at)
            at = found.start() if found else len(block)
        if at < len(block):
            marks.append(at)
            row += block[at] == _LF
        at += 1
    return marks, None


def cut(block: bytes, separator: str) -> int:
    """How many bytes of a block are whole rows: up to and with the last line end that ends a row."""
    if b'"' not in block:
        return block.rfind(b"\n") + 1
    codes = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(codes == _QUOTE)
    pairs = quotes[: quotes.size // 2 * 2]
    if _is_regular(codes, pairs, ord(separator)) and (
        pairs.size == quotes.size or _opens(codes, int(quotes[-1]), ord(separator))
    ):
        lines = np.flatnonzero(codes == _LF)
        lines = lines[np.searchsorted(quotes, lines) % 2 == 0]
        return int(lines[-1]) + 1 if lines.size else 0
    marks, trouble = _scan(block, separator)
    whole = next((mark for mark in reversed(marks) if block[mark] == _LF), -1) + 1
    if trouble is not None and trouble.reason == _BEHIND:
        # Whoever reads the rows will say which one it is; here it is only brought to them.
        return (block.find(b"\n", (marks[-1] if marks else 0) + 1) + 1) or len(block)
    return whole


def first_line(text: bytes, separator: str) -> int:
    """How many bytes the first row takes, its line end included."""
    end = 0
    while True:
        newline = text.find(b"\n", end)
        if newline < 0:
            return len(text)
        end = newline + 1
        if cut(text[:end], separator):
            return end


def header(line: bytes, separator: str) -> list[str]:
    """The names of the columns.

    Raises:
        BrokenRow: The line cannot be read.
    """
    marks, _ = _marks(line, np.frombuffer(line, np.uint8), separator)
    found = grid(line, separator, len(marks))
    return [found.column(at)[0].as_py() or "" for at in range(len(marks))]


def _opens(codes: NDArray[np.uint8], at: int, separator: int) -> bool:
    return at == 0 or int(codes[at - 1]) in {separator, _LF, _QUOTE}


# Writing


def write_fields(texts: pa.Array, separator: str, quoted: Mask | None = None) -> pa.Array:
    """Text as fields: null as nothing, the rest between quotation marks where it must or did stand so."""
    special = ('"', "\n", "\r", separator)
    data = text_of(texts)
    lengths = pc.binary_length(texts)
    must = pc.equal(lengths, 0)
    if any(each.encode() in data for each in special):
        must = pc.or_(must, pc.match_substring_regex(texts, f'["\n\r{re.escape(separator)}]'))
    if quoted is not None and quoted.any():
        must = pc.or_(must, _truths(quoted))
    if pc.any(must).as_py():
        inner = pc.replace_substring(texts, '"', '""') if b'"' in data else texts
        texts = pc.if_else(must, pc.binary_join_element_wise('"', inner, '"', ""), texts)
    return pc.fill_null(texts, "") if texts.null_count else texts


def write_rows(columns: Sequence[pa.Array], separator: str) -> bytes:
    """Rows anew, with quotation marks only where they must be."""
    fields = [write_fields(column, separator) for column in columns]
    rows = pc.binary_join_element_wise(*fields, separator) if len(fields) > 1 else fields[0]
    return text_of(pc.binary_join_element_wise(rows, "\n", ""))


def text_of(array: pa.Array) -> bytes:
    """The bytes of all values of a text column, one after another."""
    _, places, data = array.buffers()
    if data is None or not len(array):
        return b""
    wide = np.dtype(np.int64 if pa.types.is_large_string(array.type) else np.int32)
    offsets: NDArray[Any] = np.frombuffer(places, wide)[array.offset : array.offset + len(array) + 1]
    return bytes(data[int(offsets[0]) : int(offsets[-1])])


# NumPy arrays as Arrow arrays: `pa.array` would import pandas where it is installed, which takes its time


def _numbers(numbers: Places, null: Mask | None = None) -> pa.Array:
    valid = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.Array.from_buffers(
        pa.int64(), len(numbers), [valid, pa.py_buffer(np.ascontiguousarray(numbers))]
    )


def _truths(mask: Mask) -> pa.Array:
    return pa.Array.from_buffers(
        pa.bool_(), len(mask), [None, pa.py_buffer(np.packbits(mask, bitorder="little"))]
    )
