"""Breached passwords offline: a Bloom filter in a file, asked in microseconds at each sign-in.

A filter never says no to a password that is in its list; to one that is not it says yes once in some ten
thousand times (``Corpus.false_positives``). It holds bits, not passwords.

The file: a header, a table of 256 buckets, and their bits. A digest's first byte names its bucket, its next
bits a segment of the bucket, so a question touches few pages of the file. ``corpus`` builds it.

Source:
    Kirsch and Mitzenmacher, "Less Hashing, Same Performance", 2006, section 3: two hashes make k.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from enum import StrEnum
from pathlib import Path
from typing import Final

from confide.errors import Damaged, Misconfigured

MAGIC: Final = b"confide breached passwords 1\n"
HEADER: Final = struct.Struct("<32s8sQHH")
"""Magic, kind of digest, number of passwords, hashes, reserved."""
BUCKET: Final = struct.Struct("<QII")
"""Where the bucket's bits begin, its segments, the bytes of each segment."""
BUCKETS: Final = 256
HASHES: Final = 14
BITS_PER_PASSWORD: Final = 19.75
SEGMENT_PASSWORDS: Final = 4096
DIGEST_BYTES: Final = 16
_WORDS: Final = struct.Struct("<QQ")


class Kind(StrEnum):
    """The digest that a list has. The value is what the file says."""

    SHA1 = "sha1"
    NTLM = "ntlm"

    def digest(self, password: str) -> bytes:
        """Return the first 16 bytes of the password's digest, as the lists have it.

        Raises:
            Misconfigured: This Python has no MD4, which NTLM digests are made with.
        """
        if self is Kind.SHA1:
            # The lists are of SHA-1; nothing depends on its strength here.
            return hashlib.sha1(password.encode(), usedforsecurity=False).digest()[:DIGEST_BYTES]
        try:
            return hashlib.new("md4", password.encode("utf-16-le"), usedforsecurity=False).digest()
        except ValueError:
            raise Misconfigured(
                "this Python has no MD4: build the filter from a SHA-1 or plain list"
            ) from None


class Corpus:
    """A filter of breached passwords, mapped into memory. Processes and threads may share the file."""

    def __init__(self, path: Path | str) -> None:
        """Open the file that ``confide passwords build`` made.

        Raises:
            Misconfigured: It cannot be read.
            Damaged: It is something else, or was cut off.
        """
        self.path = Path(path)
        try:
            with self.path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise Misconfigured(f"{path}: {error.strerror}") from None
        except ValueError:
            raise Damaged(f"{path} is not a filter of breached passwords") from None
        self._read(self._map)

    def _read(self, file: mmap.mmap) -> None:
        try:
            magic, kind, self.passwords, self._hashes, _ = HEADER.unpack_from(file)
            table = file[HEADER.size : HEADER.size + BUCKETS * BUCKET.size]
            self._buckets = list(BUCKET.iter_unpack(table))
            self.kind = Kind(kind.rstrip(b"\0").decode("ascii"))
        except (struct.error, ValueError):
            magic = b""
        if magic.rstrip(b"\0") != MAGIC or len(self._buckets) != BUCKETS:
            raise Damaged(f"{self.path} is not a filter of breached passwords")
        if any(start + segments * size > len(file) for start, segments, size in self._buckets):
            raise Damaged(f"{self.path} was cut off")

    def __repr__(self) -> str:
        return f"Corpus({self.passwords:,} passwords)"

    def __contains__(self, password: str) -> bool:
        return self.holds(self.kind.digest(password))

    def holds(self, digest: bytes) -> bool:
        """Tell whether a digest of this corpus's kind is in the list, or is taken for one that is.

        Args:
            digest: The first 16 bytes.
        """
        start, segments, size = self._buckets[digest[0]]
        if not segments:
            return False
        first, second = _WORDS.unpack(digest)
        at = start + (int.from_bytes(digest[1:5], "big") * segments >> 32) * size
        bits = size * 8
        place, step = (first >> 40) % bits, second % (bits - 1) + 1
        read = self._map
        for _ in range(self._hashes):
            place = (place + step) % bits
            if not read[at + (place >> 3)] & (1 << (place & 7)):
                return False
        return True

    @property
    def false_positives(self) -> float:
        """The share of other passwords that are taken for one of the list, from the bits that are set.

        Reads the whole file.
        """
        share = total = 0.0
        for start, segments, size in self._buckets:
            for at in range(start, start + segments * size, size or 1):
                ones = int.from_bytes(self._map[at : at + size], "little").bit_count()
                share += (ones / (size * 8)) ** self._hashes
                total += 1
        return share / total if total else 0.0

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
