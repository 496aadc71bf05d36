"""Which patients are synthetic: known under the practice's key alone, so that a dump does not tell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec
from django.db import connections, router

from confide.access.statements import among, ask
from confide.errors import ConfideError, SealBroken
from confide.vault.keepsakes import Keepsakes
from confide.watch.models import Bait

SLOTS: Final = 64
"""The sealed list is as long as for this many, or a multiple, however many there are."""

_KIND: Final = "baits"
_ROOM: Final = 160  # bytes of one of them at most
_REMEMBERED: Final = 4000

Origin = tuple[str, str]
"""By which name, of which source, a synthetic patient came."""


class Baits:
    """The synthetic patients of each practice. Threads may share it.

    Args:
        seals: Opens and seals the lists.
    """

    def __init__(self, seals: Keepsakes) -> None:
        self._seals = seals
        self._known: dict[str, tuple[int, dict[str, Origin]]] = {}

    def of(self, practice: str) -> frozenset[str]:
        """Return the ids of a practice's synthetic patients.

        Raises:
            KeyUnavailable, SealBroken: The list cannot be opened.
        """
        return frozenset(self._list(practice))

    def of_each(
        self, practices: Collection[str], broken: list[ConfideError] | None = None
    ) -> dict[str, frozenset[str]]:
        """Return the same for some practices at once.

        Args:
            practices: Their ids.
            broken: Takes what is the matter with lists that do not open, instead of an error.
        """
        there = dict.fromkeys(practices, frozenset[str]())
        connection = connections[router.db_for_read(Bait)]
        condition, asked = among(connection, "practice", practices)
        query = f"SELECT practice, version FROM watch_bait WHERE {condition}"  # noqa: S608 - a name of ours
        [rows] = ask(connection, [(query, [asked])])
        for practice, version in rows:
            try:
                there[practice] = frozenset(self._open(practice, version))
            except SealBroken as problem:
                if broken is None:
                    raise
                broken.append(problem)
        return there

    def among(self, practices: Sequence[str] = ()) -> frozenset[str]:
        """Return the synthetic patients of some practices; of all of the host where none is named."""
        known = practices or Bait.objects.values_list("pk", flat=True)
        return frozenset().union(*self.of_each(list(known)).values())

    def origins(self, practice: str) -> list[Origin]:
        """Return how they came, of those that were planted here."""
        return [origin for origin in self._list(practice).values() if all(origin)]

    def add(self, practice: str, patients: Iterable[str], origin: Origin = ("", "")) -> None:
        """Remember more of them; in the transaction that stores them."""
        listed = self._list(practice) | dict.fromkeys(patients, origin)
        data = msgspec.json.encode(listed)
        size = SLOTS * _ROOM
        sealed = self._seals.seal(_KIND, practice, data.ljust(-(-len(data) // size) * size), practice)
        row = Bait.objects.filter(pk=practice).first()
        Bait.objects.update_or_create(
            pk=practice, defaults={"sealed": sealed, "version": row.version + 1 if row else 1}
        )

    def _list(self, practice: str) -> dict[str, Origin]:
        version = Bait.objects.filter(pk=practice).values_list("version", flat=True).first()
        return {} if version is None else self._open(practice, version)

    def _open(self, practice: str, version: int) -> dict[str, Origin]:
        known = self._known.get(practice)
        if known is None or known[0] != version:
            row = Bait.objects.get(pk=practice)
            data = self._seals.open(_KIND, practice, bytes(row.sealed), practice)
            known = (row.version, msgspec.json.decode(data, type=dict[str, Origin]))
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            self._known[practice] = known
        return known[1]
