"""fhirpy, a client library that knows nothing of us, works unmodified against a real server."""

from __future__ import annotations

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

from tests.server import laboratory

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
MRN = "http://hospital.example.org/mrn"


@pytest.fixture
def fhir(live: str, lab: object) -> SyncFHIRClient:
    from confide.cli import client

    private = laboratory.KEY.as_dict(private=True)
    token = client.exchange(live, lab.pk, private, "system/*.cruds")
    return SyncFHIRClient(f"{live}/fhir/R4", authorization=f"Bearer {token}")


def patient(fhir: SyncFHIRClient, number: int = 0, **more: object) -> object:
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
    return fhir.resource(
        "Patient",
        identifier=[{"type": kind, "system": MRN, "value": f"{70000000 + number}"}],
        name=[{"family": f"Quernheim{number}", "given": ["Ottoline"]}],
        birthDate=f"1963-05-{number % 28 + 1:02}",
        **more,
    )


def test_a_chart_goes_in_and_comes_back(fhir: SyncFHIRClient) -> None:
    made = patient(fhir)
    made.save()
    assert made.id

    read = fhir.reference("Patient", made.id).to_resource()
    assert read["name"][0]["family"] == "Quernheim0"

    patients = fhir.resources("Patient")
    for asked in (
        {"name": "quern"},
        {"family": "Quernheim0", "given": "ottoline"},
        {"identifier": f"{MRN}|70000000"},
        {"birthdate": "1963-05-01"},
        {"birthdate__ge": "1963-04-30", "birthdate__lt": "1963-06"},
        {"_id": made.id},
    ):
        assert [p.id for p in patients.search(**asked).fetch()] == [made.id], asked
    assert patients.search(name="nobody").fetch() == []
    assert patients.search(name="quern").count() == 1

    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]}
    observation = fhir.resource(
        "Observation",
        status="final",
        code=code,
        subject=made.to_reference(),
        effectiveDateTime="2024-05-04T10:00:00Z",
        valueQuantity={"value": 71, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
    )
    observation.save()
    observations = fhir.resources("Observation")
    assert observations.search(code="http://loinc.org|8867-4").count() == 1
    assert observations.search(patient=made.id, date__ge="2024-05-04").first().id == observation.id
    assert observations.search(patient=made.id, date__lt="2024-05-04").fetch() == []

    read["maritalStatus"] = {"text": "it is complicated"}
    read.save()
    assert read["meta"]["versionId"] == "2"
    read.refresh()
    assert read["maritalStatus"]["text"] == "it is complicated"

    with pytest.raises(OperationOutcome):  # the chart is not empty
        made.delete()
    observation.delete()
    made.delete()
    with pytest.raises(ResourceNotFound):
        fhir.reference("Patient", made.id).to_resource()


def test_it_pages_through_25_patients(fhir: SyncFHIRClient) -> None:
    entries = [
        {"resource": patient(fhir, i).serialize(), "request": {"method": "POST", "url": "Patient"}}
        for i in range(25)
    ]
    fhir.execute("", data={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    found = fhir.resources("Patient").limit(10).fetch_all()
    assert len({p.id for p in found}) == 25
    assert {p["name"][0]["family"] for p in found} == {f"Quernheim{i}" for i in range(25)}
    named = fhir.resources("Patient").search(name="Quern").limit(10).fetch_all()
    assert len(named) == 25
