"""Synthetic people of a practice's own mould: names, streets and dates are mixed from many of its patients.

Nobody in it is anybody: a family name comes from one patient, a given name from another, a year of birth from
a third, a street from a fourth; numbers are drawn. The resource has the same parts as those that are there.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from confide.fhir import json
from confide.protect.elements import Element
from confide.protect.identifiers import element_of
from confide.protect.policy import Policy

_CHART: Final = (
    "resourceType",
    "meta",
    "status",
    "code",
    "category",
    "clinicalStatus",
    "verificationStatus",
    "valueQuantity",
)
_DATED: Final = ("onsetDateTime", "effectiveDateTime", "recordedDate", "issued")
_LEAST_AGE, _MOST_AGE = 60, 3 * 365  # days of what is in a chart: nobody comes today because of it
_LEFT_OUT: Final = frozenset({"photo", "link", "contained", "generalPractitioner", "managingOrganization"})
"""A face is one person's; what refers to others would refer to nothing."""

_LEAST_DRAWN: Final = 3  # digits, below which all of a number are drawn
_DAY: Final = re.compile(r"(\d{4})(-\d\d-\d\d)?(T.*)?")


def person(
    dice: random.Random, donors: Sequence[Mapping[str, Any]], policy: Policy, name: str
) -> dict[str, Any]:
    """Return a Patient that is nobody.

    It has the parts of one of the donors, each at its place: what is stored keeps the order of a source's
    fields, by which a thief of the database would tell it from the others.

    Args:
        dice: Where chance comes from; in earnest `random.SystemRandom`.
        donors: Opened Patients of the practice, two at least.
        policy: Tells which identifier is what.
        name: The id in its bundle.
    """
    mould = dice.choice([each for each in donors if _LEFT_OUT.isdisjoint(each)] or donors)
    alike = [each for each in donors if each.get("gender") == mould.get("gender")]
    mixer = _Mixer(dice, donors, alike, policy, _born(dice, donors))
    made: dict[str, Any] = {"resourceType": "Patient"}
    if "id" not in mould:
        made["id"] = name
    for key, value in mould.items():
        if key not in _LEFT_OUT:
            made[key] = name if key == "id" else mixer.part(key, value)
    return {key: value for key, value in made.items() if value not in ([], {}, "", None)}


