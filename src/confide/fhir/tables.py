"""The types of FHIR R4: their elements, datatypes, cardinalities, required bindings and targets.

The tables are compiled from the official definitions by ``tools/compile_fhir.py``; a type is
unpacked when it is first asked for.

Source:
    FHIR R4 4.0.1, StructureDefinitions and ValueSets of hl7.fhir.core (CC0-1.0).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class ElementDef:
    """One JSON key of a type.

    Attributes:
        key: The JSON key, such as ``valueQuantity``.
        name: The element's name in paths: ``value`` for each key of the choice ``value[x]``.
        type: A FHIR datatype (``string``, ``CodeableConcept``), ``Resource``, or the path of a backbone
            (``Patient.contact``): a key of `TYPES` or of `PRIMITIVES`.
        many: Whether the JSON value is an array.
        min: The least number of values; for a choice, of all its keys together.
        choice: Whether the key is one of a choice.
        primitive: Whether the value is a JSON scalar, with a ``_key`` beside it.
        targets: Resource types that a Reference may name; empty if any, or no Reference.
        value_set: Canonical of a *required* binding, or empty.
        codes: What the binding allows, ``{system: codes}``; None without a required binding, or
            where the definitions do not list the codes (MIME types, currencies, UCUM).
    """

    key: str
    name: str
    type: str
    many: bool
    min: int
    choice: bool
    primitive: bool
    targets: frozenset[str]
    value_set: str
    codes: Mapping[str, frozenset[str]] | None

    @property
    def allowed(self) -> frozenset[str] | None:
        """Every code that the required binding allows, whatever its system; None if unlisted."""
        if self.codes is None:
            return None
        return frozenset().union(*self.codes.values())


@dataclass(frozen=True, slots=True)
class TypeDef:
    """A resource, datatype or backbone.

    Attributes:
        name: Such as ``Patient``, ``HumanName`` or ``Patient.contact``.
        resource: Whether it is a resource, with a ``resourceType``.
        elements: What it may hold, by JSON key, in the order of the definitions.
    """

    name: str
    resource: bool
    elements: Mapping[str, ElementDef]

    @property
    def primitive(self) -> bool:
        """Whether values are JSON scalars; those types are in `PRIMITIVES`, not here."""
        return False


def read_table(name: str) -> Any:
    """Return the content of one compiled file of this package."""
    packed = files("confide.fhir").joinpath(name).read_bytes()
    return msgspec.json.decode(gzip.decompress(packed))


_TABLES: dict[str, Any] = read_table("r4-tables.json.gz")

RESOURCES: frozenset[str] = frozenset(_TABLES["resources"])
"""The 146 resource types that may be instantiated."""

PRIMITIVES: Mapping[str, str | None] = _TABLES["primitives"]
"""Every primitive datatype with the regular expression of the definitions, if it has one."""

PATIENT_PATHS: Mapping[str, list[str]] = _TABLES["patient"]
"""Dotted paths of the references that put a resource into a patient's compartment, by type."""


@cache
def _codes(value_set: str) -> Mapping[str, frozenset[str]] | None:
    listed = _TABLES["sets"].get(value_set)
    if listed is None:
        return None
    return {system: frozenset(codes) for system, codes in listed.items()}


def _element(key: str, row: list[Any]) -> ElementDef:
    kind, many, least, group, value_set, targets = row
    return ElementDef(
        key=key,
        name=group or key,
        type=kind,
        many=many,
        min=least,
        choice=bool(group),
        primitive=kind in PRIMITIVES,
        targets=frozenset(targets),
        value_set=value_set,
        codes=_codes(value_set) if value_set else None,
    )


class _Types(Mapping[str, TypeDef]):
    """All types, each unpacked at its first use."""

    def __init__(self, rows: Mapping[str, Mapping[str, list[Any]]]) -> None:
        self._rows = rows
        self._made: dict[str, TypeDef] = {}

    def __getitem__(self, name: str) -> TypeDef:
        made = self._made.get(name)
        if made is None:
            elements = {key: _element(key, row) for key, row in self._rows[name].items()}
            made = self._made[name] = TypeDef(name, name in RESOURCES, elements)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


TYPES: Mapping[str, TypeDef] = _Types(_TABLES["elements"])
"""Every resource, complex datatype and backbone by name; a backbone by its path."""
