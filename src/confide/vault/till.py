"""Paying for documents before they are opened: the budget, and the journal, in one durable transaction.

Where a ceiling of the practice or the host is reached, care comes first: of today's patients what nobody is
treated without (``access.care``) is paid for from the person's own budget alone, and the journal says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from confide.access import budget, pulse
from confide.access.charges import Operation, charge
from confide.access.decide import Grant
from confide.access.exposure import Charge
from confide.access.roles import Form
from confide.audit import stops
from confide.audit.journal import Entry, Journal, entry_for
from confide.protect import uses
from confide.protect.elements import Element
from confide.vault import desk
from confide.vault.desk import Bill

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
    charges, last_group = _charges(operation, documents, shown)

    def entries(told: Sequence[Shown]) -> list[Entry]:
        return [
            entry_for(grant, now, patient=patient, elements=what, **describe(d))
            for d, what in zip(documents, told, strict=True)
            if what
            for patient in d.patients or ("",)
        ]

    def pay_alone() -> tuple[list[Shown], list[int]]:
        groups = budget.reserve(grant, charges, now)
        told = [what if group <= groups else {} for what, group in zip(shown, last_group, strict=True)]
        above: list[Entry] = []
        if groups < last_group[-1]:
            stops.note(journal, grant, now)
            cared = _pay_care(grant, operation, documents, shown, told, now)
            if cared != told:
                above.append(replace(entry_for(grant, now), action=ABOVE))
            told = cared
        return told, journal.append(above + entries(told))[len(above) :]

    told, ids = desk.pay(
        Bill(journal, grant, now, charges, list(shown), lambda: entries(shown), pay_alone),
    )
    uses.name(uses.Kind.REVEAL, ids)
    return told


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
