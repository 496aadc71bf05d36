"""What a payment is for, patient by patient: groups that are paid for as a whole, and what each writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from confide.access.exposure import Charge, Sight
from confide.access.limits import Sum
from confide.access.roles import Form
from confide.access.totals import Change, Window
from confide.protect.elements import Element


@dataclass(frozen=True, slots=True)
class Step:
    """What paying for one group writes and changes."""

    charges: list[Charge]
    change: Change


Group = tuple[str, dict[Element, Form]]


def gather(charges: Iterable[Charge]) -> list[Group]:
    """Gather neighbours of one patient; of an element's forms the heavier one stays."""
    groups: list[Group] = []
    for patient, run in groupby(charges, key=itemgetter(0)):
        shown: dict[Element, Form] = {}
        for _, element, form in run:
            if form is Form.CLEAR or (form is Form.MASKED and element not in shown):
                shown[element] = form
        groups.append((patient, shown))
    return groups


def see(sight: Sight, patient: str, shown: dict[Element, Form]) -> Step:
    """Mark a group as seen; return what that writes and changes: nothing where it was paid for just now."""
    stale = sight.find_stale(patient, shown) if sight.knows(patient) else shown
    return Step([(patient, element, form) for element, form in stale.items()], sight.see(patient, stale))


def add_up(steps: Iterable[Step]) -> Change:
    """Return what several steps change together."""
    change: Change = defaultdict(lambda: [0, 0])
    for step in steps:
        for slot, (patients, units) in step.change.items():
            there = change[slot]
            there[0] += patients
            there[1] += units
    return change


def gain_of(steps: Iterable[Step], window: Window, now: datetime) -> Sum:
    """Return what a window gains by several steps."""
    gains = [window.gain(step.change, now) for step in steps]
    return Sum(sum(gain.patients for gain in gains), sum(gain.units for gain in gains))


def plus(total: Sum, gain: Sum) -> Sum:
    """Return the two together."""
    return Sum(total.patients + gain.patients, total.units + gain.units)


def exceeds(total: Sum, gain: Sum, limit: Sum) -> bool:
    """Tell whether a window went over its limit; without a gain, what was seen may be seen again."""
    patients, units = gain
    return (patients > 0 and total.patients > limit.patients) or (units > 0 and total.units > limit.units)
