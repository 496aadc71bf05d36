"""The standing of a credential: trusted, suspect (it is shown little), or frozen (it is refused everywhere).

Degrade, then freeze, with care first. Confide itself makes a credential suspect, and freezes only what its
owner can replace by signing in again: a session, or a program. A person is frozen by a person. What Confide
does by itself stops itself where it would hit many at once (a storm): it is then *withheld*, and a person is
called. Lifting takes a second person, or the outsider whom a practice with one clinician has named.

``audit.standing`` writes each of these into the journal, in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.db import router, transaction

from confide.access import outsiders, raises, reach
from confide.access.containment import Outsider, Standing
from confide.access.entrances import Session
from confide.access.memberships import WORKS
from confide.access.models import AccessToken, Account, Client, Membership
from confide.errors import AccessDenied, Invalid, Unknown

STORM_WINDOW: Final = timedelta(minutes=10)
STORM_MOST: Final = 3
"""More owners than these, or than a fifth of the staff, are not degraded by Confide within ten minutes."""

STORM_SHARE: Final = 5
_LOCKS: Final = 0x0EC7  # keeps these advisory locks apart from others


class Kind(StrEnum):
    """Whose standing it is."""

    PERSON = "person"
    CLIENT = "client"
    SESSION = "session"


class State(StrEnum):
    """What is done to a credential. ``WITHHELD``: it would have been degraded, but for a storm.

    ``STEP_UP``: it is suspect until its person proves a second factor (``challenges``).
    """

    STEP_UP = "step-up"
    SUSPECT = "suspect"
    FROZEN = "frozen"
    WITHHELD = "withheld"


class Reason(StrEnum):
    """Why. The last four are Confide's own, the others a person chooses."""

    MISUSE = "misuse"
    LOST = "lost"
    LEFT = "left"
    OPERATOR = "operator"
    BUDGET = "budget"
    STUFFING = "stuffing"
    WATCH = "watch"

    @property
    def label(self) -> str:
        """What a person reads."""
        return _LABELS[self]


_LABELS: Final = {
    Reason.MISUSE: "It looks misused",
    Reason.LOST: "A device or key was lost",
    Reason.LEFT: "The person or program has left",
    Reason.OPERATOR: "The operator of the server stopped it",
    Reason.BUDGET: "It ran into its budget again and again",
    Reason.STUFFING: "Somebody signed in from where many logins were tried",
    Reason.WATCH: "The watch has findings",
}
CHOSEN: Final = (Reason.MISUSE, Reason.LOST, Reason.LEFT)
"""The reasons that a person may give."""

Subject = Account | Client | Session


@dataclass(frozen=True, slots=True)
class Measure:
    """What was done, for the journal.

    Attributes:
        new: It was not so before; what was so already is not told again.
        practices: Whose people are concerned.
    """

    row: Standing
    new: bool
    practices: tuple[str, ...]


# Whose it is


def kind_of(subject: Subject) -> Kind:
    """Say what kind of credential *subject* is."""
    if isinstance(subject, Account):
        return Kind.PERSON
    return Kind.CLIENT if isinstance(subject, Client) else Kind.SESSION


def owner_of(subject: Subject) -> str:
    """Whose exposure it is: ``person:...`` or ``client:...``."""
    if isinstance(subject, Client):
        return f"client:{subject.pk}"
    return f"person:{subject.account_id if isinstance(subject, Session) else subject.pk}"


def practices_of(owner: str) -> tuple[str, ...]:
    """The practices in which an owner acts."""
    kind, _, id_ = owner.partition(":")
    if kind == Kind.CLIENT:
        return reach.practices_of(id_)
    rows = Membership.objects.filter(account_id=id_, active=True)
    return tuple(sorted(set(rows.values_list("practice_id", flat=True))))


def find(kind: str, subject: str) -> Subject:
    """Return the credential that is meant.

    Raises:
        Unknown: There is none.
    """
    models: dict[str, Any] = {Kind.PERSON: Account, Kind.CLIENT: Client, Kind.SESSION: Session}
    found = models[kind].objects.filter(pk=subject).first() if kind in models else None
    if found is None:
        raise Unknown("there is no such login, program or session")
    return found  # type: ignore[no-any-return]


# Freezing


def require_keeper(by: Account, practice: str, subject: Subject) -> str:
    """Return in which role *by* may freeze *subject*: it is their own login, or they answer for the practice.

    Raises:
        AccessDenied: It is not theirs to freeze.
        Unknown: The credential is not of this practice.
    """
    roles = _roles(by, practice)
    if owner_of(subject) == f"person:{by.pk}" and roles:
        return roles[0]
    keeping = [role for role in raises.APPROVERS if role.value in roles]
    if not keeping:
        raise AccessDenied("a login is frozen by its owner, a privacy officer or a practice manager")
    if practice not in practices_of(owner_of(subject)):
        raise Unknown("there is no such login, program or session in this practice")
    return keeping[0].value


