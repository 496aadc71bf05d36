"""An export from its request to its files: who must agree, what the journal says, and what leaves."""

from __future__ import annotations

import hashlib
import json

import pyrage
import pytest

from confide.access.roles import Form
from confide.errors import (
    AccessDenied,
    Damaged,
    Invalid,
    JournalUnavailable,
    Misconfigured,
    Unavailable,
    Unknown,
)
from confide.fhir.validate import validate
from confide.protect.elements import Element
from tests.consents import consent, deny
from tests.exports import House
from tests.practice import PATIENT, journal, observation, without_journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])

SECRETS = ("078-05-1120", "Müller", "Zoë", "010-4477", "12 Elm Street", "1963-05-04", "E-0004711", "0004711")


@pytest.fixture
def house(elm, tmp_path):
    folder = tmp_path / "outgoing"
    folder.mkdir()
    return House(elm, folder)


@pytest.fixture
def chart(house):
    """Two patients with something in their charts."""
    first, second = house.practice.patient(), house.practice.patient(birthDate="1980-02-29")
    for patient in (first, second):
        house.practice.add(observation(patient))
    return first, second


def release_of(house):
    from confide.vault.release import Release

    system = house.system
    return Release(system.vault, system.exports, system.journal, system.days, house.practice.clock)


def test_what_leaves_is_valid_and_holds_no_secret(house, chart):
    folder = house.run(house.approved())
    found, manifest = house.read(folder)
    assert set(found) == {"Patient", "Observation"}
    assert [len(found[kind]) for kind in sorted(found)] == [2, 2]
    for resources in found.values():
        for resource in resources:
            assert not validate(resource)
    text = json.dumps(found, ensure_ascii=False)
    assert not [secret for secret in SECRETS if secret in text]
    assert not [patient for patient in chart if patient in text]
    patients = {f"Patient/{p['id']}" for p in found["Patient"]}
    assert {o["subject"]["reference"] for o in found["Observation"]} == patients
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert json.loads(manifest)["resources"] == {"Patient": 2, "Observation": 2}


def test_the_manifest_fits_its_files_and_the_journal(house, chart):
    export = house.approved()
    folder = house.run(export)
    _, manifest = house.read(folder)
    assert manifest.decode() == export.manifest
    for file in json.loads(manifest)["files"]:
        written = (folder / file["name"]).read_bytes()
        assert hashlib.sha256(written).hexdigest() == file["sha256"]
        assert len(written) == file["size"]
    (entry,) = journal(resource_type="ExportManifest")
    assert bytes(entry.body_sha256) == hashlib.sha256(manifest).digest()
    assert (entry.resource_id, entry.actor) == (export.id, house.manager.id)


def test_each_patient_has_an_entry_with_what_the_policy_lets_out(house, chart):
    export = house.approved()
    house.run(export)
    entries = {e.patient: e for e in journal(resource_type="Export")}
    assert set(entries) == {*chart, ""}
    told = entries[chart[0]].elements
    assert told["birth-date"] == Form.STAND_IN
    assert told["mrn"] == Form.STAND_IN
    assert told["address"] == Form.CLEAR
    assert "ssn" not in told
    assert "name" not in told
    steps = [e.resource_type for e in journal() if e.resource_type.startswith(("Dest", "Export"))]
    assert steps == [
        "Destination", "DestinationApproval", "ExportRequest", "ExportApproval",
        "Export", "Export", "Export", "ExportManifest",
    ]  # fmt: skip


def test_whoever_asked_cannot_approve(house, chart):
    export = house.request(house.destination())
    with pytest.raises(AccessDenied, match="second person"):
        house.system.exports.approve(house.grant(), export)
    with pytest.raises(AccessDenied, match="not approved"):
        house.run(export)
    assert not list(house.folder.iterdir())


def test_whoever_registered_cannot_be_the_second(house, chart):
    place = house.destination(approved=False)
    with pytest.raises(AccessDenied, match="second person"):
        house.system.exports.agree(house.grant(), place)
    with pytest.raises(AccessDenied, match="second person"):
        house.request(place)


