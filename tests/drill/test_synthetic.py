"""The synthetic practice: valid, consistent, repeatable."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from datetime import date

from confide.drill.dice import age, anniversary, instant, workday
from confide.drill.synthetic import SyntheticPractice, bundles
from confide.fhir import vocabulary
from confide.fhir.validate import validate

TODAY = date(2026, 5, 4)
COUNT = 200


def each(value, key=""):
    """Every (key, value) in a JSON value, at any depth."""
    yield key, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from each(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from each(inner, key)


def test_the_same_seed_gives_the_same_practice_to_the_byte():
    first, again, other = (json.dumps(list(bundles(60, seed, TODAY))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_there_are_exactly_as_many_patients_as_asked_for():
    for count in (0, 1, 2, 37, 100, 101):
        entries = [entry["resource"] for bundle in bundles(count, 3, TODAY) for entry in bundle["entry"]]
        assert sum(each["resourceType"] == "Patient" for each in entries) == count


def test_every_resource_is_valid():
    """Fifty patients of two practices, on two days of the year that calendars trip over."""
    wrong = Counter()
    for seed, today in ((11, date(2026, 11, 1)), (12, date(2028, 2, 29))):
        for bundle in bundles(50, seed, today):
            for entry in bundle["entry"]:
                wrong.update(f"{issue.path}: {issue.text}" for issue in validate(entry["resource"]))
            wrong.update(f"{issue.path}: {issue.text}" for issue in validate(bundle))
    assert not wrong


def test_codes_displays_and_units_are_public_ones(practice):
    strange = set()
    for bundle in practice:
        for _, value in each(bundle):
            if not isinstance(value, dict):
                continue
            if "unit" in value:
                if not (vocabulary.known_unit(value["unit"]) and vocabulary.known_ucum(value["code"])):
                    strange.add((value["unit"], value["code"]))
            elif "code" in value and "system" in value:
                triple = value["system"], value["code"], value.get("display")
                if not vocabulary.known_code(*triple[:2]) or (
                    triple[2] is not None and not vocabulary.known_display(*triple)
                ):
                    strange.add(triple)
    assert not strange


def test_every_reference_leads_somewhere(practice):
    staff = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in practice[0]["entry"]}
    for number, bundle in enumerate(practice):
        own = {entry["fullUrl"] for entry in bundle["entry"]}
        assert len(own) == len(bundle["entry"])
        assert all(re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", url) for url in own)
        for key, value in each(bundle):
            if key == "reference":
                assert value in own or (number and value in staff)


def test_charts_refer_to_the_ids_that_the_server_gave():
    practice = SyntheticPractice(4, 1, TODAY)
    ids = {
        entry["fullUrl"]: f"{entry['resource']['resourceType']}/our-{number}"
        for number, entry in enumerate(practice.practice_bundle()["entry"])
    }
    found = {
        value for bundle in practice.patient_bundles(ids) for key, value in each(bundle) if key == "reference"
    }
    outside = {value for value in found if not value.startswith("urn:uuid:")}
    assert outside
    assert outside <= set(ids.values())


def test_ids_are_never_used_twice(practice):
    urls = [entry["fullUrl"] for bundle in practice for entry in bundle["entry"]]
    assert len(urls) == len(set(urls))


def test_no_two_places_share_one_object(practice):
    """Whoever receives a bundle rewrites references in place; that must not reach another resource."""
    seen = Counter(
        id(value) for bundle in practice for _, value in each(bundle) if isinstance(value, dict | list)
    )
    assert max(seen.values()) == 1


def test_nothing_happens_before_birth_after_death_or_after_today(charts):
    moments = 0
    for patient, *resources in charts:
        born = patient["birthDate"]
        end = patient.get("deceasedDateTime", TODAY.isoformat())
        for resource in resources:
            if resource["resourceType"] == "RelatedPerson":
                continue  # a parent is older
            future = {"Goal", "Appointment"} if "deceasedDateTime" not in patient else set()
            for key, value in each(resource):
                if not isinstance(value, str) or not re.fullmatch(r"\d{4}(-\d\d(-\d\d(T.*)?)?)?", value):
                    continue
                if key in ("value", "lotNumber", "code"):
                    continue
                day = value[:10]
                moments += 1
                assert day >= born[: len(day)], (resource["resourceType"], key)
                if resource["resourceType"] not in future:
                    assert day <= end, (resource["resourceType"], key)
    assert moments > 1000


def test_encounters_follow_one_another_and_conditions_begin_before_they_end(charts):
    for _, *resources in charts:
        starts = [r["period"]["start"][:10] for r in resources if r["resourceType"] == "Encounter"]
        assert starts == sorted(starts)
        assert starts
        for resource in resources:
            if "abatementDateTime" in resource:
                assert resource["onsetDateTime"] <= resource["abatementDateTime"]


def test_a_chart_is_full_but_not_endless(charts):
    sizes = sorted(len(chart) for chart in charts)
    assert 30 <= sum(sizes) / len(sizes) <= 42
    assert sizes[0] >= 8
    assert sizes[-1] <= 100
    kinds = {resource["resourceType"] for chart in charts for resource in chart}
    assert kinds >= {"Patient", "Coverage", "RelatedPerson", "Encounter", "Condition", "AllergyIntolerance"}
    assert kinds >= {"MedicationRequest", "Observation", "DiagnosticReport", "Immunization", "Procedure"}
    assert kinds >= {"DocumentReference", "CarePlan", "Goal", "Appointment"}


def test_notes_name_the_person(charts):
    notes = 0
    for patient, *resources in charts:
        words = [
            word for name in patient["name"][:1] for word in (*name.get("given", ()), name.get("family", ""))
        ]
        for resource in resources:
            if resource["resourceType"] == "DocumentReference":
                attachment = resource["content"][0]["attachment"]
                text = base64.b64decode(attachment["data"])
                assert attachment["size"] == len(text)
                assert any(word and word in text.decode() for word in words)
                notes += 1
    assert notes >= COUNT


def test_readings_are_plausible(charts):
    for patient, *resources in charts:
        born = date.fromisoformat(patient["birthDate"])
        for resource in resources:
            if resource["resourceType"] != "Observation":
                continue
            code = resource["code"]["coding"][0]["code"]
            years = age(born, date.fromisoformat(resource["effectiveDateTime"][:10]))
            value = resource.get("valueQuantity", {}).get("value")
            if code == "85354-9":
                systolic, diastolic = (part["valueQuantity"]["value"] for part in resource["component"])
                assert 70 <= systolic <= 220
                assert 25 <= systolic - diastolic <= 120
            elif code == "8302-2":
                assert (140 if years >= 20 else 45) <= value <= 210
            elif code == "29463-7":
                assert (35 if years >= 20 else 2) <= value <= 180
            elif code == "39156-5":
                assert 12 <= value <= 48
            elif code == "8867-4":
                assert 45 <= value <= 175
            elif code == "8310-5":
                assert 35.5 <= value <= 41
            elif code == "4548-4":
                assert 4 <= value <= 12


def test_nobody_is_booked_twice_at_the_same_time():
    booked, today = Counter(), 0
    for bundle in bundles(1500, 2, TODAY):
        for entry in bundle["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] == "Appointment" and resource["status"] in (
                "booked",
                "arrived",
                "checked-in",
            ):
                assert resource["start"][:10] >= TODAY.isoformat()
                today += resource["start"][:10] == TODAY.isoformat()
                booked[resource["start"], resource["participant"][1]["actor"]["reference"]] += 1
    assert max(booked.values()) == 1
    assert 60 <= today <= 95


def test_a_small_practice_has_people_today_and_later():
    starts = [
        entry["resource"]["start"][:10]
        for bundle in bundles(50, 1, TODAY)
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Appointment"
    ]
    assert sum(start == TODAY.isoformat() for start in starts) >= 4
    assert sum(start > TODAY.isoformat() for start in starts) >= 5
    assert sum(start < TODAY.isoformat() for start in starts) >= 15


def test_calendar():
    assert instant(date(2026, 3, 7), 600) == "2026-03-07T10:00:00-05:00"
    assert instant(date(2026, 3, 8), 600) == "2026-03-08T10:00:00-04:00"
    assert instant(date(2026, 10, 31), 485) == "2026-10-31T08:05:00-04:00"
    assert instant(date(2026, 11, 1), 485) == "2026-11-01T08:05:00-05:00"
    assert anniversary(date(2024, 2, 29), 1) == date(2025, 2, 28)
    assert age(date(2000, 5, 5), TODAY) == 25
    assert age(date(2000, 5, 4), TODAY) == 26
    assert workday(date(2026, 5, 3)) == date(2026, 5, 1)
    assert workday(TODAY) == TODAY
