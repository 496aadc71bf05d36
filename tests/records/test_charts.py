"""Charts: what goes in comes back, in versions, and a write is whole or not at all."""

import copy
import threading

import pytest
from django.db import connections, transaction

from confide.errors import (
    AccessDenied,
    ConfideError,
    Gone,
    GrantMismatch,
    InvalidResource,
    Unavailable,
    Unknown,
    VersionConflict,
)
from confide.fhir import json
from confide.fhir.validate import validate
from confide.protect.elements import Element
from confide.records.models import PatientChange, Resource, Superseded
from tests.practice import PATIENT, counts, journal, observation, without_journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def issues(problem):
    return [(issue.path, issue.kind) for issue in problem.value.issues]


def test_there_and_back(elm):
    before = copy.deepcopy(PATIENT)
    view = elm.system.charts.create(elm.grant("write"), before)
    assert before == PATIENT, "the caller's resource is not changed"
    assert (view.type, view.version, view.body, view.patients) == ("Patient", 1, None, (view.id,))
    shown = elm.read("Patient", view.id)
    meta = shown.body.pop("meta")
    assert shown.body == json.parse(json.format(PATIENT | {"id": view.id}))
    assert meta == {"versionId": "1", "lastUpdated": "2026-03-02T09:01:00.000Z"}
    assert shown.hidden == frozenset()


WRITTEN = (
    "üller", "ller-Ortiz", "Zoë", "05-1120", "0004711", "010-4477", "oe@example", "963-05-04", "Elm Street",
    '"01103"', "8800-1122",
)  # fmt: skip
"""Of the patient; shorter parts come about by chance, in ids and in stand-ins."""


def test_what_is_stored_is_valid_and_says_nobody(elm):
    patient = elm.patient()
    elm.add(
        observation(
            patient,
            note=[{"text": "sees Zoë on Elm Street"}],
            subject={"reference": f"Patient/{patient}", "display": "Zoë Müller"},
        )
    )
    for row in Resource.objects.all():
        body = bytes(row.body).decode()
        assert validate(json.parse(body)) == []
        for value in WRITTEN:
            assert value not in body


def test_decimals_keep_their_digits(elm):
    patient = elm.patient()
    for digits in (b"1.10", b"1.0E+2", b"-0.0", b"120.000000000000000001"):
        text = json.format(observation(patient, valueQuantity={"value": 0})).replace(
            b'"value":0', b'"value":' + digits
        )
        id_ = elm.add(json.parse(text))
        assert b'"value":' + digits in json.format(elm.read("Observation", id_).body)


def test_ids_are_ours(elm):
    id_ = elm.patient(id="078-05-1120")
    assert id_ != "078-05-1120"
    assert elm.read("Patient", id_).body["id"] == id_


def test_versions(elm):
    id_ = elm.patient()
    elm.clock.advance(minutes=1)
    assert elm.put("Patient", id_, gender="male").version == 2
    elm.clock.advance(minutes=1)
    assert elm.put("Patient", id_, birthDate="1963-05-05").version == 3
    charts, grant = elm.system.charts, elm.grant("read")
    assert [v.body["birthDate"] for v in charts.history(grant, "Patient", id_)] == [
        "1963-05-05",
        "1963-05-04",
        "1963-05-04",
    ]
    assert [charts.vread(grant, "Patient", id_, n).body["gender"] for n in (1, 2, 3)] == [
        "female",
        "male",
        "male",
    ]
    assert charts.vread(grant, "Patient", id_, 2).body["meta"]["versionId"] == "2"
    with pytest.raises(Unknown):
        charts.vread(grant, "Patient", id_, 4)
    assert Superseded.objects.filter(id=id_).count() == 2


