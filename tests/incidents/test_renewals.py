"""Exactly the exposed are rekeyed, or get new record numbers; everybody else's rows stay as they are."""

from __future__ import annotations

import csv
import io
import uuid
from datetime import timedelta

import pyrage
import pytest
from django.db import transaction
from pyrage import x25519

from confide.access.models import Account, Destination
from confide.audit import openings
from confide.errors import AccessDenied, Invalid, SealBroken, VersionConflict
from confide.fhir import json
from confide.incidents import renewals
from confide.incidents.facts import Way
from confide.incidents.models import Portion
from confide.incidents.remedies import Kind
from confide.protect import uses
from confide.protect.elements import Element
from confide.records import bodies
from confide.records.models import Resource, Superseded
from confide.records.writer import Draft
from confide.server import apps, watching
from confide.vault.models import DataKey
from tests.incidents.test_remedies import second
from tests.incidents.test_scopes import question, verify
from tests.practice import NOW, PATIENT, build, journal, observation

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(renewals, "AT_ONCE", 2)
    uses.take()


@pytest.fixture
def owner():
    return x25519.Identity.generate()


@pytest.fixture
def place(elm, owner, tmp_path):
    """A destination that two persons have agreed to."""
    people = [Account.objects.get(pk=elm.member("practice_manager").id) for _ in range(2)]
    folder = tmp_path / "partner"
    folder.mkdir()
    made = Destination.objects.create(
        practice=elm.row, name="Lab", recipient=str(owner.to_public()), folder=str(folder),
        registered_by=people[0], registered_at=NOW - timedelta(days=9),
    )  # fmt: skip
    for person in people:
        made.approvals.create(account=person, at=NOW - timedelta(days=5))
    return folder


def numbered(n):
    identifier = [dict(each) for each in PATIENT["identifier"]]
    identifier[0]["value"] = f"078-05-11{n:02}"
    identifier[1]["value"] = f"E-00047{n:02}"
    return {"identifier": identifier}


def someone(elm, n):
    """A patient with a history, an observation, one that was deleted, and a coverage."""
    patient = elm.patient(**numbered(n))
    elm.put("Patient", patient, birthDate="1963-05-05")
    made = [elm.add(observation(patient, note=[{"text": f"Told by {n}"}])) for _ in range(2)]
    elm.system.charts.delete(elm.grant("write"), "Observation", made[1])
    elm.add({
        "resourceType": "Coverage", "status": "active", "subscriberId": f"W-8800-11{n:02}",
        "beneficiary": {"reference": f"Patient/{patient}"}, "payor": [{"display": "Plan"}],
    })  # fmt: skip
    return patient


@pytest.fixture
def scoped(elm, reading):
    """Three of five patients were read with a stolen key; the frozen scope, and both groups."""
    thief = elm.client("TREAT")
    people = [someone(elm, n) for n in range(5)]
    members = [{"entity": {"reference": f"Patient/{people[n]}"}} for n in (2, 3)]
    group = {"resourceType": "Group", "type": "person", "actual": True, "name": "Siblings", "member": members}
    shared = elm.add(group)
    for patient in people[:3]:
        elm.read("Patient", patient, elm.grant("read", thief, "TREAT", elements=[Element.NAME]))
    made = elm.system.cases.open(reading(), "A stolen key", NOW, way=Way.LOGIN)
    scope = elm.system.scopes.measure(reading(), made, question(actors=(thief.id,)))
    elm.system.scopes.prove(reading(), scope, verify(elm))
    elm.system.scopes.freeze(reading(), scope)
    return made, scope, people[:3], people[3:], shared


def agreed(elm, reading, made, scope, kind, **more):
    asked = elm.system.remedies.ask(reading(), made, scope, kind, "Lab", **more)
    actor, account = second(elm)
    with pytest.raises(Invalid, match="another person"):
        elm.system.renewals.run(reading, asked)
    return elm.system.remedies.approve(reading(actor), elm.system.remedies.find(elm.id, asked.pk), account)


def rows(patients):
    """Body and seal of each version of some patients' own rows."""
    found = {}
    for model in (Resource, Superseded):
        for row in model.objects.exclude(subject="").exclude(seal=b""):
            if row.subject in patients:
                found[str(row.id), row.version] = (bytes(row.body), bytes(row.seal))
    return found


def keys(subjects):
    return sorted(
        (row.subject, row.under, row.version, bytes(row.wrapped))
        for row in DataKey.objects.filter(subject__in=subjects)
    )


def everything(elm, patients):
    """All clear values of some patients, each version."""
    charts, said = elm.system.charts, {}
    for patient in patients:
        for row in [*Resource.objects.all(), *Superseded.objects.all()]:
            if patient in row.patients.split() and not row.deleted:
                view = charts.vread(elm.grant("read"), row.type, str(row.id), row.version)
                said[str(row.id), row.version] = view.body
    return said


