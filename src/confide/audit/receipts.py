"""Receipts: what a response with a clear value says of its entries, so that none can be dropped unseen.

A proxy that keeps the headers of responses keeps the receipts; each entry that one names must be in the
journal.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from confide.access.roles import Action, Form
from confide.errors import Invalid

HEADER: Final = "Confide-Receipt"
_MOST: Final = 1_000_000
_SHOWN: Final = frozenset({Form.CLEAR.value, Form.MASKED.value, Form.SEARCHED.value})
# What is written names elements as well, and what is indexed: nobody is shown anything by that.
_HIDDEN: Final = frozenset({Action.WRITE.value, Action.IMPORT.value, Action.INDEX.value})

Hashed = tuple[int, bytes]
"""An entry's id and its hash."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The entries of one response.

    Attributes:
        ids: In order.
        sha256: Over the hashes of these entries, one after another in that order; 32 bytes.
    """

    ids: tuple[int, ...]
    sha256: bytes

    @classmethod
    def of(cls, entries: Sequence[Hashed]) -> Receipt:
        """Make the receipt of *entries*."""
        ordered = sorted(entries)
        return cls(tuple(id_ for id_, _ in ordered), sha256(b"".join(each for _, each in ordered)).digest())

    def __str__(self) -> str:
        runs: list[list[int]] = []
        for id_ in self.ids:
            if runs and id_ == runs[-1][1] + 1:
                runs[-1][1] = id_
            else:
                runs.append([id_, id_])
        listed = ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)
        return f"{listed} {b64encode(self.sha256).decode()}"

    @classmethod
    def parse(cls, written: str) -> Receipt:
        """Read what ``str(receipt)`` wrote.

        Raises:
            Invalid: It is no receipt.
        """
        listed, _, encoded = written.partition(" ")
        ids: list[int] = []
        try:
            hashed = b64decode(encoded, validate=True)
            for run in listed.split(","):
                first, _, last = run.partition("-")
                start, end = int(first), int(last or first)
                if end - start >= _MOST:
                    raise ValueError
                ids += range(start, end + 1)
        except ValueError:
            raise Invalid("a receipt is ids and a hash") from None
        receipt = cls(tuple(ids), hashed)
        if len(hashed) != 32 or str(receipt) != written or ids != sorted(set(ids)):
            raise Invalid("a receipt is ids and a hash")
        return receipt


_collected: ContextVar[list[Hashed] | None] = ContextVar("confide_receipts", default=None)
_commits: Final = [0]  # a list, because it is counted in place


@contextmanager
def collecting() -> Iterator[list[Hashed]]:
    """Collect the entries that show or search clear values and are committed in this context."""
    entries: list[Hashed] = []
    token = _collected.set(entries)
    try:
        yield entries
    finally:
        _collected.reset(token)


def shows(action: str, forms: Iterable[str]) -> bool:
    """Does such an entry say that somebody was shown a clear value, or learned of it by asking?"""
    return action not in _HIDDEN and not _SHOWN.isdisjoint(forms)


def note(entries: Iterable[Hashed]) -> None:
    """Say that these entries, of those that show something, have just been committed in this context."""
    _commits[0] += 1
    collected = _collected.get()
    if collected is not None:
        collected.extend(entries)


def commits() -> int:
    """Return a number that grows when this process commits entries."""
    return _commits[0]
