"""Compiles a policy and FHIR's definitions into a plan: which rule each member of each type gets."""

from __future__ import annotations

from functools import cache, partial

from confide.fhir import tables, vocabulary
from confide.protect import datatypes, rules
from confide.protect.elements import Element
from confide.protect.policy import Action, Policy, load
from confide.protect.rules import Node, Rule

_NUMBERS = frozenset({"boolean", "integer", "unsignedInt", "positiveInt", "decimal"})
_DATES = frozenset({"date", "dateTime"})
QUANTITIES = frozenset(
    {"Quantity", "SimpleQuantity", "Age", "Count", "Distance", "Duration", "MoneyQuantity"}
)
# Sealed also in the types that are kept: what may speak of a person wherever it stands.
_PERSONAL = frozenset({"HumanName", "ContactDetail", "Annotation", "Attachment", "Signature"})
_EXTENSION_CODES = frozenset(
    {"F", "M", "UNK", "OTH", "ASKU", "masked", "unknown", "unsupported", "not-applicable"}
)
_CODES_BY_MEMBER = {
    "valueCode": _EXTENSION_CODES.__contains__,
    "language": vocabulary.known_language,
    "contentType": vocabulary.known_mime,
    "currency": lambda code: vocabulary.known_code("urn:iso:std:iso:4217", code),
}
# The policy's verbs that are one rule wherever they stand.
_FIXED: dict[str, Rule] = {
    "keep": rules.keep,
    "seal": rules.whole(Element.DOCUMENT),
    "away": rules.away(Element.DOCUMENT),
    "collection": rules.constant("collection", Element.DOCUMENT),
    "pseudonym": rules.pseudonym(Element.NAME),
}


class Plan:
    """A compiled policy; nodes are compiled when they are first needed, and kept."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._nodes: dict[tuple[str, Element | None, bool], Node] = {}

    def root(self, resource_type: str) -> Node:
        """Return what is done to a resource of this type."""
        action = self.policy.paths.get(resource_type, Action("as"))
        return self._node(resource_type, action.element, sealed=resource_type not in self.policy.kept_types)

    def _node(self, name: str, element: Element | None, *, sealed: bool) -> Node:
        found = self._nodes.get((name, element, sealed))
        if found is None:
            kind = tables.TYPES[name]
            found = Node(
                {key: self._rule(name, key, d, element, sealed=sealed) for key, d in kind.elements.items()},
                element or Element.CLINICAL,
            )
            if kind.resource:
                root = {"resourceType": rules.keep, "id": rules.keep}
                found = Node({**found.rules, **root}, found.element)
            self._nodes[name, element, sealed] = found
        return found

    def _rule(
        self, owner: str, key: str, d: tables.ElementDef, element: Element | None, *, sealed: bool
    ) -> Rule:
        action = self.policy.paths.get(f"{owner}.{key}")
        if owner == "Extension" and key == "url":
            return rules.keep
        if action is None:
            return self._datatype(key, d, element, sealed=sealed)
        fixed = _FIXED.get(action.verb)
        if fixed is not None:
            return fixed
        match action.verb:
            case "open":
                return self._descend(d.type, element, sealed=False)
            case "work":
                return datatypes.working(
                    self._datatype(key, d, element, sealed=False),
                    self._datatype(key, d, element, sealed=True),
                )
            case "ff1":
                return rules.stand_in(action.element or Element.IDENTIFIER)
            case _:
                return self._datatype(key, d, action.element, sealed=True)

    def _datatype(self, key: str, d: tables.ElementDef, element: Element | None, *, sealed: bool) -> Rule:
        if key == "id":
            return rules.away(element or Element.CLINICAL) if sealed else rules.keep
        everywhere = self._everywhere(d, element, sealed=sealed)
        if everywhere is not None:
            return everywhere
        if not sealed and d.type not in _PERSONAL:
            if d.primitive:
                return rules.keep
            kept = self._descend(d.type, element, sealed=False)
            if d.type in {"ContactPoint", "Address"}:
                return datatypes.unless_home(kept, self._complex(d, element))
            return kept
        return self._primitive(key, d, element) or self._complex(d, element)

    def _everywhere(self, d: tables.ElementDef, element: Element | None, *, sealed: bool) -> Rule | None:
        """The rules that hold in kept types too; None for any other datatype."""
        match d.type:
            case "Narrative" | "Resource":
                return rules.away(Element.DOCUMENT)
            case "Extension":
                node = partial(self._node, "Extension", element, sealed=True)
                return datatypes.extensions(self.policy, element or Element.CLINICAL, node)
            case "Reference":
                return datatypes.reference(element or Element.CLINICAL, sealed=sealed)
            case "Meta":
                return self._descend("Meta", element, sealed=True)
            case _:
                return None

    def _descend(self, datatype: str, element: Element | None, *, sealed: bool) -> Rule:
        return rules.descend(partial(self._node, datatype, element, sealed=sealed))

    def _primitive(self, key: str, d: tables.ElementDef, element: Element | None) -> Rule | None:
        text = element or Element.CLINICAL
        if d.type in _NUMBERS:
            return rules.keep
        if d.type in _DATES:
            return rules.year(element or Element.DATE)
        if d.type == "instant":
            return rules.instant(element or Element.DATE, required=d.min > 0)
        if d.type == "code":
            if d.codes:
                return rules.keep
            known = _CODES_BY_MEMBER.get(key)
            return rules.unless(known, rules.primitive(text)) if known else rules.primitive(text)
        if d.type == "canonical":
            return rules.unless(vocabulary.known_canonical, rules.primitive(text))
        if d.type == "base64Binary":
            return rules.primitive(element or Element.DOCUMENT)
        return rules.primitive(text) if d.primitive else None

    def _complex(self, d: tables.ElementDef, element: Element | None) -> Rule:
        text = element or Element.CLINICAL
        period = rules.descend(partial(self._node, "Period", element, sealed=True))
        if d.type in QUANTITIES:
            return datatypes.quantity(text, age=d.type == "Age")
        match d.type:
            case "HumanName":
                return rules.whole(element or Element.NAME)
            case "Address":
                return datatypes.address(element or Element.ADDRESS, period)
            case "ContactPoint":
                return datatypes.contact_point(element, period)
            case "Identifier":
                return datatypes.identifier(
                    self.policy, element or Element.IDENTIFIER, datatypes.concept(Element.CLINICAL), period
                )
            case "Coding":
                return datatypes.coding(text)
            case "CodeableConcept":
                return datatypes.concept(text)
            case "Attachment" | "Signature":
                return self._descend(d.type, element or Element.DOCUMENT, sealed=True)
            case _:
                return self._descend(d.type, element, sealed=True)


@cache
def plan(name: str = "at-rest") -> Plan:
    """Return the compiled policy *name*; compiled once a process."""
    return Plan(load(name))
