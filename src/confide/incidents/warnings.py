"""Clocks that run out are told outside, too: by webhook, e-mail and syslog, as what the watch finds.

Once for each step of the law's data (so many days before the end, or so many hours where the law counts
hours), and once when the time is over. All clocks of an incident that end on one day, or at one moment, are
one notice; it has figures and ids, and no value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from confide.incidents import calendar, reading
from confide.incidents.course import State
from confide.incidents.deadlines import Deadlines
from confide.incidents.duties import Duty
from confide.incidents.facts import Moment
from confide.incidents.models import Incident
from confide.watch import notices
from confide.watch.policy import Policy

OVER: Final = "over"


class Warnings:
    """Queues warnings of one installation's incidents.

    Args:
        deadlines: Counts the clocks.
        policy: Says where notices go.
    """

    def __init__(self, deadlines: Deadlines, policy: Callable[[], Policy]) -> None:
        self._deadlines = deadlines
        self._policy = policy

    def queue(self, now: datetime) -> int:
        """Queue what is due and was not told before; several processes may.

        Args:
            now: Aware UTC.

        Returns:
            How many notices that adds.
        """
        ways = self._policy().ways
        if not ways.named():
            return 0
        added = 0
        open_ = Incident.objects.exclude(state=State.CLOSED)
        for practice in open_.order_by("practice").values_list("practice", flat=True).distinct():
            groups: defaultdict[tuple[str, Moment, str], list[Duty]] = defaultdict(list)
            for incident, duty in self._deadlines.near(practice):
                reached = _reached(duty, now)
                if duty.until is not None and reached:
                    groups[incident.pk, duty.until, reached].append(duty)
            for (incident_id, until, reached), duties in groups.items():
                topic = f"clock:{incident_id}:{_write(until)}:{reached}"
                added += notices.warn(ways, topic, _told(practice, incident_id, until, reached, duties), now)
        return added


def _reached(duty: Duty, now: datetime) -> str:
    """The step that a duty's clock has reached; empty before the first."""
    if isinstance(duty.until, datetime):
        return hour_step(duty.until - now)
    left = duty.left(now)
    return "" if left is None else step(left)


def step(left: int) -> str:
    """Return which step of the warnings so many days fall into: the nearest that is passed, or ``over``."""
    if left < 0:
        return OVER
    steps = reading.held().rules.warnings.calendar_days
    return str(min(each for each in steps if left <= each)) if left <= max(steps) else ""


def hour_step(left: timedelta) -> str:
    """Return the step of a clock that the law counts in hours: the nearest that is passed, or ``over``."""
    if left <= timedelta():
        return OVER
    steps = reading.held().rules.warnings.hours
    passed = [each for each in steps if left <= timedelta(hours=each)]
    return f"{min(passed)}h" if passed else ""


def _write(until: Moment) -> str:
    """A day, or a moment to the minute: shorter ones end sooner than is said, never later."""
    return f"{until.astimezone(UTC):%Y-%m-%dT%H:%MZ}" if isinstance(until, datetime) else until.isoformat()


def _told(practice: str, incident: str, until: Moment, reached: str, duties: list[Duty]) -> dict[str, object]:
    one = len(duties) == 1
    clocks = "A clock" if one else f"{len(duties)} clocks"
    when = f"at {calendar.shown(until)}" if isinstance(until, datetime) else f"on {until.isoformat()}"
    runs = "ran" if reached == OVER else "runs" if one else "run"
    words = f"{clocks} of incident {incident[:8]} {runs} out {when}"
    cites = sorted({each.cite for each in duties})
    more = f" and {len(cites) - _CITED} more" if len(cites) > _CITED else ""
    return {
        **notices.OF_NO_FINDING,
        "practice": practice,
        "incident": incident,
        "code": notices.CLOCK,
        "label": "The law's time is over" if reached == OVER else "The law's time runs out",
        "sentence": f"{words} ({', '.join(cites[:_CITED])}{more}).",
        "until": _write(until),
        "step": reached,
    }


_CITED: Final = 4
