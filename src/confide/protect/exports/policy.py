"""What an export does with each data element: reads a policy file, and refuses what its legal basis forbids.

An element that the file does not name is removed, and every method is checked when the file is read. A
policy that calls itself safe harbor, or a limited data set, cannot be looser than the rule of that name.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from confide.errors import Invalid
from confide.fhir.tables import RESOURCES
from confide.protect.elements import Element


class Method(StrEnum):
    """What is done with a value on its way out. The value is the word in the policy file."""

    REMOVE = "remove"
    STAND_IN = "stand-in"
    PSEUDONYM = "pseudonym"
    SHIFT = "shift"
    SHIFT_TIME = "shift-time"
    YEAR = "year"
    ZIP3 = "zip3"
    CLASS = "class"
    KEEP = "keep"


class Basis(StrEnum):
    """Why the export is allowed, which decides how loose its policy may be.

    Source:
        45 CFR 164.514(b)(2) safe harbor; 164.514(e) limited data set; 164.508 authorization or 164.512(i) a
        waiver by a review board, for research.
    """

    SAFE_HARBOR = "safe-harbor"
    LIMITED_DATA_SET = "limited-data-set"
    RESEARCH = "research"


class Released(StrEnum):
    """In which form an element leaves: as it was, or shifted, generalised or with a stand-in in its place.

    The values are those of the journal's forms.
    """

    CLEAR = "clear"
    STAND_IN = "stand-in"


#: Parts of an address and ages, that a policy names beside the catalogue's elements.
PARTS: Final = ("zip", "city", "state", "age")
NAMES: Final = frozenset({*map(str, Element), *PARTS})
# As what a released value counts; states and ages stay in clear at rest, and count as nothing.
_ELEMENT_OF: Final[Mapping[str, Element]] = {
    **{str(e): e for e in Element},
    "zip": Element.ADDRESS,
    "city": Element.ADDRESS,
}

_REMOVE = frozenset({Method.REMOVE})
_DATES = frozenset({Method.REMOVE, Method.YEAR, Method.SHIFT, Method.SHIFT_TIME, Method.KEEP})
_NUMBERS = frozenset({Method.REMOVE, Method.STAND_IN, Method.KEEP})
_PLACE = frozenset({Method.REMOVE, Method.KEEP})
# What there is for each element. What is not listed can only be removed: a name in full, an e-mail address, a
# photo, a narrative, a contact person and free text never leave by an export, whatever the basis.
_POSSIBLE: Final[Mapping[str, frozenset[Method]]] = {
    "name": frozenset({Method.REMOVE, Method.PSEUDONYM}),
    "birth-date": _DATES,
    "date": _DATES,
    "age": frozenset({Method.REMOVE, Method.CLASS, Method.KEEP}),
    "zip": frozenset({Method.REMOVE, Method.ZIP3, Method.KEEP}),
    "city": _PLACE,
    "state": _PLACE,
    "address": _PLACE,
    **dict.fromkeys(
        ("ssn", "mrn", "licence", "passport", "phone", "member-id", "account", "card", "identifier"), _NUMBERS
    ),
}
# What a basis forbids of it.
_FORBIDDEN: Final[Mapping[Basis, Mapping[str, frozenset[Method]]]] = {
    Basis.RESEARCH: {},
    Basis.LIMITED_DATA_SET: {
        "address": frozenset({Method.KEEP}),
        **{name: frozenset({Method.KEEP}) for name, methods in _POSSIBLE.items() if methods is _NUMBERS},
    },
    Basis.SAFE_HARBOR: {
        "name": frozenset({Method.PSEUDONYM}),
        "birth-date": _DATES - {Method.REMOVE, Method.YEAR},
        "date": _DATES - {Method.REMOVE, Method.YEAR},
        "age": frozenset({Method.KEEP}),
        "zip": frozenset({Method.KEEP}),
        "city": frozenset({Method.KEEP}),
        "address": frozenset({Method.KEEP}),
        **{name: methods - _REMOVE for name, methods in _POSSIBLE.items() if methods is _NUMBERS},
    },
}
_CERTAINTIES = frozenset({"V2", "V1", "S1", "K", "X"})
_SHIPPED = tuple(str(b) for b in (Basis.LIMITED_DATA_SET, Basis.SAFE_HARBOR))
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}").fullmatch
_KEYS = frozenset({"name", "basis", "title", "shared_types", "elements"})


@dataclass(frozen=True, slots=True)
class ElementRule:
    """One line of a policy.

    Attributes:
        element: A data element of the catalogue, or one of `PARTS`.
        source: The rule of law or the protocol that it follows.
        certainty: How well the source is confirmed: V2 two or more sources, V1 one source and general
            knowledge, S1 one source, K general knowledge only, X sources conflict; empty where not said.
    """

    element: str
    method: Method
    source: str = ""
    certainty: str = ""


@dataclass(frozen=True, slots=True)
class ExportPolicy:
    """A policy file, checked.

    Attributes:
        name: Short, for commands and the journal.
        title: What a person reads.
        shared_types: Types of resource that go out although they belong to nobody, or to several people.
        rules: As the file lists them.
        text: The file as it was read, for whoever approves it; `parse` makes the same policy of it again.
        sha256: Of the text in UTF-8, 32 bytes: what was approved is what is used.
    """

    name: str
    basis: Basis
    title: str
    shared_types: frozenset[str]
    rules: tuple[ElementRule, ...]
    text: str
    sha256: bytes
    methods: Mapping[str, Method]

    def method(self, name: str) -> Method:
        """What is done with an element or part; what is not named is removed."""
        return self.methods.get(name, Method.REMOVE)

    @property
    def releases(self) -> Mapping[Element, Released]:
        """The most that can leave under this policy; what a resource then holds is never more."""
        found: dict[Element, Released] = {}
        for rule in self.rules:
            element = _ELEMENT_OF.get(rule.element)
            if element is None or rule.method is Method.REMOVE:
                continue
            form = Released.CLEAR if rule.method is Method.KEEP else Released.STAND_IN
            if found.get(element) is not Released.CLEAR:
                found[element] = form
        return found

    @property
    def sources(self) -> tuple[str, ...]:
        """The citations of the rules, each once, in the order of the file."""
        return tuple(dict.fromkeys(rule.source for rule in self.rules if rule.source))

    @property
    def unconfirmed(self) -> tuple[ElementRule, ...]:
        """Rules whose source is not confirmed by at least one text: a person looks at them first."""
        return tuple(rule for rule in self.rules if rule.certainty not in {"V1", "V2"})


def shipped() -> tuple[str, ...]:
    """The names of the policies that come with the package."""
    return _SHIPPED


def load(name_or_path: str | Path) -> ExportPolicy:
    """Read a policy: one that ships with the package by its name, or a TOML file by its path.

    Raises:
        Invalid: The file cannot be read, is not TOML, names an element or a method that does not exist, or is
            looser than its basis allows; the message has the line and the name.
    """
    if str(name_or_path) in _SHIPPED:
        source = resources.files("confide.protect").joinpath(f"policies/{name_or_path}.toml")
        return parse(source.read_bytes())
    try:
        return parse(Path(name_or_path).read_bytes())
    except OSError as problem:
        known = " or ".join(_SHIPPED)
        raise Invalid(
            f"the policy cannot be read ({type(problem).__name__}); it is {known}, or a file"
        ) from None


def parse(data: bytes | str) -> ExportPolicy:
    """Read a policy from the bytes or the text of its file.

    Raises:
        Invalid: As :func:`load`.
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        raw = tomllib.loads(text)
    except UnicodeDecodeError:
        raise Invalid("the policy is not UTF-8") from None
    except tomllib.TOMLDecodeError as problem:
        raise Invalid(f"the policy is not TOML: {problem}") from None
    lines = _Lines(text)
    for stranger in sorted(raw.keys() - _KEYS):
        raise Invalid(f"{lines.at(stranger)}: a policy has no {stranger!r}")
    name = _text(raw, "name", lines)
    if _NAME(name) is None:
        raise Invalid(f"{lines.at('name')}: a name has small letters, digits and hyphens, at most 63")
    basis = _basis(_text(raw, "basis", lines), name, raw.get("title", ""), lines)
    elements = raw.get("elements")
    if not isinstance(elements, dict):
        raise Invalid("the policy has no table [elements]")
    rules = tuple(_rule(element, value, basis, lines) for element, value in elements.items())
    return ExportPolicy(
        name=name,
        basis=basis,
        title=_text(raw, "title", lines),
        shared_types=_types(raw.get("shared_types", []), lines),
        rules=rules,
        text=text,
        sha256=hashlib.sha256(text.encode()).digest(),
        methods=MappingProxyType({rule.element: rule.method for rule in rules}),
    )


