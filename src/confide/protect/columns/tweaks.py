"""A tweak per row, from a column beside the values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from confide.cipher.derive import digest
from confide.errors import Invalid, MalformedColumn
from confide.protect.columns import arrow, carriers
from confide.protect.columns.arrow import Content
from confide.protect.columns.carriers import Carried
from confide.protect.columns.keyring import TWEAK_BYTES
from confide.protect.columns.kinds import Method
from confide.protect.columns.work import Terms


def row_tweaks(column: Any, carried: Carried, terms: Terms) -> NDArray[np.uint8] | None:
    """Sixteen bytes per row: HMAC of what stands beside it, so that this may be of any length and secret.

    A number counts as its decimal text, so that an id has the same tweak in a column of either kind.

    Args:
        column: Text, bytes, whole numbers or dates; None for no tweaks.
        carried: The column of values.
        terms: Its element, keyring and version.

    Raises:
        MalformedColumn: A row has a value and no tweak.
        Invalid: The columns differ in length, or the method is not FF1.
    """
    if column is None:
        return None
    if terms.method is not Method.FF1:
        raise Invalid("tweaks are for FF1 only")
    beside = carriers.take(_binary(column))
    if sum(map(len, beside.parts)) != sum(map(len, carried.parts)):
        raise Invalid("the tweaks are a column of another length")
    key = b"" if terms.keyring is None else terms.keyring.row_tweaks(terms.element, terms.version)
    made = [_digests(part, key) for part in beside.parts]
    there = _joined([_valid(part) for part in beside.parts])
    missing = np.flatnonzero(~there & _joined([_valid(part) for part in carried.parts]))
    if missing.size:
        raise MalformedColumn(missing.tolist(), "with a value and no tweak beside it")
    return np.concatenate(made) if made else np.empty((0, TWEAK_BYTES), np.uint8)


def _digests(part: Content, key: bytes) -> NDArray[np.uint8]:
    cells = arrow.text_of(part)
    coded = arrow.write(cells, pa.large_binary()).dictionary_encode()
    each = [
        digest(key, value)[:TWEAK_BYTES] for value in coded.dictionary.to_numpy(zero_copy_only=False).tolist()
    ]
    known = np.frombuffer(b"".join([*each, bytes(TWEAK_BYTES)]), np.uint8).reshape(-1, TWEAK_BYTES)
    rows: NDArray[np.intp] = pc.fill_null(coded.indices, len(each)).to_numpy()
    return known[rows]


def _valid(part: Content) -> NDArray[np.bool_]:
    if isinstance(part, pa.Array):
        made: NDArray[np.bool_] = part.is_valid().to_numpy(zero_copy_only=False)
        return made
    return np.ones(len(part), np.bool_) if part.valid is None else part.valid


def _joined(parts: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.concatenate(parts) if parts else np.empty(0, np.bool_)


def _binary(column: Any) -> Any:
    """A list of bytes as Arrow's; any other column as it is."""
    if isinstance(column, list | tuple) and set(map(type, column)) <= {bytes, type(None)}:
        return pa.array(column, pa.large_binary())
    return column
