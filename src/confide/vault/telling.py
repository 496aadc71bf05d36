"""What comes before every clear value: the budget pays and the journal writes, in one durable transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from confide.access import budget, pulse
from confide.access.budget import Learned
from confide.access.charges import Operation, charge
from confide.access.decide import Grant
from confide.access.exposure import Charge
from confide.access.roles import Form
from confide.audit import stops
from confide.audit.journal import Entry, Journal, Outcome, entry_for
from confide.errors import AccessDenied, BudgetSpent, ConfideError, Refused, Unknown
from confide.protect.elements import Element
from confide.vault import desk
from confide.vault.desk import Bill, durable

TOKEN = "Token"  # noqa: S105 - what the journal calls one
FEW: Final = 20
"""Items of a batch that others who pay at the same time wait for; a longer one pays alone."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Telling:
    """What answering one item of a batch tells.

    Attributes:
        counted: In whose name the budget counts it: a patient's id, or a name for a value that is nobody's.
        patient: Whose it is; empty if nobody's that we know.
        element: None where nothing was found, so that nothing is known of it.
        form: In which form it is answered.
        token: The public name of the token's row, if there is one.
        problem: Why it will not be answered, if so.
    """

    counted: str
    patient: str
    element: Element | None
    form: Form
    token: str = ""
    problem: ConfideError | None = None


def attempt(work: Callable[[], _Result]) -> _Result | ConfideError:
    """Do what one item of a batch asks for; a refusal is its answer, and the batch goes on."""
    try:
        return work()
    except ConfideError as problem:
        return problem


def answer(
    journal: Journal,
    grant: Grant,
    operation: Operation,
    now: datetime,
    items: Sequence[_Item],
    plan: Callable[[_Item], Telling],
    act: Callable[[_Item, Telling], _Result],
) -> list[_Result | ConfideError]:
    """Answer a batch: pay for its items in order, write them down, and only then open.

    Args:
        journal: Where it is written.
        grant: Under which it is told.
        operation: What it is charged as.
        now: Aware UTC.
        items: In the order in which they are paid for.
        plan: Says what an item tells; opens nothing.
        act: Opens an item; called when its payment and its entry are durable.

    Returns:
        For each item its result, or why there is none.

    Raises:
        JournalUnavailable: The journal cannot be written; nothing was opened.
    """
    tellings = [plan(item) for item in items]
    paid = pay(journal, grant, operation, now, tellings)
    unpaid = any(t.problem is None and not covered for t, covered in zip(tellings, paid, strict=True))
    spent = budget.explain(grant, now) if unpaid else ""
    answers: list[_Result | ConfideError] = []
    for item, telling, covered in zip(items, tellings, paid, strict=True):
        if telling.problem is not None:
            answers.append(telling.problem)
        elif covered:
            answers.append(attempt(lambda item=item, telling=telling: act(item, telling)))  # type: ignore[misc]
        else:
            answers.append(BudgetSpent(spent))
    return answers


def pay(
    journal: Journal, grant: Grant, operation: Operation, now: datetime, tellings: Sequence[Telling]
) -> list[bool]:
    """Charge the budget and write the journal, in a transaction of its own; say which are paid."""
    if not tellings:
        return []

    def pay_alone() -> tuple[list[bool], list[int]]:
        pulse.recheck(grant)
        paid = charge_in_order(grant, operation, now, tellings)
        if any(t.problem is None and not covered for t, covered in zip(tellings, paid, strict=True)):
            stops.note(journal, grant, now)
        return paid, write(journal, grant, now, tellings, paid)

    if len(tellings) > FEW:
        with durable():
            return pay_alone()[0]
    charges, _ = _groups(operation, tellings)
    all_paid = [telling.problem is None for telling in tellings]
    bill = Bill(
        journal, grant, now, charges, all_paid, lambda: _entries(grant, now, tellings, all_paid), pay_alone
    )
    return desk.pay(bill)[0]


def charge_in_order(
    grant: Grant, operation: Operation, now: datetime, tellings: Sequence[Telling]
) -> list[bool]:
    """Charge the budget in the caller's transaction; say which are paid."""
    charges, last_group = _groups(operation, tellings)
    paid_groups = budget.reserve(grant, charges, now)
    return [t.problem is None and group <= paid_groups for t, group in zip(tellings, last_group, strict=True)]


