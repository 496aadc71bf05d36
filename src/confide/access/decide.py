"""The only maker of grants: may this actor do this, for this purpose, to these patients' elements?

``decide`` looks, in this order, at

1. the account or client: active, not frozen, not suspect;
2. the practice: the actor is a member of it now, in the role that it claims, and that role is approved where
   it opens clear values (``memberships``);
3. the table of role, action and purpose by element (``roles``), narrowed by a client's registration;
4. the relationship of a person to each patient (``relationships``): without one, stand-ins; with none but
   one that the same person made within 24 hours, elements of weight 1;
5. for elements of weight 10 and more, how lately a person has proved a second factor (``freshness``);
6. what the patient has asked to be kept from the purpose (``ties.Restriction``).

The answer is per patient and element: clear, masked, stand-in or refused. The facts come in one query
(``facts``); no step can give back what an earlier one took. Whether a patient belongs to the practice is not
asked here: to those who keep the rows, a stranger's patient is Unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import KW_ONLY, InitVar, dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

from django.db import DatabaseError

from confide.access import care, facts, relationships, restrictions, steps
from confide.access.actors import Actor, act_as_client, act_as_member
from confide.access.facts import Facts
from confide.access.freshness import is_fresh, require_fresh
from confide.access.models import Practice
from confide.access.relationships import NONE, RULES, Relation, Sealed, Shut
from confide.access.roles import FORMS, Action, Form, Purpose, Role
from confide.access.steps import Forms
from confide.errors import (
    AccessDenied,
    GrantExpired,
    GrantMismatch,
    NoRelationship,
    PatientRestricted,
    SuspectSession,
    Unavailable,
)
from confide.protect.elements import Element

__all__ = [
    "GRANT_LIFETIME",
    "Actor",
    "Grant",
    "act_as_client",
    "act_as_member",
    "decide",
    "judge",
    "system_grant",
]

GRANT_LIFETIME: Final = timedelta(minutes=5)
SYSTEM_GRANT_LIFETIME: Final = timedelta(hours=1)
_NARROWED: Final = frozenset({Action.READ, Action.SEARCH, Action.REVEAL, Action.TOKENIZE})
"""What a client does with the elements that it is registered for, and with no other."""
_BOUNDED: Final = frozenset({Action.READ, Action.SEARCH, Action.REVEAL, Action.WRITE})
"""What a person does to a chart, and so needs a relationship for."""
_SHOWING: Final = frozenset({Action.READ, Action.SEARCH, Action.REVEAL})
_TELLING: Final = _SHOWING | {Action.TOKENIZE}
"""What a patient's restrictions are about: they ask that nothing is shown, not that nothing is written. The
token that a value gets says whether it is the one that another token stands for."""
_FOR_TRUSTED: Final = frozenset({Action.TOKENIZE, Action.EXPORT, Action.MAIL})
"""What nobody's care waits for."""
_SHUT: Final = Shut()
_MAKER: Final = object()


