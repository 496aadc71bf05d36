"""What a resource type can be searched by, and where the searched values stand in it.

Source:
    FHIR R4 4.0.1, SearchParameters of hl7.fhir.core; their FHIRPath compiled to simple paths by
    ``tools/compile_fhir.py``. Parameters that need more than that are left out: `unsupported`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from confide.errors import Misconfigured
from confide.fhir.compartment import follow
from confide.fhir.references import target
from confide.fhir.tables import RESOURCES, read_table

KINDS = frozenset({"token", "reference", "date", "string", "quantity", "uri", "number"})
"""The kinds of search parameter that occur."""


@dataclass(frozen=True, slots=True)
class Path:
    """One place of a searched value.

    Attributes:
        keys: JSON keys from the resource down; arrays are opened on the way.
        only: A resource type: of references, only those that may name it; else empty.
        key: With *equals*, what an object found must hold, such as ``system`` = ``email``; else empty.
        equals: See *key*.
        then: A last key below the objects that passed the test, or empty.
    """

    keys: tuple[str, ...]
    only: str = ""
    key: str = ""
    equals: str = ""
    then: str = ""

    @property
    def simple(self) -> bool:
        """Whether the keys alone say everything."""
        return not (self.only or self.key or self.then)


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter of one type.

    Attributes:
        name: As it stands in a query, such as ``birthdate``.
        kind: One of `KINDS`.
        paths: Where its values are.
        targets: Of a reference, the resource types that it may name.
    """

    name: str
    kind: str
    paths: tuple[Path, ...]
    targets: frozenset[str]


_STEP = re.compile(
    r"(?P<keys>[\w.]+)(?::(?P<only>\w+)|\[(?P<key>\w+)=(?P<equals>[\w-]+)\](?:\.(?P<then>\w+))?)?"
)


@cache
def parameters(kind: str) -> Mapping[str, SearchParameter]:
    """Return the search parameters of a resource type by name; none of an unknown type."""
    rows = _table()["parameters"].get(kind, {}) if kind in RESOURCES else {}
    return {
        name: SearchParameter(name, row[0], tuple(_path(text) for text in row[1]), frozenset(row[2]))
        for name, row in rows.items()
        if row[0] in KINDS
    }


def unsupported(kind: str) -> list[str]:
    """Return the names of the official parameters of a type that are left out here."""
    start = f"{kind}."
    left = {name.removeprefix(start) for name in _table()["unsupported"] if name.startswith(start)}
    return sorted(left - parameters(kind).keys())


def values(resource: Any, parameter: SearchParameter) -> list[Any]:
    """Return the JSON elements of *resource* that *parameter* looks at.

    Args:
        resource: A resource of the parameter's type.
        parameter: From `parameters`.

    Returns:
        Codings, concepts, identifiers, references, strings, numbers ... as they stand in the
        resource, arrays opened, in the order of the paths.
    """
    found: list[Any] = []
    for path in parameter.paths:
        if path.keys[0] not in resource:  # as most are
            continue
        reached = follow(resource, path.keys)
        if not path.simple:
            reached = _narrow(reached, path)
        found += reached
    return found


def _narrow(reached: list[Any], path: Path) -> list[Any]:
    if path.only:
        return [item for item in reached if _may_name(item, path.only)]
    chosen = [item for item in reached if type(item) is dict and item.get(path.key) == path.equals]
    return [value for item in chosen for value in follow(item, (path.then,))] if path.then else chosen


def _may_name(item: Any, kind: str) -> bool:
    if type(item) is not dict:
        return False
    reference = item.get("reference")
    named = target(reference) if type(reference) is str else None
    return (named or item.get("type") or kind) == kind


def _path(text: str) -> Path:
    match = _STEP.fullmatch(text)
    if match is None:
        raise Misconfigured("the compiled table of search parameters is damaged (reinstall Confide)")
    parts = {name: part or "" for name, part in match.groupdict().items()}
    keys = tuple(parts.pop("keys").split("."))
    return Path(keys, **parts)


@cache
def _table() -> Any:
    return read_table("r4-search.json.gz")
