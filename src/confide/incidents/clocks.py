"""From what is known of an incident to its duties: the one function that the rest asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from confide.incidents import checks, facts, federal, particular, states
from confide.incidents.duties import Duty, order
from confide.incidents.facts import Incident
from confide.incidents.reckoning import Reckoning
from confide.incidents.statutes import Law


@dataclass(frozen=True, slots=True)
class Clocks:
    """All duties of an incident.

    Attributes:
        duties: In the order in which one works on them, those that do not apply at the end.
        newer: Duties whose law is newer than the incident: it is counted by the law held today.
        first: The incident's first day.
    """

    duties: tuple[Duty, ...]
    newer: tuple[Duty, ...]
    first: date


def reckon(incident: Incident, law: Law, now: datetime) -> Clocks:
    """Return the duties that an incident makes, and until when.

    Args:
        incident: What is known; what is not, is read most strictly.
        law: The law held today; a replay of the past uses it too, and says so in ``newer``.
        now: Aware.

    Raises:
        Invalid: The facts cannot be; the message says which.

    Source:
        45 CFR 164.400-414; Regulation (EU) 2016/679, articles 33 and 34; the states' statutes.
    """
    checks.check(incident, law, now)
    reckoning = Reckoning(incident, law)
    found = tuple(
        order([*federal.duties(reckoning), *states.duties(reckoning), *particular.duties(reckoning)])
    )
    first = facts.first_day(incident, law)
    return Clocks(found, tuple(each for each in found if each.law_as_of > first), first)