def test_a_deletion_is_a_version(elm):
    patient = elm.patient()
    id_ = elm.add(observation(patient))
    charts, grant = elm.system.charts, elm.grant("read")
    charts.delete(elm.grant("write"), "Observation", id_)
    for read in (lambda: elm.read("Observation", id_), lambda: charts.vread(grant, "Observation", id_, 2)):
        with pytest.raises(Gone):
            read()
    assert charts.vread(grant, "Observation", id_, 1).body["status"] == "final"
    assert [v.body is None for v in charts.history(grant, "Observation", id_)] == [True, False]
    assert elm.ids("Observation", ("patient", patient)) == []
    assert [v.type for v in charts.chart(grant, patient)] == ["Patient"]
    assert journal(action="write")[-1].version == 2
    with pytest.raises(Gone):
        charts.delete(elm.grant("write"), "Observation", id_)
    with pytest.raises(Gone):
        charts.update(elm.grant("write"), "Observation", id_, observation(patient) | {"id": id_})


def test_a_chart_is_everything_of_one_patient(elm):
    one, other = elm.patient(), elm.patient()
    seen = elm.add(observation(one, performer=[{"reference": f"Patient/{other}"}]))
    elm.add(observation(other))
    elm.add({"resourceType": "Organization", "name": "Elm"})
    views = elm.system.charts.chart(elm.grant("read"), one)
    assert [(v.type, v.id) for v in views] == [("Patient", one), ("Observation", seen)]
    assert len(elm.system.charts.chart(elm.grant("read"), other)) == 3
    with pytest.raises(Unknown):
        elm.system.charts.chart(elm.grant("read"), seen)


def test_an_observation_that_moves_to_another_patient(elm):
    one, other = elm.patient(), elm.patient()
    seen = elm.add(observation(one, note=[{"text": "private"}]))
    elm.put("Observation", seen, subject={"reference": f"Patient/{other}"})
    assert elm.ids("Observation", ("patient", one)) == []
    assert elm.ids("Observation", ("patient", other)) == [seen]
    assert elm.read("Observation", seen).body["note"] == [{"text": "private"}]
    old = elm.system.charts.vread(elm.grant("read", patients=[one]), "Observation", seen, 1)
    assert old.body["note"] == [{"text": "private"}]


# Another practice is a stranger


def test_another_practices_resource_is_unknown(elm, oak):
    id_ = elm.patient()
    elm.put("Patient", id_, gender="male")
    charts, reading, writing = oak.system.charts, oak.grant("read"), oak.grant("write")
    for attempt in (
        lambda: charts.read(reading, "Patient", id_),
        lambda: charts.vread(reading, "Patient", id_, 1),
        lambda: charts.vread(reading, "Patient", id_, 2),
        lambda: charts.history(reading, "Patient", id_),
        lambda: charts.chart(reading, id_),
        lambda: charts.update(writing, "Patient", id_, PATIENT | {"id": id_}),
        lambda: charts.delete(writing, "Patient", id_),
    ):
        with pytest.raises(Unknown) as problem:
            attempt()
        assert not isinstance(problem.value, Gone)
    assert oak.ids("Patient") == []
    assert journal(practice=oak.id) == []


def test_equal_numbers_of_two_people_or_practices_are_not_equal_at_rest(elm, oak):
    ids = [elm.patient(), elm.patient(), oak.patient()]
    stored = [json.parse(bytes(Resource.objects.get(pk=i).body)) for i in ids]
    assert len({s["identifier"][0]["value"] for s in stored}) == 3
    assert len({str(s["name"]) for s in stored}) == 3


@pytest.mark.parametrize(
    "id_",
    [
        "",
        "1",
        "x" * 100,
        "6B1F0C1E-8A57-4C58-9A3F-0D6B8F5F2F11",
        "{6b1f0c1e-8a57-4c58-9a3f-0d6b8f5f2f11}",
        "6b1f0c1e-8a57-4c58-9a3f-0d6b8f5f2f11",
    ],
)
def test_no_such_id(elm, id_):
    with pytest.raises(Unknown) as problem:
        elm.read("Patient", id_)
    assert not id_ or id_ not in str(problem.value)


