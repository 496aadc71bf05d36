"""Who is asked about is paid for, a "no" as well; and beyond the budget every answer is the same."""

import pytest

from confide.access.limits import MISSES_OF_PROGRAM
from confide.access.models import ExposureTotal
from confide.errors import AccessDenied, BudgetSpent, InvalidResource
from tests.practice import exposures, journal, observation

LETTERS = "abcdefgh"
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def people(elm):
    """Eight people, born in eight years; six of one sex."""
    return [
        elm.named(
            f"Given{LETTERS[i]}",
            f"Family{LETTERS[i]}",
            birthDate=f"195{i}-01-01",
            gender="female" if i < 6 else "male",
            telecom=[{"system": "phone", "value": f"555010{i:04}"}],
        )
        for i in range(8)
    ]


def of(patient):
    return {element for who, element in exposures() if who == patient}


def asked(elm, *params, grant=None):
    page = elm.search("Patient", *params, ("_summary", "count"), grant=grant)
    return page.total, page.withheld


def test_with_the_patient_fixed_a_no_is_paid(elm, people):
    one, two = people[0], people[1]
    assert asked(elm, ("_id", f"{one},{two}"), ("birthdate", "ge1960")) == (0, 0)
    assert of(one) == of(two) == {"birth-date"}, "named by id"
    assert asked(elm, ("gender", "male"), ("birthdate", "lt1950")) == (0, 0)
    assert of(people[6]) == of(people[7]) == {"birth-date"}, "so few that each of them is meant"
    assert asked(elm, ("name", "givenc"), ("birthdate", "ge1960")) == (0, 0)
    assert of(people[2]) == {"name", "birth-date"}, "the only one of that name"
    assert asked(elm, ("name", "given"), ("birthdate", "1953"), ("phone", "5550109999")) == (0, 0)
    assert of(people[3]) == {"name", "birth-date", "phone"}, "the only one of that name and birth date"
    before = exposures()
    assert asked(elm, ("gender", "female"), ("name", "nobody")) == (0, 0)
    assert asked(elm, ("name", "given"), ("birthdate", "2000")) == (0, 0)
    assert exposures() == before, "that tells of nobody"
    missed = journal(action="search", outcome="4")
    assert [(row.patient, row.elements) for row in missed] == [
        ("", {"name": "searched"}),
        ("", {"birth-date": "searched", "name": "searched"}),
    ]


def test_counts_are_paid_for_everybody_whom_they_count(elm, people):
    assert asked(elm, ("birthdate", "ge1954")) == (4, 0)
    assert exposures() == {(p, "birth-date") for p in people[4:]}


@pytest.mark.parametrize("spent", ["1", "more"])
def test_beyond_the_budget_there_is_no_difference_between_yes_and_no(elm, people, spent):
    """Otherwise a thief without budget would spell names by what is "not covered"."""
    grant = elm.grant("search", elm.client(day_patients=2))
    first, second = people[:2]
    if spent == "1":
        assert asked(elm, ("name", "givena"), grant=grant) == (1, 0)
        assert asked(elm, ("name", "givenb"), grant=grant) == (1, 1), "the last one that it covers"
    else:
        assert asked(elm, ("name", "given"), grant=grant) == (2, 1), "in order"
        first, second = sorted(people)[:2]
    unseen = next(i for i, patient in enumerate(people) if patient not in {first, second})
    name, year, phone = f"given{LETTERS[unseen]}", f"195{unseen}", f"555010{unseen:04}"
    for params in (
        [("name", name)],
        [("name", "nobody")],
        [("birthdate", year)],
        [("birthdate", "ge1900")],
        [("birthdate", "1900")],
        [("_id", people[unseen]), ("birthdate", "ge1900")],
        [("_id", people[unseen]), ("birthdate", "lt1900")],
        [("name", name), ("birthdate", year)],
        [("name", name), ("birthdate", "1900")],
        [("identifier", "078-05-1120")],
    ):
        told = elm.search("Patient", *params, grant=grant)
        known = {view.id for view in told.views}
        assert known <= {first, second}, params
        assert (told.total, told.withheld > 0) == (len(known), True), params
    assert {p for p, _ in exposures()} == {first, second}
    for text in (name, "nobody", f"{name} {year}-01-01", f"{name} 1900-01-01", phone, "5550109999"):
        finding = elm.find(text, grant)
        assert (finding.views, finding.too_many, finding.spent) == ([], False, True), text


def test_what_was_seen_is_found_again_beyond_the_budget(elm, people):
    grant = elm.grant("search", elm.client(day_patients=1))
    for _ in range(2):
        page = elm.search("Patient", ("name", "givend"), grant=grant)
        assert [v.id for v in page.views] == [people[3]]
    assert elm.found("givend", grant) == {people[3]}


def test_misses_have_a_limit_by_the_hour(elm, people):
    grant = elm.grant("search")
    for i in range(MISSES_OF_PROGRAM):
        assert asked(elm, ("name", f"nobody{i}"), grant=grant) == (0, 0)
    assert exposures() == set()
    for name in ("nobody", "givenb"):
        with pytest.raises(BudgetSpent):
            asked(elm, ("name", name), grant=grant)
        with pytest.raises(BudgetSpent):
            elm.find(name, grant)
    assert asked(elm, ("gender", "female"), grant=grant) == (6, 0), "that asks for nothing secret"
    assert asked(elm, ("name", "nobody")) == (0, 0), "another program"
    elm.clock.advance(minutes=66)
    again = elm.grant("search", grant.actor)
    assert asked(elm, ("name", "givenb"), grant=again) == (1, 0)
    assert asked(elm, ("name", "nobody"), grant=again) == (0, 0)
    assert ExposureTotal.objects.filter(owner__startswith="?", patients__gt=0).count() >= 2


def test_errors_do_not_depend_on_who_is_there(elm, people):
    """What cannot be asked is refused before anybody is looked at, or when everybody in it was paid for."""
    grant = elm.grant("search", elm.client(elements=["name"]))
    for name in ("givenb", "nobody"):
        with pytest.raises(AccessDenied):
            elm.search("Patient", ("name", name), ("birthdate", "1951"), grant=grant)
        with pytest.raises(AccessDenied):
            elm.search("Observation", ("_sort", "date"), ("patient", people[0]), grant=grant)
        with pytest.raises(InvalidResource):
            elm.search("Patient", ("name", name), ("_sort", "date"), grant=grant)
    elm.add(observation(people[0]))
    with pytest.raises(AccessDenied):
        elm.search("Observation", ("patient", people[0]), ("_sort", "-date"), grant=grant)
    assert exposures() == set()
