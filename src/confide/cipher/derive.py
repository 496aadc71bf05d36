"""Keys from keys, and keyed digests.

Source:
    RFC 5869 (HKDF) and RFC 2104 (HMAC), both with SHA-256.
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from confide.errors import Invalid

_SHA256: Final = SHA256()
MAX_LENGTH: Final = 255 * 32


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
    return hmac.digest(salt or bytes(32), key, "sha256")


def expand(pseudorandom: bytes, info: bytes, length: int = 32) -> bytes:
    """Derive *length* bytes from what :func:`extract` gave.

    ``expand(extract(key), info, length) == hkdf(key, info, length)``.

    Raises:
        Invalid: The length is out of range.

    Source:
        RFC 5869 section 2.3, HKDF-Expand.
    """
    _check(length)
    return HKDFExpand(_SHA256, length, info).derive(pseudorandom)


def digest(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256 of *data*: 32 bytes that only a holder of *key* can compute or compare with.

    Source:
        RFC 2104.
    """
    return hmac.digest(key, data, "sha256")


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
    out = []
    for part in parts:
        # "surrogatepass": a lone surrogate must give bytes, not an error from another family.
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        out.append(len(data).to_bytes(4, "big"))
        out.append(data)
    return b"".join(out)


def _check(length: int) -> None:
    if not 1 <= length <= MAX_LENGTH:
        raise Invalid("HKDF gives 1 to 8,160 bytes")