def _roles(by: Account, practice: str) -> list[str]:
    if not by.is_active or by.frozen_at is not None or by.suspect_at is not None:
        raise AccessDenied("the account is frozen, suspect or inactive")
    rows = Membership.objects.filter(WORKS, account=by, practice=practice)
    return sorted(rows.values_list("role", flat=True))


def freeze(
    subject: Subject, reason: Reason, now: datetime, *, by: Account | None = None, practice: str = ""
) -> Measure:
    """Refuse a credential everywhere from now on, with its sessions and tokens; in the caller's transaction.

    Args:
        subject: The person, program or session.
        reason: Why.
        now: Aware UTC.
        by: Who does it; None where it is Confide itself or the operator.
        practice: For which practice they do it; its id.
    """
    take_turn()
    if isinstance(subject, Account):
        Account.objects.filter(pk=subject.pk, frozen_at__isnull=True).update(frozen_at=now)
        # A session never goes on after this: who is let in again signs in anew.
        Session.objects.filter(account=subject, frozen_at__isnull=True).update(frozen_at=now)
    elif isinstance(subject, Client):
        Client.objects.filter(pk=subject.pk, frozen_at__isnull=True).update(frozen_at=now)
        AccessToken.objects.filter(client=subject).delete()
    else:
        Session.objects.filter(pk=subject.pk, frozen_at__isnull=True).update(frozen_at=now)
    _end(subject, [State.WITHHELD], now, by)
    return _begin(subject, State.FROZEN, reason, now, by, practice)


# Degrading, by Confide itself


