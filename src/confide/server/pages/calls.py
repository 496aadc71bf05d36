"""What rings on the pages of somebody who must act: emergencies to review or allow, and what was withheld."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError

from confide.access import glass, outsiders, standing
from confide.access.models import Account
from confide.access.standing import State
from confide.audit.cosignatures import silent
from confide.audit.notes import PublicKey
from confide.server.apps import system
from confide.server.pages.visitor import Visitor
from confide.watch.shelf import waiting


@dataclass(frozen=True, slots=True)
class Calls:
    """What calls a person.

    Attributes:
        emergencies: How many wait for their review.
        overdue: How many of them should have been reviewed by now.
        asked: How many wait for a second person.
        withheld: How many logins Confide would have stopped, and did not.
        outside: How many wait for them as the one outside a practice.
        findings: How many findings of the watch wait for them.
        clocks: How many clocks of incidents run out within the law's first warning, or have run out.
        over: How many of them have run out.
        silent: What is wrong with the witnesses of the journal that are silent, a sentence each.
    """

    emergencies: int = 0
    overdue: int = 0
    asked: int = 0
    withheld: int = 0
    outside: int = 0
    silent: tuple[str, ...] = ()
    findings: int = 0
    clocks: int = 0
    over: int = 0

    @property
    def any(self) -> bool:
        """Whether there is something to say."""
        waiting_for = (self.emergencies, self.asked, self.withheld, self.outside, self.findings, self.clocks)
        return any(waiting_for) or bool(self.silent)


def calls(visitor: Visitor) -> Calls:
    """Return what calls the person at the page."""
    practice, now = visitor.actor.practice, system().clock()
    try:
        outside = _outside(visitor, now)
        if not visitor.allows_emergencies:
            return Calls(outside=outside)
        asked = glass.waiting_now(now).filter(practice=practice).exclude(account=visitor.actor.id).count()
        open_ = []
        quiet: tuple[str, ...] = ()
        clocks: list[bool] = []
        if visitor.reads_journal:
            clocks = [bool(d.ends and d.ends <= now) for _, d in system().deadlines.near(practice)]
            open_ = list(glass.to_review(practice).filter(begins_at__isnull=False))
            quiet = _silent(now)
        found = waiting(practice).count() if visitor.reads_journal and visitor.keeps else 0
        withheld = 0
        if visitor.keeps:
            withheld = sum(1 for row in standing.holding(practice) if row.state == State.WITHHELD)
    except DatabaseError:
        return Calls()
    overdue = sum(1 for each in open_ if glass.is_overdue(each, now))
    return Calls(len(open_), overdue, asked, withheld, outside, quiet, found, len(clocks), sum(clocks))


def _silent(now: datetime) -> tuple[str, ...]:
    """Which witnesses of the journal are silent; whoever reads the journal relies on them."""
    keys = [PublicKey.parse(each) for each in settings.CONFIG.journal_witnesses]
    return tuple(f"{name}: {what}" for name, what in silent(keys, now).items()) if keys else ()


def _outside(visitor: Visitor, now: datetime) -> int:
    """How many are frozen in practices of which the person at the page is the one outside."""
    account = Account.objects.filter(pk=visitor.actor.id).first()
    named = outsiders.practices_of(account, now) if account else []
    return sum(len(standing.holding(practice.pk)) for practice in named)
