"""The one door: no grant, no payment or no durable entry, no value."""

import pytest
from django.db import transaction

from confide.access.charges import Operation
from confide.access.decide import decide
from confide.access.models import Exposure
from confide.access.roles import Action, Purpose
from confide.errors import (
    AccessDenied,
    Damaged,
    GrantExpired,
    GrantMismatch,
    JournalUnavailable,
    KeyUnavailable,
    Refused,
    SealBroken,
    Unavailable,
)
from confide.protect.documents import Place
from confide.protect.elements import Element
from confide.records.models import Resource, Superseded
from confide.records.rows import bits, document
from confide.vault.models import DataKey, PracticeKey
from tests.practice import build, counts, exposures, journal, observation, read_only, without_journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
EVERYTHING = frozenset(Element)


@pytest.fixture
def patient(elm):
    return elm.patient()


@pytest.fixture
def stored(patient):
    return document(Resource.objects.get(pk=patient))


@pytest.fixture
def reveal(elm):
    def reveal(grant, *documents, elements=EVERYTHING):
        return elm.system.vault.reveal(grant, documents, elements)

    return reveal


# With everything in order


def test_what_is_shown_is_written_first(elm, patient, stored, reveal):
    grant = elm.grant("reveal", elements={Element.NAME, Element.SSN})
    [shown] = reveal(grant, stored)
    assert shown.resource["name"][0]["family"] == "Müller-Ortiz"
    assert shown.resource["identifier"][0]["value"] == "078-05-1120"
    assert "12 Elm" not in str(shown.resource)
    [row] = journal()
    assert (row.patient, row.resource_id, row.version) == (patient, patient, 1)
    assert row.elements == {"name": "clear", "ssn": "clear"}
    assert (row.action, row.purpose, row.actor) == ("reveal", "PATRQT", grant.actor.id)
    assert exposures() == {(patient, "name"), (patient, "ssn")}


def test_forms_are_written_as_they_were_shown(elm, patient, stored, reveal):
    elm.book(patient)
    nurse = elm.grant("read", elm.member("nurse"), "TREAT", [patient])
    [shown] = reveal(nurse, stored)
    assert shown.resource["identifier"][0]["value"] == "***-**-1120"
    assert shown.hidden >= {Element.SSN, Element.IDENTIFIER}
    [row] = journal()
    assert row.elements == {
        "name": "clear",
        "birth-date": "clear",
        "phone": "clear",
        "email": "clear",
        "address": "clear",
        "mrn": "clear",
        "ssn": "masked",
    } | {e: "clear" for e in row.elements if e in {"clinical", "contact", "date"}}


def test_stand_ins_cost_nothing(elm, stored, reveal):
    [shown] = reveal(elm.grant("read"), stored, elements=frozenset())
    assert shown.hidden == stored.elements
    assert shown.resource["birthDate"] == "1963"
    assert journal() == []
    assert exposures() == set()


def test_a_write_is_written_with_its_version_and_hash(elm, patient):
    import hashlib

    elm.put("Patient", patient, gender="other")
    rows = journal(action="write")
    bodies = [Superseded.objects.get(id=patient).body, Resource.objects.get(pk=patient).body]
    assert [(r.version, bytes(r.body_sha256)) for r in rows] == [
        (i, hashlib.sha256(bytes(body)).digest()) for i, body in enumerate(bodies, 1)
    ]
    assert {r.patient for r in rows} == {patient}


# Without a grant for this


def test_a_grant_is_for_its_action(elm, stored, reveal):
    for grant in (elm.grant("write"), elm.system_grant("index"), elm.system_grant("import")):
        with pytest.raises(GrantMismatch):
            reveal(grant, stored)
    for action in ("read", "search", "reveal"):
        with pytest.raises(GrantMismatch):
            elm.system.vault.protect(elm.grant(action), stored.place, None, {"resourceType": "Patient"})
        with pytest.raises(GrantMismatch):
            list(elm.system.vault.open_for_index(elm.grant(action), [stored], EVERYTHING))
    assert journal() == []


def test_a_grant_is_for_its_patients(elm, stored, reveal):
    other = elm.patient()
    with pytest.raises(GrantMismatch):
        reveal(elm.grant("reveal", patients=[other]), stored)
    with pytest.raises(GrantMismatch):
        elm.system.vault.asked(
            elm.grant("search", patients=[other]),
            Operation.SEARCH,
            frozenset({Element.NAME}),
            [stored.place.id],
        )
    assert journal() == []
    assert exposures() == set()


def test_a_grant_is_for_its_practice(elm, oak, stored, reveal):
    with pytest.raises(GrantMismatch):
        reveal(oak.grant("reveal"), stored)
    with pytest.raises(GrantMismatch):
        oak.system.vault.protect(oak.grant("write"), stored.place, None, {"resourceType": "Patient"})
    assert journal() == []


