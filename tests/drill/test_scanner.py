"""The scanner finds people where they are, also across two chunks, and is not fooled by chance."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from confide.drill import papers
from confide.drill.population import draw
from confide.drill.scanner import KINDS, Hits, Scanner, exceeds
from confide.fhir import json

PEOPLE = draw(300, 2, 9, date(2026, 1, 1))
ONES = list(papers.read(PEOPLE, 0, len(PEOPLE)))


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    return Scanner(PEOPLE)


def test_each_kind_is_found_wherever_it_stands(scanner: Scanner) -> None:
    one = next(each for each in ONES if len(each.family) >= 6 and each.member)
    for kind, text in (
        (KINDS[0], one.ssn),
        (KINDS[0], one.ssn.replace("-", "")),
        (KINDS[1], one.phone),
        (KINDS[2], one.born),
        (KINDS[3], one.mrn),
        (KINDS[3], one.member),
        (KINDS[4], one.family),
    ):
        data = b"\x00\xff" * 90 + b" " + text.encode() + b" " + b"\x07" * 200
        for cut in (0, 150, 181, 184, 188, 250):
            hits = scanner.scan([data[:cut], data[cut:]])
            assert hits.entered[kind] == 1, (kind, cut)
            assert hits.scanned == len(data)
            assert not hits.never[kind]
        assert scanner.scan([data] * 50).entered[kind] == 1, "in the id of a practice it would be in all rows"


def test_what_is_in_every_record_is_nobodys_name(scanner: Scanner) -> None:
    empty = scanner.scan([b"Medical Record Number, Social Security Number, 2026-11-28, 12345678901234567890"])
    assert not empty.entered.total()


def test_a_record_that_holds_its_own_person_is_seen_by_every_element(scanner: Scanner) -> None:
    one = ONES[0]
    whole = json.format(papers.patient(one))
    kinds = {"name", "birth date", "Social Security number", "record number", "phone", "ZIP code"}
    assert set(scanner.own(one, whole)) == kinds | {"city", "street"}
    other = next(each for each in ONES if not {each.family, *each.given} & {one.family, *one.given})
    assert "name" not in scanner.own(other, whole)
    assert scanner.own(one, b'{"birthDate":"1963","address":[{"state":"ME","postalCode":"041"}]}') == []


def test_a_short_name_in_the_bytes_of_a_seal_is_compared_with_chance(scanner: Scanner) -> None:
    one = replace(ONES[0], family="Li", given=("Ann",))
    assert scanner.own(one, b"[]", b"\x00\xffLi\x80Ann\x9c") == []
    assert scanner.short(one, b"\x00\xffLi\x80")
    assert not scanner.short(one, b"\x00\xffLiQ\x80")
    assert scanner.own(one, b'{"text":"Li"}', b"\x80") == ["name"]
    longer = replace(one, family="Okafor")
    assert scanner.own(longer, b"[]", b"\x00\xffOkafor\x80") == ["name"]
    assert not scanner.short(longer, b"\x00Okafor\x80")
    assert [exceeds(31, 28), exceeds(31, 2), exceeds(2, 0)] == [False, True, False]


def test_more_than_chance_is_told_from_chance() -> None:
    hits = Hits()
    hits.entered[KINDS[0]], hits.never[KINDS[0]] = 1_020, 1_000
    assert hits.beyond() == []
    hits.entered[KINDS[2]] = 40
    assert hits.beyond() == [KINDS[2]]
