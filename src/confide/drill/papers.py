"""What the front desk would have written down of a row of a population: a Patient and a Coverage, in FHIR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from confide.drill.census import census
from confide.drill.population import Population, format_ssn
from confide.drill.vocabulary import HL7, places
from confide.fhir import json

SSN: Final = "http://hl7.org/fhir/sid/us-ssn"
MRN: Final = "https://population.example/mrn"
MEMBER: Final = "https://population.example/member"
_EPOCH: Final = date(1970, 1, 1)
_TYPES: Final = HL7 + "v2-0203"
_PAYER: Final = {"type": "Organization", "display": "Prairie Mutual Health Plan"}


@dataclass(frozen=True, slots=True)
class Named:
    """One row in words.

    Attributes:
        key: The source's id of the person.
        born: ISO 8601.
        phone: With dashes.
        ssn, mrn: As they are written.
        member: Of the health plan; empty where uninsured.
    """

    row: int
    practice: int
    key: str
    given: tuple[str, ...]
    family: str
    woman: bool
    born: str
    ssn: str
    mrn: str
    member: str
    phone: str
    line: str
    city: str
    state: str
    zip: str


def read(people: Population, first: int, after: int) -> Iterator[Named]:
    """Put the rows from *first* to before *after* into words."""
    table, words = census(), places()
    kinds = len(words.kinds)
    names = ["family", "given", "middle", "woman", "born", "ssn", "mrn", "member", "phone", "house"]
    names += ["street", "town", "zip", "typo", "practice", "state"]
    columns = [getattr(people, name)[first:after].tolist() for name in names]
    for row, each in enumerate(zip(*columns, strict=True), first):
        family_at, given_at, middle, woman, born_at, ssn, mrn, member, phone, house = each[:10]
        street, town, postal, typo, practice, state_at = each[10:]
        given = (table.women if woman else table.men).things
        state = table.states[state_at]
        family = table.families.things[family_at]
        born = _EPOCH + timedelta(days=born_at)
        if typo:
            family, born = _slip(typo, family, born)
        number = house if house <= 480 else house - 300
        line = f"{number} {words.streets[street // kinds]} {words.kinds[street % kinds]}"
        if house > 480:
            line += f", {words.units[house % len(words.units)]}"
        yield Named(
            row,
            practice,
            f"p{row}",
            (given[given_at],) if middle < 0 else (given[given_at], given[middle]),
            family,
            woman,
            born.isoformat(),
            format_ssn(ssn),
            str(mrn),
            f"H{member}" if member else "",
            f"{state.area}-{phone // 10_000}-{phone % 10_000:04}",
            line,
            table.towns[town],
            state.code,
            f"{postal:05}",
        )


def _slip(typo: int, family: str, born: date) -> tuple[str, date]:
    """What somebody typed wrongly at the second registration: a name's letters, or day and month."""
    middle = len(family) // 2
    if typo == 1 and middle:
        return family[: middle - 1] + family[middle] + family[middle - 1] + family[middle + 1 :], born
    if typo == 2:
        return family[:middle] + family[middle:][:1] + family[middle:], born
    if typo == 3 and born.day <= 12:
        return family, date(born.year, born.day, born.month)
    return family, born


def patient(one: Named) -> dict[str, Any]:
    """Shape the Patient."""
    return {
        "resourceType": "Patient",
        "id": one.key,
        "identifier": [
            _identifier("MR", "Medical Record Number", MRN, one.mrn),
            _identifier("SS", "Social Security Number", SSN, one.ssn),
        ],
        "active": True,
        "name": [{"use": "official", "family": one.family, "given": list(one.given)}],
        "telecom": [{"system": "phone", "value": one.phone, "use": "home"}],
        "gender": "female" if one.woman else "male",
        "birthDate": one.born,
        "address": [
            {
                "use": "home",
                "line": [one.line],
                "city": one.city,
                "state": one.state,
                "postalCode": one.zip,
                "country": "US",
            }
        ],
    }


def coverage(one: Named) -> dict[str, Any]:
    """Shape the Coverage of somebody who is insured."""
    return {
        "resourceType": "Coverage",
        "id": f"c{one.row}",
        "identifier": [_identifier("MB", "Member Number", MEMBER, one.member)],
        "status": "active",
        "subscriberId": one.member,
        "beneficiary": {"reference": f"Patient/{one.key}"},
        "payor": [_PAYER],
    }


def _identifier(code: str, display: str, system: str, value: str) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": _TYPES, "code": code, "display": display}]},
        "system": system,
        "value": value,
    }


def lines(people: Population, first: int, after: int) -> bytes:
    """Write rows as NDJSON: each person's Patient, and the Coverage behind it."""
    written = []
    for one in read(people, first, after):
        written.append(json.format(patient(one)))
        if one.member:
            written.append(json.format(coverage(one)))
    return b"\n".join(written) + b"\n"