def _empty() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission for one action, purpose, patient or patients, set of elements, and time.

    Only ``decide`` and ``system_grant`` make one: it cannot be built or altered without their secret.

    Attributes:
        patients: Ids of the patients it is for; None is any patient of the practice.
        forms: The form in which each element that was asked for may be answered, whoever of the patients it
            is; `form` answers for one of them.
        others: The same for a patient who is not in ``each``.
        each: The same for single patients.
        relations: How each patient stands to the person; empty for programs, and where nobody is named.
        kept: What patients have asked to be kept from this purpose.
        suspect: The credential is suspect, so that it sees little.
        cared: Of today's patients what it still sees of care (``care``).
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
    others: Mapping[Element, Form]
    each: Mapping[str, Mapping[Element, Form]] = field(default_factory=_empty)
    relations: Mapping[str, Relation] = field(default_factory=_empty)
    kept: Mapping[str, frozenset[Element]] = field(default_factory=_empty)
    suspect: bool = False
    cared: Mapping[str, Mapping[Element, Form]] = field(default_factory=_empty)
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

    def form(self, element: Element, patients: Iterable[str] = (), kind: str = "") -> Form:
        """Return how *element* may be answered; what was not asked for is a stand-in at most.

        Args:
            element: A data element.
            patients: Whose it is; of several the one with the least decides.
            kind: The FHIR type in which it lies, if it is known: it may be what care needs.
        """
        if element in self.forms:
            rows = [self._row(element, patient, kind) for patient in patients] or [self.forms]
            return min((row[element] for row in rows), key=steps.strength)
        refused = FORMS[self.actor.role, self.action, self.purpose][element] is Form.REFUSED
        return Form.REFUSED if refused else Form.STAND_IN

    def keeps(self, elements: Collection[Element], patient: str) -> bool:
        """Tell whether a patient has asked that one of *elements* be kept from this purpose."""
        return not self.kept.get(patient, frozenset()).isdisjoint(elements)

    def _row(self, element: Element, patient: str, kind: str) -> Forms:
        if patient in self.cared and care.is_care(element, kind):
            return self.cared[patient]
        return self.each.get(patient, self.others)

    def is_care(self, element: Element, patients: Iterable[str], kind: str) -> bool:
        """Tell whether somebody treats today's patients by it: it stays open where a ceiling is reached."""
        today = [self.relations.get(patient, NONE).today for patient in patients]
        return bool(today) and all(today) and care.is_care(element, kind)

    def explain(self, element: Element, patients: Iterable[str]) -> AccessDenied:
        """Return why *element* of these patients is neither clear nor masked."""
        if FORMS[self.actor.role, self.action, self.purpose][element] in {Form.CLEAR, Form.MASKED}:
            if self.suspect:
                return SuspectSession("the login is suspect, so only what today's patients need is shown")
            for patient in patients:
                if element in self.kept.get(patient, ()):
                    return PatientRestricted("the patient has asked that it be kept from this purpose")
                relation = self.relations.get(patient, NONE)
                if relation.own:
                    return NoRelationship("the only relationship is one that you made within 24 hours")
                if not relation.kinds and _is_bounded(self.actor, self.action):
                    return NoRelationship("no appointment, visit, care team or claim makes it your work")
        return AccessDenied(f"the role {self.actor.role} may not {self.action} that for {self.purpose}")

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
        self.require_action(action, now)
        if self.patients is not None and (patient is None or patient not in self.patients):
            raise GrantMismatch("the grant is for other patients")

    def require_action(self, action: Action, now: datetime) -> None:
        """Refuse if this grant is not for *action* now, whoever the patients are.

        Raises:
            GrantMismatch: The grant is for another action.
            GrantExpired: The grant is too old.
        """
        if action is not self.action:
            raise GrantMismatch(f"the grant is for {self.action}, not for {action}")
        if now >= self.expires:
            raise GrantExpired("the grant has expired")


def decide(
    actor: Actor,
    action: Action,
    purpose: Purpose,
    patients: Collection[str] | None,
    elements: Iterable[Element],
    now: datetime,
    sealed: Sealed = _SHUT,
) -> Grant:
    """Answer whether *actor* may do *action* for *purpose*, patient by patient and element by element.

    Args:
        actor: Who asks.
        action: What is to be done.
        purpose: Why.
        patients: Ids of the patients it is about; None is any patient of the practice, which for a person
            finds and registers patients, but opens nobody's chart.
        elements: The elements that are asked for; none at all asks for the action itself.
        now: Aware UTC.
        sealed: Opens the days of relationships. Without it no relationship counts.

    Returns:
        A grant that says for each patient and element: clear, masked, stand-in or refused.

    Raises:
        AccessDenied: The account or client may not act, or every element asked for is refused.
        StepUpNeeded: It asks to uncover an element of weight 10 or more, and the person has not proved a
            second factor lately.
        Unavailable: The facts cannot be read now.
        Damaged: A relationship's sealed days are not as they were written.
    """
    try:
        known = facts.load(actor, purpose, patients, now)
    except DatabaseError as error:
        raise Unavailable(f"access cannot be decided now ({type(error).__name__})") from None
    return judge(actor, action, purpose, patients, elements, known, now, sealed)


