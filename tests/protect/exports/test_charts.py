"""Whole charts of synthetic people: what a recipient gets, and what two recipients could make of theirs."""

import re
from collections import defaultdict
from datetime import date, datetime, timedelta

import pytest

from confide.fhir import json
from confide.fhir.compartment import IN_PATIENT
from confide.fhir.validate import validate
from confide.protect.exports.ages import OLDEST
from tests.protect.exports.cohort import POLICIES, TODAY, charts, export, exporter, keys, leaves

LIMITED, SAFE, RESEARCH = POLICIES
IDS = ("limited", "safe-harbor", "research")
_WORDS = re.compile(r"\w+")
_DATE = re.compile(r"\d{4}-\d\d(-\d\d(T.*)?)?").fullmatch
_IDENTIFYING = ("name", "telecom", "identifier", "address", "contact", "photo")
_PUBLIC = {"use", "system", "code", "display", "url", "state", "country", "period", "type"}


@pytest.fixture(scope="module")
def people(shared):
    return charts(shared)


@pytest.fixture(scope="module")
def exports(people):
    """By policy and root: for each person pairs of (what it was, what goes out)."""
    made = {}
    for policy in POLICIES:
        for root in (1, 2):
            one = exporter(policy, root, cohort={chart[0]["id"] for chart in people})
            made[policy, root] = [export(one, chart) for chart in people]
    return made


def everything(export):
    return [pair for person in export for pair in person]


def spoken(text):
    return f" {' '.join(_WORDS.findall(text)).lower()} "


def heard_in(export):
    """All that the files of an export say, each text once."""
    files = b"\n".join(json.format(e.resource) for _, e in everything(export))
    said = {text for line in files.splitlines() for _, text in leaves(json.parse(line))}
    return " \0 ".join(map(spoken, sorted(said)))


def personal(chart, places=True):
    """A person's own values: names, numbers, phones, streets; with *places* town and ZIP, too."""
    found = set()
    for resource in chart:
        if resource["resourceType"] in {"Patient", "Practitioner", "Organization"}:
            for key in _IDENTIFYING:
                found |= {
                    text
                    for path, text in leaves(resource.get(key, []))
                    if not _PUBLIC & set(path) and (places or not {"city", "postalCode"} & set(path))
                }
        found |= {text for path, text in leaves(resource) if len(text) > 200 or path[-1] == "div"}
        found |= {text for path, text in leaves(resource) if "T" in text and _DATE(text)}
        found.add(resource["id"])
    return {text for text in found if len(text) > 3}


@pytest.mark.parametrize("policy", POLICIES, ids=IDS)
def test_nothing_of_a_person_is_in_the_files(people, exports, policy):
    heard = heard_in(exports[policy, 1])
    values = {value for chart in people for value in personal(chart, places=policy != LIMITED)}
    assert len(values) > 3000
    assert [value for value in values if spoken(value) in heard] == []


def test_a_value_that_was_left_would_be_found(people, exports):
    """The scan above sees what is there: towns, which a limited data set keeps."""
    heard = heard_in(exports[LIMITED, 1])
    towns = {a["city"] for chart in people for a in chart[0]["address"]}
    assert towns
    assert all(spoken(town) in heard for town in towns)


@pytest.mark.parametrize("policy", POLICIES, ids=IDS)
def test_all_is_valid(exports, policy):
    pairs = everything(exports[policy, 1])
    assert len(pairs) > 1000
    assert [issue for _, e in pairs for issue in validate(e.resource)] == []


@pytest.mark.parametrize("policy", POLICIES, ids=IDS)
def test_references_lead_to_what_is_there(exports, policy):
    pairs = everything(exports[policy, 1])
    there = {f"{e.type}/{e.id}" for _, e in pairs}
    references = {text for _, e in pairs for path, text in leaves(e.resource) if path[-1] == "reference"}
    assert len(references) > 500
    assert references <= there
    assert {e.patient for was, e in pairs if was["resourceType"] in IN_PATIENT} == {
        person[0][1].id for person in exports[policy, 1]
    }


def side_by_side(before, after):
    """The strings at one place of what was and of what goes out."""
    if isinstance(before, str) and isinstance(after, str):
        yield before, after
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() & after.keys():
            yield from side_by_side(before[key], after[key])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for pair in zip(before, after, strict=True):
            yield from side_by_side(*pair)


def days(person):
    """Every (day before, day after) of what is one person's."""
    for was, e in person:
        if e.patient:
            yield from (
                (before, after)
                for before, after in side_by_side(was, e.resource)
                if _DATE(before) and len(before) >= len("2024-05-04")
            )


@pytest.mark.parametrize("policy", [LIMITED, RESEARCH], ids=["limited", "research"])
def test_the_time_between_two_dates_stays(people, exports, policy):
    for chart, person in zip(people, exports[policy, 1], strict=True):
        shift = timedelta(keys(1).shift(chart[0]["id"]))
        pairs = [(before, after) for before, after in days(person) if after != "1900"]
        assert len(pairs) > 10
        for before, after in pairs:
            if "T" in after and policy == RESEARCH:
                assert datetime.fromisoformat(after) - datetime.fromisoformat(before) == shift
            else:
                assert date.fromisoformat(after[:10]) - date.fromisoformat(before[:10]) == shift
        assert all(before[:4] <= str(TODAY.year - 89) for before, after in days(person) if after == "1900")


def test_two_exports_of_the_same_people_do_not_join(people, exports):
    one, two = (everything(exports[LIMITED, root]) for root in (1, 2))
    assert [was for was, _ in one] == [was for was, _ in two]
    for handles in (lambda e: {e.id}, lambda e: {e.patient} - {""}, stand_ins):
        first, second = ({handle for _, e in made for handle in handles(e)} for made in (one, two))
        assert len(first) >= len(people)
        assert not first & second
    assert not [chart for chart in people if len({keys(root).shift(chart[0]["id"]) for root in (1, 2)}) < 2]
    clocks = {t[11:] for _, e in one for _, t in leaves(e.resource) if _DATE(t) and "T" in t}
    assert clocks <= {"00:00:00Z"}, "a time of day to the second would join them"


def stand_ins(e):
    """The numbers of a resource that are long enough not to be alike by chance."""
    found = e.resource.get("identifier", [])
    return {
        i["value"] for i in (found if isinstance(found, list) else [found]) if len(i.get("value", "")) > 8
    }


def test_safe_harbor_has_years_only_and_no_age_over_89(exports):
    oldest = TODAY.year - 90
    years = defaultdict(int)
    for _, e in everything(exports[SAFE, 1]):
        for path, text in leaves(e.resource):
            if path[-1] not in {"code", "display", "system", "id", "reference", "div"}:
                assert not _DATE(text), path
                assert not re.fullmatch(r"\d{5}(-\d{4})?", text), path
            if re.fullmatch(r"\d{4}", text) and path[-1] != "code":
                assert text == "1900" or int(text) > oldest
                years[text] += 1
        for node in nodes(e.resource):
            if node.get("unit") in {"a", "years"} or node.get("code") == "a":
                assert node == OLDEST or float(node["value"]) < 90
    assert years["1900"], "somebody is as old as that"
    assert len(years) > 30


def nodes(value):
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from nodes(part)
