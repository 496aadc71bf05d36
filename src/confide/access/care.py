"""Care comes first: what stays open of today's patients when all else is closed.

A suspect session sees stand-ins, and no masks, for a mask is information too. Yet nobody is treated by
stand-ins: of patients who come today, by a relationship that the person did not make, the name, birth date,
allergies, medicines and notes stay clear. The same holds where a ceiling is reached (``budget``). And a glass
that was broken after a fresh passkey opens what the role's table says.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from confide.access.relationships import Relation
from confide.access.roles import Form
from confide.access.steps import Forms
from confide.protect.elements import Element

_TEXT: Final = frozenset({Element.CLINICAL, Element.DOCUMENT, Element.DATE})
CARE: Final[Mapping[str, frozenset[Element]]] = MappingProxyType(
    {
        "Patient": frozenset({Element.NAME, Element.BIRTH_DATE}),
        # Allergies
        "AllergyIntolerance": _TEXT,
        # Medicines
        "MedicationRequest": _TEXT,
        "MedicationStatement": _TEXT,
        "MedicationAdministration": _TEXT,
        "MedicationDispense": _TEXT,
        "Medication": _TEXT,
        # Notes
        "DocumentReference": _TEXT,
        "Composition": _TEXT,
        "ClinicalImpression": _TEXT,
    }
)
"""By FHIR type the elements without which nobody is treated."""


def is_care(element: Element, kind: str) -> bool:
    """Tell whether nobody is treated without *element* of a resource of that type."""
    return element in CARE.get(kind, frozenset())


def cover(forms: Forms) -> Forms:
    """Leave stand-ins of all that is clear or masked."""
    return {
        element: Form.STAND_IN if form in {Form.CLEAR, Form.MASKED} else form
        for element, form in forms.items()
    }


def unmask(forms: Forms) -> Forms:
    """Leave what is clear, and no mask."""
    return {element: Form.STAND_IN if form is Form.MASKED else form for element, form in forms.items()}


def degrade(
    each: Mapping[str, Forms], relations: Mapping[str, Relation], *, emergency: bool
) -> tuple[dict[str, Forms], dict[str, Forms]]:
    """Say what a suspect credential sees of single patients.

    Args:
        each: What it would see of each, if it were trusted.
        relations: How they stand to the person.
        emergency: The glass is broken for all of them.

    Returns:
        What it sees of each, whatever the type; and of today's patients what stays clear by `is_care`.
    """
    if emergency:
        return {patient: unmask(row) for patient, row in each.items()}, {}
    today = {patient for patient, relation in relations.items() if relation.today}
    return (
        {patient: cover(row) for patient, row in each.items()},
        {patient: unmask(row) for patient, row in each.items() if patient in today},
    )
