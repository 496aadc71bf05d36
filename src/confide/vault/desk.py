"""The desk where bills are paid: the budget, and the journal, in one durable transaction; then it is told.

Who comes while another bill is being paid is served together with all who wait (``rush``). On PostgreSQL the
plain cases of such a group are paid at once (``access.crowd``), on SQLite one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from django.db import DatabaseError, transaction

from confide.access import crowd
from confide.access.crowd import Purchase
from confide.access.decide import Grant
from confide.access.exposure import Charge
from confide.access.statements import COMMIT
from confide.audit import receipts
from confide.audit.journal import Entry, Journal
from confide.audit.receipts import Hashed
from confide.errors import ConfideError, JournalUnavailable
from confide.vault.rush import Rush
from confide.vault.teller import Teller
from confide.vault.turns import take_turn

Told = TypeVar("Told")


@contextmanager
def durable() -> Iterator[None]:
    """A transaction of its own: when it ends, what was paid and written is on the disk.

    Raises:
        JournalUnavailable: The database refuses, or the caller is in a transaction that could still be
            rolled back, and the entry with it.
    """
    try:
        with take_turn(transaction.get_connection()), transaction.atomic(durable=True):
            yield
    except DatabaseError as problem:
        msg = "the journal cannot be written, so nothing was stored or shown"
        raise JournalUnavailable(msg) from problem
    except RuntimeError as problem:
        msg = "the journal's entry must be durable first, so nothing is revealed inside a transaction"
        raise JournalUnavailable(msg) from problem


@dataclass(frozen=True, slots=True)
class Bill(Generic[Told]):
    """What somebody would pay for.

    Attributes:
        journal: Where it is written.
        grant: Whose budget it is.
        now: Aware UTC.
        charges: What all of it costs.
        told: What is told where all of it is paid for.
        entries: Returns what the journal says then.
        pay: Pays in the caller's transaction for as much as is covered, and writes the journal; returns what
            is told, and the ids of the entries.
    """

    journal: Journal
    grant: Grant
    now: datetime
    charges: Sequence[Charge]
    told: Told
    entries: Callable[[], list[Entry]]
    pay: Callable[[], tuple[Told, list[int]]]


@dataclass(frozen=True, slots=True)
class _Paid:
    """What is told, the ids of its entries, and those of them that a receipt names."""

    told: Any
    ids: list[int]
    entries: list[Hashed]


def pay(bill: Bill[Told]) -> tuple[Told, list[int]]:
    """Pay a bill, with others if they wait; return what is told, and the ids of the entries.

    Raises:
        JournalUnavailable: The journal cannot be written; nothing may be told.
        ConfideError: As the bill's own `pay` says.
    """
    if not transaction.get_connection().in_atomic_block:
        paid = _rush.join(bill)
        if paid is not None:
            receipts.note(paid.entries)
            return paid.told, paid.ids
    with durable():
        return bill.pay()


def _serve(bills: Sequence[Bill[Any]]) -> list[_Paid | None]:
    """Pay several bills in one durable transaction; None for whoever must pay alone, or would be refused."""
    paying = _pay_crowd if transaction.get_connection().vendor == "postgresql" else _pay_in_turn
    with _teller.lend(), receipts.collecting() as collected, durable():  # which are whose is known below
        paid = paying(bills)
    hashes = dict(collected)
    return [
        None if each is None else _Paid(*each, [(id_, hashes[id_]) for id_ in each[1] if id_ in hashes])
        for each in paid
    ]


def _pay_in_turn(bills: Sequence[Bill[Any]]) -> list[tuple[Any, list[int]] | None]:
    """One after the other; what goes wrong with one is undone, and does not touch the others."""
    paid: list[tuple[Any, list[int]] | None] = []
    for bill in bills:
        try:
            with transaction.atomic(savepoint=len(bills) > 1):  # of one, the whole transaction is undone
                paid.append(bill.pay())
        except ConfideError:
            paid.append(None)
    return paid


def _pay_crowd(bills: Sequence[Bill[Any]]) -> list[tuple[Any, list[int]] | None]:
    """All at once; whoever is not a plain case pays alone."""
    now = max(bill.now for bill in bills)
    plain, writes = crowd.reserve([Purchase(bill.grant, bill.charges) for bill in bills], now)
    entries = [bill.entries() if fits else [] for bill, fits in zip(bills, plain, strict=True)]
    # What is paid, what is told and the end of the transaction go to the database together.
    told = [entry for some in entries for entry in some]
    ids = iter(bills[0].journal.append(told, writes, [COMMIT] if told else []))
    return [
        (bill.told, list(islice(ids, len(some)))) if fits else None
        for bill, fits, some in zip(bills, plain, entries, strict=True)
    ]


_teller: Final = Teller()
_rush: Final[Rush[Bill[Any], _Paid]] = Rush(_serve)
