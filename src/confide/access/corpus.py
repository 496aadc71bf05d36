"""Building a filter of breached passwords from lists, in little memory, however long they are.

First every digest goes to one of 256 files beside the output, by its first byte; then each of these is
sorted, made unique and written as bits. A list may hold

- ``SHA1`` or ``SHA1:COUNT`` in hexadecimal, one a line, as Have I Been Pwned gives them out;
- ``NTLM`` or ``NTLM:COUNT`` likewise;
- plain passwords, one a line, in UTF-8 (other bytes are taken as Latin-1).
"""

from __future__ import annotations

import gzip
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

from confide.access.breached import (
    BITS_PER_PASSWORD,
    BUCKET,
    BUCKETS,
    DIGEST_BYTES,
    HASHES,
    HEADER,
    MAGIC,
    SEGMENT_PASSWORDS,
    Corpus,
    Kind,
)
from confide.errors import Invalid, Misconfigured

Digests = NDArray[np.uint8]
"""Rows of 16 bytes."""
_PIECE: Final = 8 << 20
_HEX_LINE: Final = re.compile(rb"([0-9A-Fa-f]{32}|[0-9A-Fa-f]{40})(:[0-9]+)?\r?")
_NIBBLES: Final = np.full(256, 255, np.uint8)
for _digit, _value in zip(b"0123456789abcdefABCDEF", [*range(16), *range(10, 16)], strict=True):
    _NIBBLES[_digit] = _value
_WIDTHS: Final = {40: Kind.SHA1, 32: Kind.NTLM}


def build(lists: Iterable[Path], output: Path, progress: Callable[[int], None] = lambda _: None) -> Corpus:
    """Build a filter from *lists*; the output appears when it is complete.

    Args:
        lists: Files, plain or gzip. All of the same kind of digest; plain passwords count as SHA-1.
        output: Where the filter goes; replaced if it is there.
        progress: Called with the number of bytes that were read since the last call.

    Returns:
        The filter, open.

    Raises:
        Invalid: The lists are of different kinds, have a broken line, or have nothing in them.
        Misconfigured: A file cannot be read, or the output cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".confide-build-", dir=output.parent) as folder:
            kind = _scatter(list(lists), Path(folder), progress)
            made = Path(folder) / "filter"
            with made.open("wb") as file:
                _gather(kind, Path(folder), file)
                file.flush()
                os.fsync(file.fileno())
            made.chmod(0o644)  # it holds no secret, and the server's user reads it
            made.replace(output)
    except OSError as error:
        raise Misconfigured(f"{error.filename or output}: {error.strerror}") from None
    return Corpus(output)


def _scatter(lists: list[Path], folder: Path, progress: Callable[[int], None]) -> Kind:
    found: Kind | None = None
    with ExitStack() as stack:
        buckets = [stack.enter_context((folder / f"{i:02x}").open("wb")) for i in range(BUCKETS)]
        for path in lists:
            for kind, digests in _read(path, progress):
                if found not in {None, kind}:
                    raise Invalid(f"{path} has digests of another kind than the lists before it")
                found = kind if len(digests) else found
                ordered = digests[np.argsort(digests[:, 0], kind="stable")]
                ends = np.searchsorted(ordered[:, 0], np.arange(1, BUCKETS + 1))
                begin = 0
                for bucket, end in zip(buckets, ends.tolist(), strict=True):
                    if end > begin:
                        bucket.write(ordered[begin:end].tobytes())
                    begin = end
    if found is None:
        raise Invalid("the lists have no passwords in them")
    return found


def _read(path: Path, progress: Callable[[int], None]) -> Iterator[tuple[Kind, Digests]]:
    width: int | None = None
    for number, piece in enumerate(_pieces(path, progress)):
        if number == 0:
            first = _HEX_LINE.fullmatch(piece.partition(b"\n")[0])
            width = len(first[1]) if first else None
        if width is None:
            yield Kind.SHA1, _digest_plain(piece)
        else:
            yield _WIDTHS[width], _parse_hex(piece, width, path)


def _pieces(path: Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    """Whole lines, some megabytes at a time, ending with a line feed."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        rest = b""
        while piece := cast(BinaryIO, file).read(_PIECE):
            progress(len(piece))
            whole, feed, tail = piece.rpartition(b"\n")
            if feed:
                yield rest + whole + feed
                rest = tail
            else:
                rest += tail
        if rest:
            yield rest + b"\n"