def judge(
    actor: Actor,
    action: Action,
    purpose: Purpose,
    patients: Collection[str] | None,
    elements: Iterable[Element],
    known: Facts,
    now: datetime,
    sealed: Sealed = _SHUT,
) -> Grant:
    """Decide from facts that are loaded; see `decide`."""
    table = _tabled(actor, action, purpose, elements, known)
    bounded = _is_bounded(actor, action)
    relations: dict[str, Relation] = {}
    if purpose is Purpose.BTG and actor.kind == "person" and known.broken_until is None:
        raise AccessDenied("an emergency begins with breaking the glass, for one patient")
    if bounded and patients is not None:
        relations = {patient: _relate(actor, patient, known, now, sealed) for patient in patients}
    others = steps.reach(table, action, NONE) if bounded else table
    each = {patient: steps.reach(table, action, relation) for patient, relation in relations.items()}
    if actor.kind == "person" and not is_fresh(actor.proved_at, now):
        if action is Action.REVEAL and any(map(steps.is_heavy, each.values() if each else [table])):
            require_fresh(actor.proved_at, now)
        table, others = steps.mask(table), steps.mask(others)
        each = {patient: steps.mask(row) for patient, row in each.items()}
    kept: dict[str, frozenset[Element]] = {}
    if action in _TELLING:
        rows = chain.from_iterable(known.restrictions.values())
        kept = restrictions.hold(actor.practice, purpose, rows, now, sealed)
    if bounded:  # whoever comes to the desk must be found there
        kept = {patient: what - steps.UNRELATED.get(action, frozenset()) for patient, what in kept.items()}
    for patient, what in kept.items():
        each[patient] = steps.withhold(each.get(patient, others), what)
    cared: dict[str, Forms] = {}
    if known.suspect:
        each, cared = _degrade(action, each, relations, emergency=purpose is Purpose.BTG)
    if known.suspect and action in _SHOWING:
        table, others = care.cover(table), care.cover(others)
    forms = steps.weakest(each.get(patient, others) for patient in patients) if patients else table
    # What raises the budget ends in time: a grant does not outlive it.
    ends = [end for end in (known.raised_until, known.broken_until) if end is not None]
    expires = min([now + GRANT_LIFETIME, *ends])
    return Grant(
        actor,
        action,
        purpose,
        None if patients is None else frozenset(patients),
        MappingProxyType(forms),
        expires,
        others=MappingProxyType(others),
        each=MappingProxyType(each),
        relations=MappingProxyType(relations),
        kept=MappingProxyType(kept),
        suspect=known.suspect,
        cared=MappingProxyType(cared),
        day_patients=known.day_patients,
        day_units=known.day_units,
        token_scopes=known.token_scopes,
        raised=known.raised,
        maker=_MAKER,
    )


def system_grant(action: Action, practice: str, reason: str, now: datetime) -> Grant:
    """Grant Confide itself an action on a whole practice; journalled like every other.

    Args:
        action: ``INDEX``, ``IMPORT``, or ``EXPORT`` for a downtime pack.
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
    table = MappingProxyType(_tabled(actor, action, Purpose.SYSADMIN, Element, Facts()))
    return Grant(
        actor,
        action,
        Purpose.SYSADMIN,
        None,
        table,
        now + SYSTEM_GRANT_LIFETIME,
        others=table,
        reason=reason,
        maker=_MAKER,
    )


# The steps


def _is_bounded(actor: Actor, action: Action) -> bool:
    return actor.kind == "person" and actor.role in RULES and action in _BOUNDED


def _tabled(
    actor: Actor, action: Action, purpose: Purpose, elements: Iterable[Element], known: Facts
) -> Forms:
    """Answer from the table of roles, and from what a client is registered for."""
    row = FORMS[actor.role, action, purpose]
    forms = {element: row[element] for element in elements}
    if all(form is Form.REFUSED for form in (forms or row).values()):
        raise AccessDenied(f"the role {actor.role} may not {action} that for the purpose {purpose}")
    if action in _NARROWED:
        for limit in (actor.elements, known.elements):
            if limit is not None:
                forms = dict(steps.withhold(forms, frozenset(Element) - limit))
    return forms


def _degrade(
    action: Action, each: Mapping[str, Forms], relations: Mapping[str, Relation], *, emergency: bool
) -> tuple[dict[str, Forms], dict[str, Forms]]:
    """Leave a suspect credential what care needs, and what is written."""
    if action in _FOR_TRUSTED:
        raise AccessDenied(f"a suspect credential may not {action}")
    if action not in _SHOWING:
        return dict(each), {}
    return care.degrade(each, relations, emergency=emergency)


def _relate(actor: Actor, patient: str, known: Facts, now: datetime, sealed: Sealed) -> Relation:
    rows = known.relationships.get(patient, ())
    relation = relationships.relate(
        actor.role, actor.owner, known.practitioner, rows, actor.practice, sealed, now
    )
    return relation if known.broken_until is None else relation.broken()
