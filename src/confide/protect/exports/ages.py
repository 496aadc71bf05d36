"""Ages in whatever dress: what is 90 years or more becomes one class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from confide.fhir.json import Number
from confide.fhir.shapes import UCUM
from confide.protect.rules import MASKED

OLDEST_AGE: Final = 90
OLDEST: Final[dict[str, Any]] = {
    "value": OLDEST_AGE,
    "comparator": ">=",
    "unit": "years",
    "system": UCUM,
    "code": "a",
}
"""Stands for every age of 90 and over.

Source:
    45 CFR 164.514(b)(2)(i)(C): one category of age 90 or older.
"""

# How many of a unit are a year: UCUM codes and the words that people write.
_YEAR = {
    1: "a a_j a_g a_t y yr yrs year years years.",
    12: "mo mo_j mo_g mo_s month months mos",
    52.18: "wk week weeks wks",
    365.24: "d day days",
    8766: "h hr hrs hour hours",
    525_949: "min minute minutes",
    31_556_926: "s sec second seconds",
}
_PER_YEAR: Final = {word: per for per, words in _YEAR.items() for word in words.split()}
_MORE: Final = frozenset({">", ">="})

# What an observation is called whose value is an age, whatever unit it has or lacks.
_AGE_CODES: Final = frozenset(
    {
        ("http://loinc.org", "21611-9"),  # Age - Estimated
        ("http://loinc.org", "21612-7"),  # Age - Reported
        ("http://loinc.org", "29553-5"),  # Age calculated
        ("http://loinc.org", "30525-0"),  # Age
        ("http://loinc.org", "35659-2"),  # Age at specimen collection
        ("http://loinc.org", "63900-5"),  # Current age or age at death
        ("http://snomed.info/sct", "397669002"),  # Age
        ("http://snomed.info/sct", "424144002"),  # Current chronological age
    }
)
_AGE_WORD = re.compile(r"\bage\b", re.IGNORECASE).search


def years(quantity: Mapping[str, Any], *, unitless: bool) -> float | None:
    """Return how many years a Quantity says; None if it is no time.

    ``> 89`` counts as 90.

    Args:
        quantity: A FHIR Quantity.
        unitless: Whether a number without a known unit is one of years.
    """
    value = quantity.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float | Number):
        return None
    unit = str(quantity.get("unit", "")).strip()
    # Capitals mean something else in UCUM: A is the ampere.
    words = (quantity.get("code"), unit.lower() if len(unit) > 1 else unit)
    per = next((_PER_YEAR[word] for word in words if word in _PER_YEAR), 1 if unitless else None)
    if per is None:
        return None
    said = float(value) / per
    return max(said, OLDEST_AGE) if quantity.get("comparator") in _MORE and said >= OLDEST_AGE - 1 else said


def settle(resource: Mapping[str, Any], *, remove: bool) -> Mapping[str, Any]:
    """Return an observation in which an age that says neither its unit nor its type says what it is.

    An age without a unit counts in years, and from 90 on is the class. Any other resource comes back.

    Args:
        resource: A clear resource; not changed.
        remove: Whether no age at all may go out.
    """
    if resource["resourceType"] != "Observation":
        return resource
    settled = _settle(resource, remove=remove)
    parts = [_settle(part, remove=remove) for part in resource.get("component", ())]
    return {**settled, "component": parts} if parts else settled


def _settle(holder: Mapping[str, Any], *, remove: bool) -> Mapping[str, Any]:
    if not _is_age(holder.get("code", {})):
        return holder
    out = dict(holder)
    if "valueInteger" in out:
        value = out.pop("valueInteger")
        out["valueQuantity"] = {"value": value, "unit": "a", "system": UCUM, "code": "a"}
    if "valueQuantity" in out:
        out["valueQuantity"] = _class(out["valueQuantity"], remove=remove)
    if "valueRange" in out:
        ends = out["valueRange"]
        out["valueRange"] = {
            key: _class(value, remove=remove) if key in {"low", "high"} else value
            for key, value in ends.items()
        }
    return out


def _class(quantity: Mapping[str, Any], *, remove: bool) -> Mapping[str, Any]:
    said = years(quantity, unitless="unit" not in quantity and "code" not in quantity)
    if said is None:
        return quantity
    return MASKED if remove else OLDEST if said >= OLDEST_AGE else quantity


def _is_age(concept: Mapping[str, Any]) -> bool:
    texts = [concept.get("text")]
    for coding in concept.get("coding", ()):
        if (coding.get("system"), coding.get("code")) in _AGE_CODES:
            return True
        texts.append(coding.get("display"))
    return any(isinstance(text, str) and _AGE_WORD(text) for text in texts)
