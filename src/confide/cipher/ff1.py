"""FF1, format-preserving encryption: a permutation of the numeral strings of one length and radix.

Source:
    NIST SP 800-38G, "Methods for Format-Preserving Encryption", section 5.2, Algorithms 7 and 8.
    The letters (X, T, n, t, u, v, A, B, b, d, P, Q, R, S, y, m, c, C, Y) and the step numbers are
    the standard's. The minimum domain of one million is that of its Revision 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from threading import local
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from confide.errors import AlphabetMismatch, DomainTooSmall, Invalid

MIN_RADIX: Final = 2
MAX_RADIX: Final = 1 << 16
MIN_DOMAIN: Final = 1_000_000
MAX_LENGTH: Final = (1 << 32) - 1
"""maxlen and maxTlen: P has four bytes for each."""

ROUNDS: Final = 10
BLOCK: Final = 16

CIPH = Callable[[bytes], bytes]
"""The standard's CIPH under one key: AES of one or more whole blocks, each by itself (ECB)."""


class FF1:
    """FF1 under one key and radix. Threads may share one."""

    __slots__ = ("_aes", "_own", "radix")

    def __init__(self, key: bytes, radix: int) -> None:
        """Take the key and the radix.

        Args:
            key: 16, 24 or 32 bytes.
            radix: 2 to 65,536.

        Raises:
            Invalid: The key has another length, or the radix is out of range.
        """
        if len(key) not in {16, 24, 32}:
            raise Invalid("an FF1 key has 16, 24 or 32 bytes")
        if not MIN_RADIX <= radix <= MAX_RADIX:
            raise Invalid("an FF1 radix is between 2 and 65,536")
        self.radix = index(radix)
        # FF1 calls AES on single blocks and chains them itself; ECB is that call, not a mode of use.
        self._aes = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
        self._own = local()

    def __repr__(self) -> str:
        return f"FF1(radix={self.radix})"

    def encrypt(self, numerals: Sequence[int], tweak: bytes = b"") -> list[int]:
        """Permute *numerals* among the strings of their own length.

        Args:
            numerals: n numerals, each in ``range(radix)``, with ``radix ** n >= 1_000_000``.
            tweak: Public, 0 or more bytes; need not be unique.

        Returns:
            n numerals of the same radix.

        Raises:
            AlphabetMismatch: A numeral is out of range.
            DomainTooSmall: The domain is too small to hide a value in.
            Invalid: The string or the tweak has 2^32 or more elements.

        Source:
            NIST SP 800-38G section 5.2, Algorithm 7; minimum domain from Revision 1.
        """
        X = self._checked(numerals, tweak)
        radix = self.radix
        n = len(X)
        # 1.
        u = n // 2
        v = n - u
        # 2. A and B are held as the numbers that they write: each round would turn them into
        #    numerals (6.vii) and back (6.i, 6.vi), and nothing in between looks at a numeral.
        A, B = NUM(X[:u], radix), NUM(X[u:], radix)
        # 3. to 5.
        F = Round(self._ciph(), radix, u, v, tweak)
        modulus = (radix**u, radix**v)  # radix^m of step 6.vi, by parity: 6.v is m = u or m = v
        # 6.
        for i in range(ROUNDS):
            y = F(i, B)  # 6.i to 6.iv
            c = (A + y) % modulus[i & 1]  # 6.vi; 6.vii is C = STR(c)
            A, B = B, c  # 6.viii and 6.ix
        # 7.
        return STR(A, u, radix) + STR(B, v, radix)

    def decrypt(self, numerals: Sequence[int], tweak: bytes = b"") -> list[int]:
        """Invert :meth:`encrypt` under the same key, radix and tweak.

        Args:
            numerals: n numerals, each in ``range(radix)``, with ``radix ** n >= 1_000_000``.
            tweak: The bytes that were given to ``encrypt``.

        Returns:
            n numerals of the same radix. FF1 has no integrity: any string decrypts to some string.

        Raises:
            AlphabetMismatch: A numeral is out of range.
            DomainTooSmall: The domain is too small to hide a value in.
            Invalid: The string or the tweak has 2^32 or more elements.

        Source:
            NIST SP 800-38G section 5.2, Algorithm 8; minimum domain from Revision 1.
        """
        X = self._checked(numerals, tweak)
        radix = self.radix
        n = len(X)
        # 1.
        u = n // 2
        v = n - u
        # 2.
        A, B = NUM(X[:u], radix), NUM(X[u:], radix)
        # 3. to 5.
        F = Round(self._ciph(), radix, u, v, tweak)
        modulus = (radix**u, radix**v)
        # 6.
        for i in reversed(range(ROUNDS)):
            y = F(i, A)  # 6.i to 6.iv
            c = (B - y) % modulus[i & 1]  # 6.vi; 6.vii is C = STR(c)
            B, A = A, c  # 6.viii and 6.ix
        # 7.
        return STR(A, u, radix) + STR(B, v, radix)

    def _ciph(self) -> CIPH:
        """Return this thread's CIPH: making one takes as long as half of the rounds."""
        try:
            return self._own.ciph  # type: ignore[no-any-return]
        except AttributeError:
            self._own.ciph = ciph = self._aes.encryptor().update
            return ciph

    def _checked(self, numerals: Sequence[int], tweak: bytes) -> list[int]:
        """The prerequisites of both algorithms; returns the string X as plain integers."""
        radix = self.radix
        try:
            # index() also turns NumPy's bounded integers, which would overflow, into Python's.
            X = list(map(index, numerals))
        except TypeError:
            raise AlphabetMismatch("a numeral is not an integer") from None
        if X and not (min(X) >= 0 and max(X) < radix):
            raise AlphabetMismatch(f"a numeral is outside 0 to {radix - 1}")
        n = len(X)
        # From 20 numerals on even radix 2 reaches the bound: no need to form the power.
        if n < 20 and radix**n < MIN_DOMAIN:
            raise DomainTooSmall(f"{n} numerals of radix {radix} are fewer than 1,000,000 values")
        if n > MAX_LENGTH or len(tweak) > MAX_LENGTH:
            raise Invalid("FF1 takes fewer than 2^32 numerals and fewer than 2^32 bytes of tweak")
        return X


