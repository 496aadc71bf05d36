"""Who looked at a patient's record, when and why: what the patient may read of the journal, in lines.

Neighbouring entries of one person for one purpose are one line: a chart is some twenty resources.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from confide.access.decide import Grant
from confide.access.relationships import Kind
from confide.access.roles import Action, Form, Purpose
from confide.audit.journal import Journal, Outcome
from confide.audit.questions import Question, asking, entries

TOGETHER: Final = timedelta(minutes=15)
"""Entries of one person, purpose and role that follow each other within this are one line."""

GLASS: Final = "break-glass"
_SEEN: Final = (Action.READ.value, Action.SEARCH.value, Action.REVEAL.value)
TOLD: Final = (
    *_SEEN, Action.WRITE.value, Action.IMPORT.value, Action.EXPORT.value, Action.MAIL.value,
    Action.JOURNAL_READ.value, GLASS,
)  # fmt: skip
"""The actions that the report tells of. That a disclosure was written down is told by the accounting alone,
which knows until when an agency has asked for silence (45 CFR 164.528(a)(2)); this report would break it."""

_CLEARNESS: Final[Mapping[str, int]] = {Form.STAND_IN: 1, Form.MASKED: 2, Form.SEARCHED: 3, Form.CLEAR: 4}

_COLUMNS: Final = (
    "at", "actor_kind", "actor", "role", "action", "purpose", "elements", "resource_type", "resource_id",
    "outcome", "relationship",
)  # fmt: skip


@dataclass(slots=True)
class Access:
    """What one person or program did with the record within a quarter of an hour or so.

    Attributes:
        first: The moment of its first entry, aware UTC.
        last: The moment of its last entry.
        actor_kind: ``person``, ``client`` or ``system``.
        role: In which role; a code of ``Role``.
        purpose: A code of ``Purpose``.
        relationships: Why the record was their business; codes of ``relationships.Kind``.
        actions: What was done; codes of ``TOLD``.
        elements: Which elements, each in the clearest form in which it was shown or asked by.
        resources: In how many different resources.
        refused: It was refused; nothing was shown.
    """

    first: datetime
    last: datetime
    actor_kind: str
    actor: str
    role: str
    purpose: str
    refused: bool
    relationships: set[str] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)
    elements: dict[str, str] = field(default_factory=dict)
    things: set[tuple[str, str]] = field(default_factory=set)

    @property
    def resources(self) -> int:
        return len(self.things)

    @property
    def glass(self) -> bool:
        """Whether the glass was broken for it."""
        return self.purpose == Purpose.BTG or Kind.BREAK_GLASS in self.relationships


@dataclass(frozen=True, slots=True)
class Report:
    """Who looked at a record.

    Attributes:
        accesses: The newest first.
        people: How many different people and programs have seen something of it.
    """

    accesses: Sequence[Access]
    people: int


def report_accesses(journal: Journal, grant: Grant, patient: str, since: datetime, now: datetime) -> Report:
    """Report who looked at a patient's record since a moment; the report is an entry itself.

    Args:
        journal: Where that is written.
        grant: For ``JOURNAL_READ``.
        patient: The patient's id.
        since: Aware UTC.
        now: Aware UTC.

    Raises:
        GrantMismatch, GrantExpired: The grant is not for this.
        JournalUnavailable: The journal cannot be read, or this reading cannot be recorded.
    """
    question = Question(patient=patient, since=since, actions=TOLD)
    with asking(journal, grant, now, patient=patient, what="accesses"):
        rows = entries(grant.practice, question).order_by("at", "id").values_list(*_COLUMNS)
        accesses = gather(rows.iterator(chunk_size=5000))
    seen = {(a.actor_kind, a.actor) for a in accesses if not a.refused and a.actions & set(_SEEN)}
    return Report(accesses[::-1], len(seen))


def gather(
    rows: Iterable[tuple[datetime, str, str, str, str, str, Mapping[str, str], str, str, str, str]],
) -> list[Access]:
    """Put rows of the journal, in their order, together to lines, in the order of their beginning."""
    lines: list[Access] = []
    newest: defaultdict[tuple[str, ...], Access | None] = defaultdict(lambda: None)
    for at, kind, actor, role, action, purpose, elements, thing, id_, outcome, relationship in rows:
        refused = outcome != Outcome.SUCCESS
        key = (kind, actor, role, purpose, str(refused))
        line = newest[key]
        if line is None or at - line.last > TOGETHER:
            line = newest[key] = Access(at, at, kind, actor, role, purpose, refused)
            lines.append(line)
        line.last = max(line.last, at)
        line.actions.add(action)
        if relationship:
            line.relationships.update(relationship.split())
        if thing:
            line.things.add((thing, id_))
        for element, form in elements.items():
            line.elements[element] = clearest(line.elements.get(element, form), form)
    return lines


def clearest(one: str, other: str) -> str:
    """Return of two forms the one in which more of a value was learned.

    Who asks by a value knows all of it; of a mask only a part is seen.
    """
    return max(one, other, key=lambda form: _CLEARNESS.get(form, 0))