def _groups(operation: Operation, tellings: Sequence[Telling]) -> tuple[list[Charge], list[int]]:
    """What all of it costs; and for each item the last of the groups that it needs to be paid."""
    charges: list[Charge] = []
    last_group: list[int] = []
    groups, previous = 0, None
    for telling in tellings:
        if telling.problem is None and telling.element is not None:
            groups += telling.counted != previous
            previous = telling.counted
            charges += _charges_of(operation, telling, telling.element)
        last_group.append(groups)
    return charges, last_group


def _charges_of(operation: Operation, telling: Telling, element: Element) -> list[Charge]:
    if telling.form is Form.SEARCHED:  # whose it is was given: right or wrong, the answer tells
        return charge(operation, asked=(element,), fixed=(telling.counted,))
    return charge(operation, shown=[(telling.counted, {element: telling.form})])


def write(
    journal: Journal, grant: Grant, now: datetime, tellings: Sequence[Telling], done: Sequence[bool]
) -> list[int]:
    """Write down what is told, by patient and token; and in one entry that something was refused.

    A batch in which everything was merely malformed leaves nothing.

    Returns:
        The ids of the entries.
    """
    return journal.append(_entries(grant, now, tellings, done))


def _entries(grant: Grant, now: datetime, tellings: Sequence[Telling], done: Sequence[bool]) -> list[Entry]:
    told: defaultdict[tuple[str, str], dict[Element, Form]] = defaultdict(dict)
    refused: dict[Element, Form] = {}
    failed = False
    for telling, success in zip(tellings, done, strict=True):
        if success and telling.element is not None:
            told[telling.patient, telling.token][telling.element] = telling.form
        elif telling.problem is None or isinstance(telling.problem, Refused | Unknown):
            failed = True
            if telling.element is not None:
                refused[telling.element] = Form.REFUSED
    entries: list[Entry] = [
        entry_for(
            grant,
            now,
            patient=patient,
            elements=elements,
            resource_type=TOKEN if token else "",
            resource_id=token,
        )
        for (patient, token), elements in told.items()
    ]
    if failed:
        entries.append(entry_for(grant, now, elements=refused, outcome=Outcome.MINOR_FAILURE))
    return entries


def learn(
    journal: Journal,
    grant: Grant,
    operation: Operation,
    now: datetime,
    elements: frozenset[Element],
    matched: Sequence[str],
    fixed: Sequence[str],
) -> Learned:
    """Charge for what is learned by asking.

    Args:
        journal: Where it is written.
        grant: For searching; must show what is asked by in clear.
        operation: How it is asked.
        now: Aware UTC.
        elements: By what; at least one.
        matched: Who matches, in the order in which they are paid for.
        fixed: Of whom a "no" would tell something, too.

    Returns:
        Of whom the answer may speak.

    Raises:
        AccessDenied: The grant does not show everything that is asked by.
        BudgetSpent: Too many questions within the hour were matched by nobody.
        GrantMismatch, GrantExpired: The grant is not for this.
        JournalUnavailable: The journal cannot be written; nothing was told.
    """
    if not elements <= grant.clear:
        raise AccessDenied("asking by this is for those who may see it")
    for patient in (*matched, *fixed):
        grant.require(grant.action, patient, now)
    # Who has asked that some of it be kept from this purpose is not spoken of, whether they match or not.
    matched, fixed = _open_to(grant, elements, matched), _open_to(grant, elements, fixed)
    charges = charge(operation, asked=sorted(elements), matched=matched, fixed=fixed)
    what = dict.fromkeys(sorted(elements), Form.SEARCHED)
    try:
        with durable():
            learned = budget.learn(grant, charges, elements, now)
            if learned.spent:
                stops.note(journal, grant, now)
            about = [p for p in dict.fromkeys([*matched, *fixed]) if p in learned.paid]
            entries = [entry_for(grant, now, patient=p, elements=what) for p in about]
            journal.append(entries or [entry_for(grant, now, elements=what, outcome=Outcome.MINOR_FAILURE)])
    except BudgetSpent:  # too many misses: going on with them is no person's way
        with durable():
            stops.note(journal, grant, now)
        raise
    return learned


def _open_to(grant: Grant, elements: frozenset[Element], patients: Sequence[str]) -> list[str]:
    return [p for p in patients if elements.isdisjoint(grant.kept.get(p, ()))]
