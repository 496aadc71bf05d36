"""Incidents that open themselves: the watch has found what masks a login, and the law's clocks begin.

One open incident for each login, however much is found: what comes later is a line of its timeline and a
piece of its evidence. What alone masks nobody, as one touch with an explanation, opens nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from confide.incidents.cases import BY_ITSELF, Cases, storing
from confide.incidents.course import Act, Breadth, State
from confide.incidents.exhibits import Kind, keep
from confide.incidents.facts import Way
from confide.incidents.models import Incident, Task
from confide.watch import containment
from confide.watch.findings import Code
from confide.watch.models import Found

if TYPE_CHECKING:
    from datetime import datetime

    from confide.vault.door import Clock

_TASKS: Final = (
    "Ask whose login it is, and answer the findings",
    "Count who was reached, and freeze the count",
)


class Alerts:
    """Opens the incidents of an installation for findings; implements ``watch.rounds.Opener``.

    Args:
        cases: The incidents.
        clock: Returns now, aware UTC.
    """

    def __init__(self, cases: Cases, clock: Clock) -> None:
        self._cases = cases
        self._clock = clock

    def __call__(self, row: Found, now: datetime) -> str:
        """Write a finding into the open incident of its login, or open one; in the caller's transaction.

        Args:
            row: The finding as it is now.
            now: Aware UTC.

        Returns:
            The incident's id; empty where there is none.
        """
        incident = self._cases.found_for(row.practice, row.owner)
        if incident is not None:
            with storing():
                self._note(incident, row)
            return incident.pk
        if row.weight < containment.INCIDENT:
            return ""
        with storing():
            incident = self._open(row, now)
            before = Found.objects.filter(practice=row.practice, owner=row.owner, closed_at__isnull=True)
            for each in before.exclude(pk=row.pk).order_by("since"):
                self._note(incident, each)
            self._note(incident, row)
        return incident.pk

    def _open(self, row: Found, now: datetime) -> Incident:
        made = Incident(
            practice=row.practice, breadth=Breadth.PRACTICE, state=State.OPEN, way=Way.LOGIN, discovered=now,
            source=f"finding:{row.pk}", subject=row.owner, opened_by=BY_ITSELF, opened_at=now,
        )  # fmt: skip
        made.title_sealed = self._cases.seal(made, made.pk, "title", _title(row))
        made.save(force_insert=True)
        self._cases.observe(made, Act.OPEN, Way.LOGIN.value)
        for text in _TASKS:
            task = Task(incident=made, made_at=now)
            task.text_sealed = self._cases.seal(made, task.pk, "task", text)
            task.save(force_insert=True)
            self._cases.observe(made, Act.TASK, f"new {task.pk}")
        return made

    def _note(self, incident: Incident, row: Found) -> None:
        """A line and a piece of evidence, once for each weight that a finding has had."""
        about = f"{row.code} {row.pk[:8]} weight {row.weight}"
        if incident.happenings.filter(kind=Act.FINDING, about=about).exists():
            return
        told = {
            "finding": row.pk, "code": row.code, "weight": row.weight, "owner": row.owner,
            "credentials": row.credentials, "sentence": row.sentence, "signals": row.signals,
            "since": row.since.isoformat(), "at": row.at.isoformat(), "entries": row.evidence,
        }  # fmt: skip
        content = json.dumps(told, indent=1, sort_keys=True).encode()
        name = f"finding-{row.pk[:8]}-{row.weight}.json"
        keep(self._cases, incident, name, Kind.FINDING, content, BY_ITSELF, self._clock())
        self._cases.observe(incident, Act.FINDING, about, f"{Code(row.code).label}. {row.sentence}")


def _title(row: Found) -> str:
    subject = containment.find(row.owner)
    name = "" if subject is None else getattr(subject, "display_name", "") or getattr(subject, "name", "")
    return f"{Code(row.code).label}: {name or 'a login'}"[:200]
