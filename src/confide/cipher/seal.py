"""Sealing: bytes in, bytes out that only the key opens, and only with the same associated data.

AES-256-GCM-SIV, because 10^9 records pass the random-nonce limit of GCM, and because a nonce that
comes twice tells only whether the same bytes were sealed twice.

Source:
    RFC 8452 (AES-GCM-SIV). Padding: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files
    and Communication with PURBs", PoPETs 2019 (4), section 4.2 (Padme).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import repeat
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from confide.cipher.derive import digest, frame
from confide.errors import Invalid, SealBroken

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
OVERHEAD: Final = 1 + NONCE_BYTES + TAG_BYTES
"""A sealed value is this many bytes longer than the plaintext."""

SEALED: Final = b"\x01"
WRAPPED: Final = b"\x02"
"""The first byte says what it is and in which format; it is authenticated with the rest."""

LENGTH_BYTES: Final = 4
MIN_PADDED: Final = 64
"""Below this Padme rounds to steps of a few bytes, which would tell a short name from a long one."""


class SealingKey:
    """One AES-256-GCM-SIV key. Threads may share it."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        """Take the key.

        Args:
            key: 32 bytes.

        Raises:
            Invalid: The key has another length.
        """
        if len(key) != KEY_BYTES:
            raise Invalid("a sealing key has 32 bytes")
        self._aead = AESGCMSIV(key)

    def __repr__(self) -> str:
        return "SealingKey()"

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt and authenticate *plaintext*, bound to *aad*.

        Args:
            plaintext: 0 or more bytes. Their number shows: :func:`pad` first where it may not.
            aad: What the seal is bound to; not stored, must be given again to open.

        Returns:
            1 format byte, 12 bytes of random nonce, the ciphertext, 16 bytes of tag.

        Raises:
            Invalid: The plaintext is too large for one seal (2^31 bytes or more).

        Source:
            RFC 8452 section 4.
        """
        return self._encrypt(SEALED, plaintext, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Give back what was sealed.

        Raises:
            SealBroken: Other key, other associated data, or not the bytes that ``seal`` gave.

        Source:
            RFC 8452 section 5.
        """
        return self._decrypt(SEALED, sealed, aad)

    def seal_all(self, plaintexts: Sequence[bytes], aad: bytes) -> list[bytes]:
        """:meth:`seal` each of many short values, all bound to the same *aad*, with less overhead."""
        nonces, sealed = self.seal_apart(plaintexts, aad)
        starts = range(0, len(nonces), NONCE_BYTES)
        return [
            SEALED + nonces[at : at + NONCE_BYTES] + each for at, each in zip(starts, sealed, strict=True)
        ]

    def seal_apart(self, plaintexts: Sequence[bytes], aad: bytes) -> tuple[bytes, list[bytes]]:
        """What :meth:`seal_all` gives, for whoever puts it together himself.

        Returns:
            The nonces, 12 bytes each, one after another; and for each value its ciphertext with 16 bytes of
            tag. Before the two belongs the format byte ``SEALED``.
        """
        nonces = self._nonces(plaintexts, aad)
        apart = [nonces[at : at + NONCE_BYTES] for at in range(0, len(nonces), NONCE_BYTES)]
        return nonces, list(map(self._aead.encrypt, apart, plaintexts, repeat(SEALED + aad)))

    def open_all(self, sealed: Sequence[bytes], aad: bytes) -> list[bytes]:
        """:meth:`open` each of many.

        Raises:
            SealBroken: One of them does not open; nothing is given back.
        """
        decrypt, bound, start = self._aead.decrypt, SEALED + aad, 1 + NONCE_BYTES
        if min(map(len, sealed), default=OVERHEAD) < OVERHEAD or {each[0] for each in sealed} - {SEALED[0]}:
            raise SealBroken("not a seal of this kind and format")
        try:
            return [decrypt(each[1:start], each[start:], bound) for each in sealed]
        except (InvalidTag, ValueError, OverflowError):
            raise SealBroken("a seal does not open: other key, moved, or edited") from None

    def wrap(self, key: bytes, aad: bytes) -> bytes:
        """Seal another key. A wrapped key never opens as a sealed value, nor the other way round.

        Args:
            key: Usually 32 bytes.
            aad: Whose key it is, for what, and which version.

        Returns:
            1 format byte, 12 bytes of random nonce, the ciphertext, 16 bytes of tag.
        """
        return self._encrypt(WRAPPED, key, aad)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """Give back the key that was wrapped.

        Raises:
            SealBroken: Other key, other associated data, or not the bytes that ``wrap`` gave.
        """
        return self._decrypt(WRAPPED, wrapped, aad)

    def _nonces(self, plaintexts: Sequence[bytes], aad: bytes) -> bytes:  # noqa: ARG002 - others derive them
        """The nonces for these values, one after another."""
        return os.urandom(NONCE_BYTES * len(plaintexts))

    def _encrypt(self, form: bytes, plaintext: bytes, aad: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        try:
            return form + nonce + self._aead.encrypt(nonce, plaintext, form + aad)
        except OverflowError:
            raise Invalid("too large for one seal") from None

    def _decrypt(self, form: bytes, sealed: bytes, aad: bytes) -> bytes:
        if len(sealed) < OVERHEAD or sealed[:1] != form:
            raise SealBroken("not a seal of this kind and format")
        start = 1 + NONCE_BYTES
        try:
            return self._aead.decrypt(sealed[1:start], sealed[start:], form + aad)
        except (InvalidTag, ValueError, OverflowError):
            raise SealBroken("the seal does not open: other key, moved, or edited") from None


class RepeatableSealingKey(SealingKey):
    """Seals the same when the same values come again in the same order; else as unlike as any seals.

    For work that a cluster may do twice, where both runs must give the same bytes. One object is one
    run: two runs that are not of the same work never share *nonces*. Not for threads to share.

    Source:
        RFC 8452 section 9: the nonce of AES-GCM-SIV needs to be unique, not random, and if one does
        come twice, that tells only whether the same bytes were sealed. These nonces are HMAC-SHA-256,
        cut to 96 bits, of a running number, the associated data and the plaintext.
    """

    __slots__ = ("_count", "_run")

    def __init__(self, key: bytes, nonces: bytes) -> None:
        """Take the keys.

        Args:
            key: 32 bytes.
            nonces: 32 secret bytes of this one run.
        """
        super().__init__(key)
        self._run = nonces
        self._count = 0

    def __repr__(self) -> str:
        return "RepeatableSealingKey()"

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """See :meth:`SealingKey.seal`."""
        return self.seal_all([plaintext], aad)[0]

    def _nonces(self, plaintexts: Sequence[bytes], aad: bytes) -> bytes:
        first, self._count = self._count, self._count + len(plaintexts)
        key, framed = self._run, frame(aad)
        return b"".join(
            digest(key, number.to_bytes(8, "big") + framed + plaintext)[:NONCE_BYTES]
            for number, plaintext in enumerate(plaintexts, first)
        )


def padme(length: int) -> int:
    """The least Padme length that is not below *length*; at most 12 % more.

    Source:
        Nikitin et al. 2019, Algorithm 1. Its logarithms are exact here: floor(log2(x)) is
        ``x.bit_length() - 1``.
    """
    if length < 2:
        return length  # the second logarithm below does not exist
    E = length.bit_length() - 1
    S = E.bit_length()
    mask = (1 << (E - S)) - 1
    return (length + mask) & ~mask


def pad(data: bytes) -> bytes:
    """Hide the length of *data* among the few lengths that Padme leaves.

    Returns:
        4 bytes of length, big endian, *data*, and zeros up to a Padme length of at least 64.

    Raises:
        Invalid: 2^32 bytes or more.
    """
    length = len(data)
    if length >= 1 << (8 * LENGTH_BYTES):
        raise Invalid("too large to pad")
    framed = length.to_bytes(LENGTH_BYTES, "big") + data
    return framed.ljust(max(padme(len(framed)), MIN_PADDED), b"\0")


def unpad(padded: bytes) -> bytes:
    """Invert :func:`pad`. Call it on opened seals only: it does not authenticate.

    Raises:
        SealBroken: Not what ``pad`` gives.
    """
    end = LENGTH_BYTES + int.from_bytes(padded[:LENGTH_BYTES], "big")
    if len(padded) != max(padme(end), MIN_PADDED) or padded.count(0, end) != len(padded) - end:
        raise SealBroken("not padded as it was sealed")
    return padded[LENGTH_BYTES:end]
