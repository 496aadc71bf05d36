"""Whose a resource is: the patients in whose compartments it lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confide.fhir import compartment
from confide.protect.policy import Policy

_PATIENT = "Patient/"


def owners(policy: Policy, resource: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids of the patients that *resource* belongs to, in document order.

    A Patient is its own, whatever it links to. Beside FHIR's compartment definition the policy
    names references that it does not know of (a Device's patient, a Task's ``for``).

    Source:
        FHIR R4 4.0.1, CompartmentDefinition ``patient``.
    """
    kind = resource["resourceType"]
    if kind == "Patient":
        return (resource["id"],)
    references = compartment.patients(resource)
    for path in policy.owners.get(kind, ()):
        for value in compartment.follow(resource, tuple(path.split("."))):
            if isinstance(value, dict) and isinstance(value.get("reference"), str):
                references.append(value["reference"])
    ids = (r[len(_PATIENT) :].partition("/")[0] for r in references if r.startswith(_PATIENT))
    return tuple(dict.fromkeys(ids))
