"""Breaking the glass: emergency access to one patient, in one session, for an hour; loud, and reviewed.

It stands in for a relationship that is not there, and for nothing else: the role's table, the exposure budget
and the journal hold as always. Three in a shift are a person's own; from the fourth on a second person must
allow it. ``vault.emergencies`` seals what was typed and writes the journal.

Source:
    45 CFR 164.312(a)(2)(ii), emergency access procedure.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError, connections, router, transaction
from django.db.models import QuerySet

from confide.access import approvers, freshness, raises
from confide.access.containment import Emergency
from confide.access.entrances import Session
from confide.access.memberships import WORKS
from confide.access.models import Account, Membership
from confide.access.roles import FORMS, Action, Form, Purpose, Role
from confide.access.statements import Column
from confide.errors import AccessDenied, Frozen, Invalid, StepUpNeeded, Unavailable, Unknown

if TYPE_CHECKING:
    from confide.access.decide import Actor

LASTS: Final = timedelta(minutes=60)
SHIFT: Final = timedelta(hours=12)
MOST_ALONE: Final = 3
"""How many in a shift before a second person must allow one."""

REVIEWED_WITHIN: Final = timedelta(hours=72)
FEWEST_WORDS: Final = 3
FEWEST_CHARACTERS: Final = 15
LONGEST: Final = 500
PASSKEY: Final = "passkey"
"""The second factor that a suspect session must have proved just now (``entrances.Session.factor``)."""

_LOCKS: Final = 0x0EC8  # keeps these advisory locks apart from others
ALLOWING: Final = (*raises.APPROVERS, Role.CLINICIAN)
"""The roles of a second person: at night a colleague is there, and no officer."""


class Verdict(StrEnum):
    """What the review says."""

    JUSTIFIED = "justified"
    UNJUSTIFIED = "unjustified"


def read_reason(text: str) -> str:
    """Return a typed reason, blanks made one.

    Raises:
        Invalid: It says too little, or too much; the message never repeats it.
    """
    reason = " ".join(text.split())
    if len(reason.split(" ")) < FEWEST_WORDS or len(reason) < FEWEST_CHARACTERS:
        raise Invalid(f"say in at least {FEWEST_WORDS} words why (that is {FEWEST_CHARACTERS} characters)")
    if len(reason) > LONGEST:
        raise Invalid(f"say in at most {LONGEST} characters why")
    return reason


# Breaking


def require_may(actor: Actor, now: datetime) -> bool:
    """Refuse whoever may not break a glass at all.

    Returns:
        Whether the session is degraded: then a passkey was proved in it just now.

    Raises:
        AccessDenied: The role has no emergencies, or there is no session.
        Frozen: The login or session was stopped.
        StepUpNeeded: A degraded session proves a passkey first.
    """
    if all(form is Form.REFUSED for form in FORMS[actor.role, Action.READ, Purpose.BTG].values()):
        raise AccessDenied("this role does not break the glass")
    live = Session.objects.filter(pk=actor.session, account_id=actor.id, frozen_at__isnull=True)
    session = live.select_related("account").first()
    if actor.kind != "person" or session is None:
        raise AccessDenied("the glass is broken by a person, in a live session")
    account = session.account
    if account.frozen_at is not None or not account.is_active:
        raise Frozen("the login was stopped")
    there = Membership.objects.filter(
        WORKS, account=account, practice=actor.practice, role=actor.role
    ).exists()
    if not there:
        raise AccessDenied("the account is not an active member of this practice in that role")
    degraded = session.suspect_at is not None or account.suspect_at is not None
    if degraded:
        freshness.require_fresh(session.proved_at, now)
        if session.factor != PASSKEY:
            raise StepUpNeeded("prove your passkey first (a code is not enough now)")
    return degraded


def break_one(
    actor: Actor, id_: str, patient: str, reason_sealed: bytes, now: datetime, *, degraded: bool
) -> Emergency:
    """Break a glass, or ask a second person to allow it; in the caller's transaction.

    Args:
        actor: Who; see `require_may`.
        id_: The id that it gets: the seal of its reason is bound to it.
        patient: Whose chart.
        reason_sealed: Why.
        now: Aware UTC.
        degraded: What `require_may` has said.
    """
    connection = transaction.get_connection(router.db_for_write(Emergency))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCKS, actor.id])
    alone = needs_nobody(actor.id, now)
    return Emergency.objects.create(
        id=id_,
        practice_id=actor.practice,
        account_id=actor.id,
        role=actor.role,
        session=actor.session,
        patient=patient,
        degraded=degraded,
        reason_sealed=reason_sealed,
        asked_at=now,
        begins_at=now if alone else None,
        expires_at=now + LASTS if alone else None,
    )


def needs_nobody(account: str, now: datetime) -> bool:
    """Tell whether a person may break one more glass alone: three in twelve hours, in all practices."""
    mine = Emergency.objects.filter(account_id=account, begins_at__gt=now - SHIFT)
    return mine.count() < MOST_ALONE


def require_second(by: Account, emergency: Emergency, now: datetime) -> Role:
    """Return in which role *by* may allow an emergency that waits for a second person.

    Raises:
        AccessDenied: It is not theirs to allow: their own, another role, too new an account.
    """
    if by.pk == emergency.account_id:
        raise AccessDenied("nobody allows their own emergency (a second person must)")
    approvers.require_trusted(by)
    mine = Membership.objects.filter(WORKS, account=by, practice=emergency.practice_id)
    roles = set(mine.values_list("role", flat=True))
    found = [role for role in ALLOWING if role in roles]
    if not found:
        raise AccessDenied("a clinician, a practice manager or the privacy officer allows this")
    approvers.require_settled(by, now)
    return found[0]


def allow(emergency: Emergency, by: Account, now: datetime) -> None:
    """Let an emergency begin that waits for a second person; in the caller's transaction.

    Raises:
        Invalid: It does not wait any more.
    """
    waiting = waiting_now(now).filter(pk=emergency.pk)
    if not waiting.update(begins_at=now, expires_at=now + LASTS, allowed_by=by):
        raise Invalid("this emergency does not wait for a second person any more")
    emergency.refresh_from_db()


def waiting_now(now: datetime) -> QuerySet[Emergency]:
    """Those that wait for a second person, in all practices; after an hour nobody waits any more."""
    return Emergency.objects.filter(begins_at__isnull=True, verdict="", asked_at__gt=now - LASTS)


# While it holds


def until(actor: Actor, patients: Collection[str] | None, now: datetime) -> datetime | None:
    """Return until when the glass is broken for *actor* and every one of *patients*; None where it is not.

    Raises:
        Unavailable: It cannot be read now.
    """
    if not patients or not actor.session:
        return None
    try:
        rows = Emergency.objects.filter(
            account_id=actor.id,
            practice_id=actor.practice,
            session=actor.session,
            patient__in=list(patients),
            begins_at__lte=now,
            expires_at__gt=now,
        ).values_list("patient", "expires_at")
        found: dict[str, datetime] = {}
        for patient, expires in rows:
            if expires is not None:
                found[patient] = max(expires, found.get(patient, expires))
    except DatabaseError as problem:
        raise Unavailable(f"emergencies cannot be read now ({type(problem).__name__})") from None
    return min(found.values()) if set(found) == set(patients) else None


_BROKEN: Final = """(SELECT MIN(latest) FROM (
  SELECT patient, MAX(expires_at) AS latest FROM access_emergency
  WHERE account_id = %s AND practice_id = %s AND session = %s AND begins_at <= %s AND expires_at > %s
    AND patient {} GROUP BY patient) AS broken HAVING COUNT(*) = %s)"""
_AMONG: Final = {
    "sqlite": "IN (SELECT value FROM json_each(%s))",
    "postgresql": "IN (SELECT json_array_elements_text(%s::json))",
}


def column(actor: Actor, patients: Collection[str] | None, now: datetime) -> Column:
    """Return a column for a query of facts that says what `until` does."""
    connection = connections[router.db_for_read(Emergency)]
    if not patients or not actor.session:
        return "NULL", ()
    moment = connection.ops.adapt_datetimefield_value(now)
    chosen = sorted(set(patients))
    parameters = (actor.id, actor.practice, actor.session, moment, moment, json.dumps(chosen), len(chosen))
    return _BROKEN.format(_AMONG[connection.vendor]), parameters


# Reviewing


def require_reviewer(by: Account, emergency: Emergency, now: datetime) -> Role:
    """Return in which role *by* may review an emergency.

    Raises:
        AccessDenied: It is their own, or they are not a privacy officer of the practice, of some standing.
    """
    if by.pk == emergency.account_id:
        raise AccessDenied("nobody reviews their own emergency")
    role = raises.require_approver(by, emergency.practice_id, now)
    mine = Membership.objects.filter(
        WORKS, account=by, practice=emergency.practice_id, role=Role.PRIVACY_OFFICER
    )
    if not mine.exists():
        raise AccessDenied("an emergency is reviewed by the privacy officer")
    return role


def review(emergency: Emergency, by: Account, verdict: Verdict, note_sealed: bytes, now: datetime) -> None:
    """Write down what the review says; in the caller's transaction.

    Raises:
        Invalid: It was reviewed before, and a verdict stands.
    """
    open_ = Emergency.objects.filter(pk=emergency.pk, verdict="")
    if not open_.update(verdict=verdict, note_sealed=note_sealed, reviewed_by=by, reviewed_at=now):
        raise Invalid("this emergency was reviewed before")
    emergency.refresh_from_db()


def to_review(practice: str) -> QuerySet[Emergency]:
    """The emergencies of a practice that nobody has reviewed yet, the oldest first."""
    return Emergency.objects.filter(practice_id=practice, verdict="").order_by("asked_at", "id")


def is_overdue(emergency: Emergency, now: datetime) -> bool:
    """Tell whether its review should have been by now."""
    return not emergency.verdict and now - emergency.asked_at >= REVIEWED_WITHIN


def find(practice: str, id_: str) -> Emergency:
    """Return an emergency of a practice.

    Raises:
        Unknown: There is none.
    """
    row = Emergency.objects.filter(practice_id=practice, pk=id_[:36]).select_related("account").first()
    if row is None:
        raise Unknown("there is no such emergency in this practice")
    return row