def lists(folder, owner):
    """The lines of all lists that the partner can open."""
    found = []
    for path in sorted(folder.iterdir()):
        text = pyrage.decrypt(path.read_bytes(), [owner]).decode()
        found += list(csv.DictReader(io.StringIO(text)))
    return found


def sound(elm):
    """Nothing is wrong with what is stored, nor with what the keys were used for."""
    openings.flush(elm.clock())
    wrong = [str(each) for each in bodies.check()]
    openings.reconcile(lambda where, what: wrong.append(f"{where}: {what}"))
    return wrong


def test_exactly_the_exposed_are_sealed_anew_and_all_is_found_and_read_as_before(
    elm, reading, scoped, place, owner
):
    made, scope, reached, spared, shared = scoped
    before, clear = rows(reached), everything(elm, reached)
    apart, theirs = rows(spared), keys(spared)
    group = bytes(Resource.objects.get(pk=shared).seal)
    stale = build()[0].charts  # another process, with the old keys in its memory
    stale_clear = stale.read(elm.grant("read"), "Patient", reached[0]).body
    remedy = agreed(elm, reading, made, scope, Kind.REKEY)
    told = []
    done = elm.system.renewals.run(reading, remedy, lambda *n: told.append(n))
    assert told == [(2, 3), (3, 3)]
    assert done.done["persons"] == 3
    after = rows(reached)
    assert after.keys() == before.keys()
    assert len(after) == 3 * 5, "two versions of the patient, one observation, one deleted, and a coverage"
    assert all(after[at][1] != before[at][1] for at in after), "each version has another seal"
    assert rows(spared) == apart, "byte for byte"
    assert keys(spared) == theirs
    assert bytes(Resource.objects.get(pk=shared).seal) != group
    # What is told is what was changed: old in no row any more, new in one.
    fed = lists(place, owner)
    assert {line["patient"] for line in fed} == set(reached)
    assert {line["element"] for line in fed} >= {"ssn", "mrn", "member-id"}
    stored = b"".join(body for body, _ in after.values()).decode()
    assert all(line["new"] in stored and line["old"] not in stored for line in fed)
    assert len(fed) == done.done["stand-ins"]
    assert all("E-00047" not in str(line) for line in fed), "no clear value"
    # Nothing else of a body is another one.
    for at, (body, _) in after.items():
        text = before[at][0].decode()
        for line in fed:
            text = text.replace(f'"{line["old"]}"', f'"{line["new"]}"')
        assert text.encode() == body
    # Read, searched, and by a process that knew the old keys.
    assert everything(elm, reached) == clear
    assert stale.read(elm.grant("read"), "Patient", reached[0]).body == stale_clear
    assert elm.ids("Patient", ("identifier", "078-05-1101")) == [reached[1]]
    assert elm.found("Müller-Ortiz") == {*reached, *spared}
    assert elm.read("Group", shared).body["name"] == "Siblings"
    entries = journal(action="rekey")
    assert sorted(row.patient for row in entries) == sorted(reached)
    assert {row.resource_id for row in entries} == {remedy.pk}
    assert set(entries[0].elements.values()) == {"stand-in"}
    assert sound(elm) == []
    with pytest.raises(Invalid, match="done already"):
        elm.system.renewals.run(reading, remedy)


def test_old_keys_die_an_hour_later_and_what_came_meanwhile_is_not_lost(
    elm, reading, scoped, place, monkeypatch
):
    made, scope, reached, _, shared = scoped
    late = build()[0].charts
    draft = {**elm.read("Patient", reached[0]).body, "birthDate": "1963-05-06"}
    prepared = late._writer.prepare(
        elm.grant("write"), [late.replacing(elm.grant("write"), "Patient", reached[0], draft)]
    )
    begun = late._writer.prepare(
        elm.grant("write"), [_draft(observation(reached[1], note=[{"text": "late"}]))]
    )
    remedy = elm.system.renewals.run(reading, agreed(elm, reading, made, scope, Kind.REKEY))
    with pytest.raises(VersionConflict), transaction.atomic():
        late._writer.commit(elm.grant("write"), prepared)
    with transaction.atomic():
        late._writer.commit(elm.grant("write"), begun)  # sealed under the old key
    assert elm.system.renewals.retire(elm.clock()) == 0
    assert {row.version for row in DataKey.objects.filter(subject=reached[1])} == {1, 2}
    elm.clock.advance(minutes=61)
    # The server does it, in the thread that sends warnings.
    monkeypatch.setattr(apps, "system", lambda: elm.system)
    monkeypatch.setattr(watching, "_warned", float("-inf"))
    assert watching.send() == ""
    assert elm.system.renewals.retire(elm.clock()) == 0
    for subject in (*reached, shared):
        assert min(row.version for row in DataKey.objects.filter(subject=subject)) > 1
    fresh, clock = build()
    clock.now = elm.clock()
    late_id = str(begun.prepared[0].draft.id)
    assert fresh.charts.read(elm.grant("read"), "Observation", late_id).body["note"] == [{"text": "late"}]
    assert fresh.charts.read(elm.grant("read"), "Group", shared).body["name"] == "Siblings"
    assert len(fresh.charts.history(elm.grant("read"), "Patient", reached[0])) == 2
    remedy.refresh_from_db()
    assert remedy.done["retired"] >= 3
    assert sound(elm) == []