def test_a_destination_waits_72_hours(house, chart):
    place = house.destination(hours=71.99)
    with pytest.raises(AccessDenied, match="72 hours"):
        house.request(place)
    house.practice.clock.advance(hours=0.01)
    assert house.request(place).people == 2


def test_a_retired_destination_stops_an_approved_export(house, chart):
    place = house.destination()
    export = house.approved(place)
    house.system.exports.retire(house.grant(house.officer), place)
    with pytest.raises(AccessDenied, match="retired"):
        house.run(export)
    with pytest.raises(AccessDenied, match="retired"):
        house.request(place)
    assert not list(house.folder.iterdir())
    assert house.destination().id != place.id, "the name is free again"


@pytest.mark.parametrize("who", ["manager", "officer"])
def test_a_frozen_account_stops_it(house, chart, who):
    from confide.access.models import Account

    export = house.approved()
    third = house.practice.member("practice_manager")
    Account.objects.filter(pk=getattr(house, who).id).update(frozen_at=house.practice.clock())
    with pytest.raises(AccessDenied):
        house.system.outgoing.run(house.grant(third), export)
    assert not list(house.folder.iterdir())


def test_an_approval_lapses_after_seven_days(house, chart):
    place = house.destination()
    approved, asked = house.approved(place), house.request(place)
    house.practice.clock.advance(days=7, seconds=-1)
    house.run(approved)
    again = house.approved(place)
    house.practice.clock.advance(days=7)
    with pytest.raises(AccessDenied, match="lapsed"):
        house.run(again)
    with pytest.raises(AccessDenied, match="lapsed"):
        house.system.exports.approve(house.grant(house.officer), asked)


@pytest.mark.parametrize("elements", [(), [Element.PHONE]], ids=["all", "a phone"])
def test_whoever_asked_to_be_kept_from_it_stays_out(house, chart, elements):
    kept, open_ = chart
    house.practice.add(consent(kept, deny("HOPERAT", elements=elements)))
    house.practice.add(consent(open_, deny("HPAYMT")))
    export = house.approved()
    found, manifest = house.read(house.run(export))
    assert [len(found[kind]) for kind in ("Patient", "Observation")] == [1, 1]
    assert json.loads(manifest)["patients"] == 1
    assert {e.patient for e in journal(resource_type="Export")} == {open_, ""}


def test_a_restriction_of_the_last_minute_stops_what_was_chosen_before(house, chart):
    from confide.records.cohorts import Cohort
    from confide.vault.exports import unpack

    export = house.approved()
    cohort = Cohort(house.practice.id, unpack(bytes(export.patients)), ["Patient"], [])
    cohort.survey()
    house.practice.add(consent(chart[0], deny("HOPERAT")))
    with pytest.raises(AccessDenied, match="kept from it"):
        release_of(house).begin(house.manager, export, cohort.held)
    assert not journal(resource_type="Export")


def test_it_is_written_once(house, chart):
    export = house.approved()
    house.run(export)
    with pytest.raises(AccessDenied, match="written"):
        house.run(export)
    with pytest.raises(AccessDenied, match="written"):
        house.system.exports.withdraw(house.grant(), export)


def test_a_withdrawn_export_is_not_written(house, chart):
    export = house.approved()
    house.system.exports.withdraw(house.grant(house.officer), export)
    with pytest.raises(AccessDenied, match="withdrawn"):
        house.run(export)


def test_a_changed_request_is_refused(house, chart):
    from confide.vault.models import Export

    export = house.approved()
    Export.objects.filter(pk=export.pk).update(patients=bytes(export.patients)[:16])
    with pytest.raises(Damaged):
        house.run(export)
    assert not list(house.folder.iterdir())


@pytest.mark.parametrize("role", ["front_desk", "clinician", "biller", "auditor", "operator"])
def test_other_roles_cannot_export(house, role):
    with pytest.raises(AccessDenied):
        house.grant(house.practice.member(role))


