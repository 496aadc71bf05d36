"""Asked to prove again: the rung below suspect. A session is suspect until its person proves a second factor.

It needs no second person, for the proof is the answer, and it is no part of a storm: who is at the keyboard
ends it. A program's tokens are gone, so that it signs in anew with its key.
"""

from __future__ import annotations

from datetime import datetime

from confide.access.containment import Standing
from confide.access.entrances import Session
from confide.access.models import AccessToken, Account, Client
from confide.access.standing import Kind, Measure, Reason, State, owner_of, practices_of, take_turn


def challenge(subject: Account | Client, reason: Reason, now: datetime) -> list[Measure]:
    """Ask for a proof in every session of a person that is trusted; in the caller's transaction.

    Args:
        subject: The person, or a program, whose tokens end.
        reason: Why; one of Confide's own.
        now: Aware UTC.

    Returns:
        What was done: one for each session that was trusted, or one for the program.
    """
    take_turn()
    owner = owner_of(subject)
    practices = practices_of(owner)
    if isinstance(subject, Client):
        ended, _ = AccessToken.objects.filter(client=subject).delete()
        row = _row(Kind.CLIENT, subject.pk, owner, reason, now)
        row.lifted_at = now  # it is over as it happens: there is no token to hold
        row.save(force_insert=True)
        return [Measure(row, new=ended > 0, practices=practices)]
    measures = []
    for session in Session.objects.filter(account=subject, suspect_at__isnull=True, frozen_at__isnull=True):
        Session.objects.filter(pk=session.pk).update(suspect_at=now)
        row = _row(Kind.SESSION, session.pk, owner, reason, now)
        row.save(force_insert=True)
        measures.append(Measure(row, new=True, practices=practices))
    return measures


def cover(subject: Account | Client, reason: Reason, now: datetime, *, by: Account, practice: str) -> Measure:
    """Make a credential suspect by a person's hand, which no storm stops; in the caller's transaction.

    Args:
        subject: The person or program.
        reason: Why.
        now: Aware UTC.
        by: Who does it; whether they may says ``standing.require_keeper``.
        practice: For which practice; its id.
    """
    take_turn()
    owner = owner_of(subject)
    kind = Kind.CLIENT if isinstance(subject, Client) else Kind.PERSON
    rows = Standing.objects.filter(kind=kind, subject=subject.pk, lifted_at__isnull=True)
    there = rows.filter(state=State.SUSPECT).first()
    if there is not None:
        return Measure(there, new=False, practices=practices_of(owner))
    rows.filter(state=State.WITHHELD).update(lifted_at=now, lifted_by=by.pk)
    type(subject).objects.filter(pk=subject.pk, suspect_at__isnull=True).update(suspect_at=now)
    row = Standing(
        kind=kind, subject=subject.pk, owner=owner, practice=practice, state=State.SUSPECT, reason=reason,
        since=now, by=by.pk,
    )  # fmt: skip
    row.save(force_insert=True)
    return Measure(row, new=True, practices=practices_of(owner))


def settle(session: Session, now: datetime) -> bool:
    """Trust a session again whose person has proved a second factor just now; in the caller's transaction.

    What holds a session for another reason goes on holding it.

    Returns:
        Whether it was asked for a proof.
    """
    take_turn()  # another measure may be under way, and would be lifted with this one
    rows = Standing.objects.filter(kind=Kind.SESSION, subject=session.pk, lifted_at__isnull=True)
    states = set(rows.values_list("state", flat=True))
    if State.STEP_UP not in states:
        return False
    rows.filter(state=State.STEP_UP).update(lifted_at=now, lifted_by=session.account_id)
    if states == {State.STEP_UP}:
        Session.objects.filter(pk=session.pk).update(suspect_at=None)
        session.suspect_at = None
    return True


def is_asked(session: Session) -> bool:
    """Tell whether a proof is all that a suspect session lacks."""
    rows = Standing.objects.filter(kind=Kind.SESSION, subject=session.pk, lifted_at__isnull=True)
    return set(rows.values_list("state", flat=True)) == {State.STEP_UP}


def _row(kind: Kind, subject: str, owner: str, reason: Reason, now: datetime) -> Standing:
    return Standing(kind=kind, subject=subject, owner=owner, state=State.STEP_UP, reason=reason, since=now)