def most_at_once(staff: int) -> int:
    """How many owners of a practice Confide degrades by itself within ten minutes.

    Three, or a fifth of the staff where that is fewer; but one, so that small practices are guarded, too.
    """
    return max(1, min(STORM_MOST, staff // STORM_SHARE))


def degrade(subject: Subject, reason: Reason, now: datetime) -> Measure:
    """Make a credential suspect; one that is so already is frozen, unless it is a person.

    Where as many others were degraded within ten minutes as may be, it is withheld, and a person decides.
    Call it in the transaction that journals it (``audit.standing``).

    Args:
        subject: The session or program, or the person where all of their sessions are meant.
        reason: Why; one of Confide's own.
        now: Aware UTC.
    """
    take_turn()
    practices, there = practices_of(owner_of(subject)), _open(subject)
    if State.FROZEN in there:
        return Measure(there[State.FROZEN], new=False, practices=practices)
    if State.SUSPECT in there and isinstance(subject, Account):
        return Measure(there[State.SUSPECT], new=False, practices=practices)
    if _storms(subject, practices, now):
        return _begin(subject, State.WITHHELD, reason, now, None, "")
    if State.SUSPECT in there:
        return freeze(subject, reason, now)
    type(subject).objects.filter(pk=subject.pk, suspect_at__isnull=True).update(suspect_at=now)
    _end(subject, [State.WITHHELD], now, None)
    return _begin(subject, State.SUSPECT, reason, now, None, "")


def _storms(subject: Subject, practices: Iterable[str], now: datetime) -> bool:
    """Tell whether degrading one more owner would be one too many for one of *practices*.

    A program is none of the staff, and may reach practices with hardly any: there three others must be.
    """
    rows = Standing.objects.filter(since__gt=now - STORM_WINDOW, by="", practice="")
    rows = rows.filter(state__in=[State.SUSPECT, State.FROZEN]).exclude(reason=Reason.OPERATOR)
    owner = owner_of(subject)
    others = {each for each in rows.values_list("owner", flat=True).distinct() if each != owner}
    where = Counter(practice for each in others for practice in practices_of(each))
    return any(
        where[practice] + 1 > (STORM_MOST if isinstance(subject, Client) else most_at_once(_staff(practice)))
        for practice in practices
        if practice in where
    )


def _staff(practice: str) -> int:
    people = Membership.objects.filter(practice=practice, active=True, account__is_active=True)
    return people.values("account").distinct().count()


# Lifting


def require_second(by: Account, practice: str, subject: Subject, now: datetime) -> str:
    """Return in which role *by* may lift what holds *subject*: ``outsider`` for the one outside.

    Raises:
        AccessDenied: It is not theirs to lift: their own, another role, too new an account.
        Unknown: The credential is not of this practice.
    """
    if owner_of(subject) == f"person:{by.pk}":
        raise AccessDenied("nobody lets themselves in again (a second person must)")
    if practice not in practices_of(owner_of(subject)):
        raise Unknown("there is no such login, program or session in this practice")
    if by.suspect_at is not None:
        raise AccessDenied("a suspect account lets nobody in again")
    if outsiders.counts(by, practice, now):
        return outsiders.ROLE
    return raises.require_approver(by, practice, now).value


def lift(subject: Subject, by: Account, practice: str, now: datetime) -> Measure:
    """Trust a credential again; in the caller's transaction, after `require_second`.

    A person's sessions that were frozen with them stay so.

    Raises:
        Invalid: There is nothing to lift.
        AccessDenied: Another practice's people froze it, so they lift it.
    """
    take_turn()
    there = _open(subject)
    frozen = there.get(State.FROZEN)
    if frozen is not None and frozen.practice not in {"", practice}:
        raise AccessDenied("another practice froze this login (its people let it in again)")
    fresh = find(kind_of(subject), subject.pk)
    held = fresh.frozen_at is not None or fresh.suspect_at is not None
    if not there and not held:
        raise Invalid("there is nothing to lift: the login or program is not frozen and not suspect")
    if not isinstance(subject, Session):
        type(subject).objects.filter(pk=subject.pk).update(frozen_at=None)
    if isinstance(subject, Client):
        AccessToken.objects.filter(client=subject).delete()
    type(subject).objects.filter(pk=subject.pk).update(suspect_at=None)
    row = (
        frozen
        or next(iter(there.values()), None)
        or _row(subject, State.FROZEN, Reason.OPERATOR, now, None, "")
    )
    _end(subject, list(State), now, by)
    return Measure(row, new=True, practices=practices_of(owner_of(subject)))


# What holds


def holding(practice: str) -> list[Standing]:
    """What holds now against the people, sessions and programs of a practice, the newest first."""
    people = Membership.objects.filter(practice=practice, active=True).values_list("account_id", flat=True)
    programs = Client.objects.filter(practice=practice).values_list("pk", flat=True)
    owners = [*(f"person:{each}" for each in set(people)), *(f"client:{each}" for each in programs)]
    rows = Standing.objects.filter(lifted_at__isnull=True, owner__in=owners).order_by("-since", "id")
    # A session that has ended by itself needs nobody's word any more.
    live = set(
        Session.objects.filter(pk__in=[row.subject for row in rows if row.kind == Kind.SESSION]).values_list(
            "pk", flat=True
        )
    )
    return [row for row in rows if row.kind != Kind.SESSION or row.subject in live]


def contacts(account: Account) -> list[str]:
    """The names of those who may let an account in again, for its owner to call."""
    practices = practices_of(f"person:{account.pk}")
    rows = Membership.objects.filter(
        practice__in=practices, role__in=raises.APPROVERS, active=True, account__is_active=True
    )
    rows = rows.filter(account__frozen_at__isnull=True).exclude(account=account)
    outside = Outsider.objects.filter(practice__in=practices, ended_at__isnull=True).exclude(account=account)
    names = [*rows.values_list("account__display_name", flat=True)]
    names += [*outside.values_list("account__display_name", flat=True)]
    return sorted(set(names))


# Rows


def take_turn() -> None:
    """Let one measure at a time begin or end, in the caller's transaction; SQLite has one writer anyway."""
    connection = transaction.get_connection(router.db_for_write(Standing))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [_LOCKS])


def _open(subject: Subject) -> dict[State, Standing]:
    rows = Standing.objects.filter(kind=kind_of(subject), subject=subject.pk, lifted_at__isnull=True)
    return {State(row.state): row for row in rows}


def _begin(
    subject: Subject, state: State, reason: Reason, now: datetime, by: Account | None, practice: str
) -> Measure:
    practices = practices_of(owner_of(subject))
    there = _open(subject).get(state)
    if there is not None:
        return Measure(there, new=False, practices=practices)
    row = _row(subject, state, reason, now, by, practice)
    row.save(force_insert=True)
    return Measure(row, new=True, practices=practices)


def _row(
    subject: Subject, state: State, reason: Reason, now: datetime, by: Account | None, practice: str
) -> Standing:
    return Standing(
        kind=kind_of(subject),
        subject=subject.pk,
        owner=owner_of(subject),
        practice=practice,
        state=state,
        reason=reason,
        since=now,
        by=by.pk if by else "",
    )


def _end(subject: Subject, states: Iterable[State], now: datetime, by: Account | None) -> None:
    rows = Standing.objects.filter(kind=kind_of(subject), subject=subject.pk, lifted_at__isnull=True)
    rows.filter(state__in=list(states)).update(lifted_at=now, lifted_by=by.pk if by else "")
