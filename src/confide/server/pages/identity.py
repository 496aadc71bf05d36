"""What identifies a person, value by value: covered as stand-ins, or uncovered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confide.access.roles import Action, Form, Purpose
from confide.protect.elements import CATALOGUE, Element
from confide.protect.identifiers import element_of
from confide.protect.policy import Policy
from confide.records.rows import View
from confide.server.pages.compartment import person
from confide.server.pages.visitor import Visitor

# The order in which a desk needs them.
ORDER: Final = (
    Element.PHONE, Element.EMAIL, Element.ADDRESS, Element.CONTACT, Element.MRN, Element.SSN, Element.LICENCE,
    Element.PASSPORT, Element.MEMBER_ID, Element.ACCOUNT, Element.CARD, Element.IDENTIFIER,
)  # fmt: skip
# Elements whose heading says what the identifier's own type would say again.
_SAY_IT_ALL: Final = frozenset(
    {Element.SSN, Element.MRN, Element.LICENCE, Element.PASSPORT, Element.MEMBER_ID}
)
_PHONES: Final = frozenset({"phone", "fax", "sms", "pager"})


@dataclass(frozen=True, slots=True)
class Item:
    """One value.

    Attributes:
        text: What there is to read: the stand-in, the mask or the clear value.
        blank: Something of it is covered without leaving a stand-in.
    """

    label: str
    text: str
    blank: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A purpose for which this person may uncover this element."""

    purpose: Purpose
    masked: bool
    selected: bool

    @property
    def label(self) -> str:
        return f"{self.purpose.label} (last digits only)" if self.masked else self.purpose.label


@dataclass(frozen=True, slots=True)
class Veiled:
    """One element of one resource under the veil, and how it can be uncovered.

    Attributes:
        type: FHIR type of the resource.
        id: Its id; empty for all resources of that type in the chart.
        choices: Empty where the person's role does not uncover it at all.
    """

    label: str
    element: Element
    type: str
    id: str
    items: tuple[Item, ...]
    choices: tuple[Choice, ...]

    @property
    def name(self) -> str:
        """Names the place in the page."""
        return f"{self.element}-{self.id or self.type}"


def choices(visitor: Visitor, element: Element) -> tuple[Choice, ...]:
    """The purposes for which the visitor may uncover *element*; the page's own comes chosen."""
    forms = {p: visitor.form(Action.REVEAL, element, p) for p in Purpose}
    # An emergency is a purpose while the glass is broken, and then the page's own.
    offered = [p for p in Purpose if p is not Purpose.BTG or visitor.purpose is Purpose.BTG]
    possible = [p for p in offered if forms[p] in {Form.CLEAR, Form.MASKED}]
    possible.sort(key=lambda p: p is not visitor.purpose)
    return tuple(Choice(p, forms[p] is Form.MASKED, i == 0) for i, p in enumerate(possible))


def veil(
    visitor: Visitor, kind: str, id_: str, label: str, element: Element, items: Iterable[Item]
) -> Veiled:
    """Lay the veil over *items*."""
    return Veiled(label, element, kind, id_, tuple(items), choices(visitor, element))


def of_patient(visitor: Visitor, view: View, policy: Policy) -> list[Veiled]:
    """All that is still covered in a Patient, name and birth date apart."""
    body = view.body or {}
    return [
        veil(
            visitor,
            view.type,
            view.id,
            CATALOGUE[e].label,
            e,
            items(body, e, policy) or (Item("", "", blank=True),),
        )
        for e in ORDER
        if e in view.hidden
    ]


def items(body: Mapping[str, Any], element: Element, policy: Policy) -> list[Item]:
    """The values of *element* in a Patient, RelatedPerson or Coverage, as far as they can be read."""
    kind = body.get("resourceType")
    if kind == "Coverage" and element is Element.MEMBER_ID:
        return _member(body)
    if kind == "RelatedPerson" and element is Element.CONTACT:
        return _contact(body)
    match element:
        case Element.PHONE:
            return [_telecom(t) for t in _list(body, "telecom") if t.get("system") in _PHONES]
        case Element.EMAIL:
            return [_telecom(t) for t in _list(body, "telecom") if t.get("system") not in _PHONES]
        case Element.ADDRESS:
            return [_address(a) for a in _list(body, "address")]
        case Element.CONTACT:
            return [item for contact in _list(body, "contact") for item in _contact(contact)]
        case _:
            found = [
                i for i in _list(body, "identifier") if element_of(i, policy, Element.IDENTIFIER) is element
            ]
            return [_identifier(i, element) for i in found]


def _list(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = body.get(key)
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _use(value: Mapping[str, Any]) -> str:
    return str(value.get("use", "")).capitalize()


def _telecom(contact: Mapping[str, Any]) -> Item:
    text = contact.get("value")
    return Item(_use(contact), text if isinstance(text, str) else "", blank=not isinstance(text, str))


def _address(address: Mapping[str, Any]) -> Item:
    lines = [line for line in address.get("line") or () if isinstance(line, str)]
    city = address.get("city")
    region = " ".join(str(address[k]) for k in ("state", "postalCode") if isinstance(address.get(k), str))
    country = address.get("country")
    parts = [*lines, city, region, country if country not in {"US", "USA"} else None]
    covered = any(f"_{key}" in address for key in ("line", "city", "postalCode", "text"))
    return Item(_use(address), ", ".join(p for p in parts if p), blank=covered)


def _contact(contact: Mapping[str, Any]) -> list[Item]:
    relationships = contact.get("relationship") or ()
    label = next((c["text"] for c in reversed(relationships) if isinstance(c, dict) and c.get("text")), "")
    name = contact.get("name")
    said = person(name if isinstance(name, list) else [name]) if name else ""
    phones = [t["value"] for t in _list(contact, "telecom") if isinstance(t.get("value"), str)]
    return [Item(str(label).capitalize(), ", ".join(p for p in (said, *phones) if p), blank=not said)]


def _identifier(identifier: Mapping[str, Any], element: Element) -> Item:
    kind = identifier.get("type") or {}
    label = str(kind.get("text") or "")
    value = identifier.get("value")
    said = element in _SAY_IT_ALL or label.casefold() == CATALOGUE[element].label.casefold()
    return Item(
        "" if said else label, value if isinstance(value, str) else "", blank=not isinstance(value, str)
    )


def _member(coverage: Mapping[str, Any]) -> list[Item]:
    found: list[Item] = []
    number = coverage.get("subscriberId")
    if isinstance(number, str):
        found.append(Item("", number))
    for identifier in _list(coverage, "identifier"):
        item = _identifier(identifier, Element.MEMBER_ID)
        if item.text != number:
            found.append(Item("", item.text, item.blank))
    return found or [Item("", "", blank=True)]
