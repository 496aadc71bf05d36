"""What is known of patients besides the journal: the vault tells places in an order, and no value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from confide.vault.index import Kin
from confide.watch.events import Batch


@dataclass(frozen=True, slots=True)
class Trait:
    """One patient, as one login meets them.

    Attributes:
        orders: For each order (``name``, ``birth``, ``number``) the place in it, from 0, where it is known;
            of patients whom something explains it may be empty.
        honey: A synthetic one.
        vip: Marked as well known, or as one of the staff.
        kin: How they may stand to the person.
        explained: Something explains the access that the entry does not name, such as an order.
        own: Of a synthetic one: the person made all that the entry names as a reason, however long ago.
    """

    orders: Mapping[str, int]
    honey: bool = False
    vip: bool = False
    kin: Kin = Kin.NONE
    explained: bool = False
    own: bool = False


class Traits(Protocol):
    """Tells of patients; ``wiring`` gives one that asks the vault and the rows."""

    def prepare(self, batches: Sequence[Batch], now: datetime) -> str:
        """Get ready to answer about *batches*, all at once; outside of any transaction.

        Returns:
            What is damaged, so that less is known of a practice's patients; empty where nothing is.
        """

    def about(self, batch: Batch, now: datetime) -> Sequence[Trait]:
        """Say what is known of each patient of a batch, in its order."""


NOTHING = Trait({})


class Bare:
    """Knows nothing but what it is given: for simulations in memory.

    Args:
        honey: Ids of synthetic patients.
        orders: For each patient the places in the orders.
    """

    def __init__(
        self, honey: frozenset[str] = frozenset(), orders: Mapping[str, Mapping[str, int]] | None = None
    ) -> None:
        self._honey = honey
        self._orders = orders or {}

    def prepare(self, batches: Sequence[Batch], now: datetime) -> str:
        """Be ready always."""
        del batches, now
        return ""

    def about(self, batch: Batch, now: datetime) -> Sequence[Trait]:
        """Answer from memory."""
        del now
        return [
            Trait(self._orders[seen.patient], seen.patient in self._honey)
            if seen.patient in self._orders
            else (Trait({}, honey=True) if seen.patient in self._honey else NOTHING)
            for seen in batch.seen
        ]
