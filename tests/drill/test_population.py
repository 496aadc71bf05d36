"""A population is who it says: counted, spread and numbered as promised, the same for the same seed."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from confide.drill import papers
from confide.drill.census import census, residents
from confide.drill.population import Population, draw, format_ssn
from confide.errors import Damaged, Invalid
from confide.fhir import json
from confide.records import checks

TODAY = date(2026, 1, 1)
PERSONS, PRACTICES, TWICE = 30_000, 90, 300


@pytest.fixture(scope="module")
def people() -> Population:
    return draw(PERSONS, PRACTICES, 7, TODAY, duplicates=TWICE)


def columns(people: Population) -> dict[str, bytes]:
    return {each.name: getattr(people, each.name).tobytes() for each in fields(people)}


def test_the_anchor_is_met_to_a_person_and_all_others_follow_the_census() -> None:
    spread = residents(1_049_375, "anchor")
    assert (spread["ME"], spread["TX"]) == (3_913, 131_815)
    assert sum(spread.values()) == 1_049_375
    assert 0 < spread["WY"] < spread["CA"]
    assert sum(residents(1_000, "anchor").values()) == sum(residents(1_000, "census").values()) == 1_000
    assert residents(331_449_281, "census")["ME"] == 1_362_359


def test_people_live_where_they_are_said_to_and_each_practice_has_some(people: Population) -> None:
    counted = np.bincount(people.state[people.double < 0], minlength=51)
    states = [state.code for state in census().states]
    assert dict(zip(states, counted.tolist(), strict=True)) == residents(PERSONS, "anchor")
    sizes = [after - first for first, after in people.ends()]
    assert len(sizes) == PRACTICES
    assert min(sizes) >= 1
    assert max(sizes) > 4 * sorted(sizes)[PRACTICES // 2], "there are large practices"
    for first, after in people.ends():
        assert len(set(people.state[first:after].tolist())) == 1


@pytest.mark.parametrize("practices", [1, 3, 51, 90])
def test_any_number_of_practices_gets_everybody(practices: int) -> None:
    drawn = draw(400, practices, 1, TODAY)
    assert len(drawn) == 400
    assert len(drawn.ends()) == practices


def test_the_same_seed_draws_the_same_people_and_another_one_others(people: Population) -> None:
    again = draw(PERSONS, PRACTICES, 7, TODAY, duplicates=TWICE)
    assert columns(again) == columns(people)
    other = columns(draw(PERSONS, PRACTICES, 8, TODAY, duplicates=TWICE))
    assert other["born"] != columns(people)["born"]
    assert other["ssn"] != columns(people)["ssn"]


def test_numbers_are_each_persons_own_and_were_never_issued(people: Population) -> None:
    first = people.double < 0
    assert first.sum() == PERSONS
    assert len(np.unique(people.ssn[first])) == PERSONS
    assert len(np.unique(people.practice * 10**8 + people.mrn)) == PERSONS + TWICE
    for number in (0, 48_995_099, 48_995_100, 49_985_000, 49_985_001, 50_974_901, *people.ssn[:500].tolist()):
        area, group, serial = format_ssn(number).split("-")
        assert area in {"000", "666"} or (area[0] == "9" and int(group) < 50)
        assert int(group) > 0
        assert int(serial) > 0


def test_ages_are_those_of_the_census_and_children_live_with_somebody_grown(people: Population) -> None:
    old = ((TODAY - date(1970, 1, 1)).days - people.born) / 365.25
    table = census()
    shares = np.diff(np.append(0, table.ages))
    for low, high, share in zip(table.bounds[:-1], table.bounds[1:], shares, strict=True):
        assert abs(((old >= low) & (old < high)).mean() - share) < 0.01
    grown = np.unique(people.household[old >= 18])
    young = np.unique(people.household[old < 17])
    assert np.isin(young, grown).mean() > 0.97
    shared = people.household[1:] == people.household[:-1]
    assert (people.zip[1:] == people.zip[:-1])[shared].all()
    assert (people.house[1:] == people.house[:-1])[shared].all()


def test_duplicates_are_extra_and_differ_by_a_slip_of_the_pen(people: Population) -> None:
    rows = np.flatnonzero(people.double >= 0)
    assert len(rows) == TWICE
    assert len(people) == PERSONS + TWICE
    differing = 0
    for row in rows.tolist():
        original = int(people.double[row])
        assert people.double[original] < 0
        (one,), (other,) = papers.read(people, row, row + 1), papers.read(people, original, original + 1)
        assert one.practice == other.practice
        assert one.mrn != other.mrn
        alike = [(one.family, other.family), (one.born, other.born), (one.ssn, other.ssn)]
        assert sum(a != b for a, b in alike) <= 1
        assert one.given == other.given
        differing += any(a != b for a, b in alike)
    assert differing > TWICE // 2


def test_what_is_written_of_them_is_valid_fhir_and_names_whose_coverage_it_is(people: Population) -> None:
    seen = {"Patient": 0, "Coverage": 0}
    last = ""
    for line in papers.lines(people, 100, 400).splitlines():
        written = json.parse(line)
        checks.valid(written)
        seen[written["resourceType"]] += 1
        if written["resourceType"] == "Patient":
            last = written["id"]
        else:
            assert written["beneficiary"]["reference"] == f"Patient/{last}"
    assert seen["Patient"] == 300
    assert 240 < seen["Coverage"] < 300


def test_columns_are_shared_through_files(people: Population, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="holds no population"):
        Population.load(tmp_path)
    people.save(tmp_path)
    assert columns(Population.load(tmp_path)) == columns(people)


@pytest.mark.parametrize(("persons", "practices", "twice"), [(0, 1, 0), (5, 6, 0), (5, 0, 0), (5, 5, 6)])
def test_an_impossible_population_is_refused(persons: int, practices: int, twice: int) -> None:
    with pytest.raises(Invalid, match=r"persons"):
        draw(persons, practices, 1, TODAY, duplicates=twice)


def test_record_numbers_are_unique_with_duplicates_whatever_the_seed() -> None:
    drawn = draw(400, 1, 48_271 * 90, TODAY, duplicates=200)
    assert len(set(drawn.mrn.tolist())) == 600