def test_the_type_is_part_of_the_name(elm):
    with pytest.raises(Unknown):
        elm.read("Observation", elm.patient())


# Refused


@pytest.mark.parametrize(
    ("resource", "issue"),
    [
        (7, ("Resource", "structure")),
        ({}, None),
        ({"resourceType": "Patien"}, None),
        ({"resourceType": "Patient", "gender": "Qvzx7WmTr4KpLd92Hs"}, ("Patient.gender", "code-invalid")),
        ({"resourceType": "Patient", "birthDate": "1963-02-30"}, ("Patient.birthDate", "value")),
        ({"resourceType": "Patient", "Qvzx7WmTr4KpLd92Hs": 1}, None),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_place(elm, resource, issue):
    before = counts()
    with pytest.raises(InvalidResource) as problem:
        elm.add(resource)
    assert issue is None or issue in issues(problem) or issue[0] == "Resource"
    assert "Qvzx7W" not in str(problem.value)
    assert "Qvzx7W" not in str(problem.value.issues)
    assert counts() == before


def test_a_reference_to_nothing(elm, oak):
    stranger = oak.patient()
    before = counts()
    for target in (stranger, "6b1f0c1e-8a57-4c58-9a3f-0d6b8f5f2f11", "Qvzx7WmTr4KpLd92Hs"):
        with pytest.raises(InvalidResource) as problem:
            elm.add(observation(target))
        assert issues(problem) == [("Observation.subject.reference", "not-found")]
        assert target not in str(problem.value)
    seen = observation(
        elm.patient(),
        contained=[{"resourceType": "Device", "id": "d", "patient": {"reference": f"Patient/{stranger}"}}],
        device={"reference": "#d"},
    )
    with pytest.raises(InvalidResource):
        elm.add(seen)
    assert counts()["Resource"] == before["Resource"] + 1


def test_a_code_of_an_unknown_system(elm):
    patient = elm.patient()
    unknown = {"coding": [{"system": "http://qvzx7wmtr4kpld92hs.example", "code": "1"}]}
    with pytest.raises(InvalidResource) as problem:
        elm.add(observation(patient, code=None) | {"code": unknown})
    assert issues(problem) == [("Observation.code.coding[0].system", "code-invalid")]
    assert "qvzx7w" not in str(problem.value)
    registered = {"coding": [{"system": "http://elm.example/codes", "code": "1"}]}
    id_ = elm.add(observation(patient) | {"code": registered})
    assert elm.read("Observation", id_).body["code"] == registered
    assert b"elm.example" not in bytes(Resource.objects.get(pk=id_).body), (
        "registered, and sealed all the same"
    )


def test_somebody_else_was_first(elm):
    id_ = elm.patient()
    charts, grant = elm.system.charts, elm.grant("write")
    fresh = elm.read("Patient", id_).body
    assert charts.update(grant, "Patient", id_, fresh, if_match=1).version == 2
    with pytest.raises(VersionConflict):
        charts.update(grant, "Patient", id_, fresh, if_match=1)
    with pytest.raises(VersionConflict):
        charts.delete(grant, "Patient", id_, if_match=1)
    draft = charts.replacing(grant, "Patient", id_, fresh)
    charts.update(grant, "Patient", id_, fresh)
    with pytest.raises(VersionConflict):
        charts.write(grant, [draft], [""])
    assert elm.read("Patient", id_).version == 3
    assert Superseded.objects.count() == 2


def test_an_update_needs_its_own_address(elm):
    id_, other = elm.patient(), elm.patient()
    for body in (PATIENT, PATIENT | {"id": other}, observation(id_) | {"id": id_}):
        with pytest.raises(InvalidResource):
            elm.system.charts.update(elm.grant("write"), "Patient", id_, body)


def test_stand_ins_are_not_written_back(elm):
    """A program that reads with veiled values and saves what it has read would replace the clear ones."""
    id_ = elm.patient()
    veiled = elm.read("Patient", id_, elm.grant("read", elements={Element.BIRTH_DATE})).body
    assert veiled["identifier"][0]["value"] != "078-05-1120"
    with pytest.raises(InvalidResource) as problem:
        elm.system.charts.update(elm.grant("write"), "Patient", id_, veiled | {"gender": "male"})
    assert issues(problem) == [("Patient.meta.security", "invariant")]
    assert elm.put("Patient", id_, gender="male").version == 2
    assert elm.read("Patient", id_).body["identifier"][0]["value"] == "078-05-1120"


def test_a_patient_with_a_chart_is_not_deleted(elm):
    patient = elm.patient()
    seen = elm.add(observation(patient))
    with pytest.raises(InvalidResource) as problem:
        elm.system.charts.delete(elm.grant("write"), "Patient", patient)
    assert issues(problem) == [("Patient", "conflict")]
    elm.system.charts.delete(elm.grant("write"), "Observation", seen)
    elm.system.charts.delete(elm.grant("write"), "Patient", patient)
    with pytest.raises(Gone):
        elm.read("Patient", patient)


def test_only_a_writing_grant_writes(elm):
    before = counts()
    for action in ("read", "search", "reveal"):
        with pytest.raises(GrantMismatch):
            elm.system.charts.create(elm.grant(action), PATIENT)
        with pytest.raises((GrantMismatch, AccessDenied)):
            elm.system.charts.take_over(elm.grant(action), [], lambda: None)
    with pytest.raises(GrantMismatch):
        elm.system.charts.create(elm.system_grant("import"), PATIENT)
    assert counts() == before


# Whole or not at all


def test_without_a_journal_nothing_is_written(elm):
    patient = elm.patient()
    before = counts()
    with without_journal():
        for attempt in (
            elm.patient,
            lambda: elm.system.charts.update(
                elm.grant("write"), "Patient", patient, PATIENT | {"id": patient}
            ),
            lambda: elm.system.charts.delete(elm.grant("write"), "Patient", patient),
        ):
            with pytest.raises(Unavailable):
                attempt()
    assert counts() == before
    assert elm.read("Patient", patient).version == 1


def test_a_rollback_leaves_nothing(elm):
    before = counts()
    with transaction.atomic():
        elm.patient()
        transaction.set_rollback(True)
    assert counts() == before
    assert elm.patient()


@pytest.mark.parametrize("table", ["records_term", "records_identifier", "records_patient_change"])
def test_a_fault_in_the_middle_leaves_nothing(elm, table):
    from django.db import connection

    before = counts()
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO away")
    try:
        with pytest.raises(Unavailable):
            elm.patient()
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE away RENAME TO {table}")
    assert counts() == before


def test_many_at_once(elm):
    """Writers at the same time: each is stored whole, and every change of a patient has its own number."""
    patient = elm.patient()
    grant = elm.grant("write")
    problems = []

    def write(number):
        try:
            for i in range(5):
                made = elm.system.charts.create(
                    grant, PATIENT | {"birthDate": f"19{60 + number}-01-0{i + 1}"}
                )
                elm.system.charts.create(grant, observation(made.id))
                elm.system.charts.create(grant, observation(patient))
        except ConfideError as problem:
            problems.append(problem)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    numbers = list(PatientChange.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, 22))
    assert len(elm.ids("Observation", ("patient", patient))) == 20
    assert len(elm.found("ortiz zoe")) == 0, "21 are too many to show"
    assert elm.found("zoe 1962-01-03")


def test_one_wins_where_two_write_the_same(elm):
    id_ = elm.patient()
    grant = elm.grant("write")
    body = elm.read("Patient", id_).body
    won, lost = [], []

    def write():
        try:
            won.append(elm.system.charts.update(grant, "Patient", id_, body, if_match=1).version)
        except VersionConflict:
            lost.append(1)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (won, len(lost)) == ([2], 3)
    assert Superseded.objects.count() == 1