def test_a_grant_expires(elm, stored, reveal):
    organization = document(Resource.objects.get(pk=elm.add({"resourceType": "Organization", "name": "Elm"})))
    grant = elm.grant("reveal")
    elm.clock.advance(minutes=5)
    for some in (stored, organization):
        with pytest.raises(GrantExpired):
            reveal(grant, some)
    assert journal() == []


def test_what_belongs_to_two_is_shown_to_whoever_may_see_both(elm, patient, reveal):
    other = elm.patient()
    coverage = {
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": {"reference": f"Patient/{patient}"},
        "subscriber": {"reference": f"Patient/{other}"},
        "subscriberId": "W-8800-1122",
        "payor": [{"display": "Plan"}],
    }
    shared = document(Resource.objects.get(pk=elm.add(coverage)))
    with pytest.raises(GrantMismatch):
        reveal(elm.grant("reveal", patients=[patient]), shared)
    [shown] = reveal(elm.grant("reveal", patients=[patient, other]), shared)
    assert shown.resource["subscriberId"] == "W-8800-1122"
    assert {row.patient for row in journal()} == {patient, other}


def test_a_role_does_not_write_what_is_not_its_own(elm, patient):
    desk = elm.grant("write", elm.member("front_desk"), "TREAT")
    before = counts()
    with pytest.raises(AccessDenied):
        elm.system.charts.create(desk, observation(patient, note=[{"text": "private"}]))
    assert counts() == before


def test_a_role_does_not_replace_or_delete_what_it_may_not_write(elm, patient):
    seen = elm.add(observation(patient, note=[{"text": "private"}]))
    desk = elm.grant("write", elm.member("front_desk"), "TREAT")
    before = counts()
    with pytest.raises(AccessDenied):
        elm.system.charts.update(desk, "Observation", seen, observation(patient) | {"id": seen})
    with pytest.raises(AccessDenied):
        elm.system.charts.delete(desk, "Observation", seen)
    assert counts() == before


def test_a_stopped_client_shows_nothing(elm):
    from confide.access.models import Client

    actor = elm.client()
    Client.objects.update(active=False)
    with pytest.raises(AccessDenied):
        decide(actor, Action.REVEAL, Purpose.PATRQT, None, Element, elm.clock())


# Without a durable entry


def shown_by(elm, patient):
    """Every way in which something clear comes out."""
    charts, grant = elm.system.charts, elm.grant
    reading, searching, desk = (
        grant("read"),
        grant("search"),
        grant("search", elm.member("front_desk"), "TREAT"),
    )
    indexed = elm.system.indexes(elm.id)
    indexed.catch_up()
    return {
        "read": lambda: charts.read(reading, "Patient", patient),
        "vread": lambda: charts.vread(reading, "Patient", patient, 1),
        "history": lambda: charts.history(reading, "Patient", patient),
        "chart": lambda: charts.chart(reading, patient),
        "search": lambda: elm.search("Patient", grant=searching),
        "by name": lambda: elm.search("Patient", ("name", "zoe"), ("_summary", "count"), grant=searching),
        "by date": lambda: elm.search("Observation", ("patient", patient), ("date", "2024"), grant=searching),
        "finder": lambda: elm.find("zoe", desk),
    }


@pytest.fixture
def ways(elm, patient):
    elm.add(observation(patient))
    return shown_by(elm, patient)


def test_each_way_works_and_is_written(ways):
    for name, way in ways.items():
        before = len(journal())
        way()
        assert len(journal()) > before, name


def test_without_a_journal_nothing_is_shown(ways):
    with without_journal():
        for way in ways.values():
            with pytest.raises(JournalUnavailable):
                way()
    assert exposures() == set(), "what was not shown is not paid for"


def test_on_a_read_only_database_nothing_is_shown(ways):
    with read_only("default"):
        for way in ways.values():
            with pytest.raises(Unavailable):
                way()
    assert exposures() == set()


def test_inside_a_transaction_nothing_is_shown(ways):
    """The entry could be rolled back after the value has left."""
    for way in ways.values():
        with transaction.atomic(), pytest.raises(JournalUnavailable):
            way()
    assert exposures() == set()


