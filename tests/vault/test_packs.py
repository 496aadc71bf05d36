"""The downtime pack: whose charts, what of them, who answers for it, and that it opens with the key alone."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import pyrage
import pytest
from pyrage import x25519

from confide.errors import AccessDenied, Damaged, JournalUnavailable
from confide.protect.elements import Element
from tests.consents import consent, deny
from tests.exports import House
from tests.practice import journal, observation, without_journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
ZONE = ZoneInfo("America/New_York")
NOTE = "Zoë slept badly & asks for <b>nothing</b> more."
SECRETS = ("078-05-1120", "E-0004711", "0004711", "12 Elm Street", "Zoe@example.org", "W-8800-1122")
SHOWN = (
    "Zoë Ana Müller-Ortiz", "4 May 1963", "(555) 010-4477", "10:30", "Blood pressure", "Latex", "severe",
    "lisinopril 10 MG Oral Tablet", "1 tablet every morning", "Hypertension", "Summary of episode note",
    "Zoë slept badly &amp; asks for &lt;b&gt;nothing&lt;/b&gt; more.",
)  # fmt: skip
SNOMED = "http://snomed.info/sct"


def concept(system, code, display):
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def state(kind, code):
    return concept(f"http://terminology.hl7.org/CodeSystem/{kind}-clinical", code, code.title())


def appointment(patient, start, status="booked"):
    return {
        "resourceType": "Appointment", "status": status, "start": start, "end": start,
        "description": "Blood pressure",
        "participant": [{"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"}],
    }  # fmt: skip


def chart(patient):
    about = {"subject": {"reference": f"Patient/{patient}"}}
    return [
        {"resourceType": "AllergyIntolerance", "patient": about["subject"], "criticality": "high",
         "clinicalStatus": state("allergyintolerance", "active"),
         "code": concept(SNOMED, "300916003", "Latex allergy")},
        {"resourceType": "Condition", **about, "clinicalStatus": state("condition", "active"),
         "code": concept(SNOMED, "38341003", "Hypertension")},
        {"resourceType": "MedicationRequest", **about, "status": "active", "intent": "order",
         "medicationCodeableConcept": concept(
             "http://www.nlm.nih.gov/research/umls/rxnorm", "314076", "lisinopril 10 MG Oral Tablet"),
         "authoredOn": "2019-03-14", "dosageInstruction": [{"text": "1 tablet every morning"}]},
        {"resourceType": "DocumentReference", **about, "status": "current", "date": "2025-02-03T09:30:00Z",
         "type": concept("http://loinc.org", "34133-9", "Summary of episode note"),
         "content": [{"attachment": {
             "contentType": "text/plain", "data": b64encode(NOTE.encode()).decode()}}]},
    ]  # fmt: skip


@pytest.fixture
def house(elm, tmp_path):
    folder = tmp_path / "packs"
    folder.mkdir()
    return House(elm, folder)


@pytest.fixture
def place(house):
    return house.destination("Downtime", use="downtime")


@pytest.fixture
def people(house, place):
    """One who comes today, at 10:30 in New York; and others who do not."""
    add, named = house.practice.add, house.practice.named
    today = house.practice.patient()
    for resource in chart(today):
        add(resource)
    add(observation(today))
    add(appointment(today, "2026-03-05T15:30:00Z"))
    for name, start, status in (
        ("Tomorrow", "2026-03-06T15:30:00Z", "booked"),
        ("Cancelled", "2026-03-05T15:30:00Z", "cancelled"),
        ("Yesterday", "2026-03-05T04:59:00Z", "booked"),
    ):
        add(appointment(named("Otto", name), start, status))
    late = named("Otto", "Evening")
    add(appointment(late, "2026-03-06T01:00:00+00:00"))
    return today, late


def write(house, place, render=None):
    from confide.server import sheet

    return house.system.downtime.write(place, ZONE, render or sheet.render)


def opened(house, written):
    [path] = written.path.iterdir()
    return pyrage.decrypt(path.read_bytes(), [house.identity]).decode()


def told():
    return journal(resource_type__in=["DowntimePack", "DowntimePackManifest"])


def test_it_holds_todays_patients_and_what_their_care_needs(house, place, people):
    written = write(house, place)
    page = opened(house, written)
    assert [each for each in SHOWN if each not in page] == []
    assert "Otto Evening" in page
    assert "20:00" in page
    for absent in (
        *SECRETS,
        "Tomorrow",
        "Cancelled",
        "Yesterday",
        "<b>nothing",
        "<script",
        "http://",
        "https://",
    ):
        assert absent not in page
    assert written.patients == 2
    assert page.index("10:30") < page.index("20:00")
    assert "Not asked yet" in page.split("Otto Evening")[-1]


def test_it_opens_with_the_key_alone_and_is_its_owners(house, place, people):
    written = write(house, place)
    [path] = written.path.iterdir()
    assert (path.name, path.stat().st_mode & 0o777) == ("downtime.html.age", 0o600)
    assert written.path.stat().st_mode & 0o777 == 0o700
    assert re.fullmatch(r"downtime-2026-03-05-040100", written.path.name)
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(path.read_bytes(), [x25519.Identity.generate()])
    raw = path.read_bytes()
    assert not [each for each in SHOWN if each.encode() in raw]


def test_the_journal_has_an_entry_for_each_patient_before_the_first_chart_is_opened(house, place, people):
    seen = []

    def render(pack):
        seen.extend(told())
        assert list(house.folder.rglob("*")) == [], "nothing has a name yet"
        yield "x"

    written = write(house, place, render)
    assert {entry.patient for entry in seen} == set(people)
    assert {(e.actor_kind, e.role, e.action, e.purpose) for e in seen} == {
        ("system", "system", "export", "HSYSADMIN")
    }
    full = next(entry for entry in seen if entry.patient == people[0])
    assert full.elements == dict.fromkeys(
        ["name", "birth-date", "phone", "date", "clinical", "document"], "clear"
    )
    [path] = written.path.iterdir()
    last = told()[-1]
    assert (last.resource_type, bytes(last.body_sha256)) == (
        "DowntimePackManifest",
        hashlib.sha256(path.read_bytes()).digest(),
    )


def test_what_a_patient_keeps_from_treatment_is_in_no_pack(house, place, people):
    today, late = people
    house.practice.add(consent(today, deny("TREAT", elements=[Element.DOCUMENT, Element.PHONE])))
    house.practice.add(consent(late, deny("HPAYMT")))
    page = opened(house, write(house, place))
    assert "Zoë Ana Müller-Ortiz" in page
    assert "Otto Evening" in page
    assert "nothing&lt;/b&gt; more" not in page
    assert "010-4477" not in page
    told_of = {entry.patient: set(entry.elements) for entry in told() if entry.patient}
    assert told_of[today] == {"name", "birth-date", "date", "clinical"}
    assert told_of[late] == {"name", "date", "clinical"}


def test_without_a_journal_there_is_no_pack(house, place, people):
    with without_journal(), pytest.raises(JournalUnavailable):
        write(house, place)
    assert list(house.folder.iterdir()) == []


def test_a_journal_that_fails_at_the_last_step_leaves_no_pack(house, place, people):
    def render(pack):
        yield "everything is opened by now"
        gone.__enter__()

    gone = without_journal()
    try:
        with pytest.raises(JournalUnavailable):
            write(house, place, render)
    finally:
        gone.__exit__(None, None, None)
    assert list(house.folder.iterdir()) == []


def test_what_goes_wrong_on_the_way_leaves_nothing(house, place, people):
    def render(pack):
        yield "some of it"
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        write(house, place, render)
    assert list(house.folder.iterdir()) == []


def test_two_people_answer_for_it_and_for_nothing_else(house, place, people):
    from confide.access.models import Account

    with pytest.raises(AccessDenied, match="not registered for this"):
        write(house, house.destination("University"))
    lonely = house.destination("Lonely", use="downtime", approved=False)
    with pytest.raises(AccessDenied, match="second person"):
        write(house, lonely)
    young = house.destination("Young", use="downtime", hours=71)
    with pytest.raises(AccessDenied, match="72 hours"):
        write(house, young)
    with pytest.raises(AccessDenied, match="not registered for this"):
        house.request(place)
    Account.objects.filter(pk=house.officer.id).update(is_active=False)
    with pytest.raises(AccessDenied, match="must be there still"):
        write(house, place)
    Account.objects.filter(pk=house.officer.id).update(is_active=True)
    house.system.exports.retire(house.grant(), place)
    with pytest.raises(AccessDenied, match="retired"):
        write(house, place)
    assert list(house.folder.iterdir()) == []
    assert told() == []


def test_a_key_that_was_written_over_in_the_database_gets_nothing(house, place, people):
    from confide.access.models import Destination

    thief = x25519.Identity.generate()
    for change in ({"recipient": str(thief.to_public())}, {"folder": str(house.folder.parent)}):
        before = {name: getattr(place, name) for name in change}
        Destination.objects.filter(pk=place.pk).update(**change)
        with pytest.raises(Damaged, match="not as it was agreed to"):
            write(house, Destination.objects.get(pk=place.pk))
        Destination.objects.filter(pk=place.pk).update(**before)
    Destination.objects.filter(pk=(other := house.destination("University")).pk).update(use="downtime")
    with pytest.raises(Damaged):
        write(house, Destination.objects.get(pk=other.pk))
    assert told() == []


def test_old_packs_go_when_a_new_one_is_there(house, place, people):
    names = ("downtime-2026-03-03-040000", "downtime-2026-03-04-040000", "downtime-2026-03-03", "letters")
    for name in names:
        (house.folder / name).mkdir()
        (house.folder / name / "downtime.html.age").write_bytes(b"x")
    written = write(house, place)
    assert written.removed == 1
    assert {path.name for path in house.folder.iterdir()} == {*names[1:], written.path.name}


def test_a_day_without_patients_has_a_pack_that_says_so(house, place):
    written = write(house, place)
    assert written.patients == 0
    assert "Nobody has an appointment" in opened(house, written)


def test_today_is_the_day_on_the_practices_wall():
    from confide.records.packs import moment

    assert moment("2026-03-06T01:00:00Z", ZONE).isoformat() == "2026-03-05T20:00:00-05:00"
    assert moment("2026-03-06T01:00:00.5+14:00", timezone(timedelta(0))).day == 5
    assert moment("2026", ZONE) is None
    assert moment("", ZONE) is None


def test_a_couples_appointment_is_in_both_charts(house, place):
    first, second = house.practice.named("Ada", "Twosome"), house.practice.named("Ben", "Twosome")
    both = appointment(first, "2026-03-05T15:30:00Z")
    both["participant"] += appointment(second, "2026-03-05T15:30:00Z")["participant"]
    house.practice.add(both)
    page = opened(house, write(house, place))
    assert page.count("Blood pressure") == 4, "in the table and in the chart of each"
    assert [entry.patient for entry in told()].count("") == 1, "the manifest names nobody"
