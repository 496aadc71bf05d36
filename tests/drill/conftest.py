"""One synthetic practice of 200 patients, made once."""

from __future__ import annotations

from datetime import date

import pytest

from confide.drill.synthetic import bundles

TODAY = date(2026, 5, 4)
COUNT = 200


@pytest.fixture(scope="session")
def practice():
    return list(bundles(COUNT, 7, TODAY))


@pytest.fixture(scope="session")
def charts(practice):
    """Each patient with their own resources, in order."""
    found = []
    for bundle in practice[1:]:
        own = {}
        for entry in bundle["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] == "Patient":
                own[entry["fullUrl"]] = [resource]
        for entry in bundle["entry"]:
            resource = entry["resource"]
            who = (
                resource.get("subject") or resource.get("patient") or resource.get("beneficiary") or {}
            ).get("reference")
            if resource["resourceType"] == "Appointment":
                who = resource["participant"][0]["actor"]["reference"]
            if who:
                own[who].append(resource)
        found += own.values()
    return found


@pytest.fixture(scope="session")
def people(charts):
    return [chart[0] for chart in charts]
