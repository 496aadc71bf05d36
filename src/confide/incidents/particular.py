"""Duties that stand in no row: copies of HIPAA's notice, California's facilities, unknown residence."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from confide.incidents.duties import Duty, Standing
from confide.incidents.reckoning import Reckoning
from confide.incidents.states import Case, count, make
from confide.incidents.statutes import UNKNOWN, State


def duties(reckoning: Reckoning) -> list[Duty]:
    """Return what stands in no row: copies of HIPAA's notice, facilities, and whose state nobody knows."""
    return _clocks(reckoning) + _unknown(reckoning)


def _clocks(reckoning: Reckoning) -> list[Duty]:
    found = []
    for name, counting in reckoning.law.rules.clocks.items():
        clock = reckoning.law.clocks[name]
        if not counting.state or counting.refines or not clock.to or clock.amount is None:
            continue
        state = reckoning.law.states[counting.state]
        applies, why = _applies(reckoning, clock.anchor, state)
        if applies is None:
            continue
        case = Case(reckoning, state, "regulator")
        term = count(case, clock.anchor, clock.amount, clock.unit) if applies else None
        made = make(case, clock.to, clock.cert, Standing.DUE if applies else Standing.NONE, why, term)
        found.append(replace(made, id=name, what=f"{clock.to}, {state.state}", cite=clock.cite))
    return found


def _applies(reckoning: Reckoning, anchor: str, state: State) -> tuple[bool | None, str]:
    """Whether such a clock applies, and why; None where nobody lives there and nothing is there."""
    incident = reckoning.incident
    if anchor == "notice_to_HHS":
        if not incident.totals.get(state.code):
            return None, ""
        if not reckoning.hipaa_applies:
            return False, "the Secretary is not told, so there is nothing to copy"
        return True, "whoever tells the Secretary of HHS tells this regulator after it"
    if not incident.facility:
        return (
            (False, "no licensed facility there, as was said")
            if incident.totals.get(state.code)
            else (None, "")
        )
    if incident.secured:
        return True, "a licensed facility; whether encryption takes this away is not in the data"
    return True, "a licensed facility there had the breach"


def _unknown(reckoning: Reckoning) -> list[Duty]:
    """Persons whose state is not known are a row of their own: somebody has to find out."""
    number = reckoning.incident.totals.get(UNKNOWN, 0)
    if not number:
        return []
    named = [each.name for each in reckoning.incident.entities if each.residents.get(UNKNOWN, 0)]
    return [
        Duty(
            id="unknown:residence",
            what="find out where they live",
            to="whoever keeps the addresses",
            standing=Standing.DECIDE,
            cite="each state's law counts its residents",
            certainty=None,
            law_as_of=date.min,
            state=UNKNOWN,
            entities=tuple(named),
            persons=number,
            why=f"the state of {number:,} persons is not known; every threshold may be reached with them",
            questions=("in which states do they live?",),
        )
    ]