def _digest_plain(piece: bytes) -> Digests:
    digests = bytearray()
    for line in piece[:-1].split(b"\n"):
        password = line.removesuffix(b"\r")
        if not password:
            continue
        try:
            text = password.decode()
        except UnicodeDecodeError:
            text = password.decode("latin-1")
        digests += Kind.SHA1.digest(text)
    return np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES)


def _parse_hex(piece: bytes, width: int, path: Path) -> Digests:
    text = np.frombuffer(piece, np.uint8)
    feeds = np.flatnonzero(text == ord("\n"))
    begins = np.concatenate(([0], feeds[:-1] + 1))
    begins = begins[feeds - begins > 1]  # without empty lines
    if begins.size == 0:
        return np.empty((0, DIGEST_BYTES), np.uint8)
    if begins[-1] + width > text.size:
        raise Invalid(f"{path} has a line that is no digest")
    nibbles = _NIBBLES[text[begins[:, None] + np.arange(width)]]
    after = text[begins + width]
    if (nibbles == 255).any() or not np.isin(after, np.frombuffer(b":\r\n", np.uint8)).all():
        raise Invalid(f"{path} has a line that is no digest")
    pairs = nibbles[:, : 2 * DIGEST_BYTES]
    return pairs[:, 0::2] * np.uint8(16) + pairs[:, 1::2]


def _gather(kind: Kind, folder: Path, file: BinaryIO) -> None:
    start = HEADER.size + BUCKETS * BUCKET.size
    file.write(bytes(start))
    table, total = [], 0
    for i in range(BUCKETS):
        digests = np.fromfile(folder / f"{i:02x}", np.dtype((np.void, DIGEST_BYTES)))
        unique = np.unique(digests).view(np.uint8).reshape(-1, DIGEST_BYTES)
        segments = -(-len(unique) // SEGMENT_PASSWORDS)
        size = max(8, int(len(unique) * BITS_PER_PASSWORD / 8) // segments) if segments else 0
        file.writelines(
            np.packbits(bits, bitorder="little").tobytes() for bits in _fill(unique, segments, size)
        )
        table.append((start, segments, size))
        start += segments * size
        total += len(unique)
    file.seek(0)
    file.write(HEADER.pack(MAGIC, kind.value.encode(), total, HASHES, 0))
    file.writelines(BUCKET.pack(*row) for row in table)


def _fill(digests: Digests, segments: int, size: int) -> Iterator[NDArray[np.bool_]]:
    """The bits of each segment. The places are those that ``Corpus.holds`` looks at."""
    words = np.ascontiguousarray(digests).view("<u8")
    of = digests[:, 1:5].copy().view(">u4")[:, 0].astype(np.uint64) * np.uint64(segments) >> np.uint64(32)
    bits = size * 8
    places = (words[:, 0] >> np.uint64(40)) % np.uint64(bits) if bits else words[:, 0]
    steps = words[:, 1] % np.uint64(max(bits - 1, 1)) + np.uint64(1)
    # Sorted digests: a segment's rows are neighbours, because the segment grows with bytes 1 to 4.
    ends = np.searchsorted(of, np.arange(1, segments + 1, dtype=np.uint64))
    begin = 0
    for end in ends.tolist():
        filled = np.zeros(bits, np.bool_)
        place, step = places[begin:end].copy(), steps[begin:end]
        for _ in range(HASHES):
            place = (place + step) % np.uint64(bits)
            filled[place] = True
        yield filled
        begin = end
