"""Keys from keys, and keyed digests.

Source:
    RFC 5869 (HKDF) and RFC 2104 (HMAC), both with SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
from struct import Struct
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from confide.errors import Invalid

_SHA256: Final = SHA256()
MAX_LENGTH: Final = 255 * 32
_length: Final = Struct(">I").pack


def hkdf(key: bytes, info: bytes, length: int = 32, *, salt: bytes = b"") -> bytes:
    """Derive *length* bytes from *key*, independent of those for any other *info*.

    Args:
        key: Input keying material; at least as secret as what comes out. Any length.
        info: What the bytes are for. Two uses must never share it; see :func:`frame`.
        length: 1 to 8,160 bytes.
        salt: Optional, public. An absent salt is 32 zero bytes, as the RFC says.

    Returns:
        *length* bytes.

    Raises:
        Invalid: The length is out of range.

    Source:
        RFC 5869 section 2.
    """
    _check(length)
    return HKDF(_SHA256, length, salt or None, info).derive(key)


def extract(key: bytes, salt: bytes = b"") -> bytes:
    """Concentrate *key* into a 32-byte pseudorandom key, for many calls of :func:`expand`.

    Source:
        RFC 5869 section 2.2, HKDF-Extract.
    """
    return hmac.digest(salt, key, "sha256") if salt else _UNSALTED.digest(key)


def expand(pseudorandom: bytes, info: bytes, length: int = 32) -> bytes:
    """Derive *length* bytes from what :func:`extract` gave.

    ``expand(extract(key), info, length) == hkdf(key, info, length)``.

    Raises:
        Invalid: The length is out of range.

    Source:
        RFC 5869 section 2.3, HKDF-Expand.
    """
    _check(length)
    if length <= 32:  # T(1) is all that is wanted: one HMAC, a tenth of the time
        return hmac.digest(pseudorandom, info + b"\x01", "sha256")[:length]
    return HKDFExpand(_SHA256, length, info).derive(pseudorandom)


def digest(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256 of *data*: 32 bytes that only a holder of *key* can compute or compare with.

    Source:
        RFC 2104.
    """
    return hmac.digest(key, data, "sha256")


class Mac:
    """HMAC-SHA-256 under one key, for many messages: what depends on the key alone is hashed once.

    Args:
        key: Any length.

    Source:
        RFC 2104 section 4: a precomputed key has to be treated as secret as the key.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def digest(self, data: bytes) -> bytes:
        """Return what :func:`digest` returns under this key."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()

    def expand(self, info: bytes, length: int = 32) -> bytes:
        """Return what :func:`expand` returns of this key; at most 32 bytes.

        Raises:
            Invalid: The length is out of range.
        """
        if not 1 <= length <= 32:
            raise Invalid("one block of HKDF has 1 to 32 bytes")
        return self.digest(info + b"\x01")[:length]


_BLOCK: Final = 64
_INNER: Final = bytes(each ^ 0x36 for each in range(256))
_OUTER: Final = bytes(each ^ 0x5C for each in range(256))
_UNSALTED: Final = Mac(bytes(32))


def frame(*parts: str | bytes | int) -> bytes:
    """Write *parts* as bytes that no other list of parts gives: each with its length before it.

    For associated data and for ``info``, where ``"ab", "c"`` must differ from ``"a", "bc"``.

    Args:
        parts: Text (written as UTF-8), bytes, or whole numbers of at least 0 (written in decimal).
            A text, bytes and a number that are written alike are alike: a place in the list has one
            type.

    Returns:
        For each part four bytes of length, big endian, and the part.
    """
    out: list[bytes] = []
    for part in parts:
        # "surrogatepass": a lone surrogate must give bytes, not an error from another family.
        if type(part) is str:
            data = part.encode("utf-8", "surrogatepass")
        elif isinstance(part, bytes):
            data = part
        else:
            data = str(part).encode("utf-8", "surrogatepass")
        out.append(_length(len(data)))
        out.append(data)
    return b"".join(out)


def _check(length: int) -> None:
    if not 1 <= length <= MAX_LENGTH:
        raise Invalid("HKDF gives 1 to 8,160 bytes")
