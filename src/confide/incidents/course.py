"""The course of an incident: where it may stand, how it goes on, and what must be there before a step."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from confide.errors import Invalid

if TYPE_CHECKING:
    from confide.incidents.models import Assessment, Incident, Scope


class State(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    CONTAINED = "contained"
    ASSESSED = "assessed"
    NOTIFYING = "notifying"
    CLOSED = "closed"


MOVES: Final[dict[State, tuple[State, ...]]] = {
    State.OPEN: (State.CONTAINED,),
    State.CONTAINED: (State.ASSESSED, State.OPEN),
    State.ASSESSED: (State.NOTIFYING, State.CLOSED, State.OPEN),
    State.NOTIFYING: (State.CLOSED, State.OPEN),
    State.CLOSED: (State.OPEN,),
}
"""Where each may go: on, or back to open when more is found."""


class Breadth(StrEnum):
    """How far it reaches: one practice, or all that this host keeps (a vendor's incident)."""

    PRACTICE = "practice"
    HOST = "host"


class Part(StrEnum):
    """What somebody does in it."""

    LEAD = "lead"
    COUNSEL = "counsel"
    FORENSICS = "forensics"
    NOTICES = "notices"
    OTHER = "other"


class Act(StrEnum):
    """What happened to an incident: its kind in the timeline, and the action of its entry in the journal."""

    OPEN = "incident-open"
    MOVE = "incident-state"
    NOTE = "incident-note"
    FINDING = "incident-finding"
    FACTS = "incident-facts"
    MEMBER = "incident-member"
    TASK = "incident-task"
    HOLD = "incident-hold"
    EXHIBIT = "incident-evidence"
    SCOPE = "incident-scope"
    FREEZE = "incident-freeze"
    MATCH = "incident-match"
    ASSESS = "incident-assess"
    REMEDY = "incident-remedy"
    BUNDLE = "incident-export"
    NOTICE = "incident-notice"


def require_ready(incident: Incident, state: State) -> None:
    """What must be there before a step.

    Raises:
        Invalid: It is not.
    """
    signed = incident.latest_assessment()
    if state is State.ASSESSED and signed is None:
        raise Invalid("an assessment is signed first (45 CFR 164.402(2))")
    breach = signed is not None and signed.outcome == "breach"
    if state is State.NOTIFYING:
        if not breach:
            raise Invalid("the signed assessment says that it is no breach of unsecured PHI")
        if incident.frozen_scope() is None:
            raise Invalid("a scope is frozen first: notices go by what cannot change any more")
    if state is State.CLOSED:
        newest = incident.latest_scope()
        if incident.state == State.ASSESSED and breach:
            raise Invalid("it was assessed as a breach: notices are owed before it is closed")
        if signed is not None and not breach and newest is not None and not covers(signed, newest):
            raise Invalid("the scope is another one since it was assessed: it is assessed again first")
        if incident.tasks.filter(done_at__isnull=True).exists():
            raise Invalid("tasks are open")


def covers(signed: Assessment, scope: Scope) -> bool:
    """Tell whether an assessment was signed of what a scope says: of it, of a newer one, or of one like it.

    More that is found is presumed to be a breach again, until that is decided (45 CFR 164.402(2)).
    """
    of = signed.scope
    if scope.version <= of.version:
        return True
    return (scope.question, scope.states, scope.elements) == (of.question, of.states, of.elements)
