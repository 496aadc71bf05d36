"""What the owner of a credential has seen, as the database keeps it for ``budget``.

Time is counted in slots of five minutes, rounded up. A row says in which slot an element of a patient was
last seen in a form; that is enough for every rolling window. Beside the rows stand totals by slot, kept in
the same statements, so that counting costs the same however much was seen.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access.roles import Form
from confide.protect.elements import CATALOGUE, Element

Charge = tuple[str, Element, Form]
"""A patient's id, what is shown of them, and how."""

DAY: Final = timedelta(hours=24)
HOUR: Final = timedelta(hours=1)
SLOT: Final = timedelta(minutes=5)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOCKS: Final = 0x0EC5  # keeps these advisory locks apart from others


@dataclass(frozen=True, slots=True)
class Totals:
    """Distinct patients and weighted units, in the last 24 hours and in the last hour."""

    day_patients: int
    day_units: int
    hour_patients: int
    hour_units: int


Marks = Mapping[Form, tuple[int, int]]
"""When an element of a patient was last seen: for each form the slot, and what it weighed."""


def weigh(element: Element, form: Form) -> int:
    """Return the units that *element* weighs in *form*; what weighs nothing still counts a patient."""
    kind = CATALOGUE[element]
    return kind.weight if form is Form.CLEAR else kind.masked_weight


def spread(marks: Marks) -> Iterable[tuple[int, int]]:
    """Divide an element's weight among slots, so that the sum from any slot on is the heaviest mark since.

    Returns:
        Slots and units, from the newest slot back.
    """
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
        marks = self._marks.get((patient, element), {})
        return any(shown in marks and marks[shown][0] >= self._slot for shown in (form, Form.CLEAR))

    def see(self, patient: str, shown: Mapping[Element, Form]) -> Change:
        """Mark *shown* as seen now; return what that does to the totals."""
        change: Change = defaultdict(lambda: [0, 0])
        before = self._latest.get(patient)
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


Change = defaultdict[int, list[int]]
"""For each slot: patients and units that its totals gain or lose."""


class Exposures:
    """The rows of one owner, as seen from one moment."""

    def __init__(self, connection: BaseDatabaseWrapper, owner: str, now: datetime) -> None:
        self._connection = connection
        self._owner = owner
        self.slot = -((_EPOCH - now) // SLOT)
        self.day_begin = (now - DAY - _EPOCH) // SLOT
        self.hour_begin = (now - HOUR - _EPOCH) // SLOT

    def lock(self) -> None:
        """Let one transaction at a time charge this owner; SQLite's are serial from their beginning."""
        if self._connection.vendor == "postgresql":
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCKS, self._owner])

    def look(self, practice: str, patients: Sequence[str]) -> Sight:
        """Return what was seen of *patients* in the last 24 hours."""
        names: Any
        if self._connection.vendor == "postgresql":
            statement, names = _LOOK + "= ANY(%s)", list(patients)
        else:
            statement, names = _LOOK + _AMONG_JSON, json.dumps(list(patients))
        sight = Sight(self.slot)
        with self._connection.cursor() as cursor:
            cursor.execute(statement, [self._owner, practice, self.day_begin, names])
            for patient, element, form, slot, weight in cursor.fetchall():
                sight.mark(patient, Element(element), Form(form), slot, weight)
        return sight

    def count(self) -> Totals:
        """Return the totals over all practices."""
        with self._connection.cursor() as cursor:
            cursor.execute(_COUNT, [self.hour_begin, self.hour_begin, self._owner, self.day_begin])
            return Totals(*map(int, cursor.fetchone()))

    def record(self, practice: str, charges: Iterable[Charge], change: Change) -> None:
        """Write that *charges* were seen now, and what that does to the totals."""
        rows = [
            (self._owner, practice, patient, element.value, form.value, weigh(element, form), self.slot)
            for patient, element, form in charges
        ]
        totals = [
            (self._owner, slot, patients, units)
            for slot, (patients, units) in sorted(change.items())
            if patients or units
        ]
        with self._connection.cursor() as cursor:
            for table, batch in ((_ROWS, rows), (_TOTALS, totals)):
                if not batch:
                    continue
                if self._connection.vendor == "postgresql":  # as columns: one statement, whatever its length
                    cursor.execute(
                        table.insert_columns, [list(column) for column in zip(*batch, strict=True)]
                    )
                else:
                    cursor.executemany(table.insert_row, batch)


class _Insert:
    """The statement that writes a row, and for PostgreSQL the one that writes columns of them."""

    def __init__(self, table: str, columns: Mapping[str, str], on_conflict: str) -> None:
        head = f"INSERT INTO {table} ({', '.join(columns)}) "
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        self.insert_row = f"{head} VALUES ({', '.join(['%s'] * len(columns))}) {on_conflict}"
        self.insert_columns = f"{head} SELECT * FROM unnest({arrays}) {on_conflict}"  # noqa: S608 - names of columns


_LOOK: Final = """
SELECT patient, element, form, slot, weight FROM access_exposure
WHERE owner = %s AND practice = %s AND slot > %s AND patient """
_AMONG_JSON: Final = "IN (SELECT value FROM json_each(%s))"

_COUNT: Final = """
SELECT COALESCE(SUM(patients), 0), COALESCE(SUM(units), 0),
       COALESCE(SUM(CASE WHEN slot > %s THEN patients ELSE 0 END), 0),
       COALESCE(SUM(CASE WHEN slot > %s THEN units ELSE 0 END), 0)
FROM access_exposuretotal WHERE owner = %s AND slot > %s
"""

_ROWS: Final = _Insert(
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
_TOTALS: Final = _Insert(
    "access_exposuretotal",
    {"owner": "text", "slot": "int", "patients": "int", "units": "int"},
    "ON CONFLICT (owner, slot) DO UPDATE SET patients = access_exposuretotal.patients + excluded.patients,"
    " units = access_exposuretotal.units + excluded.units",
)
