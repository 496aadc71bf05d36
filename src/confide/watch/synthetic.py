"""Synthetic people of a practice's own mould: names, streets and dates are mixed from many of its patients.

Nobody in it is anybody: a family name comes from one patient, a given name from another, a year of birth from
a third, a street from a fourth; numbers are drawn. The resource has the same parts as those that are there.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from confide.fhir import json
from confide.protect.elements import Element
from confide.protect.identifiers import element_of
from confide.protect.policy import Policy

_KEPT: Final = ("gender", "maritalStatus", "communication", "active")
_CHART: Final = ("status", "code", "category", "clinicalStatus", "verificationStatus", "valueQuantity")
_LEAST_AGE, _MOST_AGE = 60, 3 * 365  # days of what is in a chart: nobody comes today because of it


def person(
    dice: random.Random, donors: Sequence[Mapping[str, Any]], policy: Policy, name: str
) -> dict[str, Any]:
    """Return a Patient that is nobody.

    Args:
        dice: Where chance comes from; in earnest `random.SystemRandom`.
        donors: Opened Patients of the practice, two at least.
        policy: Tells which identifier is what.
        name: The id in its bundle.
    """
    mould = dice.choice(donors)
    alike = [each for each in donors if each.get("gender") == mould.get("gender")]
    made: dict[str, Any] = {"resourceType": "Patient", "id": name}
    made |= {key: copy.deepcopy(mould[key]) for key in _KEPT if key in mould}
    family, given = _family(dice, donors), _given(dice, alike)
    made["name"] = [{"use": "official", "family": family, "given": [given]}]
    made["birthDate"] = _born(dice, donors)
    made["identifier"] = [
        _identifier(dice, each, policy) for each in mould.get("identifier", ()) if each.get("value")
    ]
    made["telecom"] = _telecom(dice, mould, family, given)
    made["address"] = _address(dice, donors)
    return {key: value for key, value in made.items() if value not in ([], "", None)}


def chart(
    dice: random.Random, bodies: Sequence[Mapping[str, Any]], patient: str, today: date
) -> list[dict[str, Any]]:
    """Return what lies in a chart: codes of the practice's own, on days that explain nothing today.

    Args:
        dice: Where chance comes from.
        bodies: Stored Conditions and Observations, protected as they are: only codes are taken.
        patient: The id of the Patient in the bundle.
        today: The day.
    """
    return [
        record(dice, dice.choice(bodies), patient, f"{patient}-{n}", today)
        for n in range(dice.randint(2, 7) if bodies else 0)
    ]


def record(
    dice: random.Random, body: Mapping[str, Any], patient: str, name: str, today: date
) -> dict[str, Any]:
    """Return one resource of a chart; see `chart`."""
    when = (today - timedelta(days=dice.randint(_LEAST_AGE, _MOST_AGE))).isoformat()
    made = {key: copy.deepcopy(body[key]) for key in _CHART if key in body}
    dated = "onsetDateTime" if body["resourceType"] == "Condition" else "effectiveDateTime"
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": body["resourceType"], "id": name, **made, "subject": subject, dated: when}


def bundle(resources: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a collection, as an import takes it."""
    entries = [{"resource": each} for each in resources]
    return json.format({"resourceType": "Bundle", "type": "collection", "entry": entries})


def _family(dice: random.Random, donors: Sequence[Mapping[str, Any]]) -> str:
    names = [n["family"] for each in donors for n in each.get("name", ()) if isinstance(n.get("family"), str)]
    return dice.choice(names) if names else "Miller"


def _given(dice: random.Random, donors: Sequence[Mapping[str, Any]]) -> str:
    names = [
        g for each in donors for n in each.get("name", ()) for g in n.get("given", ()) if isinstance(g, str)
    ]
    return dice.choice(names) if names else "Robin"


def _born(dice: random.Random, donors: Sequence[Mapping[str, Any]]) -> str:
    years = [int(each["birthDate"][:4]) for each in donors if isinstance(each.get("birthDate"), str)]
    year = dice.choice(years) if years else 1970
    return (date(year, 1, 1) + timedelta(days=dice.randrange(365))).isoformat()


def _identifier(dice: random.Random, mould: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    made = {key: copy.deepcopy(mould[key]) for key in ("use", "type", "system") if key in mould}
    value = "".join(dice.choice("0123456789") if c.isdigit() else c for c in str(mould["value"]))
    if element_of(mould, policy, Element.IDENTIFIER) is Element.SSN:
        # Never issued. Source: SSA POMS RM 10201.035, areas 900-999; groups below 50 are no ITIN either.
        value = f"9{dice.randrange(100):02d}-{dice.randrange(1, 50):02d}-{dice.randrange(1, 10000):04d}"
        value = value if "-" in str(mould["value"]) else value.replace("-", "")
    return {**made, "value": value}


def _telecom(dice: random.Random, mould: Mapping[str, Any], family: str, given: str) -> list[dict[str, Any]]:
    made = []
    for contact in mould.get("telecom", ()):
        value, system = contact.get("value"), contact.get("system")
        if not isinstance(value, str):
            continue
        if system == "email":
            text = f"{given}.{family}{dice.randrange(100)}".lower()
            name = "".join(c for c in text if c.isascii() and (c.isalnum() or c == "."))
            value = f"{name}@{value.rpartition('@')[2] or 'example.org'}"
        else:
            # 555-01xx is nobody's line. Source: NANPA, 555 line numbers; ATIS-0300115.
            digits = [c for c in value if c.isdigit()]
            tail = f"555{dice.randrange(100, 200):04d}"
            drawn = iter([*digits[:-7], *tail] if len(digits) >= 10 else digits)
            value = "".join(next(drawn) if c.isdigit() else c for c in value)
        made.append({**{k: contact[k] for k in ("system", "use") if k in contact}, "value": value})
    return made


def _address(dice: random.Random, donors: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    homes = [a for each in donors for a in each.get("address", ()) if a.get("city")]
    if not homes:
        return []
    home = copy.deepcopy(dice.choice(homes))
    line = next((a["line"][0] for a in dice.sample(homes, len(homes)) if a.get("line")), "")
    street = line.lstrip("0123456789 ") if isinstance(line, str) else ""
    kept = {key: home[key] for key in ("use", "city", "state", "postalCode", "country") if key in home}
    return [{**kept, **({"line": [f"{dice.randrange(1, 999)} {street}"]} if street else {})}]
