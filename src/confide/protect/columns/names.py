"""Pseudonyms for a column of names: one-way, the same for the same name, and fit to be said aloud."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from confide.protect.columns.cells import Rows
from confide.protect.pseudonym import pseudonym


def normalise(name: str) -> str:
    """The form in which names are the same: without case, commas and further spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().replace(",", " ").split())


def pseudonyms(names: pa.Array, key: bytes) -> tuple[pa.Array, Rows]:
    """Given and family name made up for each name, and the rows that have nothing in them.

    Ten syllables of 6 bits each: among a million names two share a pseudonym with a chance of less
    than one in two million.

    Args:
        names: Text.
        key: 32 bytes.
    """
    coded = names.dictionary_encode()
    clear = [normalise(name) for name in coded.dictionary.to_pylist()]
    made = pa.array([" ".join(pseudonym(key, name)) if name else None for name in clear], names.type)
    told = made.take(coded.indices)
    empty = pc.and_(pc.is_valid(names), pc.is_null(told))
    return told, np.flatnonzero(empty.to_numpy(zero_copy_only=False))