def _draft(resource):
    return Draft(resource["resourceType"], uuid.uuid4(), resource)


@pytest.mark.parametrize("kind", [Kind.REKEY, Kind.RENUMBER])
@pytest.mark.parametrize("at", ["announced", "keyed", "listed"])
def test_what_was_stopped_goes_on_and_nobody_is_twice_or_missing(
    elm, reading, scoped, place, owner, monkeypatch, kind, at
):
    made, scope, reached, *_ = scoped
    remedy = agreed(elm, reading, made, scope, kind)

    def stop(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if at == "announced":
            patched.setattr(type(elm.system.renewals._rekeying), "allow", stop)
        elif at == "keyed":
            patched.setattr(type(elm.system.renewals._rekeys), "renew", stop)
            patched.setattr(type(elm.system.renewals._renumbers), "renumber", stop)
        else:
            real = renewals._deliver
            patched.setattr(renewals, "_deliver", lambda *args: (real(*args), stop()))
        with pytest.raises(KeyboardInterrupt):
            elm.system.renewals.run(reading, remedy)
    assert Portion.objects.filter(remedy=remedy, done_at__isnull=False).count() == 0
    done = elm.system.renewals.run(reading, remedy)
    assert done.done["persons"] == 3
    assert sorted(row.patient for row in journal(action=kind.value)) == sorted(reached)
    fed = lists(place, owner)
    assert len({line["old"] for line in fed}) == len({line["new"] for line in fed})
    if kind is Kind.RENUMBER:
        assert sorted(line["patient"] for line in fed) == sorted(reached)
        for line in fed:
            assert elm.ids("Patient", ("identifier", line["new"])) == [line["patient"]]
    assert sound(elm) == []


def test_whoever_asks_gets_a_new_number_and_the_old_one_finds_them_too(elm, reading, scoped, place, owner):
    made, scope, reached, spared, _ = scoped
    apart = rows([*reached[1:], *spared])
    with pytest.raises(Invalid, match="1 of the persons"):
        elm.system.remedies.ask(
            reading(), made, scope, Kind.RENUMBER, "Lab", patients=[reached[0], spared[0]]
        )
    with pytest.raises(Invalid, match="only new record numbers"):
        elm.system.remedies.ask(reading(), made, scope, Kind.REKEY, "Lab", patients=[reached[0]])
    remedy = agreed(elm, reading, made, scope, Kind.RENUMBER, patients=[reached[0]])
    done = elm.system.renewals.run(reading, remedy)
    assert (done.done["persons"], done.done["new numbers"]) == (1, 1)
    [line] = lists(place, owner)
    assert (line["patient"], line["old"], line["system"]) == (
        reached[0],
        "E-0004700",
        "http://elm.example/mrn",
    )
    new = line["new"]
    assert new.startswith("E-")
    assert len(new) == len("E-0004700")
    assert new != "E-0004700"
    identifiers = elm.read("Patient", reached[0]).body["identifier"]
    assert identifiers[0]["value"] == new
    assert identifiers[0]["period"] == {"start": NOW.date().isoformat()}
    [old] = [each for each in identifiers if each.get("use") == "old"]
    assert (old["value"], old["period"]) == ("E-0004700", {"end": NOW.date().isoformat()})
    for number in (new, "E-0004700"):
        assert elm.ids("Patient", ("identifier", number)) == [reached[0]]
        assert elm.found(number) == {reached[0]}
    assert rows([*reached[1:], *spared]) == apart
    assert [(row.patient, row.elements) for row in journal(action="renumber")] == [
        (reached[0], {"mrn": "clear"})
    ]
    assert sound(elm) == []


def test_a_body_that_was_edited_is_not_sealed_anew(elm, reading, scoped, place):
    made, scope, reached, *_ = scoped
    row = Resource.objects.get(pk=reached[0])
    body = json.parse(bytes(row.body))
    Resource.objects.filter(pk=row.pk).update(body=json.format({**body, "gender": "male"}))
    remedy = agreed(elm, reading, made, scope, Kind.REKEY)
    with pytest.raises(SealBroken):
        elm.system.renewals.run(reading, remedy)
    assert "body is not what was written" in str(sound(elm))


def test_a_list_that_cannot_be_delivered_changes_nothing(elm, reading, scoped, place):
    made, scope, reached, *_ = scoped
    before = rows(reached)
    remedy = agreed(elm, reading, made, scope, Kind.REKEY)
    Destination.objects.update(retired_at=NOW)
    with pytest.raises(AccessDenied):
        elm.system.renewals.run(reading, remedy)
    assert rows(reached) == before
    assert list(place.iterdir()) == []
