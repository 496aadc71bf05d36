"""What the owner of a credential has seen, as the database keeps it for ``budget``.

A row says in which slot of five minutes (``totals``) an element of a patient was last seen in a form; that is
enough for every rolling window. Rows that no window looks at any more are removed a thousand at a time, by
whoever pays for the first time in six hours.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access.roles import Form
from confide.access.statements import Insert, Query, Rows
from confide.access.totals import MARGIN, MONTH, Change, slot_of
from confide.protect.elements import CATALOGUE, Element

Charge = tuple[str, Element, Form]
"""A patient's id, what is shown of them, and how."""

PRUNED_AT_ONCE: Final = 1000
LOCKS: Final = 0x0EC5  # keeps these advisory locks apart from others

Marks = Mapping[Form, tuple[int, int]]
"""When an element of a patient was last seen: for each form the slot, and what it weighed."""


def weigh(element: Element, form: Form) -> int:
    """Return the units that *element* weighs in *form*; what weighs nothing still counts a patient."""
    clear, masked = _WEIGHTS[element]
    return clear if form is Form.CLEAR else masked


_WEIGHTS: Final = {element: (kind.weight, kind.masked_weight) for element, kind in CATALOGUE.items()}


def spread(marks: Marks) -> Iterable[tuple[int, int]]:
    """Divide an element's weight among slots, so that the sum from any slot on is the heaviest mark since.

    Returns:
        Slots and units, from the newest slot back.
    """
    if len(marks) == 1:
        yield from marks.values()
        return
    heaviest = 0
    for slot, weight in sorted(marks.values(), reverse=True):
        if weight > heaviest:
            yield slot, weight - heaviest
            heaviest = weight


class Sight:
    """What is known of some patients, and how seeing more of them changes the totals."""

    def __init__(self, slot: int) -> None:
        self._slot = slot
        self._marks: defaultdict[tuple[str, Element], dict[Form, tuple[int, int]]] = defaultdict(dict)
        self._latest: dict[str, int] = {}

    def mark(self, patient: str, element: Element, form: Form, slot: int, weight: int) -> None:
        self._marks[patient, element][form] = slot, weight
        self._latest[patient] = max(slot, self._latest.get(patient, slot))

    def is_fresh(self, patient: str, element: Element, form: Form) -> bool:
        """Tell whether it is already recorded for the present slot; a clear value covers its mask."""
        marks = self._marks.get((patient, element))
        return marks is not None and any(
            shown in marks and marks[shown][0] >= self._slot for shown in (form, Form.CLEAR)
        )

    def find_stale(self, patient: str, shown: Mapping[Element, Form]) -> dict[Element, Form]:
        """Return what is not yet recorded for the present slot."""
        return {element: form for element, form in shown.items() if not self.is_fresh(patient, element, form)}

    def knows(self, patient: str) -> bool:
        """Tell whether anything of a patient was seen."""
        return patient in self._latest

    def see(self, patient: str, shown: Mapping[Element, Form]) -> Change:
        """Mark *shown* as seen now; return what that does to the totals."""
        change: Change = defaultdict(lambda: [0, 0])
        before = self._latest.get(patient)
        if before is None and shown:  # the plain case: one patient more, and all that is shown
            units = 0
            for element, form in shown.items():
                weight = weigh(element, form)
                self._marks[patient, element][form] = self._slot, weight
                units += weight
            self._latest[patient] = self._slot
            change[self._slot] = [1, units]
            return change
        for element, form in shown.items():
            marks = self._marks[patient, element]
            for slot, units in spread(marks):
                change[slot][1] -= units
            self.mark(patient, element, form, self._slot, weigh(element, form))
            for slot, units in spread(marks):
                change[slot][1] += units
        after = self._latest.get(patient)
        if after is not None and before != after:
            change[after][0] += 1
            if before is not None:
                change[before][0] -= 1
        return change


class Exposures:
    """The rows of one owner, as seen from one moment."""

    def __init__(self, connection: BaseDatabaseWrapper, owner: str, now: datetime) -> None:
        self._connection = connection
        self._owner = owner
        self._slot = slot_of(now)
        self._begin = MONTH.begin(now) * MONTH.span

    def locking(self) -> list[Query]:
        """Let one transaction at a time charge this owner; SQLite's are serial from their beginning."""
        if self._connection.vendor != "postgresql":
            return []
        return [("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCKS, self._owner])]

    def looking(self, practice: str, patients: Sequence[str]) -> Query:
        """Ask what was seen of *patients* in the last 30 days; `sight` reads the answer."""
        if self._connection.vendor == "postgresql":
            return _LOOK_EACH, [list(dict.fromkeys(patients)), self._owner, practice, self._begin]
        return _LOOK, [self._owner, practice, self._begin, json.dumps(list(patients))]

    def sight(self, rows: Iterable[tuple[Any, ...]]) -> Sight:
        """Return what `looking` has found."""
        sight = Sight(self._slot)
        for patient, element, form, slot, weight in rows:
            sight.mark(patient, Element(element), Form(form), slot, weight)
        return sight

    def recording(self, practice: str, charges: Iterable[Charge]) -> tuple[Insert, Rows]:
        """Return the rows that say that *charges* were seen now."""
        return recording(self._owner, practice, charges, self._slot)

    def prune(self) -> None:
        """Remove some of the rows, of whomever, that no window looks at any more."""
        # Rows that another transaction is about to see again are its own business.
        waiting = "FOR UPDATE SKIP LOCKED" if self._connection.vendor == "postgresql" else ""
        with self._connection.cursor() as cursor:
            cursor.execute(_PRUNE.format(waiting), [self._begin - MARGIN, PRUNED_AT_ONCE])


def recording(owner: str, practice: str, charges: Iterable[Charge], slot: int) -> tuple[Insert, Rows]:
    """Return the rows that say that *owner* saw *charges* in a slot of five minutes."""
    return _ROWS, [
        (owner, practice, patient, element.value, form.value, weigh(element, form), slot)
        for patient, element, form in charges
    ]


_LOOK: Final = """
SELECT patient, element, form, slot, weight FROM access_exposure
WHERE owner = %s AND practice = %s AND slot > %s AND patient IN (SELECT value FROM json_each(%s))"""
# By OFFSET each patient is looked up in the index. PostgreSQL, which knows nothing yet of a young table,
# would else read all that the owner has seen.
_LOOK_EACH: Final = """
SELECT s.* FROM unnest(%s::text[]) w(patient) CROSS JOIN LATERAL (
  SELECT e.patient, e.element, e.form, e.slot, e.weight FROM access_exposure e
  WHERE e.owner = %s AND e.practice = %s AND e.patient = w.patient AND e.slot > %s OFFSET 0) s"""
_PRUNE: Final = """
DELETE FROM access_exposure WHERE id IN (
  SELECT id FROM access_exposure WHERE slot <= %s ORDER BY slot LIMIT %s {})"""
_ROWS: Final = Insert(
    "access_exposure",
    {
        "owner": "text",
        "practice": "text",
        "patient": "text",
        "element": "text",
        "form": "text",
        "weight": "int",
        "slot": "int",
    },
    "ON CONFLICT (owner, practice, patient, element, form) DO UPDATE"
    " SET weight = excluded.weight, slot = excluded.slot WHERE excluded.slot >= access_exposure.slot",
)
