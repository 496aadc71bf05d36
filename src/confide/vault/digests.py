"""Keyed digests for exact look-ups: equal values of one practice, and only those, are equal."""

from __future__ import annotations

from confide.cipher.derive import digest, frame

BYTES = 16


def keyed_digest(key: bytes, *parts: str | bytes) -> bytes:
    """HMAC-SHA-256 of *parts* (framed), cut to 16 bytes.

    Args:
        key: A practice's index key, 32 bytes.
    """
    return digest(key, frame(*parts))[:BYTES]
