"""The practice's diary: who comes today and in the weeks ahead, and never two people at once.

A day has 24 slots of twenty minutes for each clinician: from 8:00 to 12:00 and from 13:00 to 17:00.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confide.drill.dice import workdays
from confide.drill.practice import CLINICIANS, GENERAL_PRACTICE
from confide.drill.vocabulary import Json, hl7

if TYPE_CHECKING:
    from datetime import date

    from confide.drill.practice import Member, Practice

SLOTS = 24
PLACES = SLOTS * CLINICIANS
TODAY_SHARE = 8  # one patient in eight, in a small practice
TODAY_MOST = 90  # in a large one

_DAYS = 30
_TYPES = {
    "CHECKUP": hl7("v2-0276", "CHECKUP", "A routine check-up, such as an annual physical"),
    "FOLLOWUP": hl7("v2-0276", "FOLLOWUP", "A follow up visit from a previous appointment"),
    "WALKIN": hl7("v2-0276", "WALKIN", "A previously unscheduled walk-in visit"),
    "ROUTINE": hl7("v2-0276", "ROUTINE", "Routine appointment - default if not valued"),
}
_CANCELLED = hl7("appointment-cancellation-reason", "pat", "Patient")


class Diary:
    """Gives out places; a place is a day, a minute and a clinician."""

    def __init__(self, count: int, today: date) -> None:
        self.today = today
        self.step = max(TODAY_SHARE, -(-count // TODAY_MOST))
        self._expected = count // self.step + 1
        self._given_today = 0
        self._given_later = 0
        self._days = workdays(today, _DAYS)

    def comes_today(self, number: int) -> bool:
        return number % self.step == 3

    def next_today(self) -> tuple[date, int, int]:
        """Places of today, spread over the whole day."""
        number, self._given_today = self._given_today, self._given_today + 1
        return self._place(self.today, number * PLACES // self._expected)

    def next_later(self) -> tuple[date, int, int] | None:
        """Places of the coming weeks, near days and far days in turn."""
        number, self._given_later = self._given_later, self._given_later + 1
        turn, day = divmod(number, _DAYS)
        if turn >= PLACES:
            return None
        return self._place(self._days[day], (turn * 37 + day * 11) % PLACES)

    @staticmethod
    def _place(day: date, place: int) -> tuple[date, int, int]:
        slot = place // CLINICIANS
        minute = 8 * 60 + slot * 20 + (60 if slot >= SLOTS // 2 else 0)
        return day, minute, (place + slot) % CLINICIANS


def appointment(
    status: str,
    kind: str,
    start: tuple[str, str],
    patient: Json,
    clinician: Member,
    practice: Practice,
    words: str,
) -> Json:
    """An Appointment; ``start`` is its start and end, ``words`` the reason as the front desk wrote it."""
    resource: Json = {
        "resourceType": "Appointment",
        "status": status,
        "specialty": [GENERAL_PRACTICE.concept()],
        "appointmentType": _TYPES[kind].concept(),
        "description": words,
        "start": start[0],
        "end": start[1],
        "minutesDuration": 20,
        "participant": [
            {"actor": patient, "required": "required", "status": "accepted"},
            {"actor": clinician.link(), "required": "required", "status": "accepted"},
            {"actor": practice.location.link(), "required": "information-only", "status": "accepted"},
        ],
    }
    if status == "cancelled":
        resource["cancelationReason"] = _CANCELLED.concept()
        resource["participant"][0]["status"] = "declined"
    return resource
