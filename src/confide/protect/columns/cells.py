"""The text of a column as arrays: the bytes of all rows one after another, and where each row begins.

It is Arrow's own form, so that a column of Arrow, Polars or pandas is read without a copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]
"""Row numbers, counted from 0, in order."""
Mask = NDArray[np.bool_]

NO_ROWS: Final[Rows] = np.empty(0, np.intp)
_BATCH: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Cells:
    """Text, row by row. Null rows hold no bytes.

    Attributes:
        codes: UTF-8 of all rows, one after another. Lone surrogates, which Python's text may hold, are
            written as ``surrogatepass`` writes them.
        offsets: Where each row begins, and the end: rows + 1 numbers, the first one 0.
        valid: False where a row is null; None if none is.
    """

    codes: NDArray[np.uint8]
    offsets: NDArray[np.int32] | NDArray[np.int64]
    valid: Mask | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        return f"Cells({len(self)} rows)"

    @property
    def lengths(self) -> NDArray[Any]:
        """Bytes per row."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> Rows:
        """The rows that are not null."""
        return np.arange(len(self)) if self.valid is None else np.flatnonzero(self.valid)

    @classmethod
    def of(cls, parts: Sequence[bytes], valid: Mask | None = None) -> Cells:
        """From the bytes of each row; null rows have none."""
        lengths = np.fromiter(map(len, parts), np.int64, len(parts))
        return cls(np.frombuffer(b"".join(parts), np.uint8), offsets_of(lengths), valid)

    @classmethod
    def of_texts(cls, texts: Sequence[str | None]) -> Cells:
        """From Python's text, lone surrogates included."""
        valid = np.fromiter((text is not None for text in texts), np.bool_, len(texts))
        parts = [(text or "").encode("utf-8", "surrogatepass") for text in texts]
        return cls.of(parts, None if valid.all() else valid)

    @classmethod
    def of_matrix(cls, matrix: NDArray[np.uint8], valid: Mask | None = None) -> Cells:
        """From rows of one width that end in zero bytes, as in NumPy's ``S`` arrays."""
        rows, width = matrix.shape
        if rows and width and valid is None and matrix[:, -1].all():
            return cls(matrix.reshape(-1), np.arange(rows + 1) * width)
        last = width - np.argmax(matrix[:, ::-1] != 0, axis=1) if width else np.zeros(rows, np.int64)
        lengths = np.where(matrix.any(axis=1), last, 0)
        if valid is not None:
            lengths = np.where(valid, lengths, 0)
        return cls(matrix[np.arange(width) < lengths[:, None]], offsets_of(lengths), valid)

    def matrix(self, width: int) -> NDArray[np.uint8]:
        """Rows of one width, filled up with zero bytes; the inverse of :meth:`of_matrix`."""
        if self.codes.size == len(self) * width:
            return self.codes.reshape(len(self), width)
        made = np.zeros((len(self), width), np.uint8)
        made[np.arange(width) < self.lengths[:, None]] = self.codes
        return made

    def texts(self) -> list[str | None]:
        """As Python's text."""
        data, ends = self.codes.tobytes(), self.offsets.tolist()
        made: list[str | None] = [
            data[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(ends)
        ]
        if self.valid is not None:
            for row in np.flatnonzero(~self.valid).tolist():
                made[row] = None
        return made

    def parts(self, rows: Iterable[int]) -> list[bytes]:
        """The bytes of some rows."""
        data, ends = self.codes.tobytes(), self.offsets.tolist()
        return [data[ends[row] : ends[row + 1]] for row in rows]

    def cut(self, start: int, end: int) -> Cells:
        """The rows from *start* to before *end*, without a copy of their text."""
        offsets = self.offsets[start : end + 1]
        codes = self.codes[offsets[0] : offsets[-1]]
        return Cells(codes, offsets - offsets[0], None if self.valid is None else self.valid[start:end])

    def pick(self, rows: Rows) -> Cells:
        """Some rows; none of them null."""
        return Cells.of(self.parts(rows.tolist()))

    def blank(self, rows: Rows) -> Cells:
        """The same column with *rows* null."""
        if not rows.size:
            return self
        valid = np.ones(len(self), np.bool_) if self.valid is None else self.valid.copy()
        valid[rows] = False
        lengths = self.lengths
        return Cells(self.codes[np.repeat(valid, lengths)], offsets_of(np.where(valid, lengths, 0)), valid)

    def put(self, rows: Rows, cells: Cells) -> Cells:
        """The same column with other text in *rows*, which ascend; they are then not null."""
        if not rows.size:
            return self
        new = np.zeros(len(self), np.bool_)
        new[rows] = True
        old = self.lengths.astype(np.int64)
        lengths = old.copy()
        lengths[rows] = cells.lengths
        theirs = np.repeat(new, lengths)
        codes = np.empty(theirs.size, np.uint8)
        codes[theirs] = cells.codes
        codes[~theirs] = self.codes[np.repeat(~new, old)]
        valid = None if self.valid is None else self.valid | new
        return Cells(codes, offsets_of(lengths), None if valid is None or valid.all() else valid)

    def is_text(self) -> bool:
        """Whether every row is UTF-8: what sealed bytes or NumPy's ``S`` held need not be."""
        if not self.codes.size or int(self.codes.max()) < 0x80:
            return True
        try:
            self.codes.tobytes().decode()
        except UnicodeDecodeError:
            return False
        return True


def offsets_of(lengths: NDArray[Any]) -> NDArray[np.int64]:
    """Where rows of these *lengths* begin, and the end."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


# Characters of more than one byte


def points(cells: Cells) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The code points of all rows, and where each row begins.

    Bytes that are no text become the number 0x110000, which no alphabet has.
    """
    data = cells.codes.tobytes()
    try:
        text = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        texts = [part.decode("utf-8", "replace") for part in cells.parts(range(len(cells)))]
        codes = _points("".join(texts))
        codes[codes == 0xFFFD] = 0x110000
        return codes, offsets_of(np.fromiter(map(len, texts), np.int64, len(texts)))
    starts = (cells.codes & 0xC0) != 0x80  # the other bytes of a character are 10xxxxxx
    before = np.zeros(len(data) + 1, np.int64)
    np.cumsum(starts, out=before[1:])
    return _points(text), before[cells.offsets]


def of_points(codes: NDArray[np.uint32], offsets: NDArray[np.int64], valid: Mask | None = None) -> Cells:
    """The inverse of :func:`points`; a number that is no code point becomes a question mark."""
    if codes.size and int(codes.max()) > 0x10FFFF:
        codes = np.where(codes > 0x10FFFF, np.uint32(ord("?")), codes)
    if not codes.size or int(codes.max()) < 0x80:
        return Cells(codes.astype(np.uint8), offsets, valid)
    wide = codes.astype("<u4", copy=False).tobytes()
    text = wide.decode("utf-32-le", "surrogatepass").encode("utf-8", "surrogatepass")
    widths = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
    before = offsets_of(widths)
    return Cells(np.frombuffer(text, np.uint8), before[offsets], valid)


def _points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32)
