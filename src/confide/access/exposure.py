"""What the owner of a credential has seen, as the database knows it: four statements, for ``budget``."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
class Seen:
    """The heaviest weight in which an element of a patient was seen; None where it was not seen at all.

    Attributes:
        day: In the last 24 hours.
        hour: In the last hour.
        fresh: Already recorded for the present five minutes.
    """

    day: int | None = None
    hour: int | None = None
    fresh: int | None = None


UNSEEN: Final = Seen()
Sight = dict[tuple[str, Element], Seen]


@dataclass(frozen=True, slots=True)
class Totals:
    """Distinct patients and weighted units, in the last 24 hours and in the last hour."""

    day_patients: int
    day_units: int
    hour_patients: int
    hour_units: int


def weigh(element: Element, form: Form) -> int:
    """Return the units that *element* weighs in *form*; what weighs nothing still counts a patient."""
    kind = CATALOGUE[element]
    return kind.weight if form is Form.CLEAR else kind.masked_weight


def round_up(moment: datetime) -> datetime:
    """Round up to five minutes: a later look within them records nothing, and none is forgotten early."""
    return moment + (_EPOCH - moment) % SLOT


class Exposures:
    """The rows of one owner, as seen from one moment."""

    def __init__(self, connection: BaseDatabaseWrapper, owner: str, now: datetime) -> None:
        moment = connection.ops.adapt_datetimefield_value
        self._connection = connection
        self._owner = owner
        self._day, self._hour, self._slot = moment(now - DAY), moment(now - HOUR), moment(round_up(now))

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
        seen: Sight = {}
        with self._connection.cursor() as cursor:
            cursor.execute(statement, [self._hour, self._slot, self._owner, practice, self._day, names])
            for patient, element, weight, in_hour, is_fresh in cursor.fetchall():
                key = (patient, Element(element))
                was = seen.get(key, UNSEEN)
                seen[key] = Seen(
                    max(weight, was.day or 0),
                    max(weight, was.hour or 0) if in_hour else was.hour,
                    max(weight, was.fresh or 0) if is_fresh else was.fresh,
                )
        return seen

    def count(self) -> Totals:
        """Return the totals over all practices."""
        with self._connection.cursor() as cursor:
            cursor.execute(_COUNT, [self._hour, self._hour, self._owner, self._day])
            return Totals(*map(int, cursor.fetchone()))

    def record(self, practice: str, charges: Sequence[Charge]) -> None:
        """Write that *charges* were seen now."""
        rows = [
            (self._owner, practice, patient, element.value, form.value, weigh(element, form), self._slot)
            for patient, element, form in charges
        ]
        with self._connection.cursor() as cursor:
            cursor.executemany(_RECORD, rows)


_LOOK: Final = """
SELECT patient, element, weight, CASE WHEN at > %s THEN 1 ELSE 0 END, CASE WHEN at >= %s THEN 1 ELSE 0 END
FROM access_exposure WHERE owner = %s AND practice = %s AND at > %s AND patient """
_AMONG_JSON: Final = "IN (SELECT value FROM json_each(%s))"

# Inside, each element with its heavier form; then each patient; outside, all of them.
_COUNT: Final = """
SELECT COUNT(*), COALESCE(SUM(day_units), 0), COALESCE(SUM(in_hour), 0), COALESCE(SUM(hour_units), 0) FROM (
  SELECT SUM(day_weight) AS day_units, MAX(in_hour) AS in_hour, SUM(hour_weight) AS hour_units FROM (
    SELECT practice, patient, MAX(weight) AS day_weight, MAX(CASE WHEN at > %s THEN 1 ELSE 0 END) AS in_hour,
           MAX(CASE WHEN at > %s THEN weight ELSE 0 END) AS hour_weight
    FROM access_exposure WHERE owner = %s AND at > %s GROUP BY practice, patient, element) AS by_element
  GROUP BY practice, patient) AS by_patient
"""

_RECORD: Final = """
INSERT INTO access_exposure (owner, practice, patient, element, form, weight, at)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (owner, practice, patient, element, form) DO UPDATE SET weight = excluded.weight,
  at = CASE WHEN excluded.at > access_exposure.at THEN excluded.at ELSE access_exposure.at END
"""