def test_no_policy_lets_a_number_out_in_clear(house, chart, tmp_path):
    path = tmp_path / "research.toml"
    path.write_text('name = "study"\nbasis = "research"\ntitle = "A study"\n[elements]\nssn = "keep"\n')
    with pytest.raises(AccessDenied, match="ssn"):
        house.request(house.destination(), policy=str(path))


def test_no_journal_no_export(house, chart):
    export = house.approved()
    with without_journal(), pytest.raises(JournalUnavailable):
        house.run(export)
    assert not list(house.folder.iterdir())


def test_two_at_one_place_wait_for_each_other(house, chart):
    from confide.records.parcel import Parcel

    export = house.approved()
    other = Parcel(house.folder, "other", str(house.identity.to_public()))
    with other, pytest.raises(Unavailable, match="another export"):
        house.run(export)
    assert house.run(export).is_dir()


def test_the_last_step_alone_is_made_up_for(house, chart):
    """The process ended between the record and the folder's name: all is there, under the hidden name."""
    export = house.approved()
    folder = house.run(export)
    hidden = folder.rename(folder.with_name(f".{export.id}.part"))
    (hidden / ".complete").touch()
    assert house.run(export) == folder
    found, _ = house.read(folder)
    assert len(found["Patient"]) == 2
    assert not hidden.exists()
    with pytest.raises(AccessDenied, match="written"):
        house.run(export)
    assert len(journal(resource_type="ExportManifest")) == 1


def test_what_an_interrupted_run_left_is_removed(house, chart):
    from confide.vault.models import Export

    export = house.approved()
    Export.objects.filter(pk=export.pk).update(state="running")
    hidden = house.folder / f".{export.id}.part"
    hidden.mkdir()
    (hidden / "Patient.ndjson.age").write_bytes(b"half")
    found, _ = house.read(house.run(export))
    assert set(found) == {"Patient", "Observation"}
    assert not hidden.exists()


def test_a_missing_folder_is_told(house, chart):
    export = house.approved()
    house.folder.rmdir()
    with pytest.raises(Misconfigured, match="folder"):
        house.run(export)


def test_only_the_cohort_leaves(house, chart):
    import uuid

    export = house.approved(patients=[uuid.UUID(chart[0])])
    found, manifest = house.read(house.run(export))
    assert [len(found[kind]) for kind in ("Patient", "Observation")] == [1, 1]
    assert json.loads(manifest)["patients"] == 1
    assert {e.patient for e in journal(resource_type="Export")} == {chart[0], ""}


def test_nobody_is_no_cohort(house):
    with pytest.raises(Invalid, match="nobody"):
        house.request(house.destination())


def test_another_practice_knows_nothing_of_it(house, chart, oak):
    place = house.destination()
    export = house.approved(place)
    stranger = oak.grant("export", oak.member("practice_manager"), "HOPERAT")
    for attempt in (
        lambda: house.system.outgoing.run(stranger, export),
        lambda: house.system.exports.approve(stranger, export),
        lambda: house.system.exports.retire(stranger, place),
    ):
        with pytest.raises(Unknown):
            attempt()


def test_parquet(house, chart):
    pq = pytest.importorskip("pyarrow.parquet", reason="left out: pyarrow")
    import io

    folder = house.run(house.approved(format="parquet"))
    clear = pyrage.decrypt((folder / "Patient.parquet.age").read_bytes(), [house.identity])
    table = pq.read_table(io.BytesIO(clear))
    assert table.num_rows == 2
    assert PATIENT["birthDate"] not in table.column("resource").to_pylist()[0]


def test_a_broken_row_stops_it(house, chart):
    """The row says less than lies in its seal, so the journal would, too."""
    from confide.records.models import Resource
    from confide.records.rows import bits

    export = house.approved()
    Resource.objects.filter(pk=chart[0]).update(elements=bits(frozenset({Element.NAME})))
    with pytest.raises(Damaged):
        house.run(export)
    assert not list(house.folder.iterdir())


