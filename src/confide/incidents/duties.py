"""A duty: whom to tell, until when, since which moment, by which law, how sure, and why or why not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from confide.incidents.facts import Moment
from confide.incidents.statutes import Certainty, Law


class Standing(StrEnum):
    """What holds of a duty now. Only ``due`` may be acted upon without a person's decision."""

    DUE = "due"
    DECIDE = "decide"
    UNCONFIRMED = "unconfirmed"
    MET = "met"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Duty:
    """One duty of one law.

    Attributes:
        id: Stable, such as ``hipaa-media:TX`` or ``TX:regulator``.
        what: What is to be done, for a person.
        to: Who is told.
        standing: See there.
        cite: Section of the law.
        certainty: How sure the data are of it; None for what is no law but work.
        law_as_of: Since when the law stands as it was counted.
        state: Two letters, or empty.
        entities: The covered entities that it is counted for.
        persons: Their persons, as this law counts them.
        start: The starting moment, in words.
        started: That moment; None if there is none or it has not come.
        until: The last day (inclusive), or the last moment; None where the law says no number.
        strict: The same when whatever is open is read most strictly.
        ends: When that is over, as a moment (UTC).
        prompt: Without unreasonable delay, whatever the number.
        projected: Counted from a moment that has not come yet, taken at its own latest.
        why: Why it applies, or why not.
        questions: What a person must decide before it can be said.
        notes: What else the data say, exemptions that are unconfirmed and so not applied among it.
        zone: Where its days are counted.
    """

    id: str
    what: str
    to: str
    standing: Standing
    cite: str
    certainty: Certainty | None
    law_as_of: date
    state: str = ""
    entities: tuple[str, ...] = ()
    persons: int = 0
    start: str = ""
    started: Moment | None = None
    until: Moment | None = None
    strict: Moment | None = None
    ends: datetime | None = None
    prompt: bool = False
    projected: bool = False
    why: str = ""
    questions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    zone: ZoneInfo | None = None

    @property
    def runs(self) -> bool:
        """Whether its clock is to be watched."""
        return self.until is not None and self.standing not in {Standing.NONE, Standing.MET}

    def left(self, now: datetime) -> int | None:
        """Return how many days are left: 0 on the last day, negative when it is over."""
        if self.until is None or self.zone is None:
            return None
        if isinstance(self.until, datetime):
            return math.floor((self.until - now) / timedelta(days=1))
        return (self.until - now.astimezone(self.zone).date()).days


def order(duties: Iterable[Duty]) -> list[Duty]:
    """Return duties as one works on them: what is due first, then by its end."""
    ranks = {standing: i for i, standing in enumerate(Standing)}
    return sorted(
        duties,
        key=lambda each: (
            ranks[each.standing],
            each.ends is None,
            each.ends.timestamp() if each.ends else 0.0,
            each.id,
        ),
    )


def warn(duties: Iterable[Duty], law: Law, now: datetime) -> list[Duty]:
    """Return the duties whose clocks run out within the first warning, or have run out."""
    first = timedelta(days=max(law.rules.warnings.calendar_days))
    near = [each for each in duties if each.runs and each.ends is not None and each.ends - now <= first]
    return sorted(near, key=lambda each: (each.ends, each.id))
