"""What is public language, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.fhir import vocabulary

LOINC, SNOMED, RXNORM = (
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (LOINC, "8867-4"),
        (LOINC, "LA32-8"),
        (SNOMED, "73211009"),
        (SNOMED, "38341003"),
        (RXNORM, "308182"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "E84.0"),
        ("http://hl7.org/fhir/sid/cvx", "08"),
        ("http://hl7.org/fhir/sid/ndc", "0069-0043-11"),
        ("http://hl7.org/fhir/sid/ndc", "49281012188"),
        ("http://www.ama-assn.org/go/cpt", "99211"),
        ("http://unitsofmeasure.org", "mm[Hg]"),
        ("http://terminology.hl7.org/CodeSystem/v2-0203", "MR"),
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB"),
        ("http://hl7.org/fhir/administrative-gender", "female"),
        ("https://smarthealthit.org/tags", "synthea-5-2019"),
        ("urn:oid:2.16.840.1.113883.6.238", "2106-3"),
        ("http://dicom.nema.org/resources/ontology/DCM", "110122"),
        ("urn:ietf:bcp:47", "en-US"),
        ("urn:ietf:bcp:13", "text/plain; charset=utf-8"),
        ("urn:iso:std:iso:3166", "US"),
        ("urn:iso:std:iso:4217", "USD"),
        ("urn:ietf:rfc:3986", "1.2.840.10008.5.1.4.1.1.1.1"),
    ],
)
def test_codes_of_public_systems_are_known(system, code):
    assert vocabulary.known_system(system)
    assert vocabulary.known_code(system, code)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (LOINC, "8867-5"),
        (LOINC, "Miller"),
        (LOINC, "8867-4\n"),
        (SNOMED, "73211008"),
        (SNOMED, "19630412"),
        (SNOMED, "6175550123"),
        (RXNORM, "19630412"),
        (RXNORM, "\u0661\u0662"),
        ("http://hl7.org/fhir/sid/ndc", "6175550123"),
        ("http://hl7.org/fhir/sid/ndc", "16175550123"),
        ("http://hl7.org/fhir/sid/icd-10", "Miller"),
        ("http://unitsofmeasure.org", "{Miller}"),
        ("http://terminology.hl7.org/CodeSystem/v2-0203", "Miller"),
        ("urn:ietf:rfc:3986", "urn:oid:1.2.3"),
        ("urn:ietf:rfc:3986", "https://example.org/Miller"),
        ("urn:ietf:bcp:47", "en-Miller"),
        ("urn:ietf:bcp:13", "text/miller"),
        ("urn:ietf:bcp:13", "text/plain; name=miller"),
        ("http://example.org/codes", "1"),
        ("http://acme.org/lab/codes/tests", "60504"),
        ("http://hl7.org/fhir/sid/us-npi", "1234567893"),
        (None, "1"),
        (LOINC, None),
        (LOINC, 7),
        ([], {}),
    ],
)
def test_everything_else_is_not_known(system, code):
    assert not vocabulary.known_code(system, code)


def test_made_up_systems_are_not_known():
    for url in ("http://example.org/codes", "http://acme.com/labs", "", "x", None, 7, "http://loinc.org "):
        assert not vocabulary.known_system(url)


def test_only_the_exact_term_is_known():
    assert vocabulary.known_display(LOINC, "8867-4", "Heart rate")
    assert not vocabulary.known_display(LOINC, "8867-4", "Heart rate of Anna Miller")
    assert not vocabulary.known_display(LOINC, "8867-5", "Heart rate")
    assert not vocabulary.known_display(LOINC, "8867-4", None)
    assert not vocabulary.known_display(LOINC, "8867-4", "\ud800")
    assert vocabulary.known_display(
        "http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number"
    )
    assert (
        vocabulary.display("http://terminology.hl7.org/CodeSystem/v2-0203", "MR") == "Medical record number"
    )
    assert vocabulary.display(LOINC, "8867-4") is None


def test_units_addresses_and_places():
    assert vocabulary.known_unit("mg")
    assert vocabulary.known_ucum("mg/dL")
    assert not vocabulary.known_unit("Anna Miller")
    race = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
    assert vocabulary.known_canonical(race)
    assert vocabulary.known_canonical(f"{race}|8.0.0")
    assert not vocabulary.known_canonical(f"{race}|miller")
    assert not vocabulary.known_canonical("http://example.org/fhir/StructureDefinition/miller")
    assert vocabulary.known_state("MA")
    assert vocabulary.known_state("Massachusetts")
    assert not vocabulary.known_state("Springfield")
    assert vocabulary.known_country("US")
    assert vocabulary.known_country("Germany")
    assert not vocabulary.known_country("Springfield")
    assert vocabulary.known_mime("application/pdf")
    assert not vocabulary.known_mime("application/miller")
    assert vocabulary.known_language("pt-BR")
    assert not vocabulary.known_language("miller")


@given(
    st.text(min_size=7),
    st.sampled_from(["display", "unit", "canonical", "state", "country", "mime", "language"]),
)
def test_free_text_is_not_known(text, what):
    if what == "display":
        assert not vocabulary.known_display(LOINC, "8867-4", f"canary {text}")
    else:
        assert not getattr(vocabulary, f"known_{what}")(f"canary {text}")


def test_the_codes_of_synthea_are_known(bundles):
    from confide.fhir.json import parse

    unknown = set()

    def walk(value):
        if isinstance(value, dict):
            if isinstance(value.get("system"), str) and isinstance(value.get("code"), str):
                if not vocabulary.known_code(value["system"], value["code"]):
                    unknown.add((value["system"], value["code"]))
                elif "display" in value:
                    assert vocabulary.known_display(value["system"], value["code"], value["display"])
            for child in value.values():
                walk(child)
        elif isinstance(value, list):
            for child in value:
                walk(child)

    for data in bundles:
        walk(parse(data))
    # Synthea writes a LOINC number under SNOMED CT in the body site of an image.
    assert unknown <= {(SNOMED, "34552-0")}
