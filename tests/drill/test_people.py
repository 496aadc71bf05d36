"""The people of a synthetic practice: every rare case, in a known share."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import date

import pytest

from confide.drill.dice import Dice, age
from confide.drill.families import CYCLE, SHARES, SIZES
from confide.drill.practice import npi
from confide.drill.registration import mrn, plain, ssn
from confide.drill.synthetic import bundles

TODAY = date(2026, 5, 4)
COUNT = 200


def name_of(patient):
    name = patient["name"][0]
    return " ".join((*name.get("given", ()), name.get("family", ""))).strip()


def test_a_cycle_is_a_hundred_people():
    assert sum(count * SIZES.get(kind, 1) for kind, count in SHARES.items()) == CYCLE


def test_the_rare_cases_come_in_a_known_share(people):
    cycles = COUNT // CYCLE
    homes, names = defaultdict(list), Counter(map(name_of, people))
    for patient in people:
        address = patient["address"][0]
        homes[tuple(address["line"]), address["postalCode"], patient["telecom"][0]["value"]].append(patient)
    ages = [age(date.fromisoformat(p["birthDate"]), TODAY) for p in people if "deceasedDateTime" not in p]
    families = [p["name"][0].get("family", "") for p in people]

    assert sum(len(home) >= 3 for home in homes.values()) == 9 * cycles
    twins = [[p for p in home if "multipleBirthInteger" in p] for home in homes.values()]
    twins = [pair for pair in twins if pair]
    assert len(twins) == SHARES["twins"] * cycles
    for one, other in twins:
        assert one["birthDate"] == other["birthDate"]
        assert one["name"][0]["family"] == other["name"][0]["family"]
        assert one["name"][0]["given"] != other["name"][0]["given"]
    assert sum("Garcia-Whitfield" in family for family in families) == 2
    assert sum("-" in family for family in families) >= 2 * cycles
    assert sum(not name.isascii() for name in names) >= 10 * cycles
    assert {"Zoë Müller", "José Antonio Núñez", "Þóra Guðmundsdóttir", "Thị Hương Nguyễn"} <= set(names)
    assert sum(years >= 90 for years in ages) >= SHARES["ninety"] * cycles
    assert max(ages) >= 100
    assert sum("deceasedDateTime" in p for p in people) == SHARES["deceased"] * cycles
    newborns = [p for p in people if (TODAY - date.fromisoformat(p["birthDate"])).days < 28]
    assert len(newborns) == SHARES["newborn"] * cycles
    single = [p for p in people if not (p["name"][0].get("family") and p["name"][0].get("given"))]
    assert len(single) == SHARES["single-name"] * cycles
    uses = Counter(name["use"] for p in people for name in p["name"])
    assert uses["maiden"] >= 3 * cycles
    assert uses["old"] == SHARES["renamed"] * cycles
    strangers = [
        name
        for name, count in names.items()
        if count > 1 and len({p["birthDate"] for p in people if name_of(p) == name}) > 1
    ]
    assert len(strangers) >= cycles


def test_the_first_fifty_patients_already_show_every_case():
    people = [
        entry["resource"]
        for bundle in bundles(50, 5, TODAY)
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Patient"
    ]
    assert any("multipleBirthInteger" in p for p in people)
    assert any("deceasedDateTime" in p for p in people)
    assert any(p["name"][0].get("family") == "Garcia-Whitfield" for p in people)
    assert any((TODAY - date.fromisoformat(p["birthDate"])).days < 28 for p in people)
    assert len({name_of(p) for p in people}) < len(people)


def test_identifiers_are_unique_well_formed_and_nobodys(people):
    found = defaultdict(list)
    for patient in people:
        for identifier in patient["identifier"]:
            found[identifier["type"]["coding"][0]["code"]].append(identifier["value"])
    assert set(found) == {"MR", "SS", "DL", "PPN", "MB"}
    for kind in ("MR", "SS", "MB"):
        assert len(set(found[kind])) == len(found[kind])
    for value in found["SS"]:
        area, group, serial = value.split("-")
        assert 900 <= int(area) <= 999
        assert 1 <= int(group) <= 49  # from 50 on the IRS gives out taxpayer numbers
        assert 1 <= int(serial) <= 9999
    phones = {t["value"] for p in people for t in p["telecom"] if t["system"] == "phone"}
    assert all(re.fullmatch(r"\(?\d{3}\)?[- ]555-01\d\d", phone) for phone in phones)
    mails = {t["value"] for p in people for t in p["telecom"] if t["system"] == "email"}
    assert mails
    assert all(re.fullmatch(r"[a-z.]+\d+@(\w+\.)?example\.org", mail) for mail in mails)


def test_numbers_stay_unique_in_a_large_practice():
    assert len({ssn(number) for number in range(50_000)}) == 50_000
    assert len({mrn(number) for number in range(50_000)}) == 50_000


def test_provider_numbers_carry_their_check_digit(practice):
    values = [
        identifier["value"]
        for entry in practice[0]["entry"]
        for identifier in entry["resource"].get("identifier", [])
    ]
    assert len(values) == 7
    for value in [*values, *(npi(Dice(number)) for number in range(100))]:
        digits = [int(digit) for digit in reversed("80840" + value)]
        doubled = [digit * 2 if place % 2 else digit for place, digit in enumerate(digits)]
        assert sum(digit // 10 + digit % 10 for digit in doubled) % 10 == 0
        assert value[0] == "2"


def test_towns_states_and_zips_fit(people):
    first = {"MA": "01|02", "VT": "05", "NH": "03", "CT": "06", "NY": "12", "RI": "02", "ME": "04"}
    first |= {"FL": "34", "TX": "78"}
    for patient in people:
        address = patient["address"][0]
        assert address["postalCode"][:2] in first[address["state"]].split("|")


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Þóra", "thora"), ("Nguyễn", "nguyen"), ("Groß", "gross"), ("O'Brien", "obrien"), ("Łukasz", "lukasz")],
)
def test_mailboxes_are_plain_letters(name, letters):
    assert plain(name) == letters
