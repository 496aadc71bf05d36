"""Freezing, degrading and lifting, each written down in one transaction with what it does.

An entry names the credential and the reason's code; it is about no patient.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import DatabaseError, transaction

from confide.access import challenges, outsiders, standing, terminal
from confide.access.containment import Outsider, Standing
from confide.access.models import Account, Client
from confide.access.roles import Role
from confide.access.standing import Measure, Reason, State, Subject
from confide.audit.journal import Entry, Journal, Outcome
from confide.audit.terminal import entry_at
from confide.errors import AccessDenied, Unavailable

RESOURCE: Final = "Standing"
"""What the journal calls it."""


class Event(StrEnum):
    """What was done: the action of its entry."""

    FREEZE = "freeze"
    DEGRADE = "degrade"
    STORM = "degrade-withheld"
    CHALLENGE = "step-up-asked"
    LIFT = "lift"
    OUTSIDER = "outsider"


_EVENTS: Final = {
    State.FROZEN: Event.FREEZE,
    State.SUSPECT: Event.DEGRADE,
    State.WITHHELD: Event.STORM,
    State.STEP_UP: Event.CHALLENGE,
}


def freeze(
    journal: Journal,
    subject: Subject,
    reason: Reason,
    now: datetime,
    *,
    by: Account,
    practice: str,
    credential: str,
) -> Measure:
    """Freeze a credential for a practice; a refusal is written down, too.

    Args:
        journal: Where it is written.
        subject: The person, program or session.
        reason: Why.
        now: Aware UTC.
        by: Who does it, and has proved who they are.
        practice: For which practice; its id.
        credential: The public name of what they presented.

    Raises:
        AccessDenied: It is not theirs to freeze.
        Unknown: The credential is not of this practice.
        JournalUnavailable: It cannot be written down, so nothing was frozen.
    """
    try:
        with transaction.atomic():
            role = standing.require_keeper(by, practice, subject)
            measure = standing.freeze(subject, reason, now, by=by, practice=practice)
            if measure.new:
                whose = {practice: role}
                journal.append(
                    _entries(measure, Event.FREEZE, now, by=by, whose=whose, credential=credential)
                )
    except AccessDenied:
        _refused(journal, subject, Event.FREEZE, now, by, practice, credential)
        raise
    except DatabaseError as problem:
        raise _unavailable(problem) from None
    return measure


def stop(journal: Journal, subject: Subject, now: datetime) -> Measure:
    """Freeze a credential in the name of the operator, who has the machine in hand."""
    try:
        with transaction.atomic():
            measure = standing.freeze(subject, Reason.OPERATOR, now)
            if measure.new:
                journal.append(_entries(measure, Event.FREEZE, now, credential=terminal.CREDENTIAL))
    except DatabaseError as problem:
        raise _unavailable(problem) from None
    return measure


def degrade(journal: Journal, subject: Subject, reason: Reason, now: datetime) -> Measure:
    """Make a credential suspect, or the next worse, by a rule; also inside the caller's transaction.

    Where that is withheld, for it would hit too many at once, the journal's entry calls a person.
    """
    try:
        with transaction.atomic():
            measure = standing.degrade(subject, reason, now)
            if measure.new:
                event = _EVENTS[State(measure.row.state)]
                journal.append(_entries(measure, event, now, role=Role.SYSTEM.value))
    except DatabaseError as problem:
        raise _unavailable(problem) from None
    return measure


def challenge(journal: Journal, subject: Account | Client, reason: Reason, now: datetime) -> list[Measure]:
    """Ask a person for a proof in each session, or a program to sign in anew, by a rule.

    Also inside the caller's transaction.
    """
    try:
        with transaction.atomic():
            measures = challenges.challenge(subject, reason, now)
            for measure in measures:
                if measure.new:
                    journal.append(_entries(measure, Event.CHALLENGE, now, role=Role.SYSTEM.value))
    except DatabaseError as problem:
        raise _unavailable(problem) from None
    return measures


def take_step(
    journal: Journal,
    subject: Account | Client,
    state: State,
    now: datetime,
    *,
    by: Account,
    practice: str,
    credential: str,
) -> None:
    """Take one step of the ladder by hand, for what the watch has found; a refusal is written down, too.

    Args:
        journal: Where it is written.
        subject: The person or program.
        state: Which step: a proof is asked for, it is suspect, or it is frozen.
        now: Aware UTC.
        by: Who does it.
        practice: For which practice; its id.
        credential: The public name of what they presented.

    Raises:
        AccessDenied: It is not theirs to do, or it is about themselves.
        Unknown: The credential is not of this practice.
        JournalUnavailable: It cannot be written down, so nothing was done.
    """
    if state is State.FROZEN:
        freeze(journal, subject, Reason.WATCH, now, by=by, practice=practice, credential=credential)
        return
    event = _EVENTS[state]
    try:
        with transaction.atomic():
            role = standing.require_keeper(by, practice, subject)
            if state is State.SUSPECT:
                measures = [challenges.cover(subject, Reason.WATCH, now, by=by, practice=practice)]
            else:
                measures = challenges.challenge(subject, Reason.WATCH, now)
            for measure in measures:
                whose = {practice: role}
                journal.append(_entries(measure, event, now, by=by, whose=whose, credential=credential))
    except AccessDenied:
        _refused(journal, subject, event, now, by, practice, credential)
        raise
    except DatabaseError as problem:
        raise _unavailable(problem) from None


def lift(
    journal: Journal, subject: Subject, by: Account, practice: str, now: datetime, credential: str
) -> Measure:
    """Trust a credential again, by a second person's word; a refusal is written down, too.

    Raises:
        AccessDenied: It is not theirs to lift.
        Invalid: There is nothing to lift.
        Unknown: The credential is not of this practice.
        JournalUnavailable: It cannot be written down, so nothing was lifted.
    """
    try:
        with transaction.atomic():
            role = standing.require_second(by, practice, subject, now)
            measure = standing.lift(subject, by, practice, now)
            whose = {practice: role}
            journal.append(_entries(measure, Event.LIFT, now, by=by, whose=whose, credential=credential))
    except AccessDenied:
        _refused(journal, subject, Event.LIFT, now, by, practice, credential)
        raise
    except DatabaseError as problem:
        raise _unavailable(problem) from None
    return measure


def name_outsider(
    journal: Journal, account: Account, practice: str, by: Account, now: datetime, credential: str
) -> Outsider:
    """Name the person outside who may let a practice's only clinician in again.

    Raises:
        AccessDenied: It is not theirs to name.
        Invalid: The practice needs none, or it is somebody of its own.
    """
    try:
        with transaction.atomic():
            named = outsiders.name(account, practice, by, now)
            about = f"person:{account.pk}"
            entry = entry_at(
                Event.OUTSIDER, RESOURCE, about, now, practice=practice, by=by, credential=credential
            )
            journal.append([entry])
    except DatabaseError as problem:
        raise _unavailable(problem) from None
    return named


def _entries(
    measure: Measure,
    event: Event,
    now: datetime,
    *,
    by: Account | None = None,
    whose: dict[str, str] | None = None,
    role: str = "",
    credential: str = "",
) -> list[Entry]:
    """One entry for each practice that is concerned; elsewhere the role of who did it is not known."""
    about = _name(measure.row)
    outcome = Outcome.SERIOUS_FAILURE if event is Event.STORM else Outcome.SUCCESS
    return [
        entry_at(
            event, RESOURCE, about, now, practice=practice, by=by, role=(whose or {}).get(practice, role),
            credential=credential, outcome=outcome,
        )
        for practice in measure.practices or ("",)
    ]  # fmt: skip


def _name(row: Standing) -> str:
    return f"{row.kind}:{row.subject}:{row.reason}"


def _refused(
    journal: Journal,
    subject: Subject,
    event: Event,
    now: datetime,
    by: Account,
    practice: str,
    credential: str,
) -> None:
    about = f"{standing.kind_of(subject)}:{subject.pk}"
    refused = entry_at(
        event, RESOURCE, about, now, practice=practice, by=by,
        credential=credential, outcome=Outcome.MINOR_FAILURE,
    )  # fmt: skip
    with transaction.atomic():
        journal.append([refused])


def _unavailable(problem: DatabaseError) -> Unavailable:
    return Unavailable(f"the standing cannot be stored ({type(problem).__name__})")
