"""Sealed cells: text that only the keyring opens, where a value can have no stand-in.

    sealed: base64url( version, 2 bytes | what SealingKey.seal gives for the padded value )

A cell is bound (AAD) to keyring, element and version, not to its row: a table may be sorted. It is
longer than any stand-in, so the two are never mistaken for each other in one column.
"""

from __future__ import annotations

import binascii
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from confide.cipher.derive import frame
from confide.cipher.seal import LENGTH_BYTES, MIN_PADDED, NONCE_BYTES, OVERHEAD, SEALED, SealingKey, padme
from confide.errors import BrokenCells, SealBroken
from confide.protect.columns.cells import Cells, Mask, Rows, offsets_of
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.identifiers import LONGEST

Values: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""The bytes of values, one after another, and the length of each."""

PREFIX: Final = b"sealed:"
_VERSION_BYTES: Final = 2
_BATCH: Final = 1 << 14
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_+/", b"+/\0\0")


def _length(padded: int) -> int:
    """Of a cell, from that of its padded value."""
    data = _VERSION_BYTES + OVERHEAD + padded
    return len(PREFIX) + (data * 4 + 2) // 3


SHORTEST: Final = _length(MIN_PADDED)
assert SHORTEST > LONGEST  # noqa: S101 - no stand-in is as long


class CellSeals:
    """Seals and opens the cells of one element under one keyring."""

    def __init__(self, keyring: ColumnKeyring, element: str) -> None:
        self._keyring = keyring
        self._element = element
        self._opening: dict[int, SealingKey] = {}

    def seal(self, cells: Cells, version: int | None = None) -> Cells:
        """Seal every row that is not null.

        Raises:
            KeyUnavailable: The keyring has no such version.
        """
        version = self._keyring.version if version is None else version
        key, aad = self._keyring.sealing(version), self._aad(version)
        padded, lengths = _lengths(cells)
        offsets = offsets_of(lengths)
        codes = np.empty(int(offsets[-1]), np.uint8)
        for start in range(0, len(cells), _BATCH):
            rows = slice(start, min(start + _BATCH, len(cells)))
            place = codes[offsets[rows.start] : offsets[rows.stop]]
            _seal(cells.cut(rows.start, rows.stop), padded[rows], key, aad, version, place)
        return Cells(codes, offsets, cells.valid)

    def open(self, cells: Cells, names: Rows, version: int | None = None) -> Cells:
        """Open the rows, each of which :func:`find` has named or is null.

        Args:
            cells: Sealed cells.
            names: The row numbers to tell where one does not open.
            version: Only seals of this version open; of any when absent.

        Raises:
            SealBroken: One does not open: another keyring, element or version, or edited.
        """
        pieces: list[NDArray[np.uint8]] = []
        lengths = np.zeros(len(cells), np.int64)
        sealed = cells.lengths
        for start in range(0, len(cells), _BATCH):
            batch = np.arange(start, min(start + _BATCH, len(cells)))
            groups = [batch[sealed[batch] == each] for each in np.unique(sealed[batch]).tolist() if each]
            opened = [self._open(cells, rows, names[rows], version) for rows in groups]
            for rows, (_, found) in zip(groups, opened, strict=True):
                lengths[rows] = found
            if len(groups) == 1:
                pieces.append(opened[0][0])
            elif groups:
                pieces.append(_in_order(groups, opened))
        codes = np.concatenate(pieces) if pieces else np.empty(0, np.uint8)
        return Cells(codes, offsets_of(lengths), cells.valid)

    def _open(self, cells: Cells, rows: Rows, names: Rows, version: int | None) -> Values:
        """Open cells of one length; give back their values one after another, and how long each is."""
        at = np.arange(len(PREFIX), cells.offsets[rows[0] + 1] - cells.offsets[rows[0]])
        data, sound = _decode(cells.codes[cells.offsets[rows].astype(np.int64)[:, None] + at])
        if not sound.all():
            raise BrokenCells(names[~sound].tolist())
        stated = data[:, 0].astype(np.int64) << 8 | data[:, 1]
        padded = np.empty((rows.size, data.shape[1] - _VERSION_BYTES - OVERHEAD), np.uint8)
        for each in np.unique(stated).tolist():
            own = np.flatnonzero(stated == each)
            if (version is not None and each != version) or each not in self._keyring.versions:
                raise BrokenCells(names[own].tolist())
            key, aad = self._keyring.sealing(each), self._aad(each)
            sealed = _slices(data[own, _VERSION_BYTES:])
            try:
                values = key.open_all(sealed, aad)
            except SealBroken:
                opens = np.fromiter((_opens(key, one, aad) for one in sealed), np.bool_, len(sealed))
                raise BrokenCells(names[own][~opens].tolist()) from None
            padded[own] = np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1)
        lengths = np.ascontiguousarray(padded[:, :LENGTH_BYTES]).view(">u4")[:, 0].astype(np.int64)
        inside = np.arange(padded.shape[1] - LENGTH_BYTES) < lengths[:, None]
        return padded[:, LENGTH_BYTES:][inside], lengths

    def _aad(self, version: int) -> bytes:
        return frame("confide column", self._keyring.id, self._element, version)


def _in_order(groups: list[Rows], opened: list[Values]) -> NDArray[np.uint8]:
    """The values of several groups of rows, in the order of the rows."""
    made: list[tuple[int, bytes]] = []
    for rows, (codes, lengths) in zip(groups, opened, strict=True):
        parts = Cells(codes, offsets_of(lengths)).parts(range(rows.size))
        made += zip(rows.tolist(), parts, strict=True)
    return np.frombuffer(b"".join(value for _, value in sorted(made)), np.uint8)


def find(cells: Cells) -> Rows:
    """The rows that hold a sealed cell, opened or not."""
    lengths = cells.lengths
    rows = np.flatnonzero(lengths >= SHORTEST)
    if not rows.size:
        return rows
    heads = cells.codes[cells.offsets[rows][:, None] + np.arange(len(PREFIX))]
    rows = rows[(heads == np.frombuffer(PREFIX, np.uint8)).all(axis=1)]
    known = np.array([each for each in np.unique(lengths[rows]).tolist() if _is_length(each)], np.int64)
    return np.asarray(rows[np.isin(lengths[rows], known)])


def _is_length(length: int) -> bool:
    padded = (length - len(PREFIX)) * 3 // 4 - _VERSION_BYTES - OVERHEAD
    return padme(padded) == padded and _length(padded) == length


def _lengths(cells: Cells) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """To what length each value is padded, and how long its cell is; 0 for null."""
    apart, inverse = np.unique(cells.lengths, return_inverse=True)
    padded = [max(padme(LENGTH_BYTES + each), MIN_PADDED) for each in apart.tolist()]
    made = (
        np.array(padded, np.int64)[inverse],
        np.array([_length(each) for each in padded], np.int64)[inverse],
    )
    if cells.valid is not None:
        for each in made:
            each[~cells.valid] = 0
    return made


def _seal(
    cells: Cells,
    padded: NDArray[np.int64],
    key: SealingKey,
    aad: bytes,
    version: int,
    out: NDArray[np.uint8],
) -> None:
    """Write the sealed cells of a batch of rows."""
    lengths = cells.lengths
    groups: dict[int, tuple[Rows, NDArray[np.uint8]]] = {}
    for width in np.unique(padded).tolist():
        if width:
            own = np.flatnonzero(padded == width)
            held = cells.codes if own.size == len(cells) else cells.codes[np.repeat(padded == width, lengths)]
            values = _slices(_padded(held, lengths[own], width))
            groups[width] = own, _encode(*key.seal_apart(values, aad), version)
    if len(groups) == 1:
        out[:] = next(iter(groups.values()))[1].reshape(-1)
        return
    made: list[bytes] = [b""] * len(cells)
    for own, text in groups.values():
        for row, one in zip(own.tolist(), _slices(text), strict=True):
            made[row] = one
    out[:] = np.frombuffer(b"".join(made), np.uint8)


def _padded(codes: NDArray[np.uint8], lengths: NDArray[Any], width: int) -> NDArray[np.uint8]:
    """``seal.pad`` for values, one after another in *codes*, that all come to the same *width*."""
    made = np.zeros((lengths.size, width), np.uint8)
    made[:, :LENGTH_BYTES] = lengths.astype(">u4").view(np.uint8).reshape(-1, LENGTH_BYTES)
    longest = int(lengths.max(initial=0))
    place = made[:, LENGTH_BYTES : LENGTH_BYTES + longest]
    if codes.size == lengths.size * longest:
        place[:] = codes.reshape(place.shape)
    else:
        place[np.arange(longest) < lengths[:, None]] = codes
    return made


def _slices(matrix: NDArray[np.uint8]) -> list[bytes]:
    data, width = matrix.tobytes(), matrix.shape[1]
    return [data[at : at + width] for at in range(0, len(data), width)]


def _encode(nonces: bytes, sealed: list[bytes], version: int) -> NDArray[np.uint8]:
    """Cells of one length, as rows of characters."""
    head = _VERSION_BYTES + len(SEALED)
    body = head + NONCE_BYTES
    width = body + len(sealed[0])
    # Zeros up to a multiple of three, so that all rows go through base64 in one call; then cut off.
    data = np.zeros((len(sealed), width + -width % 3), np.uint8)
    data[:, :head] = np.frombuffer(version.to_bytes(_VERSION_BYTES, "big") + SEALED, np.uint8)
    data[:, head:body] = np.frombuffer(nonces, np.uint8).reshape(-1, NONCE_BYTES)
    data[:, body:width] = np.frombuffer(b"".join(sealed), np.uint8).reshape(len(sealed), -1)
    text = binascii.b2a_base64(data.tobytes(), newline=False).translate(_TO_URL)
    made = np.empty((len(sealed), len(PREFIX) + (width * 4 + 2) // 3), np.uint8)
    made[:, : len(PREFIX)] = np.frombuffer(PREFIX, np.uint8)
    shape = (len(sealed), -1)
    made[:, len(PREFIX) :] = np.frombuffer(text, np.uint8).reshape(shape)[:, : made.shape[1] - len(PREFIX)]
    return made


def _decode(characters: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Mask]:
    """The bytes of cells of one length, and which of them are written as :func:`_encode` writes."""
    rows, width = characters.shape
    whole = np.full((rows, width + -width % 4), ord("A"), np.uint8)
    text = np.frombuffer(characters.tobytes().translate(_FROM_URL), np.uint8).reshape(rows, width)
    sound: Mask = np.asarray(_BASE64[text].all(axis=1))
    whole[:, :width] = text
    whole[~sound] = ord("A")
    data = np.frombuffer(binascii.a2b_base64(whole.tobytes()), np.uint8).reshape(rows, -1)
    length = width * 3 // 4
    return data[:, :length], np.asarray(sound & ~data[:, length:].any(axis=1))


_BASE64: Final = np.zeros(256, np.bool_)
_BASE64[np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)] = True


def _opens(key: SealingKey, sealed: bytes, aad: bytes) -> bool:
    try:
        key.open(sealed, aad)
    except SealBroken:
        return False
    return True
