"""The mailings of all practices as one: two people's word on the whole, and no person twice."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import pyrage
import pytest

from confide.audit import verdict
from confide.errors import AccessDenied, Damaged, Invalid
from confide.incidents.course import Breadth
from confide.incidents.deadlines import Known
from confide.incidents.facts import Way
from confide.incidents.questions import Question
from confide.protect.elements import Element
from tests.notices.post import OFFER, Post, person
from tests.practice import NOW, Practice, journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
HOURS = timedelta(hours=1)


def known(number: int, **changes):
    """A Patient with a number of their own."""
    ssn = {"system": "http://hl7.org/fhir/sid/us-ssn", "value": f"078-05-{number:04}"}
    return person(f"Given{number}", identifier=[ssn], **changes)


class Vendor:
    """A lead practice, two others, a thief in all of them, and a frozen scope over what was taken."""

    def __init__(self, system, clock, folder) -> None:
        from confide.audit.sequencer import Sequencer
        from confide.audit.tiles import Tiles
        from tests.audit import made

        # Each test begins a journal anew, and so publishes a tree of its own.
        system = replace(system, sequencer=Sequencer(lambda: made.LOG, Tiles(folder / "tiles")))
        (folder / "outgoing").mkdir()
        self.system, self.clock = system, clock
        self.lead = Practice(system, clock, "Vendor")
        self.others = [Practice(system, clock, name) for name in ("Elm Street", "Oak Avenue")]
        self.post = Post(self.lead, folder / "outgoing")
        self.thieves = {each.id: each.client("TREAT") for each in self.others}
        self.officer, self.manager = (
            replace(each, credential="terminal") for each in (self.post.officer, self.post.manager)
        )

    def take(self, practice, resource, *elements):
        return self.see(practice, practice.add(resource), *elements)

    def see(self, practice, id_, *elements):
        grant = practice.grant("read", self.thieves[practice.id], "TREAT", elements=elements)
        practice.read("Patient", id_, grant)
        return id_

    def grant(self, actor=None):
        return self.lead.grant("mail", actor or self.officer, "HOPERAT")

    def frozen(self, incident=None):
        system, clock = self.system, self.clock

        def reading():
            return self.lead.grant("journal-read", self.officer, "HOPERAT", elements=())

        incident = incident or system.cases.open(
            reading(), "The vendor's key", clock(), way=Way.LOGIN, breadth=Breadth.HOST
        )
        actors = tuple(each.id for each in self.thieves.values())
        asked = Question(since=NOW - HOURS, until=clock() + HOURS, actors=actors)
        found = system.scopes.measure(reading(), incident, asked)
        system.persons.match(reading(), found)
        clock.advance(seconds=1)
        system.sequencer.seal(clock())
        system.scopes.prove(
            reading(),
            found,
            lambda since: verdict.verify(
                system.sequencer.key, [], system.sequencer.tiles, [], clock(), since=since, patience=0
            ),
        )
        return system.scopes.freeze(reading(), found)

    def records(self):
        """What the print house gets, over all practices, and the manifest of the whole."""
        whole = {}
        found = []
        for path in sorted(self.post.folder.rglob("*.age")):
            content = pyrage.decrypt(path.read_bytes(), [self.post.identity])
            if path.name.endswith(".whole.json.age"):
                whole = json.loads(content)
            elif path.name.endswith(".ndjson.age"):
                found += [json.loads(line) for line in content.splitlines()]
        return found, whole


@pytest.fixture
def vendor(installation, tmp_path):
    return Vendor(*installation, tmp_path)


def test_one_act_of_two_people_writes_to_all_practices_and_to_each_person_once(vendor):
    elm, oak = sorted(vendor.others, key=lambda each: each.id)  # the first one's record is chosen first
    name, ssn = Element.NAME, Element.SSN
    for number in range(3):
        vendor.take(elm, known(number), name)
    twice = [vendor.take(elm, known(7, address=[{"city": "Dallas"}]), name)]
    twice += [vendor.take(oak, known(7), name, ssn)]
    vendor.take(oak, known(8), name)
    scope = vendor.frozen()
    place = vendor.post.destination()
    vendor.system.offers.make(vendor.lead.id, scope.incident_id, 10, date(2026, 12, 31))
    wanted = vendor.post.wanted("records", place, offer=OFFER)
    campaigns, incident = vendor.system.campaigns, scope.incident
    stranger = elm.grant("mail", elm.member("privacy_officer"), "HOPERAT")
    for denied in (vendor.post.grant(), stranger):  # not at the terminal; not of the practice that leads
        with pytest.raises(AccessDenied):
            campaigns.request(denied, scope, wanted)
    made = campaigns.request(vendor.grant(), scope, wanted)
    assert (len(made.ids), made.people, made.state) == (2, 5, "requested")
    with pytest.raises(AccessDenied):
        campaigns.run(vendor.officer.id, incident)
    with pytest.raises(AccessDenied, match="second person"):
        campaigns.approve(vendor.grant(), incident)
    campaigns.approve(vendor.grant(vendor.manager), incident)
    said = {row.practice for row in journal(resource_type="MailingApproval")}
    assert said == {vendor.lead.id, elm.id, oak.id}, "each practice reads so in its own journal"
    told = []
    manifest = campaigns.run(vendor.officer.id, incident, lambda *steps: told.append(steps))
    assert told[-1] == (5, 5)
    assert manifest.is_file()
    records, whole = vendor.records()
    assert (whole["practices"], whole["people"], whole["letters"]) == (2, 5, len(records))
    assert {each["name"] for each in whole["mailings"]} == {"Elm Street", "Oak Avenue"}
    assert len({each["code"] for each in records}) == len(records)
    incident.refresh_from_db()
    known_ = Known.read(incident.facts)
    assert known_.notified is not None, "everybody is written to, one of them by another record"
    entries = journal(resource_type="Letter")
    assert len(entries) == 5
    assert {(row.practice, row.role) for row in entries} == {(elm.id, ""), (oak.id, "")}
    assert sum(row.patient in twice for row in entries) == 1, "two records, one person, one letter"
    with pytest.raises(AccessDenied, match="finished"):
        campaigns.run(vendor.officer.id, incident)
    assert any(row.patient == twice[0] for row in entries)
    assert "Given7 Ortiz" not in {each["greeting"] for each in records}, "that record has no address"
    # Whom it missed by one record is written to by the other; whoever was reached is not written to again.
    vendor.clock.advance(seconds=1)
    assert campaigns.request(vendor.grant(), scope, wanted).people == 1
    campaigns.approve(vendor.grant(vendor.manager), incident)
    campaigns.run(vendor.officer.id, incident)
    records, _ = vendor.records()
    assert Counter(each["greeting"] for each in records) == {
        f"Given{number} Ortiz": 1 for number in (0, 1, 2, 7, 8)
    }
    both = next(each for each in records if each["greeting"] == "Given7 Ortiz")
    assert both["elements"] == ["name", "ssn"], "one letter says what was shown of all records"
    with pytest.raises(Invalid, match="nobody is left"):
        campaigns.request(vendor.grant(), scope, wanted)


def test_persons_of_whom_a_later_scope_shows_more_are_written_to_once_again(vendor, capsys):
    from argparse import Namespace

    from confide.access.models import Practice as Founded
    from confide.cli.mailing import _tell_grown
    from confide.incidents.notices import campaigns as whole
    from confide.incidents.notices import scoped

    elm, oak = sorted(vendor.others, key=lambda each: each.id)
    name, ssn, born = Element.NAME, Element.SSN, Element.BIRTH_DATE
    ids = [vendor.take(elm, known(number), name) for number in range(2)]
    vendor.take(elm, known(7), name)
    other = vendor.take(oak, known(7), name)
    vendor.take(oak, known(8), name)
    scope = vendor.frozen()
    place, campaigns = vendor.post.destination(), vendor.system.campaigns

    def send(of, **changes):
        vendor.clock.advance(seconds=1)
        made = campaigns.request(vendor.grant(), of, vendor.post.wanted("records", place, **changes))
        campaigns.approve(vendor.grant(vendor.manager), of.incident)
        campaigns.run(vendor.officer.id, of.incident)
        return made.people

    assert send(scope) == 4
    before = len(vendor.records()[0])
    assert whole.grown(scope, "notice", vendor.clock()) == 0
    vendor.see(elm, ids[0], born)
    vendor.see(elm, ids[1], name)
    vendor.see(oak, other, ssn)  # the record by which that person was not written to
    later = vendor.frozen(scope.incident)
    assert whole.grown(later, "notice", vendor.clock()) == 2
    assert scoped.grown(later, elm.id, "notice", vendor.clock()) == 1, (
        "the other's is seen over all practices"
    )
    for every, told in ((True, "2 persons who have"), (False, "1 person who has")):
        _tell_grown(
            Namespace(all_practices=every), later, Founded.objects.get(pk=elm.id), "notice", vendor.clock()
        )
        assert f"of {told} a letter that says less: --more" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(Invalid, match="nobody is left"):
        campaigns.request(vendor.grant(), later, vendor.post.wanted("records", place))
    assert send(later, more=True) == 2
    records, _ = vendor.records()
    assert len(records) == before + 2
    said = {each["greeting"]: each["elements"] for each in records if len(each["elements"]) > 1}
    assert said == {"Given0 Ortiz": ["birth-date", "name"], "Given7 Ortiz": ["name", "ssn"]}
    assert whole.grown(later, "notice", vendor.clock()) == 0


def test_none_of_them_can_be_changed_or_taken_out_and_all_can_be_withdrawn(vendor):
    from confide.incidents.notices.models import Mailing

    elm, oak = vendor.others
    vendor.take(elm, known(1), Element.NAME)
    vendor.take(oak, known(2), Element.NAME)
    scope = vendor.frozen()
    incident, campaigns = scope.incident, vendor.system.campaigns
    place = vendor.post.destination()
    made = campaigns.request(vendor.grant(), scope, vendor.post.wanted("letters", place))
    campaigns.approve(vendor.grant(vendor.manager), incident)
    one = Mailing.objects.filter(pk=made.ids[0])
    for change, back in (
        ({"incident": "another"}, {"incident": incident.pk}),
        ({"people": 2}, {"people": 1}),
        ({"practice": vendor.lead.id}, {"practice": one.get().practice}),
    ):
        one.update(**change)
        with pytest.raises(Damaged, match="not as two people agreed"):
            campaigns.run(vendor.officer.id, incident)
        one.update(**back)
    with pytest.raises(AccessDenied, match="another practice's"):
        vendor.system.mailings.withdraw(
            elm.grant("mail", elm.member("privacy_officer"), "HOPERAT"), one.get()
        )
    campaigns.withdraw(vendor.grant(), incident)
    with pytest.raises(AccessDenied, match="withdrawn"):
        campaigns.run(vendor.officer.id, incident)
    assert not journal(resource_type="Letter")
