"""The only maker of grants: may this actor do this, for this purpose, to these patients' elements?

``decide`` looks, in this order, at

1. the account or client: active, not frozen;
2. the practice: the actor is a member of it now, in the role that it claims, and that role is approved where
   it opens clear values (``memberships``);
3. the table of role, action and purpose by element (``roles``), narrowed by a client's registration.

The answer is per element. Whether a patient belongs to the practice is not asked here: to those who keep
the rows, a stranger's patient is Unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import KW_ONLY, InitVar, dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

from django.db import DatabaseError

from confide.access import glass, raises, reach
from confide.access.entrances import Session
from confide.access.memberships import OPENING
from confide.access.models import Client, Membership, Practice
from confide.access.roles import FORMS, Action, Form, Purpose, Role
from confide.errors import AccessDenied, GrantExpired, GrantMismatch, Unavailable
from confide.protect.elements import Element

GRANT_LIFETIME: Final = timedelta(minutes=5)
SYSTEM_GRANT_LIFETIME: Final = timedelta(hours=1)
_NARROWED: Final = frozenset({Action.READ, Action.SEARCH, Action.REVEAL, Action.TOKENIZE})
"""What a client does with the elements that it is registered for, and with no other."""
_MAKER: Final = object()

Kind = Literal["person", "client", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, in what capacity.

    Attributes:
        id: The account's or client's id.
        credential: What was presented: the session's or the token's public name, never the secret itself.
        practice: The practice in which the actor acts.
        name: What a person reads.
        address: The network address that it came from.
        elements: Elements that may be answered otherwise than by stand-ins; None is no limit of its own.
        session: The id of a person's session (``entrances.Session``); empty at the terminal and for programs.
        proved_at: When the person last proved a second factor in this session, aware UTC; None if never.
    """

    kind: Kind
    id: str
    credential: str
    practice: str
    role: Role
    name: str
    address: str = ""
    elements: frozenset[Element] | None = None
    session: str = ""
    proved_at: datetime | None = None

    @property
    def owner(self) -> str:
        """Whose exposure it is, whatever the session, token or practice."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission for one action, purpose, patient or patients, set of elements, and time.

    Only ``decide`` and ``system_grant`` make one: it cannot be built or altered without their secret.

    Attributes:
        patients: Ids of the patients it is for; None is any patient of the practice.
        forms: The form in which each element that was asked for may be answered.
        expires: Aware UTC; from then on the grant is refused.
        reason: Why a system grant was made.
        day_patients: The registered budget of a client, if it has one of its own.
        day_units: The same in weighted units.
        token_scopes: The recipients whose tokens the client may turn back into values.
        raised: How many times its own budget a second person has allowed.
    """

    actor: Actor
    action: Action
    purpose: Purpose
    patients: frozenset[str] | None
    forms: Mapping[Element, Form]
    expires: datetime
    _: KW_ONLY
    reason: str = ""
    day_patients: int | None = None
    day_units: int | None = None
    token_scopes: frozenset[str] = frozenset()
    raised: int = 1
    maker: InitVar[object]

    def __post_init__(self, maker: object) -> None:
        if maker is not _MAKER:
            raise GrantMismatch("grants are made by decide alone")

    @property
    def practice(self) -> str:
        return self.actor.practice

    @property
    def clear(self) -> frozenset[Element]:
        """The elements that may be shown, asked by, or written, in clear."""
        return frozenset(element for element, form in self.forms.items() if form is Form.CLEAR)

    @property
    def masked(self) -> frozenset[Element]:
        return frozenset(element for element, form in self.forms.items() if form is Form.MASKED)

    def form(self, element: Element) -> Form:
        """Return how *element* may be answered; what was not asked for is a stand-in at most."""
        asked = self.forms.get(element)
        if asked is not None:
            return asked
        refused = FORMS[self.actor.role, self.action, self.purpose][element] is Form.REFUSED
        return Form.REFUSED if refused else Form.STAND_IN

    def require(self, action: Action, patient: str | None, now: datetime) -> None:
        """Refuse if this grant is not for *action* on *patient* now.

        Args:
            action: What is about to be done.
            patient: The patient's id; None is about no single patient, or about all of the practice.
            now: Aware UTC.

        Raises:
            GrantMismatch: The grant is for another action or other patients.
            GrantExpired: The grant is too old.
        """
        if action is not self.action:
            raise GrantMismatch(f"the grant is for {self.action}, not for {action}")
        if self.patients is not None and (patient is None or patient not in self.patients):
            raise GrantMismatch("the grant is for other patients")
        if now >= self.expires:
            raise GrantExpired("the grant has expired")


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the database says of an actor, read in one query."""

    elements: frozenset[Element] | None
    day_patients: int | None = None
    day_units: int | None = None
    token_scopes: frozenset[str] = frozenset()
    raised: int = 1
    raised_until: datetime | None = None


def decide(
    actor: Actor,
    action: Action,
    purpose: Purpose,
    patients: Collection[str] | None,
    elements: Iterable[Element],
    now: datetime,
) -> Grant:
    """Answer whether *actor* may do *action* for *purpose*, element by element.

    Args:
        actor: Who asks.
        action: What is to be done.
        purpose: Why.
        patients: Ids of the patients it is about; None is any patient of the practice.
        elements: The elements that are asked for; none at all asks for the action itself.
        now: Aware UTC.

    Returns:
        A grant that says for each element: clear, masked, stand-in or refused.

    Raises:
        AccessDenied: The account or client may not act, or every element asked for is refused.
        Unavailable: The facts cannot be read now.
    """
    try:
        facts = _load_facts(actor, purpose, now)
    except DatabaseError as error:
        raise Unavailable(f"access cannot be decided now ({type(error).__name__})") from None
    # What raises the budget ends in time: a grant does not outlive it.
    expires = min(now + GRANT_LIFETIME, facts.raised_until or now + GRANT_LIFETIME)
    if purpose is Purpose.BTG:
        broken = glass.until(actor, patients, now)
        if broken is None:
            raise AccessDenied("an emergency begins with breaking the glass, for one patient")
        expires = min(expires, broken)
    return _grant(actor, action, purpose, patients, elements, facts, expires)


def system_grant(action: Action, practice: str, reason: str, now: datetime) -> Grant:
    """Grant Confide itself ``INDEX`` or ``IMPORT`` on a whole practice; journalled like every other.

    Args:
        action: ``INDEX`` or ``IMPORT``.
        practice: The practice's id.
        reason: Why, in a few fixed words of the program; never anything typed about a patient.
        now: Aware UTC.

    Raises:
        AccessDenied: Another action, no reason, or no such practice.
        Unavailable: The facts cannot be read now.
    """
    if not reason.strip():
        raise AccessDenied("a system grant needs a reason")
    try:
        known = Practice.objects.filter(pk=practice).exists()
    except DatabaseError as error:
        raise Unavailable(f"access cannot be decided now ({type(error).__name__})") from None
    if not known:
        raise AccessDenied("there is no such practice")
    actor = Actor("system", "confide", f"system:{action}", practice, Role.SYSTEM, "Confide")
    expires = now + SYSTEM_GRANT_LIFETIME
    return _grant(actor, action, Purpose.SYSADMIN, None, Element, _Facts(None), expires, reason=reason)


def act_as_member(
    membership: Membership, credential: str, address: str = "", session: Session | None = None
) -> Actor:
    """Return the actor that a signed-in person is in one of their practices."""
    account = membership.account
    return Actor(
        "person",
        account.id,
        credential,
        membership.practice_id,
        Role(membership.role),
        account.display_name,
        address,
        session=session.pk if session else "",
        proved_at=session.proved_at if session else None,
    )


def act_as_client(client: Client, credential: str, address: str = "", practice: str = "") -> Actor:
    """Return the actor that an OAuth client is, in one of the practices that it reaches: else in its own."""
    there = practice or client.practice_id
    elements = _registered(client.elements)
    return Actor("client", client.id, credential, there, Role.INTEGRATOR, client.name, address, elements)


def _grant(
    actor: Actor,
    action: Action,
    purpose: Purpose,
    patients: Collection[str] | None,
    elements: Iterable[Element],
    facts: _Facts,
    expires: datetime,
    *,
    reason: str = "",
) -> Grant:
    row = FORMS[actor.role, action, purpose]
    forms = {element: row[element] for element in elements}
    if all(form is Form.REFUSED for form in (forms or row).values()):
        raise AccessDenied(f"the role {actor.role} may not {action} that for the purpose {purpose}")
    if action in _NARROWED:
        for limit in (actor.elements, facts.elements):
            if limit is not None:
                forms = {element: _narrow(form, element in limit) for element, form in forms.items()}
    return Grant(
        actor,
        action,
        purpose,
        None if patients is None else frozenset(patients),
        MappingProxyType(forms),
        expires,
        reason=reason,
        day_patients=facts.day_patients,
        day_units=facts.day_units,
        token_scopes=facts.token_scopes,
        raised=facts.raised,
        maker=_MAKER,
    )


def _narrow(form: Form, registered: bool) -> Form:  # noqa: FBT001 - one of two columns of a table
    if registered or form is Form.REFUSED:
        return form
    return Form.STAND_IN


def _load_facts(actor: Actor, purpose: Purpose, now: datetime) -> _Facts:
    raising = raises.columns(actor.owner, actor.practice, now)
    if actor.kind == "person":
        if actor.role in {Role.INTEGRATOR, Role.SYSTEM}:
            raise AccessDenied("a person does not act in that role")
        member = Membership.objects.filter(
            account_id=actor.id,
            practice_id=actor.practice,
            role=actor.role,
            active=True,
            account__is_active=True,
            account__frozen_at__isnull=True,
        )
        if actor.role in OPENING:
            member = member.filter(approved_at__isnull=False)
        there = member.values_list("role", *raising).first()
        if there is None:
            raise AccessDenied("the account is not an active member of this practice in that role")
        return _Facts(None, raised=there[1] or 1, raised_until=there[2])
    if actor.kind == "client":
        if actor.role is not Role.INTEGRATOR:
            raise AccessDenied("a client acts as an integrator")
        row = (
            Client.objects.filter(
                reach.inside(actor.practice), pk=actor.id, active=True, frozen_at__isnull=True
            )
            .values_list("purpose", "elements", "day_patients", "day_units", "token_scopes", *raising)
            .first()
        )
        if row is None:
            raise AccessDenied("the client is not active in this practice")
        if row[0] != purpose:
            raise AccessDenied("the client is registered for another purpose")
        return _Facts(_registered(row[1]), row[2], row[3], frozenset(row[4]), row[5] or 1, row[6])
    raise AccessDenied("the system acts by system_grant alone")


def _registered(codes: Iterable[str]) -> frozenset[Element]:
    """Return the elements that are registered; a code that this release does not know opens nothing."""
    known = {element.value for element in Element}
    return frozenset(Element(code) for code in codes if code in known)
