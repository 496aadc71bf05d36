"""Paying for documents before they are opened: the budget, and the journal, in one durable transaction.

Where a ceiling of the practice or the host is reached, care comes first: of today's patients what nobody is
treated without (``access.care``) is paid for from the person's own budget alone, and the journal says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from confide.access import budget, crowd, pulse
from confide.access.charges import Operation, charge
from confide.access.crowd import Purchase
from confide.access.decide import Grant
from confide.access.exposure import Charge
from confide.access.roles import Form
from confide.audit import receipts, stops
from confide.audit.journal import Entry, Journal, entry_for
from confide.audit.receipts import Hashed
from confide.errors import ConfideError
from confide.protect import uses
from confide.protect.elements import Element
from confide.vault.rush import Rush
from confide.vault.telling import durable

if TYPE_CHECKING:
    from confide.vault.door import Document

ABOVE: Final = "above-ceiling"
"""The action of an entry that says that something was opened for care although a ceiling is reached."""

Shown = Mapping[Element, Form]


def pay(
    journal: Journal,
    grant: Grant,
    operation: Operation,
    documents: Sequence[Document],
    shown: Sequence[Shown],
    now: datetime,
) -> list[Shown]:
    """Charge the budget and write the journal.

    Args:
        journal: Where it is written.
        grant: Whose budget it is.
        operation: What it is charged as.
        documents: In the order in which they are paid for.
        shown: What the grant shows of each.
        now: Aware UTC.

    Returns:
        What is paid for, of each.
    """
    if not any(shown):
        pulse.recheck(grant)
        return list(shown)
    bill = _Bill(journal, grant, operation, documents, shown, now)
    if not transaction.get_connection().in_atomic_block:
        receipt = _rush.join(bill)
        if receipt is not None:
            receipts.note(receipt.entries)
            uses.name(uses.Kind.REVEAL, (id_ for id_, _ in receipt.entries))
            return receipt.told
    with durable():
        told, ids = _pay(bill)
    uses.name(uses.Kind.REVEAL, ids)
    return told


@dataclass(frozen=True, slots=True)
class _Bill:
    """What one caller would be shown; as in `pay`."""

    journal: Journal
    grant: Grant
    operation: Operation
    documents: Sequence[Document]
    shown: Sequence[Shown]
    now: datetime

    def entries(self, told: Sequence[Shown]) -> list[Entry]:
        """What the journal says of it."""
        return [
            entry_for(self.grant, self.now, patient=patient, elements=what, **describe(d))
            for d, what in zip(self.documents, told, strict=True)
            if what
            for patient in d.patients or ("",)
        ]


@dataclass(frozen=True, slots=True)
class _Paid:
    """What was paid for, of each document; and which of its entries show something."""

    told: list[Shown]
    entries: list[Hashed]


def _pay(bill: _Bill) -> tuple[list[Shown], list[int]]:
    """Charge and write in the caller's transaction; return what is paid for, and the ids of its entries."""
    grant, documents, shown, now = bill.grant, bill.documents, bill.shown, bill.now
    charges, last_group = _charges(bill.operation, documents, shown)
    groups = budget.reserve(grant, charges, now)
    told = [what if group <= groups else {} for what, group in zip(shown, last_group, strict=True)]
    entries: list[Entry] = []
    if groups < last_group[-1]:
        stops.note(bill.journal, grant, now)
        cared = _pay_care(grant, bill.operation, documents, shown, told, now)
        if cared != told:
            entries.append(replace(entry_for(grant, now), action=ABOVE))
        told = cared
    above = len(entries)
    entries += bill.entries(told)
    return told, bill.journal.append(entries)[above:]


def _serve(bills: Sequence[_Bill]) -> list[_Paid | None]:
    """Pay several bills in one durable transaction; None for whoever must pay alone, or would be refused."""
    connection = transaction.get_connection()
    paying = _pay_crowd if connection.vendor == "postgresql" and len(bills) > 1 else _pay_in_turn
    with receipts.collecting() as collected, durable():  # which are whose is known below
        paid = paying(bills)
    hashes = dict(collected)
    return [
        None if each is None else _Paid(each[0], [(id_, hashes[id_]) for id_ in each[1] if id_ in hashes])
        for each in paid
    ]


def _pay_in_turn(bills: Sequence[_Bill]) -> list[tuple[list[Shown], list[int]] | None]:
    """One after the other; what goes wrong with one is undone, and does not touch the others."""
    paid: list[tuple[list[Shown], list[int]] | None] = []
    for bill in bills:
        try:
            with transaction.atomic():
                paid.append(_pay(bill))
        except ConfideError:
            paid.append(None)
    return paid


def _pay_crowd(bills: Sequence[_Bill]) -> list[tuple[list[Shown], list[int]] | None]:
    """All at once; whoever is not a plain case pays alone."""
    now = max(bill.now for bill in bills)
    purchases = [
        Purchase(bill.grant, _charges(bill.operation, bill.documents, bill.shown)[0]) for bill in bills
    ]
    plain = crowd.reserve(purchases, now)
    entries = [bill.entries(bill.shown) if fits else [] for bill, fits in zip(bills, plain, strict=True)]
    ids = iter(bills[0].journal.append([entry for some in entries for entry in some]))
    return [
        (list(bill.shown), list(islice(ids, len(some)))) if fits else None
        for bill, fits, some in zip(bills, plain, entries, strict=True)
    ]


_rush: Final = Rush(_serve)


def _pay_care(
    grant: Grant,
    operation: Operation,
    documents: Sequence[Document],
    shown: Sequence[Shown],
    told: list[Shown],
    now: datetime,
) -> list[Shown]:
    """Of what is not paid for, pay for what today's patients need, as far as the person's own budget goes."""
    needed = [
        {}
        if paid
        else {
            element: form
            for element, form in what.items()
            if form is Form.CLEAR and grant.is_care(element, d.exposed, d.place.type)
        }
        for d, what, paid in zip(documents, shown, told, strict=True)
    ]
    if not any(needed):
        return told
    charges, last_group = _charges(operation, documents, needed)
    groups = budget.reserve_care(grant, charges, now)
    return [
        what if what and group <= groups else paid
        for what, paid, group in zip(needed, told, last_group, strict=True)
    ]


def _charges(
    operation: Operation, documents: Sequence[Document], shown: Sequence[Shown]
) -> tuple[list[Charge], list[int]]:
    """What *shown* costs; and for each document the last of the groups that it needs to be paid."""
    showing: list[tuple[str, Shown]] = []
    last_group: list[int] = []
    groups, previous = 0, None
    for d, what in zip(documents, shown, strict=True):
        for patient in d.exposed if what else ():
            groups += patient != previous
            previous = patient
            showing.append((patient, what))
        last_group.append(groups)
    return charge(operation, shown=showing), last_group


def describe(d: Document) -> dict[str, Any]:
    """Return what the journal says of a document."""
    return {"resource_type": d.place.type, "resource_id": d.place.id, "version": d.place.version}
