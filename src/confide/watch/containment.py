"""What the findings of a login lead to: the ladder is climbed, never above what the policy allows.

Measures are those of ``audit.standing``, with their storm guard, their care for today's patients and the
second person who lifts them. A person is never frozen by rule; frozen by policy means their sessions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from confide.access.models import Account, Client
from confide.access.standing import Measure, Reason, State
from confide.audit import standing
from confide.audit.journal import Journal
from confide.watch.findings import Finding
from confide.watch.rungs import Rung, limit, rung_of
from confide.watch.thresholds import RUNGS

INCIDENT: Final[int] = RUNGS[Rung.MASKED.value]
"""A finding that alone reaches masked opens an incident."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done.

    Attributes:
        rung: The rung that was newly taken; empty where nothing was done.
        withheld: It would have been taken, but for a storm: a person decides.
    """

    rung: Rung = Rung.NONE
    withheld: bool = False


def contain(journal: Journal, grown: Finding, findings: Iterable[Finding], most: Rung, now: datetime) -> Done:
    """Take the rung that an owner's findings have reached; in the caller's transaction.

    What a second person has lifted stays so until a finding grows again.

    Args:
        journal: Where it is written.
        grown: The finding that is new, or has grown.
        findings: All of the owner's that are open.
        most: The highest rung that is taken without a person.
        now: Aware UTC.
    """
    subject = find(grown.owner)
    if subject is None or subject.frozen_at is not None:
        return Done()
    rung = limit(rung_of(findings, now), most)
    if rung is Rung.STEP_UP and subject.suspect_at is None:
        measures = standing.challenge(journal, subject, Reason.WATCH, now)
        return Done(rung) if any(each.new for each in measures) else Done()
    if rung.height >= Rung.MASKED.height and subject.suspect_at is None:
        return _done(Rung.MASKED, standing.degrade(journal, subject, Reason.WATCH, now))
    if rung is Rung.FROZEN:
        return _freeze(journal, subject, now)
    return Done()


def find(owner: str) -> Account | Client | None:
    """Return whose findings they are; None if it is there no more."""
    kind, _, id_ = owner.partition(":")
    if kind == "client":
        return Client.objects.filter(pk=id_).first()
    return Account.objects.filter(pk=id_).first()


def _freeze(journal: Journal, subject: Account | Client, now: datetime) -> Done:
    """Freeze a suspect program, or the sessions of a suspect person, who then signs in anew."""
    if isinstance(subject, Client):
        return _done(Rung.FROZEN, standing.degrade(journal, subject, Reason.WATCH, now))
    done = Done()
    for session in subject.sessions.filter(frozen_at__isnull=True):
        standing.degrade(journal, session, Reason.WATCH, now)
        done = _done(Rung.FROZEN, standing.degrade(journal, session, Reason.WATCH, now))
    return done


def _done(rung: Rung, measure: Measure) -> Done:
    if not measure.new:
        return Done()
    withheld = measure.row.state == State.WITHHELD
    return Done(Rung.NONE if withheld else rung, withheld=withheld)
