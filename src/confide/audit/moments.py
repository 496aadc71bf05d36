"""Do the moments of the entries go on as their places do? A clock that was set back leaves a trace.

A note, and no fault: a clock may have been wrong by itself. But a report over days does not show such entries
where they belong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

MOST: Final = timedelta(hours=1)
"""How far moments may lie apart from the order of the tree: a transaction may be long, a clock corrected."""


@dataclass(slots=True)
class _Told:
    """How many entries, and the first of them."""

    many: int = 0
    first: str = ""

    def add(self, where: str) -> None:
        self.many += 1
        self.first = self.first or where


@dataclass(slots=True)
class Moments:
    """Takes the entries in the order of the tree.

    Attributes:
        latest: The latest moment up to here; None before the first.
    """

    latest: datetime | None = None
    _back: _Told = field(default_factory=_Told)
    _ahead: _Told = field(default_factory=_Told)
    _unsealed: list[tuple[datetime, int, int]] = field(default_factory=list)

    def take(self, at: datetime, position: int, id_: int) -> None:
        """Take the next entry.

        Args:
            at: Its moment, aware UTC.
            position: In the tree.
            id_: The entry's.
        """
        if self.latest is None or at > self.latest:
            self.latest = at
        elif self.latest - at > MOST:
            self._back.add(_name(position, id_))
        self._unsealed.append((at, position, id_))

    def seal(self, at: datetime) -> None:
        """Take the moment of the checkpoint that covers all up to here."""
        for told, position, id_ in self._unsealed:
            if told - at > MOST:
                self._ahead.add(_name(position, id_))
        self._unsealed.clear()

    def notes(self) -> Iterator[str]:
        """Return a sentence for each way in which moments do not go on; never a moment."""
        for told, what in (
            (self._back, "before what has an earlier place"),
            (self._ahead, "after the checkpoint that covers it"),
        ):
            if told.many:
                entries = "1 entry is" if told.many == 1 else f"{told.many:,} entries are"
                yield (
                    f"{entries} dated over an hour {what}, the first is {told.first}: a clock was set back,"
                    " or had run ahead; reports over days may not show them"
                )


def _name(position: int, id_: int) -> str:
    return f"entry {position} (id {id_})"
