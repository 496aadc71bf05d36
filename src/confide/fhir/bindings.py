"""Required bindings: a code must come from the value set that the definition names.

Source:
    FHIR R4 4.0.1, section 4.1.5 (strength ``required``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confide.fhir.invariants import Finding
from confide.fhir.narrative import check_narrative
from confide.fhir.primitives import CHECKS, Check
from confide.fhir.tables import ElementDef

Found = list[Finding] | None
Local = list[str]
"""The ``#...`` references met in one resource and what it contains."""
Walk = Callable[[Any, Local], Found]


def category(element: ElementDef) -> str:
    """Return the kind of issue that a wrong value of this primitive is."""
    return "code-invalid" if element.type == "code" and element.codes is not None else "value"


def binding(element: ElementDef) -> Check:
    """Return the check of a primitive: its binding where that is required and listed, else its form."""
    if element.type == "xhtml":
        return check_narrative
    allowed = element.allowed
    if allowed is None or element.type != "code":
        return CHECKS[element.type]
    wrong = f"must be a code of {element.value_set}"

    def check(value: Any) -> str | None:
        return None if type(value) is str and value in allowed else wrong

    return check


def bound(one: Walk, element: ElementDef) -> Walk:
    """Return the rule of a Coding or CodeableConcept whose value set is required."""
    codes = element.codes or {}
    wrong: list[Finding] = [("", "code-invalid", f"must have a code of {element.value_set}")]
    concept = element.type == "CodeableConcept"

    def walk(value: Any, local: Local) -> Found:
        found = one(value, local)
        if found is not None:
            return found
        codings = value.get("coding", ()) if concept else (value,)
        for coding in codings:
            if coding.get("code") in codes.get(coding.get("system"), ()):
                return None
        return None if "extension" in value else wrong

    return walk