def test_a_journal_that_refuses_one_entry_shows_nothing(elm, stored, reveal):
    from django.db import connection

    refuse = {
        "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON audit_journalentry"
        " BEGIN SELECT RAISE(ABORT, 'no'); END",
        "postgresql": "ALTER TABLE audit_journalentry"
        " ADD CONSTRAINT refuse CHECK (action <> 'reveal') NOT VALID",
    }
    undo = {
        "sqlite": "DROP TRIGGER refuse",
        "postgresql": "ALTER TABLE audit_journalentry DROP CONSTRAINT refuse",
    }
    with connection.cursor() as cursor:
        cursor.execute(refuse[connection.vendor])
    try:
        with pytest.raises(JournalUnavailable):
            reveal(elm.grant("reveal"), stored)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(undo[connection.vendor])
    assert exposures() == set()
    assert journal() == []


def test_without_the_budgets_table_nothing_is_shown(elm, stored, reveal):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {Exposure._meta.db_table} RENAME TO away")
    try:
        with pytest.raises(Unavailable):
            reveal(elm.grant("reveal"), stored)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE away RENAME TO {Exposure._meta.db_table}")
    assert journal() == []


def test_the_entry_is_there_before_the_value(elm, patient, stored, reveal):
    """A seal that does not open is noticed after the entry: recorded as shown, and nothing shown."""
    broken = Resource.objects.get(pk=patient)
    Resource.objects.filter(pk=patient).update(seal=bytes(broken.seal)[:-1] + b"\0\1")
    with pytest.raises(SealBroken):
        elm.read("Patient", patient)
    assert [row.patient for row in journal()] == [patient]


# Without a budget


def test_beyond_the_budget_there_are_stand_ins(elm, reveal):
    documents = [document(Resource.objects.get(pk=elm.named(f"N{i}", "Smith"))) for i in range(4)]
    grant = elm.grant("reveal", elm.client(day_patients=2))
    shown = reveal(grant, *documents)
    assert [bool(r.shown) for r in shown] == [True, True, False, False]
    assert all(r.hidden for r in shown[2:])
    assert all("Smith" not in str(r.resource) for r in shown[2:])
    assert [row.patient for row in journal()] == [d.place.id for d in documents[:2]]
    assert [bool(r.shown) for r in reveal(grant, *documents[2:])] == [False, False]
    assert [bool(r.shown) for r in reveal(grant, *documents[:2])] == [True, True], "paid for already"


def test_units_are_counted_too(elm, stored, reveal):
    grant = elm.grant("reveal", elm.client(day_units=5))
    [refused] = reveal(grant, stored, elements=frozenset({Element.SSN}))
    assert refused.shown == frozenset()
    [paid] = reveal(grant, stored, elements=frozenset({Element.NAME}))
    assert paid.shown == {Element.NAME}


def test_asking_is_telling(elm, patient):
    grant = elm.grant("search", elm.client(day_patients=1))
    vault = elm.system.vault
    other = elm.patient()
    name = frozenset({Element.NAME})
    told = vault.asked(grant, Operation.SEARCH, name, [patient, other])
    assert (told.paid, told.spent) == ({patient}, True)
    [row] = journal()
    assert (row.patient, row.elements) == (patient, {"name": "searched"})
    told = vault.asked(grant, Operation.SEARCH, name, [other, patient])
    assert told.paid == {patient}, "whoever was seen before is told again"
    told = vault.asked(grant, Operation.SEARCH, name, [], [other])
    assert (told.paid, told.spent) == (frozenset(), True)
    assert journal()[-1].patient == "", "what was asked in vain is written down, too"
    with pytest.raises(AccessDenied):
        vault.asked(grant, Operation.READ, name, [patient])
    with pytest.raises(AccessDenied):
        vault.asked(elm.grant("search", elm.client(elements=["phone"])), Operation.SEARCH, name, [patient])


# Damage


def test_a_lost_seal_is_damage(elm, patient):
    for lost in ({"seal": b""}, {"seal": b"", "elements": 0}):
        Resource.objects.filter(pk=patient).update(**lost)
        with pytest.raises(Damaged):
            elm.read("Patient", patient)


def test_a_seal_that_kept_types_have_is_not_lost_either(elm):
    doctor = elm.add(
        {"resourceType": "Practitioner", "name": [{"family": "Grey"}], "birthDate": "1971-02-03"}
    )
    assert elm.read("Practitioner", doctor).body["birthDate"] == "1971-02-03"
    Resource.objects.filter(pk=doctor).update(seal=b"")
    with pytest.raises(Damaged):
        elm.read("Practitioner", doctor)


@pytest.mark.parametrize("asked", [EVERYTHING, frozenset()], ids=["clear", "stand-ins"])
def test_an_edited_code_is_noticed_even_where_nothing_is_opened(elm, patient, asked):
    seen = elm.add(observation(patient))
    row = Resource.objects.get(pk=seen)
    Resource.objects.filter(pk=seen).update(body=bytes(row.body).replace(b"8480-6", b"8462-4"))
    with pytest.raises(SealBroken):
        elm.system.charts.views(elm.grant("read"), [Resource.objects.get(pk=seen)], asked)