class _Lines:
    """Where a key stands, for messages: TOML's reader does not say it of what it has read."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        heads = (n for n, line in enumerate(self._lines) if re.match(r"\s*\[\s*elements\b", line))
        self._elements = next(heads, len(self._lines))

    def at(self, name: str) -> str:
        """The line of a member of the file."""
        return self._find(name, range(self._elements))

    def at_element(self, name: str) -> str:
        """The line of an element, in the table of them."""
        return self._find(name, range(self._elements, len(self._lines)))

    def _find(self, name: str, lines: range) -> str:
        quoted = rf"""["']?{re.escape(name)}["']?"""
        begins = re.compile(rf"\s*{quoted}\s*[=.]|\s*\[\s*elements\s*\.\s*{quoted}\s*\]").match
        return next((f"line {n + 1}" for n in lines if begins(self._lines[n])), "the policy")


def _text(raw: Mapping[str, Any], member: str, lines: _Lines) -> str:
    value = raw.get(member)
    if not isinstance(value, str) or not value.strip():
        raise Invalid(f'{lines.at(member)}: the policy needs {member} = "..."')
    return value


def _basis(text: str, name: str, title: Any, lines: _Lines) -> Basis:
    if text not in set(Basis):
        known = ", ".join(Basis)
        raise Invalid(f"{lines.at('basis')}: the basis is one of {known}")
    basis = Basis(text)
    said = re.sub(r"[\W_]+", "-", f"{name} {title}".lower())
    for claimed in (Basis.SAFE_HARBOR, Basis.LIMITED_DATA_SET):
        if claimed in said and basis is not claimed:
            raise Invalid(f"{lines.at('basis')}: a policy that calls itself {claimed} must have that basis")
    return basis


def _rule(element: str, value: Any, basis: Basis, lines: _Lines) -> ElementRule:
    at = lines.at_element(element)
    if element not in NAMES:
        raise Invalid(f"{at}: there is no element {element!r}")
    table = {"method": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise Invalid(f"{at}: {element} needs a method, and may have a source and a certainty")
    if table.keys() - {"method", "source", "certainty"} or "method" not in table:
        raise Invalid(f"{at}: {element} needs a method, and may have a source and a certainty")
    certainty = table.get("certainty", "")
    if certainty and certainty not in _CERTAINTIES:
        raise Invalid(f"{at}: a certainty is one of {', '.join(sorted(_CERTAINTIES))}")
    possible = _POSSIBLE.get(element, _REMOVE)
    words = ", ".join(m for m in Method if m in possible)
    if table["method"] not in set(Method) or Method(table["method"]) not in possible:
        raise Invalid(f"{at}: for {element} there is {words}")
    method = Method(table["method"])
    if method in _FORBIDDEN[basis].get(element, frozenset()):
        raise Invalid(f"{at}: {basis} does not allow {method} for {element}")
    return ElementRule(element, method, table.get("source", ""), certainty)


def _types(value: Any, lines: _Lines) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(v, str) and v in RESOURCES for v in value):
        raise Invalid(f"{lines.at('shared_types')}: shared_types lists resource types of FHIR R4")
    return frozenset(value)