class _Mixer:
    """Makes the parts of one synthetic person from those of many real ones.

    Args:
        dice: Where chance comes from.
        donors: Opened Patients.
        alike: Those of the same sex.
        policy: Tells which identifier is what.
        born: The birth date.
    """

    def __init__(
        self,
        dice: random.Random,
        donors: Sequence[Mapping[str, Any]],
        alike: Sequence[Mapping[str, Any]],
        policy: Policy,
        born: str,
    ) -> None:
        self._dice = dice
        self._donors = donors
        self._policy = policy
        self._born = born
        self._alike = alike
        self._family, self._given = _family(dice, donors), _given(dice, alike)

    def part(self, key: str, value: Any) -> Any:
        """Return a field of the mould with what is nobody's in it."""
        makers: dict[str, Callable[[Any], Any]] = {
            "name": lambda names: [self._name(each, first=n == 0) for n, each in enumerate(names)],
            "identifier": lambda all_: [_identifier(self._dice, each, self._policy) for each in all_],
            "telecom": lambda contacts: _telecom(self._dice, contacts, self._family, self._given),
            "address": self._addresses,
            "birthDate": lambda day: self._born[: len(day)],
            "deceasedDateTime": lambda day: max(day[:4], self._born[:4]) + self._fill(day)[4:],
            "contact": lambda people: [self._contact(each) for each in people],
            "extension": lambda all_: [self._extension(each) for each in all_],
            "meta": _meta,
        }
        return makers.get(key, self._fill)(value)

    def _name(self, mould: Mapping[str, Any], *, first: bool) -> dict[str, Any]:
        family = self._family if first else _family(self._dice, self._donors)
        later = mould.get("given", ())[1:]
        given = [self._given, *(_given(self._dice, self._alike, later=True) for _ in later)]
        made: dict[str, Any] = {}
        for key, value in mould.items():
            if key == "family":
                made[key] = family
            elif key == "given":
                made[key] = given
            elif key == "text":
                made[key] = f"{' '.join(given)} {family}"
            else:
                made[key] = copy.deepcopy(value)
        return made

    def _contact(self, mould: Mapping[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in mould.items():
            if key == "name":
                made[key] = self._name(value, first=False)
            elif key == "telecom":
                made[key] = _telecom(self._dice, value, self._family, _given(self._dice, self._donors))
            elif key == "address":
                made[key] = self._addresses([value])[0]
            elif key != "organization":
                made[key] = copy.deepcopy(value)
        return made

    def _addresses(self, moulds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Each in the order of the mould's fields: the town of one home, the street of another."""
        homes = [a for each in self._donors for a in each.get("address", ()) if a.get("city")]
        return [self._address(each, homes) for each in moulds]

    def _address(self, mould: Mapping[str, Any], homes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        alike = [each for each in homes if mould.keys() - {"line", "extension"} <= each.keys()]
        home = self._dice.choice(alike or [mould])
        made: dict[str, Any] = {}
        for key, value in mould.items():
            if key == "line":
                made[key] = [_street(self._dice, homes, str(value[0])), *map(str, value[1:])]
            elif key == "extension":
                made[key] = [self._fill(each) for each in value]
            elif key in {"city", "state", "postalCode", "district", "country"}:
                made[key] = home.get(key, value)
            else:
                made[key] = copy.deepcopy(value)
        if "text" in made:
            parts = [*made.get("line", ()), *(made.get(key) for key in ("city", "state", "postalCode"))]
            made["text"] = ", ".join(filter(None, parts))
        return made

    def _extension(self, mould: Mapping[str, Any]) -> dict[str, Any]:
        """Take one of its kind from anybody."""
        url = mould.get("url")
        others = [e for each in self._donors for e in each.get("extension", ()) if e.get("url") == url]
        made: dict[str, Any] = self._fill(self._dice.choice(others or [mould]))
        if str(url).endswith("mothersMaidenName") and "valueString" in made:
            made["valueString"] = f"{_given(self._dice, self._donors)} {_family(self._dice, self._donors)}"
        elif isinstance(text := made.get("valueString"), str):
            made["valueString"] = _number(self._dice, text)
        return made

    def _fill(self, value: Any) -> Any:
        """Copy what is neither a day nor a measured place of somebody; those are drawn anew."""
        if isinstance(value, Mapping):
            return {key: self._fill(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._fill(each) for each in value]
        if isinstance(value, Decimal):
            drawn = value + value.scaleb(-3) * self._dice.randrange(-9, 10)
            return drawn.quantize(Decimal(1).scaleb(int(value.as_tuple().exponent)))
        if isinstance(value, str) and (found := _DAY.fullmatch(value)) is not None:
            return f"{self._born if found[2] else self._born[:4]}{found[3] or ''}"
        return value


def _meta(mould: Mapping[str, Any]) -> dict[str, Any]:
    """What the source said; the server writes its own part where it is."""
    ours = {"security": [each for each in mould.get("security", ()) if each.get("code") != "PSEUDED"]}
    return {key: copy.deepcopy(v) for key, v in {**mould, **ours}.items() if key != "security" or v}


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
    made: dict[str, Any] = {}
    for key, value in body.items():
        if key == "id":
            made[key] = name
        elif key == "subject":
            made[key] = {"reference": f"Patient/{patient}"}
        elif key in _DATED:
            made[key] = f"{when}T12:00:00Z" if key == "issued" else when
        elif key in _CHART:
            made[key] = _meta(value) if key == "meta" else copy.deepcopy(value)
    dated = "onsetDateTime" if body["resourceType"] == "Condition" else "effectiveDateTime"
    needed = {"id": name, "subject": {"reference": f"Patient/{patient}"}, dated: when}
    return made | {key: value for key, value in needed.items() if key not in made}


def bundle(resources: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a collection, as an import takes it."""
    entries = [{"resource": each} for each in resources]
    return json.format({"resourceType": "Bundle", "type": "collection", "entry": entries})


def _family(dice: random.Random, donors: Sequence[Mapping[str, Any]]) -> str:
    names = [n["family"] for each in donors for n in each.get("name", ()) if isinstance(n.get("family"), str)]
    return dice.choice(names) if names else "Miller"


def _given(dice: random.Random, donors: Sequence[Mapping[str, Any]], *, later: bool = False) -> str:
    """Return a first name, or where *later* one that stands behind it, if there are any."""
    names = [n.get("given", ()) for each in donors for n in each.get("name", ())]
    found = [g for each in names for g in (each[1:] if later else each[:1]) if isinstance(g, str)]
    return dice.choice(found) if found else "Robin"


def _born(dice: random.Random, donors: Sequence[Mapping[str, Any]]) -> str:
    years = [int(each["birthDate"][:4]) for each in donors if isinstance(each.get("birthDate"), str)]
    year = dice.choice(years) if years else 1970
    return (date(year, 1, 1) + timedelta(days=dice.randrange(365))).isoformat()


def _identifier(dice: random.Random, mould: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    made = {key: copy.deepcopy(value) for key, value in mould.items()}
    if "value" not in mould:
        return made
    written = str(mould["value"])
    if element_of(mould, policy, Element.IDENTIFIER) is Element.SSN:
        # Never issued. Source: SSA POMS RM 10201.035, areas 900-999; groups below 50 are no ITIN either.
        value = f"9{dice.randrange(100):02d}-{dice.randrange(1, 50):02d}-{dice.randrange(1, 10000):04d}"
        return made | {"value": value if "-" in written else value.replace("-", "")}
    return made | {"value": _number(dice, written)}


def _number(dice: random.Random, mould: str) -> str:
    """Draw digits, but for what numbers of a practice begin with: the noughts and the first other digit."""
    begin = next((n + 1 for n, c in enumerate(mould) if c in "123456789"), 0)
    kept = begin if sum(c.isdigit() for c in mould[begin:]) >= _LEAST_DRAWN else 0
    drawn = [dice.choice("0123456789") if c.isdigit() else c for c in mould[kept:]]
    return mould[:kept] + "".join(drawn)


def _telecom(
    dice: random.Random, moulds: Sequence[Mapping[str, Any]], family: str, given: str
) -> list[dict[str, Any]]:
    made = []
    for contact in moulds:
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
        made.append({**copy.deepcopy(dict(contact)), "value": value})
    return made


def _street(dice: random.Random, homes: Sequence[Mapping[str, Any]], mould: str) -> str:
    line = next((a["line"][0] for a in dice.sample(homes, len(homes)) if a.get("line")), mould)
    return f"{dice.randrange(1, 999)} {str(line).lstrip('0123456789 ')}"