def test_a_row_that_hides_what_its_seal_holds(elm, patient):
    """Whoever can write the database cannot have more shown than is paid and written."""
    Resource.objects.filter(pk=patient).update(elements=bits(frozenset({Element.NAME})))
    with pytest.raises(Damaged):
        elm.read("Patient", patient)


def test_a_row_that_is_given_to_somebody_else(elm, patient):
    mine = elm.named("Una", "Doe")
    seen = elm.add(observation(patient, note=[{"text": "private"}]))
    for whose in (mine, "", f"{patient} {mine}"):
        Resource.objects.filter(pk=seen).update(patients=whose)
        with pytest.raises(Damaged):
            elm.read("Observation", seen)


def test_a_shared_row_that_is_given_to_somebody_else(elm, patient):
    other, mine = elm.patient(), elm.named("Una", "Doe")
    seen = elm.add(
        observation(patient, performer=[{"reference": f"Patient/{other}"}], note=[{"text": "private"}])
    )
    assert elm.read("Observation", seen).body["note"]
    Resource.objects.filter(pk=seen).update(patients=f"{mine} {mine}")
    with pytest.raises(Damaged):
        elm.read("Observation", seen)


@pytest.mark.asvs("11.3.3")
def test_swapped_bodies_are_noticed(elm, patient):
    one, other = (elm.add(observation(patient, code=code)) for code in ("8480-6", "8462-4"))
    a, b = (Resource.objects.get(pk=i) for i in (one, other))
    Resource.objects.filter(pk=one).update(body=b.body, seal=b.seal, elements=b.elements)
    with pytest.raises(SealBroken):
        elm.read("Observation", one)
    assert a.body != b.body


def test_an_old_version_does_not_pass_for_the_new_one(elm, patient):
    elm.put("Patient", patient, gender="male")
    old = Superseded.objects.get(id=patient)
    Resource.objects.filter(pk=patient).update(body=old.body, seal=old.seal, elements=old.elements)
    with pytest.raises(SealBroken):
        elm.read("Patient", patient)


# Keys first


def test_without_keys_nothing_is_written(elm, patient):
    before = counts()
    with read_only("keys"), pytest.raises(KeyUnavailable):
        elm.patient()
    assert counts() == before
    assert elm.patient(), "and later it goes on"


def test_a_shredded_patient_is_neither_read_nor_written(elm, patient):
    elm.add(observation(patient))
    DataKey.objects.filter(subject=patient).delete()
    fresh, clock = build()
    clock.now = elm.clock.now
    before = counts()
    with pytest.raises(KeyUnavailable):
        fresh.charts.read(elm.grant("read"), "Patient", patient)
    assert counts()["Resource"] == before["Resource"]


def test_another_root_key_opens_nothing(elm, patient, tmp_path):
    from confide import wiring
    from confide.protect.kms.file import FileKms

    strange = wiring.build(
        FileKms.create(tmp_path / "other.key"), wiring.Log("elsewhere", tmp_path), clock=elm.clock
    )
    with pytest.raises(SealBroken):
        strange.charts.read(elm.grant("read"), "Patient", patient)
    with pytest.raises(SealBroken):
        strange.vault.unlock(elm.id)


def test_a_practice_without_a_key(elm, patient):
    PracticeKey.objects.all().delete()
    fresh, _ = build()
    with pytest.raises(KeyUnavailable):
        fresh.vault.unlock(elm.id)
    with pytest.raises(KeyUnavailable):
        fresh.charts.read(elm.grant("read"), "Patient", patient)
    with pytest.raises(KeyUnavailable):
        fresh.charts.create(elm.grant("write"), {"resourceType": "Patient"})


def test_a_key_that_another_process_made_is_used(elm, patient):
    fresh, _ = build()
    assert fresh.charts.read(elm.grant("read"), "Patient", patient).body["name"][0]["given"] == ["Zoë", "Ana"]


def test_memory_forgets_keys_of_what_was_not_stored(elm, patient):
    vault = elm.system.vault
    keyring = vault.keyring(elm.id)
    assert patient in keyring._held
    vault.forget(elm.id, [patient])
    assert patient not in keyring._held
    vault.forget("no such practice", [patient])
    with without_journal(), pytest.raises(Unavailable):
        elm.patient()
    assert len(keyring._held) == 0


def test_nothing_is_protected_for_another_place(elm, oak, patient):
    key = elm.system.vault.subject_keys(elm.grant("write"), [patient])[patient]
    with pytest.raises(Refused):
        elm.system.vault.protect(
            elm.grant("write"),
            Place(oak.id, patient, "Patient", patient, 1),
            key,
            {"resourceType": "Patient"},
        )
