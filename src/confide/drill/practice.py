"""The practice itself: its organization, its place, its payers, and the people who work there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from confide.drill.dice import Dice
from confide.drill.vocabulary import SNOMED, Json, Term, hl7

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "Riverbend Family Medicine"
DOMAIN = "riverbend.example.org"
NPI = "http://hl7.org/fhir/sid/us-npi"

GENERAL_PRACTICE = Term(SNOMED, "394814009", "General practice")
_PROVIDER = hl7("organization-type", "prov", "Healthcare Provider")
_INSURER = hl7("organization-type", "ins", "Insurance Company")
_ROLES = {
    "doctor": hl7("practitioner-role", "doctor", "Doctor"),
    "nurse": hl7("practitioner-role", "nurse", "Nurse"),
}

# (given, family, gender, prefix, suffix, role). The first five see patients by appointment.
_STAFF = (
    (("Miriam", "L."), "Okafor", "female", "Dr.", "MD", "doctor"),
    (("Thomas",), "Lindqvist", "male", "Dr.", "MD", "doctor"),
    (("Anaïs",), "Fontaine", "female", "Dr.", "DO", "doctor"),
    (("Rahul",), "Banerjee", "male", "Dr.", "MD", "doctor"),
    (("Catherine", "M."), "Brody", "female", "", "NP", "nurse"),
    (("Samuel",), "Ortiz-Lane", "male", "", "RN", "nurse"),
)
CLINICIANS = 5

# The last one insures people of 65 and more.
PAYERS = ("Pioneer Mutual Health Plan", "Commonwealth Community Health", "Federal Senior Health")


@dataclass(frozen=True, slots=True)
class Member:
    """A reference to somebody or something of the practice, with what people read."""

    reference: str
    display: str

    def link(self) -> Json:
        return {"reference": self.reference, "display": self.display}

    def bare(self) -> Json:
        return {"reference": self.reference}


@dataclass(frozen=True, slots=True)
class Practice:
    """What a chart refers to; made once the server has told the ids."""

    organization: Member
    location: Member
    clinicians: tuple[Member, ...]
    nurse: Member
    payers: tuple[Member, ...]


def bundle(seed: int) -> Json:
    """The first transaction. The ``fullUrl`` of each entry is the key under which its id is asked for."""
    dice = Dice(seed, "practice")
    organization, location = _uuids(dice, 2)
    people = _uuids(dice, len(_STAFF))
    resources: list[tuple[str, Json]] = [
        (organization, _organization(dice)),
        (location, _location(organization)),
    ]
    for uuid, name in zip(_uuids(dice, len(PAYERS)), PAYERS, strict=True):
        payer: Json = {"resourceType": "Organization", "active": True, "name": name}
        payer["type"] = [_INSURER.concept()]
        resources.append((uuid, payer))
    for number, uuid in enumerate(people):
        resources.append((uuid, _practitioner(dice, number)))
    for number, uuid in enumerate(_uuids(dice, len(_STAFF))):
        resources.append((uuid, _role(number, people[number], organization, location)))
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [entry(uuid, resource) for uuid, resource in resources],
    }


def practice(seed: int, ids: Mapping[str, str]) -> Practice:
    """The practice as charts refer to it; ``ids`` maps each ``fullUrl`` of ``bundle`` to ``Type/id``."""
    found: dict[str, list[Member]] = {}
    for each in bundle(seed)["entry"]:
        resource = each["resource"]
        if resource["resourceType"] == "Practitioner":
            name = resource["name"][0]
            words = (*name.get("prefix", ()), *name["given"], name["family"])
            display = " ".join(words)
        else:
            display = resource.get("name", "")
        member = Member(ids[each["fullUrl"]], display)
        found.setdefault(resource["resourceType"], []).append(member)
    staff = found["Practitioner"]
    first, *payers = found["Organization"]
    return Practice(first, found["Location"][0], tuple(staff[:CLINICIANS]), staff[CLINICIANS], tuple(payers))


def entry(uuid: str, resource: Json) -> Json:
    """One entry of a transaction. The id is for files; a server gives its own."""
    resource["id"] = uuid
    return {
        "fullUrl": f"urn:uuid:{uuid}",
        "resource": resource,
        "request": {"method": "POST", "url": resource["resourceType"]},
    }


def npi(dice: Dice) -> str:
    """Ten digits with the check digit of a National Provider Identifier.

    Luhn is reckoned over the prefix 80840. Real identifiers so far start with 1; these start with 2,
    so none of them belongs to anybody.
    """
    body = "2" + dice.digits(8)
    return body + str(-_luhn("80840" + body + "0") % 10)


def _luhn(number: str) -> int:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number)))
    return sum(value - 9 if value > 9 else value for value in doubled)


def _uuids(dice: Dice, count: int) -> list[str]:
    return [dice.uuid() for _ in range(count)]


def _address() -> Json:
    line = ["200 Riverbend Road", "Suite 3"]
    return {"line": line, "city": "Northampton", "state": "MA", "postalCode": "01060", "country": "US"}


def _telecom(dice: Dice, mailbox: str) -> list[Json]:
    return [
        {"system": "phone", "value": f"413-555-01{dice.digits(2)}", "use": "work"},
        {"system": "email", "value": f"{mailbox}@{DOMAIN}", "use": "work"},
    ]


def _organization(dice: Dice) -> Json:
    return {
        "resourceType": "Organization",
        "identifier": [{"system": NPI, "value": npi(dice)}],
        "active": True,
        "type": [_PROVIDER.concept()],
        "name": NAME,
        "telecom": _telecom(dice, "office"),
        "address": [_address()],
    }


def _location(organization: str) -> Json:
    return {
        "resourceType": "Location",
        "status": "active",
        "name": f"{NAME}, Northampton",
        "mode": "instance",
        "telecom": [{"system": "phone", "value": "413-555-0100", "use": "work"}],
        "address": _address(),
        "physicalType": hl7("location-physical-type", "bu", "Building").concept(),
        "managingOrganization": {"reference": f"urn:uuid:{organization}", "display": NAME},
    }


def _practitioner(dice: Dice, number: int) -> Json:
    given, family, gender, prefix, suffix, _ = _STAFF[number]
    name: Json = {"use": "official", "family": family, "given": list(given), "suffix": [suffix]}
    if prefix:
        name["prefix"] = [prefix]
    resource: Json = {
        "resourceType": "Practitioner",
        "identifier": [{"system": NPI, "value": npi(dice)}],
        "active": True,
        "name": [name],
        "telecom": _telecom(dice, family.lower()),
        "address": [{"use": "work", **_address()}],
        "gender": gender,
    }
    if number == 1:
        # One of them has told the practice where he lives: staff are people too.
        resource["birthDate"] = "1971-08-23"
        resource["telecom"].append({"system": "phone", "value": "413-555-0177", "use": "home"})
        home: Json = {"use": "home", "line": ["58 Quarry Lane"], "city": "Florence", "state": "MA"}
        resource["address"].append({**home, "postalCode": "01062", "country": "US"})
    return resource


def _role(number: int, person: str, organization: str, location: str) -> Json:
    given, family, _, prefix, _, role = _STAFF[number]
    display = " ".join(word for word in (prefix, *given, family) if word)
    return {
        "resourceType": "PractitionerRole",
        "active": True,
        "practitioner": {"reference": f"urn:uuid:{person}", "display": display},
        "organization": {"reference": f"urn:uuid:{organization}", "display": NAME},
        "code": [_ROLES[role].concept()],
        "specialty": [GENERAL_PRACTICE.concept()],
        "location": [{"reference": f"urn:uuid:{location}"}],
        "availableTime": [
            {
                "daysOfWeek": ["mon", "tue", "wed", "thu", "fri"],
                "availableStartTime": "08:00:00",
                "availableEndTime": "17:00:00",
            }
        ],
    }
