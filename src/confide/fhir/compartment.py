"""Whose chart a resource belongs to, by the official Patient compartment.

Source:
    FHIR R4 4.0.1, CompartmentDefinition ``patient``, with the paths of its search parameters.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from confide.fhir.tables import PATIENT_PATHS

IN_PATIENT: frozenset[str] = frozenset(PATIENT_PATHS) | {"Patient"}
"""The resource types of the Patient compartment, Patient itself included."""

_PATHS: dict[str, list[tuple[str, ...]]] = {
    kind: [tuple(path.split(".")) for path in paths] for kind, paths in PATIENT_PATHS.items()
}


def patients(resource: Any) -> list[str]:
    """Return the references by which *resource* belongs to patients.

    Args:
        resource: A FHIR resource as JSON values; anything else belongs to nobody.

    Returns:
        ``Reference.reference`` strings, unique, in document order: those that name a Patient
        (relative, absolute, or a search ``Patient?...``) and ``urn:`` references, which may be one.
        Empty for a Patient, whose chart is its own.
    """
    if type(resource) is not dict:
        return []
    kind = resource.get("resourceType")
    if type(kind) is not str or kind == "Patient" or kind not in _PATHS:
        return []
    paths = _PATHS[kind]
    present = [path for path in paths if path[0] in resource]
    if len(present) > 1:
        order = list(resource)
        present.sort(key=lambda path: order.index(path[0]))
    found: dict[str, None] = {}
    for path in present:
        for value in follow(resource, path):
            text = value.get("reference") if type(value) is dict else None
            if type(text) is str and _may_be_patient(text):
                found[text] = None
    return list(found)


def follow(value: Any, path: tuple[str, ...]) -> list[Any]:
    """Return every value at *path* below *value*, arrays opened, in document order."""
    here = [value]
    for key in path:
        ahead: list[Any] = []
        for item in here:
            child = item.get(key) if type(item) is dict else None
            if type(child) is list:
                ahead += child
            elif child is not None:
                ahead.append(child)
        here = ahead
    return here


def _may_be_patient(reference: str) -> bool:
    if reference.startswith(("Patient/", "urn:", "Patient?")):
        return True
    return "/Patient/" in reference and not reference.startswith("#")


@cache
def paths(kind: str) -> tuple[tuple[str, ...], ...]:
    """Return the JSON paths at which a resource of type *kind* names its patients."""
    return tuple(_PATHS.get(kind, ()))
