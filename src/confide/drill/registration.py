"""What the front desk writes down: Patient, Coverage, RelatedPerson."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from confide.drill.dice import age, anniversary, instant
from confide.drill.practice import DOMAIN
from confide.drill.vocabulary import HL7, US_CORE, Json, Term, hl7, places

if TYPE_CHECKING:
    from datetime import date

    from confide.drill.dice import Dice
    from confide.drill.people import Contact, Household, Person
    from confide.drill.practice import Member, Practice

_RACES = {
    code: Term("urn:oid:2.16.840.1.113883.6.238", code, display)
    for code, display in (
        ("2106-3", "White"),
        ("2054-5", "Black or African American"),
        ("2028-9", "Asian"),
        ("1002-5", "American Indian or Alaska Native"),
        ("2135-2", "Hispanic or Latino"),
        ("2186-5", "Not Hispanic or Latino"),
    )
}
_DECLINED = hl7("v3-NullFlavor", "ASKU", "asked but unknown")
_MARITAL = {
    "M": hl7("v3-MaritalStatus", "M", "Married"),
    "S": hl7("v3-MaritalStatus", "S", "Never Married"),
    "W": hl7("v3-MaritalStatus", "W", "Widowed"),
    "D": hl7("v3-MaritalStatus", "D", "Divorced"),
}
_RELATIONS = {
    "MTH": hl7("v3-RoleCode", "MTH", "mother"),
    "FTH": hl7("v3-RoleCode", "FTH", "father"),
    "SPS": hl7("v3-RoleCode", "SPS", "spouse"),
    "CHILD": hl7("v3-RoleCode", "CHILD", "child"),
    "SIB": hl7("v3-RoleCode", "SIB", "sibling"),
    "FRND": hl7("v3-RoleCode", "FRND", "unrelated friend"),
}
_EMERGENCY = hl7("v2-0131", "C", "Emergency Contact")
_IDENTIFIERS = {
    "MR": "Medical Record Number",
    "SS": "Social Security Number",
    "DL": "Driver's License",
    "PPN": "Passport Number",
    "MB": "Member Number",
}
_LANGUAGES = {"es": "Spanish", "pt": "Portuguese"}
_MAILBOXES = ("example.org", "mail.example.org", "post.example.org", "home.example.org")

# Letters that Unicode does not take apart into a plain letter and a mark.
_PLAIN = str.maketrans({"Þ": "Th", "þ": "th", "ð": "d", "ø": "o", "Ø": "O", "ß": "ss", "ł": "l", "Ł": "L"})
_PLAIN |= str.maketrans({"Đ": "D", "đ": "d", "ı": "i", "æ": "ae", "Æ": "Ae"})


def plain(text: str) -> str:
    """Letters a to z only, for a mailbox."""
    flat = unicodedata.normalize("NFKD", text.translate(_PLAIN)).encode("ascii", "ignore").decode()
    return "".join(letter for letter in flat.lower() if letter.isalpha())


def ssn(number: int) -> str:
    """The SSN of patient ``number``: unique, well formed, and never anybody's.

    Area numbers 900 to 999 have never been issued as SSNs. The IRS gives out taxpayer numbers (ITIN,
    ATIN) there, but only with a group of 50 or more; these groups are 01 to 49. (Area 000 would
    be as safe, but software that checks input refuses it.)
    """
    area, rest = divmod(number * 7_368_787 % (100 * 49 * 9999), 49 * 9999)
    group, serial = divmod(rest, 9999)
    return f"{900 + area}-{group + 1:02d}-{serial + 1:04d}"


def mrn(number: int) -> str:
    """Eight digits, unique in the practice."""
    return str(10_000_000 + number * 48_271 % 90_000_000)


class Registration:
    """The papers of one person."""

    def __init__(self, person: Person, home: Household, number: int, dice: Dice, today: date) -> None:
        self.person = person
        self.home = home
        self.number = number
        self.dice = dice
        self.today = today
        self.age = age(person.birth, person.died or today)
        self.adult = self.age >= 18
        # The household has one policy; each person on it has a suffix.
        self.policy = f"H{(number - home.people.index(person)) * 618_191 % 900_000_000 + 100_000_000}"
        self.member = f"{self.policy}{home.people.index(person) + 1:02d}"

    def patient(self, practice: Practice, clinician: Member) -> Json:
        person = self.person
        resource: Json = {
            "resourceType": "Patient",
            "extension": self._extensions(),
            "identifier": self._identifiers(),
            "active": person.died is None,
            "name": self._names(),
            "telecom": self._telecom(),
            "gender": person.sex,
            "birthDate": person.birth.isoformat(),
        }
        if person.died:
            resource["deceasedDateTime"] = person.died.isoformat()
        elif (self.today - person.birth).days < 28:
            url = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
            time = instant(person.birth, self.dice.between(0, 24 * 60 - 1))
            resource["_birthDate"] = {"extension": [{"url": url, "valueDateTime": time}]}
        resource["address"] = [self.address()]
        if person.marital:
            resource["maritalStatus"] = _MARITAL[person.marital].concept()
        if person.multiple:
            resource["multipleBirthInteger"] = person.multiple
        if person.contact:
            resource["contact"] = [self._contact(person.contact)]
        resource["communication"] = [self._language()]
        resource["generalPractitioner"] = [clinician.link()]
        resource["managingOrganization"] = practice.organization.link()
        return resource

    def coverage(self, practice: Practice, patient: str, first: str) -> Json:
        """Coverage; ``first`` is the household's first patient, who holds the policy of the children."""
        senior = self.age >= 65
        place = self.home.people.index(self.person)
        own = senior or place == 0
        relation = "self" if own else ("spouse" if place < self.home.parents else "child")
        start = max(self.person.birth, anniversary(self.today, -self.dice.between(1, 6)))
        period = {"start": start.isoformat()}
        if self.person.died:
            start = min(start, self.person.died)
            period = {"start": start.isoformat(), "end": self.person.died.isoformat()}
        payer = practice.payers[-1] if senior else practice.payers[int(self.policy[-1]) % 2]
        kind = ("PUBLICPOL", "public healthcare") if senior else ("EHCPOL", "extended healthcare")
        resource: Json = {
            "resourceType": "Coverage",
            "identifier": [self._identifier("MB", f"https://{DOMAIN}/member", self.member)],
            "status": "cancelled" if self.person.died else "active",
            "type": hl7("v3-ActCode", *kind).concept(),
            "subscriberId": self.member if own else self.policy + "01",
            "beneficiary": {"reference": patient, "display": self.person.name},
            "relationship": hl7("subscriber-relationship", relation, relation.capitalize()).concept(),
            "period": period,
            "payor": [payer.link()],
        }
        resource["subscriber"] = {"reference": patient if own else first}
        if not senior:
            group = hl7("coverage-class", "group", "Group").concept()
            resource["class"] = [{"type": group, "value": f"G{self.dice.digits(5)}", "name": "Employee plan"}]
        return resource

    def parent(self, patient: str) -> Json:
        """The mother or father as a RelatedPerson of a child."""
        elder = self.home.people[0]
        relation = "MTH" if elder.sex == "female" else "FTH"
        return {
            "resourceType": "RelatedPerson",
            "active": True,
            "patient": {"reference": patient, "display": self.person.name},
            "relationship": [_RELATIONS[relation].concept()],
            "name": [{"use": "official", "family": elder.family, "given": list(elder.given)}],
            "telecom": [{"system": "phone", "value": self.home.phone, "use": "home"}],
            "gender": elder.sex,
            "birthDate": elder.birth.isoformat(),
            "address": [self.address()],
        }

    def address(self) -> Json:
        home = self.home
        return {
            "use": "home",
            "type": "both",
            "line": list(home.line),
            "city": home.city,
            "state": home.state,
            "postalCode": home.zip,
            "country": "US",
        }

    def _extensions(self) -> list[Json]:
        person = self.person
        race = _RACES.get(person.race, _DECLINED)
        ethnicity = _RACES["2135-2" if person.origin.hispanic else "2186-5"]
        found: list[Json] = [
            {
                "url": f"{US_CORE}StructureDefinition/us-core-{kind}",
                "extension": [
                    {"url": "ombCategory", "valueCoding": term.coding()},
                    {"url": "text", "valueString": term.display},
                ],
            }
            for kind, term in (("race", race), ("ethnicity", ethnicity))
        ]
        birthsex = {"url": f"{US_CORE}StructureDefinition/us-core-birthsex"}
        found.append({**birthsex, "valueCode": "F" if person.sex == "female" else "M"})
        return found

    def _identifier(self, kind: str, system: str, value: str) -> Json:
        display = _IDENTIFIERS[kind]
        coding = {"system": HL7 + "v2-0203", "code": kind, "display": display}
        return {"type": {"coding": [coding], "text": display}, "system": system, "value": value}

    def _identifiers(self) -> list[Json]:
        dice, person = self.dice, self.person
        found = [self._identifier("MR", f"https://{DOMAIN}/mrn", mrn(self.number))]
        found[0]["use"] = "usual"
        days = ((person.died or self.today) - person.birth).days
        if days > 60:
            found.append(self._identifier("SS", "http://hl7.org/fhir/sid/us-ssn", ssn(self.number)))
        if self.adult and dice.chance(0.85):
            licence = places().licence[self.home.state]
            value = "".join(dice.digits(1) if mark == "#" else mark for mark in licence["form"])
            found.append(self._identifier("DL", f"urn:oid:2.16.840.1.113883.4.3.{licence['oid']}", value))
        if self.age > 3 and dice.chance(0.2):
            value = f"{dice.pick('ABCXYZ')}{dice.digits(8)}"
            found.append(self._identifier("PPN", "http://hl7.org/fhir/sid/passport-USA", value))
        found.append(self._identifier("MB", f"https://{DOMAIN}/member", self.member))
        return found

    def _names(self) -> list[Json]:
        person = self.person
        name: Json = {"use": "official"}
        if person.family:
            name["family"] = person.family
        if person.given:
            name["given"] = list(person.given)
        found = [name]
        if person.former:
            use, family = person.former
            former: Json = {"use": use, "family": family, "given": list(person.given)}
            if person.renamed:
                former["period"] = {"end": person.renamed.isoformat()}
                name["period"] = {"start": person.renamed.isoformat()}
            found.append(former)
        if person.nickname:
            found.append({"use": "nickname", "given": [person.nickname]})
        return found

    def _telecom(self) -> list[Json]:
        dice, person = self.dice, self.person
        found: list[Json] = [{"system": "phone", "value": self.home.phone, "use": "home"}]
        if self.adult and self.age < 92 and dice.chance(0.8):
            mobile = f"({self.home.area}) 555-01{dice.digits(2)}"
            found.append({"system": "phone", "value": mobile, "use": "mobile", "rank": 1})
        if self.adult and self.age < 88 and dice.chance(0.75):
            words = [plain(word) for word in (*person.given[:1], person.family) if word]
            mailbox = f"{'.'.join(words)}{dice.between(1, 99)}@{dice.pick(_MAILBOXES)}"
            found.append({"system": "email", "value": mailbox, "use": "home"})
        return found

    @staticmethod
    def _contact(contact: Contact) -> Json:
        name: Json = {"given": contact.given.split()}
        if contact.family:
            name["family"] = contact.family
        return {
            "relationship": [_EMERGENCY.concept(), _RELATIONS[contact.relation].concept()],
            "name": name,
            "telecom": [{"system": "phone", "value": contact.phone, "use": "home"}],
        }

    def _language(self) -> Json:
        language = self.person.origin.language
        spoken = language if self.dice.chance(0.6) else "en"
        coding: Json = {"system": "urn:ietf:bcp:47", "code": "en-US", "display": "English"}
        if spoken != "en":
            coding = {"system": "urn:ietf:bcp:47", "code": spoken}
            if spoken in _LANGUAGES:
                coding["display"] = _LANGUAGES[spoken]
        concept: Json = {"coding": [coding]}
        if "display" in coding:
            concept["text"] = coding["display"]
        return {"language": concept, "preferred": True}
