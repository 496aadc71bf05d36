"""References: which type they name, and whether what they name inside the resource is there.

Source:
    FHIR R4 4.0.1, sections 2.3.0.1 (literal references) and 2.3.0.3 (contained resources); ref-1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from confide.fhir.invariants import Finding
from confide.fhir.primitives import check_id
from confide.fhir.tables import RESOURCES


def target(reference: str) -> str | None:
    """Return the resource type that a reference names; None if it does not tell, "" if malformed."""
    if reference.split() != [reference]:  # white space in it, or nothing but that
        return ""
    steps = reference.partition("?")[0].split("/")
    if len(steps) > 3 and steps[-2] == "_history":
        steps = steps[:-2]
    absolute = ":" in steps[0]
    if len(steps) == 1:
        return None if absolute else (steps[0] if "?" in reference and steps[0] in RESOURCES else "")
    kind = steps[-2]
    if absolute:
        return kind if kind in RESOURCES else None
    return kind if len(steps) == 2 and kind in RESOURCES and check_id(steps[1]) is None else ""


def check_local(value: dict[str, Any], local: list[str]) -> list[Finding] | None:
    """Check ref-1: each of the references *local* (``#...``) names a resource that *value* contains."""
    ids = {"#"} | {f"#{inner.get('id')}" for inner in value.get("contained", ())}
    if ids.issuperset(local):
        return None
    found: list[Finding] = []
    for path, reference in _walk(value, ""):
        if reference not in ids:
            found.append((path, "not-found", "must name a contained resource (ref-1)"))
    return found or None


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the local references of one resource, but not those of resources in a bundle."""
    if type(value) is list:
        for place, item in enumerate(value):
            yield from _walk(item, f"{path}[{place}]")
    elif type(value) is dict:
        for key, item in value.items():
            if key == "reference" and type(item) is str and item.startswith("#"):
                yield f"{path}.reference", item
            elif type(item) in (dict, list) and not (type(item) is dict and "resourceType" in item):
                yield from _walk(item, f"{path}.{key}")
