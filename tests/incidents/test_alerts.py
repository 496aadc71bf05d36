"""The watch opens an incident by itself: one for each login, journalled, and none for an accident."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from confide.errors import Invalid
from confide.incidents import exhibits
from tests.practice import NOW
from tests.watch.clinic import entry, patients

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
WHOLE = patients(40)


def touch(elm, actor, whole, at=NOW, **changes):
    """Let the journal say that somebody opened charts, and the watch read that."""
    from django.db import transaction

    told = {"role": actor.role.value, "practice": elm.id, "relationship": "", **changes}
    lines = [entry(at + timedelta(seconds=20 * n), actor.id, p, **told) for n, p in enumerate(whole)]
    with transaction.atomic():
        elm.system.journal.append(lines)
    elm.system.sequencer.seal(elm.clock())
    return elm.system.watch.run(elm.clock())


def written(elm, kind):
    from confide.audit.models import JournalEntry

    return list(JournalEntry.objects.filter(practice=elm.id, action=kind).order_by("id"))


def incidents():
    from confide.incidents.models import Incident

    return list(Incident.objects.order_by("opened_at"))


def test_a_bait_opens_one_incident_and_what_follows_is_its_story(elm, reading, officer):
    from confide.incidents.course import State
    from confide.watch.models import Notice
    from confide.watch.policy import Policy, Ways

    elm.system.watch._policy = lambda: Policy(ways=Ways(syslog="/dev/log"))
    nurse, cases = elm.member("nurse"), elm.system.cases
    elm.system.baits.add(elm.id, WHOLE[:2])
    touch(elm, nurse, WHOLE[:1])
    [made] = incidents()
    assert (made.practice, made.subject, made.state) == (elm.id, nurse.owner, "open")
    assert (made.way, made.opened_by, made.discovered) == ("login", "confide", elm.clock())
    assert cases.listed(reading()) == [made]
    assert cases.title(made).startswith("A bait was touched: ")
    assert cases.title(made).encode() not in bytes(made.title_sealed)
    [line] = [each for each in cases.timeline(made) if each.kind == "incident-finding"]
    assert line.about.startswith("honey ")
    assert line.text.startswith("A bait was touched. ")
    [told] = written(elm, "incident-finding")
    assert (told.id, told.actor_kind, told.role, told.resource_id) == (
        line.entry,
        "system",
        "system",
        made.pk,
    )
    assert len(written(elm, "incident-open")) == 1
    assert Notice.objects.get().body["incident"] == made.pk
    [kept] = made.exhibits.all()
    evidence = json.loads(exhibits.read(elm.system.cases, kept))
    assert (evidence["code"], len(evidence["entries"])) == ("honey", 1)
    # More of the same adds nothing, a new finding adds a line and a piece of evidence.
    touch(elm, nurse, WHOLE[1:2], NOW + timedelta(minutes=20))
    touch(elm, nurse, WHOLE[5:25], NOW + timedelta(minutes=30))
    assert incidents() == [made]
    codes = [each.about.split()[0] for each in cases.timeline(made) if each.kind == "incident-finding"]
    assert codes[0] == "honey"
    assert "unexplained" in codes
    assert made.exhibits.count() == len(codes) == len(written(elm, "incident-finding"))
    # A colleague's is another one.
    elm.system.baits.add(elm.id, WHOLE[30:31])
    touch(elm, elm.member("nurse"), WHOLE[30:31])
    assert len(incidents()) == 2
    # It ends as each does; what is found after that opens one anew, and the old one stays closed.
    from confide.incidents.models import Incident

    Incident.objects.filter(pk=made.pk).update(state=State.CLOSED)
    touch(elm, nurse, WHOLE[:1], NOW + timedelta(hours=2))
    assert len(incidents()) == 3
    with pytest.raises(Invalid, match="open by now"):
        cases.move(reading(), Incident.objects.get(pk=made.pk), State.OPEN)


def test_an_accident_with_an_explanation_stays_a_finding(elm):
    from confide.watch.models import Found

    elm.system.baits.add(elm.id, WHOLE[:1])
    touch(elm, elm.member("nurse"), WHOLE[:1], relationship="appointment")
    touch(elm, elm.member("clinician"), WHOLE[3:18])
    assert sorted(Found.objects.values_list("code", "weight")) == [("honey", 2), ("unexplained", 4)]
    assert incidents() == []


def test_what_was_found_before_is_in_it(elm):
    nurse = elm.member("nurse")
    touch(elm, nurse, WHOLE[5:20])
    assert incidents() == []
    elm.system.baits.add(elm.id, WHOLE[:1])
    touch(elm, nurse, WHOLE[:1], NOW + timedelta(minutes=30))
    [made] = incidents()
    abouts = made.happenings.filter(kind="incident-finding").order_by("entry").values_list("about", flat=True)
    assert [each.split()[0] for each in abouts] == ["unexplained", "honey"]


def test_an_incident_that_cannot_be_written_down_leaves_nothing_half_done(elm):
    from django.db import connection

    from confide.errors import Unavailable
    from confide.watch.models import Found

    elm.system.baits.add(elm.id, WHOLE[:1])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE incidents_exhibit RENAME TO incidents_away")
    try:
        with pytest.raises(Unavailable):
            touch(elm, elm.member("nurse"), WHOLE[:1])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE incidents_away RENAME TO incidents_exhibit")
    assert incidents() == []
    assert not Found.objects.exists()
    assert not written(elm, "incident-open")
    elm.system.watch.run(elm.clock())
    assert len(incidents()) == 1