class Round:
    """Steps 3 to 6.iv: from a round number and one half of the string, the number y to add.

    PRF is CBC-MAC over P || Q. Of those blocks only the last ones hold i and B, so the chain up to
    them is computed once for the ten rounds.
    """

    __slots__ = ("_b", "_chain", "_ciph", "_d", "_one", "_open")

    def __init__(self, ciph: CIPH, radix: int, u: int, v: int, T: bytes) -> None:
        t = len(T)
        b, d = lengths(radix, v)
        P = first_block(radix, u, v, t)
        # 6.i without its end: Q = T || [0]^((-t-b-1) mod 16) || [i]^1 || [NUM_radix(B)]^b
        fixed = P + T + bytes((-t - b - 1) % BLOCK)
        whole = len(fixed) - len(fixed) % BLOCK
        self._ciph = ciph
        self._chain = CBC_MAC(ciph, 0, fixed[:whole])
        self._open = fixed[whole:]
        self._b = b
        self._d = d
        # Of most strings i and B lie in one last block, and y in the block that comes out: then only these
        # are put into what is the same in all rounds.
        self._one: int | None = None
        if len(self._open) + 1 + b == BLOCK and d <= BLOCK:
            self._one = self._chain ^ int.from_bytes(self._open + bytes(1 + b), "big")

    def __call__(self, i: int, half: int) -> int:
        ciph, d = self._ciph, self._d
        if self._one is not None:
            x = self._one ^ (i << (8 * self._b)) ^ half
            return int.from_bytes(ciph(x.to_bytes(BLOCK, "big")), "big") >> (8 * (BLOCK - d))
        # 6.i and 6.ii: R = PRF(P || Q), going on from the chain.
        end = self._open + i.to_bytes(1, "big") + half.to_bytes(self._b, "big")
        R = CBC_MAC(ciph, self._chain, end)
        # 6.iii: S is the first d bytes of R || CIPH(R xor [1]^16) || CIPH(R xor [2]^16) || ...
        S = R.to_bytes(BLOCK, "big")
        if d > BLOCK:
            more = range(1, (d + BLOCK - 1) // BLOCK)
            S += ciph(b"".join((R ^ j).to_bytes(BLOCK, "big") for j in more))
        # 6.iv
        return int.from_bytes(S[:d], "big")


def lengths(radix: int, v: int) -> tuple[int, int]:
    """Steps 3 and 4: b, the bytes that hold any number below radix^v, and d, those of which y is made."""
    # 3. b = ceil(ceil(v * log2(radix)) / 8), exactly: ceil(log2(N)) is (N - 1).bit_length().
    b = ((radix**v - 1).bit_length() + 7) // 8
    # 4.
    d = 4 * ((b + 3) // 4) + 4
    return b, d


def first_block(radix: int, u: int, v: int, t: int) -> bytes:
    """Step 5, P: the 16 bytes that begin what PRF reads, of strings and tweaks of these lengths."""
    # 5. P = [1]^1 || [2]^1 || [1]^1 || [radix]^3 || [10]^1 || [u mod 256]^1 || [n]^4 || [t]^4
    return b"".join(
        (
            b"\x01\x02\x01",
            radix.to_bytes(3, "big"),
            bytes((ROUNDS, u % 256)),
            (u + v).to_bytes(4, "big"),
            t.to_bytes(4, "big"),
        )
    )


def CBC_MAC(ciph: CIPH, chain: int, blocks: bytes) -> int:  # noqa: N802 - the standard's name
    """Algorithm 6, PRF, from a chaining value on. *blocks* is 0 or more blocks of 16 bytes."""
    for at in range(0, len(blocks), BLOCK):
        x = chain ^ int.from_bytes(blocks[at : at + BLOCK], "big")
        chain = int.from_bytes(ciph(x.to_bytes(BLOCK, "big")), "big")
    return chain


def NUM(X: Sequence[int], radix: int) -> int:  # noqa: N802 - the standard's name
    """Algorithm 1, NUM_radix(X): the number that the numeral string X writes, most significant first."""
    x = 0
    for numeral in X:
        x = x * radix + numeral
    return x


def STR(x: int, m: int, radix: int) -> list[int]:  # noqa: N802 - the standard's name
    """Algorithm 3, STR^m_radix(x): the m numerals that write x, most significant first."""
    X = [0] * m
    for i in range(m - 1, -1, -1):
        x, X[i] = divmod(x, radix)
    return X
