"""What rings on the pages of somebody who must act: emergencies to review or allow, and what was withheld."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import DatabaseError

from confide.access import glass, standing
from confide.access.standing import State
from confide.server.apps import system
from confide.server.pages.visitor import Visitor


@dataclass(frozen=True, slots=True)
class Calls:
    """What calls a person.

    Attributes:
        emergencies: How many wait for their review.
        overdue: How many of them should have been reviewed by now.
        asked: How many wait for a second person.
        withheld: How many logins Confide would have stopped, and did not.
    """

    emergencies: int = 0
    overdue: int = 0
    asked: int = 0
    withheld: int = 0

    @property
    def any(self) -> bool:
        """Whether there is something to say."""
        return bool(self.emergencies or self.asked or self.withheld)


def calls(visitor: Visitor) -> Calls:
    """Return what calls the person at the page."""
    if not visitor.allows_emergencies:
        return Calls()
    practice, now = visitor.actor.practice, system().clock()
    try:
        asked = glass.waiting_now(now).filter(practice=practice).exclude(account=visitor.actor.id).count()
        open_ = []
        if visitor.reads_journal:
            open_ = list(glass.to_review(practice).filter(begins_at__isnull=False))
        withheld = 0
        if visitor.keeps:
            withheld = sum(1 for row in standing.holding(practice) if row.state == State.WITHHELD)
    except DatabaseError:
        return Calls()
    overdue = sum(1 for each in open_ if glass.is_overdue(each, now))
    return Calls(len(open_), overdue, asked, withheld)
