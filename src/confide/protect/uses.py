"""What the keys of this process were used for: each opening says under which kind of entry it is done.

Counted where seals are opened, not where it is decided; so a way to a clear value that forgets the journal is
counted, too, as one without a name. The counts leave the process with :func:`take` and are compared with the
journal by ``confide journal verify``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Final


class Kind(StrEnum):
    """Why a seal is opened."""

    REVEAL = "reveal"
    VEILED = "veiled"
    INDEX = "index"
    EXPORT = "export"
    PACK = "pack"
    MAILING = "mailing"
    REKEY = "rekey"
    RENUMBER = "renumber"
    UNNAMED = "unnamed"


@dataclass(slots=True)
class Use:
    """What was done for one reason.

    Attributes:
        seals: How many were opened.
        entries: Ids of the journal's entries under which they were.
    """

    seals: int = 0
    entries: list[int] = field(default_factory=list)


_lock: Final = Lock()
_uses: Final[dict[Kind, Use]] = {}


def name(kind: Kind, entries: Iterable[int]) -> None:
    """Say which entries allow the openings that follow; they are committed already."""
    with _lock:
        _uses.setdefault(kind, Use()).entries.extend(entries)


def count(kind: Kind) -> None:
    """Say that a seal is being opened."""
    with _lock:
        _uses.setdefault(kind, Use()).seals += 1


def take() -> dict[Kind, Use]:
    """Return what was counted since the last time, and begin anew."""
    with _lock:
        taken = dict(_uses)
        _uses.clear()
    return taken


def give_back(taken: dict[Kind, Use]) -> None:
    """Count again what could not be written down."""
    with _lock:
        for kind, use in taken.items():
            here = _uses.setdefault(kind, Use())
            here.seals += use.seals
            here.entries.extend(use.entries)