@pytest.mark.parametrize(
    "recipient",
    ["", "age1", "AGE-SECRET-KEY-1QQQ", "ssh-ed25519 AAAA", "age1" + "q" * 58, "mailto:somebody@example.org"],
    ids=["empty", "short", "private", "ssh", "no-point", "mail"],
)
def test_what_is_no_key_is_refused_unrepeated(house, recipient):
    with pytest.raises(Invalid) as refusal:
        house.system.exports.register(house.grant(), "Lab", recipient, "/srv/out")
    assert not recipient or recipient not in str(refusal.value) or recipient == "age1"


def test_the_order_links_no_two_exports(house):
    """Rows do not come in an order that is the same in the next export."""
    from confide.protect.exports.keys import ExportKeys
    from confide.vault.release import root_of

    patients = [house.practice.named("Ana", f"Otero{chr(65 + n)}") for n in range(12)]
    place = house.destination()
    orders = []
    for _ in range(2):
        export = house.approved(place)
        found, _ = house.read(house.run(export))
        root = root_of(house.system.vault.keyring(house.practice.id), export)
        orders.append([ExportKeys(root).unperson(p["id"]) for p in found["Patient"]])
        assert sorted(orders[-1]) == sorted(patients)
    assert orders[0] != orders[1]
    assert sorted(patients) not in orders


def test_two_exports_have_nothing_in_common(house, chart):
    place = house.destination()
    first, second = (house.read(house.run(house.approved(place)))[0]["Patient"] for _ in range(2))
    ids = [{p["id"] for p in found} for found in (first, second)]
    numbers = [
        {i["value"] for p in found for i in p["identifier"] if "value" in i} for found in (first, second)
    ]
    assert not ids[0] & ids[1]
    assert numbers[0]
    assert not numbers[0] & numbers[1]


def test_what_is_added_meanwhile_is_told_before_it_leaves(house, chart):
    """A chart goes on while an export runs."""
    from confide.records.cohorts import Cohort
    from confide.records.models import Resource
    from confide.records.rows import document

    export = house.approved()
    cohort = Cohort(
        house.practice.id,
        Resource.objects.filter(type="Patient").values_list("pk", flat=True),
        ["Patient"],
        [],
    )
    cohort.survey()
    held = {patient: frozenset() for patient in cohort.held}
    release = release_of(house)
    opening = release.begin(house.manager, export, held)
    before = len(journal(resource_type="Export"))
    assert len(list(opening.export(cohort.documents("Patient")))) == 2
    told = journal(resource_type="Export")[before:]
    assert {entry.patient for entry in told} == set(chart)
    assert all(entry.elements["birth-date"] == "stand-in" for entry in told)
    stranger = house.practice.patient()
    with pytest.raises(Damaged):
        list(opening.export([document(Resource.objects.get(pk=stranger))]))


@pytest.mark.parametrize("change", ["freeze", "withdraw", "retire"])
def test_it_is_stopped_while_it_runs(house, chart, change):
    from confide.access.models import Account
    from confide.records.cohorts import Cohort
    from confide.vault.exports import unpack

    place = house.destination()
    export = house.approved(place)
    cohort = Cohort(house.practice.id, unpack(bytes(export.patients)), ["Patient", "Observation"], [])
    cohort.survey()
    release = release_of(house)
    opening = release.begin(house.manager, export, cohort.held)
    assert len(list(opening.export(cohort.documents("Patient")))) == 2
    if change == "freeze":
        Account.objects.filter(pk=house.manager.id).update(frozen_at=house.practice.clock())
    elif change == "withdraw":
        house.system.exports.withdraw(house.grant(house.officer), export)
    else:
        house.system.exports.retire(house.grant(house.officer), place)
    for go_on in (
        lambda: list(opening.export(cohort.documents("Observation"))),
        lambda: opening.finish(b"{}"),
    ):
        with pytest.raises(AccessDenied):
            go_on()
    assert not journal(resource_type="ExportManifest")
