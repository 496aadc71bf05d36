"""Compiles an export policy: the plan at rest, tightened, and the ways out that the policy opens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from confide.fhir import compartment, tables
from confide.protect import datatypes, rules
from confide.protect.elements import Element
from confide.protect.exports import rules as ways
from confide.protect.plan import QUANTITIES, Plan
from confide.protect.policy import Action, Policy, load
from confide.protect.rules import Rule

_AWAY = Action("away")
_ABOUT_OTHERS = Action("as", Element.CONTACT)
# What is kept at rest and tells too much outside: times of our own writing, the place of a house, answers to
# questions that are not sent along.
_TIGHTER: Final[Mapping[str, Action]] = {
    "Meta.versionId": _AWAY,
    "Meta.lastUpdated": _AWAY,
    "Meta.source": _AWAY,
    "Location.position": _AWAY,
    "QuestionnaireResponse.item": _AWAY,
    "Practitioner.address": _ABOUT_OTHERS,
    "Practitioner.birthDate": _ABOUT_OTHERS,
}
# An extension's quality- and disability-adjusted years sum up to the person's age.
_AGE_IN_DISGUISE: Final = "-adjusted-life-years"
_INTEGERS: Final = frozenset({"integer", "positiveInt", "unsignedInt"})
_DATES: Final = frozenset({"date", "dateTime", "instant"})
# In these everything is about somebody else, or a picture: no address of it goes out.
_CLOSED: Final = frozenset({Element.CONTACT, Element.PHOTO})


def at_rest() -> Policy:
    """Return the policy at rest, without what it keeps because a server needs it.

    Every type is treated like a patient's; a practitioner's name and public numbers are identifiers like any.
    """
    policy = load("at-rest")
    paths = {
        path: Action("as", Element.NAME) if action.verb == "pseudonym" else action
        for path, action in policy.paths.items()
        if action.verb not in {"open", "work", "keep"}
    }
    return replace(
        policy,
        name="export",
        kept_types=frozenset(),
        paths={**paths, **_TIGHTER},
        identifier_systems={s: e or Element.IDENTIFIER for s, e in policy.identifier_systems.items()},
        extensions={u: i for u, i in policy.extensions.items() if not u.endswith(_AGE_IN_DISGUISE)},
    )


class ExportPlan(Plan):
    """The rules of an export. They ask the policy as they run, so one plan serves every policy."""

    def __init__(self) -> None:
        super().__init__(at_rest())

    def _rule(
        self, owner: str, key: str, d: tables.ElementDef, element: Element | None, *, sealed: bool
    ) -> Rule:
        if (owner, key) == ("Patient", "name"):
            return ways.names
        return super()._rule(owner, key, d, element, sealed=sealed)

    def _everywhere(self, d: tables.ElementDef, element: Element | None, *, sealed: bool) -> Rule | None:
        if d.type == "Reference":
            return ways.reference(element or Element.CLINICAL)
        return super()._everywhere(d, element, sealed=sealed)

    def _primitive(self, key: str, d: tables.ElementDef, element: Element | None) -> Rule | None:
        if d.type in _DATES:
            if element not in {None, Element.BIRTH_DATE}:
                # At rest it counts as what it stands in: somebody else's, a number's, a document's.
                return rules.primitive(element)
            return ways.dates(element or Element.DATE, instant=d.type == "instant")
        if d.type in _INTEGERS:
            return ways.integer
        return super()._primitive(key, d, element)

    def _complex(self, d: tables.ElementDef, element: Element | None) -> Rule:
        text = element or Element.CLINICAL
        period = ways.periods(rules.descend(partial(self._node, "Period", element, sealed=True)))
        if d.type in QUANTITIES:
            return ways.quantity(text, age=d.type == "Age")
        match d.type:
            case "Period":
                return period
            case "Address":
                return rules.whole(element) if element in _CLOSED else ways.address(period)
            case "ContactPoint":
                return datatypes.contact_point(element, period)
            case "Identifier":
                concept = datatypes.concept(Element.CLINICAL)
                return datatypes.identifier(self.policy, element or Element.IDENTIFIER, concept, period)
            case _:
                return super()._complex(d, element)


def person_types(policy: Policy) -> frozenset[str]:
    """The types of resource that may be one patient's."""
    return compartment.IN_PATIENT | policy.owners.keys()
