"""Check digits of whole columns: the Luhn digit of card numbers, and that of the NPI.

Source:
    ISO/IEC 7812-1 annex B (Luhn). CMS, "Requirements for National Provider Identifier (NPI) and NPI
    check digit" (45 CFR 162.406): Luhn over the number with the prefix 80840, which adds 24.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Digits = NDArray[np.uint8]
"""Digits 0 to 9, one row per value, most significant first."""

NPI_PREFIX: Final = 24
_DOUBLED: Final = np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9], np.uint8)


def luhn(body: Digits, prefix: int = 0) -> Digits:
    """The check digit of each row.

    Args:
        body: The digits without the check digit.
        prefix: What digits that stand before, but are not written, add to the sum.

    Returns:
        One digit per row.
    """
    # At most 24 and nine for each digit: 16 bits are enough. Column by column, as rows are short.
    total = np.full(len(body), prefix, np.uint16)
    for place, column in enumerate(body.T[::-1]):
        total += column if place % 2 else np.take(_DOUBLED, column)
    check: Digits = ((10 - total % 10) % 10).astype(np.uint8)
    return check


def npi(body: Digits) -> Digits:
    """The check digit of each row of nine digits."""
    return luhn(body, NPI_PREFIX)


def split(numbers: NDArray[np.uint64], width: int) -> Digits:
    """Numbers as digits, *width* each, with their leading zeros."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.uint64)
    return ((numbers[:, None] // powers) % np.uint64(10)).astype(np.uint8)


def merge(digits: NDArray[Any]) -> NDArray[np.uint64]:
    """The inverse of :func:`split`; up to 19 digits."""
    made = np.zeros(len(digits), np.uint64)
    for column in digits.T:
        made = made * np.uint64(10) + column
    return made
