"""Enrolment codes: single-use, one each, sealed at rest; and letters that come back."""

from __future__ import annotations

from datetime import date

import pytest

from confide.errors import GrantMismatch, Invalid, Unavailable
from tests.notices.post import OFFER
from tests.practice import journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])

UNTIL = date(2026, 12, 31)


def test_each_person_gets_one_code_and_keeps_it_and_who_used_theirs_is_known(post):
    from confide.incidents.notices import offers
    from confide.incidents.notices.models import Code

    ids = [post.expose(given=f"Given{n}") for n in range(3)]
    practice, incident = post.practice.id, "incident-1"
    mailing = post.approved("records", offer=OFFER)
    with pytest.raises(Unavailable, match="enrolment codes"):
        post.run(mailing)
    assert not journal(resource_type="Letter")
    clerk, grant = post.system.clerk, post.grant()
    assert clerk.take(grant, post.incident, ["SAFE-0001", "", '"SAFE-0002"'], UNTIL) == 2
    with pytest.raises(Invalid, match="taken before"):
        post.system.offers.take(practice, incident, ["SAFE-0003", "SAFE-0001"], UNTIL)
    for broken, line in ((["SAFE-0003", "short"], 2), (["SAFE-0003", "SAFE-0003"], 2), (["two words 1"], 1)):
        with pytest.raises(Invalid, match=f"line {line} "):
            post.system.offers.take(practice, incident, broken, UNTIL)
    clerk.make(grant, post.incident, 1, UNTIL)
    records = post.records(post.run(mailing))
    assert len({record["code"] for record in records}) == 3
    assert offers.counts(practice, incident) == (3, 3, 0)
    assert all(b"SAFE" not in bytes(row.sealed) for row in Code.objects.all())
    used = records[0]["code"]
    with_none = [used, "NOBODYS-1", used]
    assert clerk.redeem(post.grant(), post.incident, with_none) == (1, [2])
    assert offers.counts(practice, incident) == (3, 3, 1)
    assert sum(post.system.offers.status(practice, incident, i)[1] is not None for i in ids) == 1
    assert [entry.action for entry in journal(resource_type="EnrolmentCodes")] == ["notice-codes"] * 3
    assert "2 enrolment codes taken, good until 2026-12-31" in post.lines()
    assert "1 enrolment codes were used" in post.lines()


def test_what_cannot_be_addressed_or_comes_back_counts_towards_substitute_notice(post):
    from confide.incidents.notices import reached

    good = post.expose(given="Good")
    post.expose(given="Nowhere", address=[{"city": "Dallas"}])
    post.expose(given="Dead", deceasedBoolean=True)
    practice = post.practice.id
    mailing = post.approved("records")
    (record,) = post.records(post.run(mailing))
    assert reached.unreachable("incident-1", practice) == 1
    back = [record["reference"], "rubbish", "", record["reference"]]
    assert post.system.clerk.note_returned(post.grant(), back) == (1, [2])
    assert post.system.clerk.note_returned(post.grant(), back) == (0, [2])
    (entry,) = [each for each in journal(resource_type="Letter") if each.action == "notice-returned"]
    assert (entry.patient, entry.resource_id) == (good, mailing.pk)
    kept = [line.rpartition(" (")[0] or line for line in post.lines()]
    assert kept == [
        "records asked for: 3 persons", "records approved: 3 persons", "records finished: 3 persons",
        "1 letters came back",
    ]  # fmt: skip
    assert reached.unreachable("incident-1", practice) == 2
    assert reached.find_person(practice, record["reference"])[1] == good
    # Once the address is right, the letter goes again, to those alone who were missed.
    post.practice.put("Patient", good)
    again = post.approved("records", place=post.destination("Other"))
    assert again.people == 3
    assert len(post.records(post.run(again))) == 1
    assert reached.unreachable("incident-1", practice) == 1


def test_a_second_letter_goes_only_where_the_first_may_say_less(post):
    post.expose(given="Texan")
    post.expose(given="Bostonian", state="MA")
    first = post.records(post.run(post.approved("records")))
    assert {record["state"]: record["template"] for record in first} == dict.fromkeys(
        ("TX", "MA"), "individual.en"
    )
    second = post.approved("records", place=post.destination("Other"), round="federal")
    assert [record["greeting"] for record in post.records(post.run(second))] == ["Bostonian Ortiz"]


def test_what_cannot_be_journalled_is_not_noted(post):
    from django.db import connection

    from confide.incidents.notices.models import Agreed, Code, Unreached

    id_ = post.expose()
    (record,) = post.records(post.run(post.approved("records")))
    clerk = post.system.clerk
    with pytest.raises(GrantMismatch):
        clerk.note_agreed(post.practice.grant("read"), [id_], withdrawn=False)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_journalentry RENAME TO audit_away")
    try:
        for note in (
            lambda: clerk.note_returned(post.grant(), [record["reference"]]),
            lambda: clerk.note_agreed(post.grant(), [id_], withdrawn=False),
            lambda: clerk.make(post.grant(), post.incident, 5, UNTIL),
        ):
            with pytest.raises(Unavailable):
                note()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_away RENAME TO audit_journalentry")
    assert not any(model.objects.exists() for model in (Unreached, Agreed, Code))
    assert clerk.note_agreed(post.grant(), [id_, "nobody"], withdrawn=False) == (1, [2])
    assert clerk.note_agreed(post.grant(), [id_], withdrawn=True) == (1, [])
    told = [
        (e.action, e.patient, e.actor) for e in journal(resource_type="Patient", action__startswith="notice")
    ]
    assert told == [(f"notice-{word}", id_, post.officer.id) for word in ("agreed", "disagreed")]


def test_a_code_that_ends_before_the_day_in_the_letter_is_not_given(post):
    from datetime import timedelta

    post.expose(given="Ana")
    mailing = post.approved("records", offer=OFFER)
    clerk = post.system.clerk
    clerk.take(post.grant(), post.incident, ["SHORT-0001"], OFFER["until"] - timedelta(days=1))
    with pytest.raises(Unavailable, match=f"good until {OFFER['until']}"):
        post.run(mailing)
    clerk.take(post.grant(), post.incident, ["GOOD-0001"], OFFER["until"])
    (record,) = post.records(post.run(mailing))
    assert record["code"] == "GOOD-0001"
