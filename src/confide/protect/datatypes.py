"""FHIR's datatypes that need more than a rule a member: codes, quantities, identifiers, people."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from confide.fhir import tables, vocabulary
from confide.protect import identifiers, rules
from confide.protect.elements import Element
from confide.protect.policy import Policy
from confide.protect.rules import MASKED, Node, Path, Rule, Work

# Ids are always ours: random UUIDs. A reference of any other form may say who it is.
_OURS = re.compile(
    r"[A-Z][A-Za-z]+/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    r"(/_history/[0-9]{1,9})?"
).fullmatch
_ZIP = re.compile(r"\d{5}(-?\d{4})?").fullmatch
_PEOPLE = {"Patient": Element.NAME, "RelatedPerson": Element.CONTACT, "Person": Element.CONTACT}
_SIMPLE_CODING = frozenset({"system", "code", "display"})
_PHONES = frozenset({"phone", "fax", "sms", "pager"})
_OLD_AGE = 90


def _each(one: Callable[[Any, Path, Work], Any]) -> Rule:
    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        at = (*path, key)
        if isinstance(value, list):
            out[key] = [one(v, (*at, i), work) for i, v in enumerate(value)]
        else:
            out[key] = one(value, at, work)

    return rule


def _hide(out: dict[str, Any], key: str, value: Any, path: Path, work: Work, element: Element) -> None:
    rules.primitive(element)(out, key, value, path, work)


@lru_cache(50_000)
def public(system: str | None, code: str | None, display: str | None) -> tuple[bool, bool]:
    """Whether a code is public, so that it says nothing of a person; and whether its display is."""
    if system is None or code is None or not vocabulary.known_code(system, code):
        return False, False
    return True, display is None or vocabulary.known_display(system, code, display)


def coding(element: Element) -> Rule:
    """Keep public codes, and their display where it is a public term; seal any other coding whole."""

    def one(value: dict[str, Any], path: Path, work: Work) -> Any:
        return protect_coding(value, path, work, element)

    return _each(one)


def protect_coding(value: dict[str, Any], path: Path, work: Work, element: Element) -> dict[str, Any]:
    """Protect one Coding: kept if public, else sealed whole."""
    kept, known = public(value.get("system"), value.get("code"), value.get("display"))
    if not kept:
        work.edits.append([path, element, value])
        return MASKED
    if known and value.keys() <= _SIMPLE_CODING:
        return value
    out: dict[str, Any] = {"system": value["system"], "code": value["code"]}
    for key, member in value.items():
        if (key == "display" and known) or key == "userSelected":
            out[key] = member
        elif key not in out:
            work.edits.append([(*path, key), element, member])
    return out


def concept(element: Element) -> Rule:
    """A CodeableConcept: its codings one by one; its text only where it is a kept display."""

    def one(value: dict[str, Any], path: Path, work: Work) -> Any:
        out: dict[str, Any] = {}
        kept: set[str] = set()
        for key, member in value.items():
            if key == "coding":
                codings = [protect_coding(c, (*path, key, i), work, element) for i, c in enumerate(member)]
                kept = {c["display"] for c in codings if "display" in c}
                out[key] = codings
            elif key != "text":
                work.edits.append([(*path, key), element, member])
        text = value.get("text")
        if text is not None:
            if text in kept:
                out["text"] = text
            else:
                work.edits.append([(*path, "text"), element, text])
        return out

    return _each(_never_empty(one, element))


def _never_empty(one: Callable[[Any, Path, Work], Any], element: Element) -> Callable[[Any, Path, Work], Any]:
    def filled(value: Any, path: Path, work: Work) -> Any:
        return one(value, path, work) or rules.never_empty(value, path, work, element)

    return filled


def quantity(element: Element, *, age: bool) -> Rule:
    """Values and comparators are kept; units where they are public; ages of 90 and over are not."""

    def one(value: dict[str, Any], path: Path, work: Work) -> Any:
        out: dict[str, Any] = {}
        system, code = value.get("system"), value.get("code")
        public = (
            vocabulary.known_ucum(code)
            if system == "http://unitsofmeasure.org" and isinstance(code, str)
            else (isinstance(system, str) and isinstance(code, str) and vocabulary.known_code(system, code))
        )
        for key, member in value.items():
            if (
                (key == "value" and not (age and float(member) >= _OLD_AGE))
                or key == "comparator"
                or (key in {"system", "code"} and public)
                or (key == "unit" and vocabulary.known_unit(member))
            ):
                out[key] = member
            elif key[0] == "_" or key in {"extension", "id"}:
                work.edits.append([(*path, key), element, member])
            else:
                _hide(out, key, member, path, work, element)
        return out

    return _each(_never_empty(one, element))


def reference(element: Element, *, sealed: bool) -> Rule:
    """References between our own random ids are kept; displays and foreign references are sealed."""

    def one(value: dict[str, Any], path: Path, work: Work) -> Any:
        out: dict[str, Any] = {}
        target = value.get("reference", "")
        kind = target.partition("/")[0] if isinstance(target, str) else ""
        for key, member in value.items():
            # What is contained is sealed, so a reference to it would lead nowhere in a kept type, too.
            if (key == "reference" and (_OURS(member) if sealed else not member.startswith("#"))) or (
                key == "type" and member in tables.RESOURCES
            ):
                out[key] = member
            elif key in {"reference", "type"}:
                # It comes back with what it leads to.
                inside = key == "reference" and member.startswith("#")
                _hide(out, key, member, path, work, Element.DOCUMENT if inside else element)
            elif key == "display":
                work.edits.append([(*path, key), _PEOPLE.get(kind, Element.CONTACT), member])
            else:
                work.edits.append(
                    [(*path, key), Element.IDENTIFIER if key == "identifier" else element, member]
                )
        return out

    return _each(_never_empty(one, element))


def identifier(policy: Policy, default: Element, concept_rule: Rule, period_rule: Rule) -> Rule:
    """A stand-in in the same format for the value; the system only where the policy lists it."""

    def one(value: dict[str, Any], path: Path, work: Work) -> Any:
        element = identifiers.element_of(value, policy, default)
        sealed_as = element or default
        number = rules.keep if element is None else rules.stand_in(element)
        out: dict[str, Any] = {}
        for key, member in value.items():
            if key == "use" or (key == "system" and member in policy.identifier_systems):
                out[key] = member
            elif key == "value":
                number(out, key, member, path, work)
            elif key == "system":
                _hide(out, key, member, path, work, sealed_as)
            elif key == "type":
                concept_rule(out, key, member, path, work)
            elif key == "period":
                period_rule(out, key, member, path, work)
            else:
                work.edits.append([(*path, key), sealed_as, member])
        return out

    return _each(_never_empty(one, default))


def contact_point(context: Element | None, period_rule: Rule) -> Rule:
    """Phones become stand-ins; e-mail addresses and the rest are sealed."""

    def one(value: dict[str, Any], path: Path, work: Work) -> Any:
        phone = value.get("system") in _PHONES
        element = context or (Element.PHONE if phone else Element.EMAIL)
        out: dict[str, Any] = {}
        for key, member in value.items():
            if key in {"system", "use", "rank"}:
                out[key] = member
            elif key == "value":
                (rules.stand_in if phone else rules.primitive)(element)(out, key, member, path, work)
            elif key == "period":
                period_rule(out, key, member, path, work)
            else:
                work.edits.append([(*path, key), element, member])
        return out

    return _each(_never_empty(one, context or Element.PHONE))


def address(element: Element, period_rule: Rule) -> Rule:
    """State, country and the first three digits of the ZIP are kept (45 CFR 164.514(b)(2)(i)(B))."""

    def one(value: dict[str, Any], path: Path, work: Work) -> Any:
        out: dict[str, Any] = {}
        for key, member in value.items():
            if (
                key in {"use", "type"}
                or (key == "state" and vocabulary.known_state(member))
                or (key == "country" and vocabulary.known_country(member))
            ):
                out[key] = member
            elif key == "postalCode" and isinstance(member, str) and _ZIP(member):
                out[key] = zip3(member)
                work.edits.append([(*path, key), element, member])
            elif key == "period":
                period_rule(out, key, member, path, work)
            elif key[0] == "_" or key in {"extension", "id"}:
                work.edits.append([(*path, key), element, member])
            else:
                _hide(out, key, member, path, work, element)
        return out

    return _each(_never_empty(one, element))


def zip3(text: str) -> str | None:
    """Return the first three digits of a ZIP code, 000 for the sparse ones; None if it is no ZIP code."""
    if _ZIP(text) is None:
        return None
    return "000" if text[:3] in rules.SPARSE_ZIP3 else text[:3]


def working(kept: Rule, protected: Rule) -> Rule:
    """Keep what has the use ``work``; protect the others. For a list of ContactPoint or Address."""

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        members = value if isinstance(value, list) else [value]
        chosen = kept if all(m.get("use") == "work" for m in members) else protected
        chosen(out, key, value, path, work)

    return rule


def unless_home(kept: Rule, protected: Rule) -> Rule:
    """Protect what has the use ``home``: it is somebody's, whatever it stands in. As `working`."""

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        members = value if isinstance(value, list) else [value]
        chosen = protected if any(m.get("use") == "home" for m in members) else kept
        chosen(out, key, value, path, work)

    return rule


def extensions(policy: Policy, element: Element, node: Callable[[], Node]) -> Rule:
    """Keep the extensions that the policy lists; where any other stands, the whole list is sealed too."""
    compiled: Node | None = None

    def rule(out: dict[str, Any], key: str, value: list[dict[str, Any]], path: Path, work: Work) -> None:
        nonlocal compiled
        if compiled is None:
            compiled = node()
        kept = []
        scratch = Work(None, work.stand_ins, work.oldest_year, work.oldest_class, work.pseudonym)
        for extension in value:
            inner = policy.extensions.get(extension.get("url", ""))
            if inner is None:
                continue
            nested = [e for e in extension.get("extension", ()) if e.get("url") in inner]
            member = {key: v for key, v in extension.items() if key != "extension"}
            member = rules.protect_object(member, compiled, (), scratch)
            if nested:
                member["extension"] = [rules.protect_object(e, compiled, (), scratch) for e in nested]
            if len(member) > 1:
                kept.append(member)
        if kept != value:
            work.edits.append([(*path, key), element, value])
        if kept:
            out[key] = kept

    return rule
