"""Stand-ins for a whole column: FF1 over the letters and digits, separators where they were."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.cipher.alphabet import Alphabet
from confide.cipher.ff1_columns import FF1Columns
from confide.errors import AlphabetMismatch
from confide.protect.columns import digits
from confide.protect.columns.cells import NO_ROWS, Cells, Mask, Rows, of_points, points
from confide.protect.columns.kinds import Check, Writing
from confide.protect.identifiers import LONGEST

Codes = NDArray[Any]
"""Code points as uint8 or uint32."""
Tweaks = bytes | NDArray[np.uint8]
"""One tweak for all rows, or 16 bytes per row."""

_ROWS: Final = 1 << 18
"""Rows at a time: enough for two cores, few enough that a column of any length takes little memory."""
_ZERO: Final = ord("0")


class StandIns:
    """Makes, undoes or only judges the stand-ins of one column."""

    def __init__(self, writing: Writing, key: bytes | None, tweaks: Tweaks = b"", threads: int = 1) -> None:
        """Take how values are written and the keys.

        Args:
            writing: Alphabet, lengths, check digit and separators.
            key: The FF1 key; None to judge only.
            tweaks: One for all rows, or an array of one row of bytes per row of the column.
            threads: How many cores to use.
        """
        self._writing = writing
        self._alphabet = Alphabet(writing.characters)
        self._ff1 = None if key is None else FF1Columns(key, self._alphabet.radix)
        self._tweaks = tweaks
        self._threads = threads
        self._separators = np.zeros(0x80 + 1, np.bool_)
        self._separators[[ord(c) for c in writing.separators]] = True

    def protect(self, cells: Cells) -> tuple[Cells, Rows]:
        """The column of stand-ins, and the rows that are malformed; what these hold is of no use."""
        return self._run(cells, forward=True)

    def reveal(self, cells: Cells) -> tuple[Cells, Rows]:
        """Undo :meth:`protect`."""
        return self._run(cells, forward=False)

    def protect_numbers(self, numbers: NDArray[Any], valid: Mask | None) -> tuple[NDArray[Any], Rows]:
        """The same for whole numbers that have lost their leading zeros, of an element of fixed length."""
        return self._run_numbers(numbers, valid, forward=True)

    def reveal_numbers(self, numbers: NDArray[Any], valid: Mask | None) -> tuple[NDArray[Any], Rows]:
        """Undo :meth:`protect_numbers`."""
        return self._run_numbers(numbers, valid, forward=False)

    # Text

    def _run(self, cells: Cells, *, forward: bool) -> tuple[Cells, Rows]:
        narrow = self._writing.characters.isascii()
        # In a column of an ASCII alphabet any other character makes its row malformed, so bytes will do.
        codes, offsets = _source(cells, narrow=narrow)
        out = codes.copy()
        wrong: list[Rows] = []
        for start in range(0, len(cells), _ROWS):
            end = min(start + _ROWS, len(cells))
            place = slice(int(offsets[start]), int(offsets[end]))
            rows = np.arange(start, end)
            if cells.valid is not None:
                rows = rows[cells.valid[start:end]]
            begins = offsets[rows] - offsets[start]
            lengths = offsets[rows + 1] - offsets[rows]
            bad = self._piece(codes[place], out[place], begins, lengths, rows, forward=forward)
            wrong.append(rows[bad])
        bad_rows = np.concatenate(wrong) if wrong else NO_ROWS
        if narrow:
            return Cells(out, cells.offsets, cells.valid), bad_rows
        return of_points(out, offsets.astype(np.int64, copy=False), cells.valid), bad_rows

    def _piece(
        self, codes: Codes, out: Codes, begins: Codes, lengths: Codes, rows: Rows, *, forward: bool
    ) -> Mask:
        """Write the stand-ins of some rows into *out*; say which rows are malformed."""
        if not rows.size:
            return np.zeros(0, np.bool_)
        width = int(lengths[0])
        if width and codes.size == rows.size * width and (lengths == width).all():
            square = codes.reshape(rows.size, width)
            still = self._separates(square[0])
            if all(self._separates(square[:, at]).all() for at in np.flatnonzero(still)):
                numerals = square[:, ~still] if still.any() else square
                made, good = self._permute(numerals, width, rows, forward=forward)
                if good is None:
                    out.reshape(rows.size, width)[:, ~still] = made
                    return np.zeros(rows.size, np.bool_)
        return self._ragged(codes, out, begins, lengths, rows, forward=forward)

    def _ragged(
        self, codes: Codes, out: Codes, begins: Codes, lengths: Codes, rows: Rows, *, forward: bool
    ) -> Mask:
        """The same for rows of different layouts: gathered by their number of letters and digits."""
        moving = ~self._separates(codes)
        before = np.zeros(codes.size + 1, np.int64)
        np.cumsum(moving, out=before[1:])
        compact = codes[moving]
        made = compact.copy()
        first = before[begins]
        counts = before[begins + lengths] - first
        bad = lengths > LONGEST
        for count in np.unique(counts[~bad]).tolist():
            own = np.flatnonzero((counts == count) & ~bad)
            index = first[own][:, None] + np.arange(count)
            changed, good = self._permute(compact[index], count, rows[own], forward=forward)
            if good is None:
                made[index] = changed
            else:
                made[index[good]] = changed[good]
                bad[own[~good]] = True
        out[moving] = made
        return bad

    def _separates(self, codes: Codes) -> Mask:
        if codes.dtype != np.uint8:
            codes = np.minimum(codes, 0x80)
        return np.take(self._separators, codes, mode="clip")

    def _permute(self, codes: Codes, length: int, rows: Rows, *, forward: bool) -> tuple[Codes, Mask | None]:
        """Permute well-formed rows; the mask says which these are, None that all are."""
        writing = self._writing
        if not (writing.least <= codes.shape[1] <= writing.most and length <= LONGEST):
            return codes, np.zeros(len(codes), np.bool_)
        if writing.check:
            return self._permute_checked(codes, rows, forward=forward)
        if self._ff1 is None:
            return codes, _mask(self._are_written(codes))
        run = self._ff1.encrypt_text if forward else self._ff1.decrypt_text
        codes = np.ascontiguousarray(codes)
        try:
            return run(codes, self._alphabet, self._tweak(rows), threads=self._threads), None
        except AlphabetMismatch:
            pass
        good = self._are_written(codes)
        made = codes.copy()
        if good.any():
            made[good] = run(codes[good], self._alphabet, self._tweak(rows[good]), threads=self._threads)
        return made, good

    def _are_written(self, codes: Codes) -> Mask:
        """Whether all characters are in the alphabet, row by row."""
        return np.asarray(self._alphabet.contains(codes).all(axis=1))

    def _permute_checked(self, codes: Codes, rows: Rows, *, forward: bool) -> tuple[Codes, Mask | None]:
        """The same for numbers with a check digit, which are always of the digits 0 to 9."""
        numbers = (codes - _ZERO).astype(np.uint8)
        good = self._are_written(codes)
        good[good] = self._is_right(numbers[good])
        if self._ff1 is None or not good.any():
            return codes, _mask(good)
        made = codes.copy()
        made[good] = self._permute_digits(numbers[good], rows[good], forward=forward) + _ZERO
        return made, _mask(good)

    # Digits and numbers

    def _is_right(self, numbers: digits.Digits) -> Mask:
        """Whether the check digit is right, row by row."""
        if self._writing.check is Check.LUHN:
            return np.asarray(digits.luhn(numbers[:, :-1]) == numbers[:, -1])
        first = numbers[:, 0]
        return np.asarray((digits.npi(numbers[:, :-1]) == numbers[:, -1]) & ((first == 1) | (first == 2)))

    def _permute_digits(self, numbers: digits.Digits, rows: Rows, *, forward: bool) -> digits.Digits:
        """FF1 over what is free in a number, and the check digit anew."""
        made = numbers.copy()
        # The first digit of an NPI is 1 or 2 and says only that, so it stays.
        free = slice(1 if self._writing.check is Check.NPI else 0, -1)
        assert self._ff1 is not None  # noqa: S101 - for mypy
        run = self._ff1.encrypt if forward else self._ff1.decrypt
        made[:, free] = run(np.ascontiguousarray(numbers[:, free]), self._tweak(rows), threads=self._threads)
        check = digits.luhn if self._writing.check is Check.LUHN else digits.npi
        made[:, -1] = check(made[:, :-1])
        return made

    def _run_numbers(
        self, numbers: NDArray[Any], valid: Mask | None, *, forward: bool
    ) -> tuple[NDArray[Any], Rows]:
        length = self._writing.most
        clear = numbers.astype(np.uint64, copy=False)  # what is below 0 becomes far too large
        every = valid is None and bool(clear.max(initial=0) < 10**length)
        good = np.ones(len(clear), np.bool_) if every else clear < 10**length
        if valid is not None:
            good &= valid
        if self._writing.check and good.any():
            good[good] = self._is_right(digits.split(clear[good], length))
            every = every and bool(good.all())
        bad = NO_ROWS if every else np.flatnonzero(~good if valid is None else valid & ~good)
        if self._ff1 is None:
            return numbers, bad
        rows = np.arange(len(clear)) if every else np.flatnonzero(good)
        changed = self._permute_numbers(clear if every else clear[rows], rows, forward=forward)
        if every:
            return changed.astype(numbers.dtype, copy=False), bad
        made = np.zeros_like(numbers)
        made[rows] = changed.astype(numbers.dtype)
        return made, bad

    def _permute_numbers(
        self, numbers: NDArray[np.uint64], rows: Rows, *, forward: bool
    ) -> NDArray[np.uint64]:
        length = self._writing.most
        if self._writing.check:
            return digits.merge(self._permute_digits(digits.split(numbers, length), rows, forward=forward))
        assert self._ff1 is not None  # noqa: S101 - for mypy
        run = self._ff1.encrypt_numbers if forward else self._ff1.decrypt_numbers
        return run(numbers, length, self._tweak(rows), threads=self._threads)

    def _tweak(self, rows: Rows) -> Tweaks:
        return self._tweaks if isinstance(self._tweaks, bytes) else self._tweaks[rows]


def _source(cells: Cells, *, narrow: bool) -> tuple[Codes, NDArray[Any]]:
    return (cells.codes, cells.offsets) if narrow else points(cells)


def _mask(good: Mask) -> Mask | None:
    return None if good.all() else good
