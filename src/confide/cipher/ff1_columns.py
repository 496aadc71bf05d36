"""FF1 over whole columns: the same permutation as in ``ff1``, of many strings of one length at a time.

The scalar FF1 reads like the standard and is the judge of this one: both give the same, bit for bit. Here
each step is done for many rows before the next: AES in one call for a block of every row, arithmetic by
NumPy on whole arrays. The parts are in ``columns``: ``halves`` does the rounds where a half of the string is
a number below 2^56, and ``limbs`` where it is larger; where it is much larger, the rows go one by one
through the scalar FF1.

Source:
    NIST SP 800-38G, section 5.2, Algorithms 7 and 8; minimum domain from Revision 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.cipher.alphabet import Alphabet, Codes
from confide.cipher.columns.forms import Numbers, Plain, Strings
from confide.cipher.columns.halves import MAX_BYTES
from confide.cipher.columns.shares import permute
from confide.cipher.ff1 import FF1, MAX_LENGTH, MIN_DOMAIN, lengths
from confide.errors import AlphabetMismatch, DomainTooSmall, Invalid

Tweak = bytes | NDArray[np.uint8]
"""One for all rows, or an array (rows, t) with one of t bytes for each row."""

LONGEST: Final = 64
"""Bytes of a half above which rows go one by one: schoolbook arithmetic takes the square of the length."""

FEWEST: Final = 16
"""Rows below which limbs take longer than going one by one."""


class FF1Columns:
    """FF1 under one key and radix, over columns. Holds no state between calls, so threads may share one."""

    __slots__ = ("_key", "_plain", "_scalar", "radix")

    def __init__(self, key: bytes, radix: int) -> None:
        """Take the key and the radix.

        Args:
            key: 16, 24 or 32 bytes.
            radix: 2 to 65,536.

        Raises:
            Invalid: The key has another length, or the radix is out of range.
        """
        self._scalar = FF1(key, radix)
        self._key = bytes(key)
        self.radix = self._scalar.radix
        self._plain = Plain(self.radix)

    def __repr__(self) -> str:
        return f"FF1Columns(radix={self.radix})"

    def encrypt(self, numerals: NDArray[Any], tweak: Tweak = b"", *, threads: int = 1) -> NDArray[Any]:
        """Permute the numeral string in each row among the strings of its length.

        Args:
            numerals: (rows, n) of any integer type, each in ``range(radix)``, ``radix ** n >= 1_000_000``.
            tweak: One for all rows, or a uint8 array (rows, t). Public; need not be unique.
            threads: How many cores to use.

        Returns:
            A new array of the same shape and type.

        Raises:
            AlphabetMismatch: A numeral is out of range or no integer.
            DomainTooSmall: The domain is too small to hide a value in.
            Invalid: A shape or type does not fit, or a string or tweak has 2^32 or more elements.

        Source:
            NIST SP 800-38G section 5.2, Algorithm 7; minimum domain from Revision 1.
        """
        return self._numerals(numerals, tweak, threads, inverse=False)

    def decrypt(self, numerals: NDArray[Any], tweak: Tweak = b"", *, threads: int = 1) -> NDArray[Any]:
        """Invert :meth:`encrypt` under the same key, radix and tweak; arguments and errors are the same.

        Source:
            NIST SP 800-38G section 5.2, Algorithm 8; minimum domain from Revision 1.
        """
        return self._numerals(numerals, tweak, threads, inverse=True)

    def encrypt_numbers(
        self, numbers: NDArray[np.uint64], length: int, tweak: Tweak = b"", *, threads: int = 1
    ) -> NDArray[np.uint64]:
        """Permute numbers: each as the string of *length* numerals that writes it, zeros in front.

        Args:
            numbers: (rows,) of any integer type, each in ``range(radix ** length)``.
            length: Numerals, with ``1_000_000 <= radix ** length <= 2 ** 64``.
            tweak: One for all rows, or a uint8 array (rows, t). Public; need not be unique.
            threads: How many cores to use.

        Returns:
            A new array (rows,) of uint64.

        Raises:
            AlphabetMismatch: A number is out of range or no integer.
            DomainTooSmall: The domain is too small to hide a value in.
            Invalid: A shape or type does not fit, or the domain has more than 2^64 values.

        Source:
            NIST SP 800-38G section 5.2, Algorithm 7; minimum domain from Revision 1.
        """
        return self._numbers(numbers, length, tweak, threads, inverse=False)

    def decrypt_numbers(
        self, numbers: NDArray[np.uint64], length: int, tweak: Tweak = b"", *, threads: int = 1
    ) -> NDArray[np.uint64]:
        """Invert :meth:`encrypt_numbers`; arguments and errors are the same.

        Source:
            NIST SP 800-38G section 5.2, Algorithm 8; minimum domain from Revision 1.
        """
        return self._numbers(numbers, length, tweak, threads, inverse=True)

    def encrypt_text(
        self, codes: NDArray[Any], alphabet: Alphabet, tweak: Tweak = b"", *, threads: int = 1
    ) -> NDArray[Any]:
        """Permute the text in each row among the texts of its length in the same alphabet.

        Args:
            codes: (rows, n) Unicode code points, uint8 or uint32.
            alphabet: Of the radix of this FF1.
            tweak: One for all rows, or a uint8 array (rows, t). Public; need not be unique.
            threads: How many cores to use.

        Returns:
            A new array of the same shape and type.

        Raises:
            AlphabetMismatch: A character is outside the alphabet.
            DomainTooSmall: The domain is too small to hide a value in.
            Invalid: A shape, a type or the alphabet does not fit.

        Source:
            NIST SP 800-38G section 5.2, Algorithm 7; minimum domain from Revision 1.
        """
        return self._text(codes, alphabet, tweak, threads, inverse=False)

    def decrypt_text(
        self, codes: NDArray[Any], alphabet: Alphabet, tweak: Tweak = b"", *, threads: int = 1
    ) -> NDArray[Any]:
        """Invert :meth:`encrypt_text`; arguments and errors are the same.

        Source:
            NIST SP 800-38G section 5.2, Algorithm 8; minimum domain from Revision 1.
        """
        return self._text(codes, alphabet, tweak, threads, inverse=True)

    def _numerals(self, numerals: NDArray[Any], tweak: Tweak, threads: int, *, inverse: bool) -> NDArray[Any]:
        source = np.asarray(numerals)
        if source.dtype.kind not in "iu":
            raise AlphabetMismatch("a numeral is not an integer")
        return self._strings(Strings(source, self._plain), tweak, threads, inverse=inverse)

    def _text(
        self, codes: Codes, alphabet: Alphabet, tweak: Tweak, threads: int, *, inverse: bool
    ) -> NDArray[Any]:
        if alphabet.radix != self.radix:
            raise Invalid("the alphabet has another radix than the cipher")
        return self._strings(Strings(np.asarray(codes), alphabet), tweak, threads, inverse=inverse)

    def _strings(self, strings: Strings, tweak: Tweak, threads: int, *, inverse: bool) -> NDArray[Any]:
        tweaks = _checked(tweak, strings.rows, threads)
        if strings.rows == 0:
            return strings.out
        if self._is_too_small(strings.n):
            strings.check()  # as with the scalar FF1, a numeral that is out of range is told first
            raise self._too_small(strings.n)
        b, _ = lengths(self.radix, strings.n - strings.n // 2)
        if b > LONGEST or (b > MAX_BYTES and strings.rows < FEWEST):
            run = self._scalar.decrypt if inverse else self._scalar.encrypt
            for row in range(strings.rows):
                strings.put(row, run(strings.one(row), tweaks[row % len(tweaks)].tobytes()))
        else:
            permute(self._key, self.radix, strings, tweaks, threads, inverse=inverse)
        return strings.out

    def _numbers(
        self, numbers: NDArray[np.uint64], length: int, tweak: Tweak, threads: int, *, inverse: bool
    ) -> NDArray[np.uint64]:
        form = Numbers(np.asarray(numbers), self.radix, length)
        tweaks = _checked(tweak, form.rows, threads)
        if form.rows:
            if self._is_too_small(form.n):
                form.check()
                raise self._too_small(form.n)
            permute(self._key, self.radix, form, tweaks, threads, inverse=inverse)
        return form.out

    def _is_too_small(self, n: int) -> bool:
        # From 20 numerals on even radix 2 reaches the bound: no need to form the power.
        return n < 20 and self.radix**n < MIN_DOMAIN

    def _too_small(self, n: int) -> DomainTooSmall:
        return DomainTooSmall(f"{n} numerals of radix {self.radix} are fewer than 1,000,000 values")


def encrypt_lists(
    key: bytes, radix: int, strings: Sequence[Sequence[int]], tweaks: Sequence[bytes]
) -> list[list[int]]:
    """Permute numeral strings of one length, each under a tweak of its own; tweaks have one length, too.

    Raises:
        AlphabetMismatch, DomainTooSmall, Invalid: As for :meth:`FF1Columns.encrypt`.
    """
    return _lists(FF1Columns(key, radix).encrypt, strings, tweaks)


def decrypt_lists(
    key: bytes, radix: int, strings: Sequence[Sequence[int]], tweaks: Sequence[bytes]
) -> list[list[int]]:
    """Invert :func:`encrypt_lists`; arguments and errors are the same."""
    return _lists(FF1Columns(key, radix).decrypt, strings, tweaks)


def _lists(
    permutation: Callable[[NDArray[Any], Tweak], NDArray[Any]],
    strings: Sequence[Sequence[int]],
    tweaks: Sequence[bytes],
) -> list[list[int]]:
    spread = np.frombuffer(b"".join(tweaks), dtype=np.uint8).reshape(len(tweaks), -1)
    found: list[list[int]] = permutation(np.array(strings, dtype=np.int64), spread).tolist()
    return found


def _checked(tweak: Tweak, rows: int, threads: int) -> NDArray[np.uint8]:
    """The tweaks as an array: (rows, t), or (1, t) with the one that all rows have."""
    if threads < 1:
        raise Invalid("a column takes one thread or more")
    if isinstance(tweak, np.ndarray):
        if tweak.dtype != np.uint8 or tweak.ndim != 2 or len(tweak) != rows:
            raise Invalid("tweaks are an array of uint8 (rows, t), as many rows as values")
        tweaks = tweak
    elif isinstance(tweak, bytes | bytearray | memoryview):
        tweaks = np.array(bytearray(tweak)).reshape(1, -1)
    else:
        raise Invalid("a tweak is bytes, or an array of uint8 (rows, t)")
    if tweaks.shape[1] > MAX_LENGTH:
        raise Invalid("FF1 takes fewer than 2^32 bytes of tweak")
    return tweaks
