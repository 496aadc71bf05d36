"""Rounds: from the journal's rows to findings, measures, notices and answers, each once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from confide.audit.journal import name_relation
from tests.practice import NOW
from tests.watch.clinic import entry, patients

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
WHOLE = patients(80)


@pytest.fixture
def officer(elm):
    from confide.access.models import Account

    return Account.objects.get(pk=elm.member("privacy_officer").id)


@pytest.fixture
def nurse(elm):
    return elm.member("nurse")


def staff(elm, number=12):
    """So many colleagues that a single measure is no storm."""
    for _ in range(number):
        elm.member("front_desk")


def append(elm, entries):
    """Write entries as they come from requests, and give them their places."""
    from django.db import transaction

    with transaction.atomic():
        ids = elm.system.journal.append(list(entries))
    elm.sequencer.seal(elm.clock())
    return ids


def openings(elm, actor, whole, **changes):
    told = {"role": actor.role.value, "practice": elm.id, "relationship": "", **changes}
    return [
        entry(NOW + timedelta(seconds=30 * n), actor.id, patient, **told) for n, patient in enumerate(whole)
    ]


def rows():
    from confide.watch.models import Found

    return {row.code: row for row in Found.objects.all()}


def actions(*names):
    from confide.audit.models import JournalEntry

    return list(JournalEntry.objects.filter(action__in=names).order_by("id").values_list("action", flat=True))


def test_a_bait_degrades_at_once_and_is_told_once(elm, nurse):
    from confide.access.models import Account

    staff(elm)
    elm.system.baits.add(elm.id, WHOLE[:1])
    [id_] = append(elm, openings(elm, nurse, WHOLE[:1]))
    [finding] = elm.system.watch.run(elm.clock())
    assert (finding.code, finding.evidence, finding.owner) == ("honey", (id_,), nurse.owner)
    account = Account.objects.get(pk=nurse.id)
    assert account.suspect_at is not None
    assert account.frozen_at is None
    assert actions("watch-finding", "degrade") == ["watch-finding", "degrade"]
    # Its own entries wake nobody, and nothing is read twice.
    elm.sequencer.seal(elm.clock())
    assert elm.system.watch.run(elm.clock()) == []
    assert rows()["honey"].signals == 1


def test_an_entry_of_a_practice_that_does_not_exist_blinds_nobody(elm, nurse):
    """Whoever can write into the database cannot stop the watch by it."""
    staff(elm)
    elm.system.baits.add(elm.id, WHOLE[:1])
    append(elm, openings(elm, nurse, WHOLE[1:4], practice="nowhere") + openings(elm, nurse, WHOLE[:1]))
    assert [finding.code for finding in elm.system.watch.run(elm.clock())] == ["honey"]


def test_with_an_explanation_a_bait_is_only_a_question(elm, nurse):
    from confide.access.models import Account

    elm.system.baits.add(elm.id, WHOLE[:1])
    append(elm, openings(elm, nurse, WHOLE[:1], relationship="appointment"))
    elm.system.watch.run(elm.clock())
    assert rows()["honey"].weight == 2
    assert Account.objects.get(pk=nurse.id).suspect_at is None
    assert actions("watch-finding", "degrade", "step-up-asked") == ["watch-finding"]


@pytest.mark.parametrize(("by_other", "weight"), [(False, 8), (True, 2)])
def test_a_bait_that_somebody_booked_themselves_two_days_ago_is_not_explained(elm, by_other, weight):
    clerk, colleague = elm.member("front_desk"), elm.member("front_desk")
    patient = elm.named("Anna", "Zwiebel")
    elm.system.baits.add(elm.id, [patient])
    elm.book(patient, 2, elm.grant("write", colleague if by_other else clerk))
    elm.clock.advance(days=2)
    named = name_relation(elm.grant("read", clerk, "TREAT", [patient]).relations[patient])
    assert named == "appointment"
    append(
        elm, [replace(each, at=elm.clock()) for each in openings(elm, clerk, [patient], relationship=named)]
    )
    elm.system.watch.run(elm.clock())
    assert rows()["honey"].weight == weight


def test_a_storm_of_baits_stops_itself(elm):
    """Whoever makes many touch baits does not stop the practice."""
    from confide.access.models import Account

    people = [elm.member("clinician") for _ in range(6)]
    elm.system.baits.add(elm.id, WHOLE[:1])
    for actor in people:
        append(elm, openings(elm, actor, WHOLE[:1]))
        elm.system.watch.run(elm.clock())
    assert Account.objects.filter(suspect_at__isnull=False).count() == 1
    assert actions("degrade", "degrade-withheld").count("degrade-withheld") == 5


def test_a_measure_is_told_even_where_no_finding_is_new_or_heavy(elm, nurse):
    """What a storm withholds calls a person; so does what light findings add up to."""
    from confide.access.entrances import Device, Session
    from confide.access.models import Account
    from confide.watch.models import Found, Notice
    from confide.watch.policy import Policy, Ways

    elm.system.watch._policy = lambda: Policy(ways=Ways(webhook="http://127.0.0.1:9/"))
    elm.system.baits.add(elm.id, WHOLE[:2])
    append(elm, openings(elm, nurse, WHOLE[:1], relationship="appointment"))
    elm.system.watch.run(elm.clock())
    assert not Notice.objects.exists()
    append(elm, openings(elm, elm.member("clinician"), WHOLE[:1]))
    append(elm, openings(elm, nurse, WHOLE[1:2]))
    elm.system.watch.run(elm.clock())
    assert sorted(row.body["withheld"] for row in Notice.objects.all()) == [False, True]
    account = Account.objects.get(pk=elm.member("nurse").id)
    begin(account, Device, Session)
    row = {"practice": elm.id, "owner": f"person:{account.pk}", "evidence": [1], "since": NOW, "at": NOW}
    for code, weight in (("hour", 1), ("device", 1)):
        Found.objects.create(code=code, weight=weight, sentence="", signals=1, **row)
    Notice.objects.all().delete()
    append(elm, [
        replace(each, actor=account.pk, role="nurse", relationship="appointment")
        for each in openings(elm, nurse, WHOLE[:1])
    ])  # fmt: skip
    elm.system.watch.run(elm.clock())
    assert [row.body["taken"] for row in Notice.objects.all()] == ["step-up"]


def test_a_step_up_makes_suspect_until_a_factor_is_proved(elm, nurse):
    from confide.access import challenges, sessions
    from confide.access.containment import Standing
    from confide.access.entrances import Device, Session
    from confide.access.models import Account
    from confide.audit import standing as written

    account = Account.objects.get(pk=nurse.id)
    session = begin(account, Device, Session)
    append(elm, openings(elm, nurse, WHOLE[:20]))
    elm.system.watch.run(elm.clock())
    session.refresh_from_db()
    assert session.suspect_at is not None
    assert challenges.is_asked(session)
    assert actions("step-up-asked", "degrade") == ["step-up-asked"]
    sessions.prove(session, "totp", elm.clock())
    assert challenges.settle(session, elm.clock())
    session.refresh_from_db()
    assert session.suspect_at is None
    assert not Standing.objects.filter(lifted_at__isnull=True).exists()
    # What holds it for another reason goes on holding it.
    written.challenge(elm.system.journal, account, "watch", elm.clock())
    written.degrade(elm.system.journal, session, "watch", elm.clock())
    assert challenges.settle(session, elm.clock())
    session.refresh_from_db()
    assert session.suspect_at is not None


def begin(account, device, session):
    known = device.objects.create(
        account=account, digest="d" * 64, name="Firefox", network="n", address="", first_at=NOW, last_at=NOW
    )
    return session.objects.create(
        account=account, device=known, network="n", address="", began_at=NOW, seen_at=NOW, idle_minutes=15
    )


def test_a_program_is_asked_to_sign_in_anew_then_masked_and_frozen_only_by_policy(elm):
    from confide.access.models import AccessToken, Client
    from confide.watch.policy import Policy
    from confide.watch.rungs import Rung

    program = elm.client()
    row = Client.objects.get(pk=program.id)
    AccessToken.objects.create(
        client=row, digest="a" * 64, practice=elm.row, key="k", expires_at=NOW + timedelta(hours=1)
    )
    append(elm, openings(elm, program, WHOLE[:16], actor_kind="client"))
    elm.system.watch.run(elm.clock())
    assert not AccessToken.objects.filter(client=row).exists()
    elm.system.baits.add(elm.id, WHOLE[40:42])
    append(elm, openings(elm, program, WHOLE[40:41], actor_kind="client"))
    elm.system.watch.run(elm.clock())
    row.refresh_from_db()
    assert row.suspect_at is not None
    append(elm, openings(elm, program, WHOLE[41:42], actor_kind="client"))
    elm.system.watch.run(elm.clock())
    row.refresh_from_db()
    assert row.frozen_at is None
    elm.system.watch._policy = lambda: Policy(automatic=Rung.FROZEN)
    again = openings(elm, program, WHOLE[40:42], actor_kind="client")
    append(elm, [replace(each, at=each.at + timedelta(hours=1)) for each in again])
    elm.system.watch.run(elm.clock())
    row.refresh_from_db()
    assert row.frozen_at is not None


def test_of_what_is_old_people_are_told_and_no_measure_is_taken(elm, nurse):
    """The watch was down for two days: whom it did not see may be at it still, but a person decides."""
    from confide.access.models import Account
    from confide.incidents.models import Incident
    from confide.watch.models import Notice
    from confide.watch.policy import Policy, Ways

    elm.system.watch._policy = lambda: Policy(ways=Ways(syslog="/dev/log"))
    staff(elm)
    elm.system.baits.add(elm.id, WHOLE[:2])
    append(elm, openings(elm, nurse, WHOLE[:1], relationship="appointment"))
    elm.clock.advance(days=2)
    elm.system.watch.run(elm.clock())
    assert rows()["honey"].weight == 2  # a question, as it would have been in time
    assert not Notice.objects.exists()
    assert not Incident.objects.exists()
    append(elm, openings(elm, nurse, WHOLE[1:2]))
    elm.system.watch.run(elm.clock())
    found = rows()["honey"]
    assert found.weight == 8
    assert Account.objects.get(pk=nurse.id).suspect_at is None
    assert actions("degrade", "degrade-withheld", "step-up-asked") == []
    made = Incident.objects.get()
    assert (made.subject, made.discovered) == (nurse.owner, elm.clock())
    told = Notice.objects.get().body
    assert (told["finding"], told["incident"], told["taken"]) == (found.pk, made.pk, "")
    # More of the same is told no second time.
    later = [replace(each, at=each.at + timedelta(hours=1)) for each in openings(elm, nurse, WHOLE[1:2])]
    append(elm, later)
    elm.system.watch.run(elm.clock())
    assert rows()["honey"].signals == 3
    assert (Notice.objects.count(), Incident.objects.count()) == (1, 1)


def test_a_bait_touched_while_the_watch_was_down_opens_an_incident(elm, nurse):
    from confide.incidents.models import Incident
    from confide.watch.models import Notice
    from confide.watch.policy import Policy, Ways

    elm.system.watch._policy = lambda: Policy(ways=Ways(syslog="/dev/log"))
    elm.system.baits.add(elm.id, WHOLE[:1])
    append(elm, openings(elm, nurse, WHOLE[:1]))
    elm.clock.advance(days=40)
    elm.system.watch.run(elm.clock())
    assert Notice.objects.get().body["incident"] == Incident.objects.get().pk


def test_processes_go_on_where_another_has_stopped(elm, nurse):
    """Two processes in turn count as one does: a finding that needs both halves is found, and once."""
    from confide.watch.models import Cursor
    from tests import practice as made

    other, _ = made.build()
    for n in range(0, 19, 3):
        later = [
            replace(each, at=each.at + timedelta(minutes=11 * n))
            for each in openings(elm, nurse, WHOLE[n : min(n + 3, 19)])
        ]
        append(elm, later)
        (other if n % 2 else elm.system).watch.run(elm.clock())
    found = rows()["unexplained"]
    assert "19 charts" in found.sentence
    assert len(found.evidence) == 19
    assert Cursor.objects.get(pk=1).position >= 19


def test_a_kill_between_two_rounds_loses_nothing_and_counts_nothing_twice(elm, nurse):
    from tests import practice as made

    append(elm, openings(elm, nurse, WHOLE[:10]))
    elm.system.watch.run(elm.clock())
    append(elm, openings(elm, nurse, WHOLE[10:20]))
    dying, _ = made.build()
    store = dying.watch._shelf.store

    def stop(*rest):
        store(*rest)  # all is written, and not committed
        raise KeyboardInterrupt

    dying.watch._shelf.store = stop
    with pytest.raises(KeyboardInterrupt):
        dying.watch.run(elm.clock())
    assert "unexplained" not in rows()
    # The same process that goes on, and one that was begun anew.
    append(elm, openings(elm, nurse, WHOLE[20:21]))
    dying.watch.run(elm.clock())
    append(elm, openings(elm, nurse, WHOLE[21:22]))
    anew, _ = made.build()
    later = elm.clock() + timedelta(minutes=30)
    append(elm, [replace(each, at=later) for each in openings(elm, nurse, WHOLE[22:23])])
    anew.watch.run(later)
    found = rows()["unexplained"]
    assert "Of 23 charts" in found.sentence
    assert len(found.evidence) == len(set(found.evidence)) == 23


def test_what_is_remembered_is_sealed(elm, nurse):
    from confide.errors import SealBroken
    from confide.watch.models import Bait, Remembered

    elm.system.baits.add(elm.id, WHOLE[:3])
    append(elm, openings(elm, nurse, WHOLE[:10]))
    elm.system.watch.run(elm.clock())
    row = Remembered.objects.get(name=nurse.owner)
    assert b"orders" not in bytes(row.sealed)
    assert len(row.sealed) < 100_000
    bait = Bait.objects.get()
    one = len(bait.sealed)
    assert not any(each.replace("-", "") in bytes(bait.sealed).hex() for each in WHOLE)
    elm.system.baits.add(elm.id, WHOLE[3:40])
    assert len(Bait.objects.get().sealed) == one
    # A memory that was put in another's place opens for nobody, and the round is done again later.
    Remembered.objects.filter(name=nurse.owner).update(name="person:other")
    other = elm.member("nurse")
    Remembered.objects.filter(name="person:other").update(name=other.owner)
    append(elm, openings(elm, other, WHOLE[:1]))
    with pytest.raises(SealBroken):
        elm.system.watch.run(elm.clock())


def test_a_finding_is_answered_by_a_second_person_and_its_words_are_sealed(elm, nurse, officer):
    from confide.audit.models import JournalEntry
    from confide.errors import AccessDenied, Invalid, Unknown
    from confide.watch.answers import Answer
    from confide.watch.models import Found

    append(elm, openings(elm, nurse, WHOLE[:20]))
    elm.system.watch.run(elm.clock())
    row = rows()["unexplained"]
    now, answers = elm.clock(), elm.system.answers
    said = "a locum stood in for Dr Quernheim"
    from confide.access.models import Account

    with pytest.raises(AccessDenied):
        answers.answer(
            row.pk, Answer.EXPLAINED, said, Account.objects.get(pk=nurse.id), elm.id, now, "session:n"
        )
    with pytest.raises(Unknown):
        answers.answer("x" * 36, Answer.EXPLAINED, said, officer, elm.id, now, "session:o")
    with pytest.raises(Invalid):
        answers.answer(row.pk, Answer.EXPLAINED, " ", officer, elm.id, now, "session:o")
    answers.answer(row.pk, Answer.ASKED, "", officer, elm.id, now, "session:o")
    assert Found.objects.get(pk=row.pk).closed_at is None
    answers.answer(row.pk, Answer.EXPLAINED, said, officer, elm.id, now, "session:o")
    answered = Found.objects.get(pk=row.pk)
    assert answered.closed_at == now
    assert answers.note_of(answered) == said
    assert b"Quernheim" not in bytes(answered.note_sealed)
    told = JournalEntry.objects.filter(action="watch-answer").last()
    assert bytes(told.reason_sealed) == bytes(answered.note_sealed)
    # The detector is silent about this login for a while, in every process.
    append(elm, openings(elm, nurse, WHOLE[20:60]))
    assert not [each for each in elm.system.watch.run(now) if each.code == "unexplained"]


def test_an_order_of_a_colleague_explains(elm, nurse):
    other = elm.member("clinician")
    orders = [
        replace(each, action="write", resource_type="ServiceRequest", resource_id="x")
        for each in openings(elm, other, WHOLE[:20])
    ]
    append(elm, orders)
    append(elm, openings(elm, nurse, WHOLE[:20]))
    elm.system.watch.run(elm.clock() + timedelta(hours=1))
    assert "unexplained" not in rows()
    # One's own orders explain nothing.
    append(elm, openings(elm, other, WHOLE[:20]))
    elm.system.watch.run(elm.clock() + timedelta(hours=1))
    assert rows()["unexplained"].owner == other.owner


def test_what_the_vault_knows_of_patients_reaches_the_detectors(elm):
    """Real patients: family, own record, a label, the same address, the alphabet."""
    clerk = elm.member("clinician")
    from confide.access.models import Account

    Account.objects.filter(pk=clerk.id).update(display_name="Dr. Anna Zwiebel")
    home = [{"line": ["7 Onion Street"], "city": "Springfield", "state": "MA", "postalCode": "01103"}]
    kin = {
        "own-record": elm.named("Anna", "Zwiebel", address=home),
        "family": elm.named("Paul", "Zwiebel"),
        "vip": elm.named("Famous", "Person", meta={"security": [_label("CEL")]}),
    }
    neighbour = elm.named("Petra", "Nowak", address=home)
    for code, patient in kin.items():
        append(elm, openings(elm, clerk, [patient]))
        assert [each.code for each in elm.system.watch.run(elm.clock())] == [code]
    before = rows()["family"].signals
    elm.clock.advance(minutes=20)
    late = [replace(each, at=elm.clock()) for each in openings(elm, clerk, [neighbour])]
    append(elm, late)
    elm.system.watch.run(elm.clock())
    assert rows()["family"].signals == before + 1
    names = [f"{letter}ovak" for letter in "ABCDEFGHIJKLMN"]
    sweep = [elm.named("Ida", name) for name in names]
    append(elm, openings(elm, elm.member("clinician"), sweep))
    elm.system.watch.run(elm.clock())
    assert "the alphabet" in rows()["enumeration"].sentence


def test_appointments_explain_what_the_entry_does_not_name(elm):
    program = elm.client()
    whole = [elm.named("Ida", f"Nam{n}") for n in range(16)]
    for patient in whole:
        elm.book(patient)
    append(elm, openings(elm, program, whole, actor_kind="client"))
    elm.system.watch.run(elm.clock())
    assert "unexplained" not in rows()


def _label(code):
    return {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}


def statements(elm, entries):
    """How many statements a round takes that reads *entries*, and what it finds."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    append(elm, entries)
    with CaptureQueriesContext(connection) as caught:
        found = elm.system.watch.run(elm.clock())
    return len(caught), found


def test_a_round_takes_as_many_statements_for_one_event_as_for_many_at_many_practices(elm, nurse):
    from confide.watch.shelf import read_position

    others = [elm.system.found_practice(f"Branch {n}") for n in range(5)]
    for each in (elm.row, *others):
        elm.system.indexes(each.pk).catch_up()
    one, _ = statements(elm, openings(elm, nurse, WHOLE[:1]))
    entries = [
        replace(each, at=each.at + timedelta(hours=1), practice=practice.pk, actor=f"{each.actor[:30]}{n}")
        for n, practice in enumerate(others)
        for each in openings(elm, nurse, WHOLE[:8])
    ]
    many, found = statements(elm, entries)
    assert (many, found) == (one, [])
    assert read_position() == elm.sequencer.waiting().sealed


def test_orders_of_colleagues_explain_at_the_practice_where_they_were_written(elm, nurse):
    from confide.audit import stream
    from confide.watch.knowing import ORDERS

    other = elm.system.found_practice("Branch")
    order = {"action": "write", "resource_type": ORDERS[0], "role": "clinician"}
    append(elm, [
        entry(NOW, "colleague", WHOLE[0], practice=elm.id, **order),
        entry(NOW, "colleague", WHOLE[1], practice=other.pk, **order),
        entry(NOW, "colleague", WHOLE[2], practice=elm.id, **{**order, "resource_type": "Patient"}),
        entry(NOW - timedelta(days=31), "colleague", WHOLE[3], practice=elm.id, **order),
    ])  # fmt: skip
    asked = [(elm.id, patient) for patient in WHOLE[:4]]
    told = stream.written_about(asked, ORDERS, NOW - timedelta(days=30))
    assert told == {(elm.id, WHOLE[0]): {"colleague"}}


@pytest.mark.parametrize("lost", ["record", "key", "baits", "days"])
def test_what_is_damaged_at_one_practice_blinds_no_other(elm, nurse, lost):
    """It is told, and of its patients less is known."""
    from confide.access.ties import Relationship
    from confide.errors import Damaged
    from confide.records.models import Resource
    from confide.vault.models import DataKey
    from confide.watch.models import Bait, Found

    staff(elm)
    patient = elm.named("Anna", "Zwiebel")
    other = elm.system.found_practice("Branch")
    for each in (elm.id, other.pk):
        elm.system.baits.add(each, WHOLE[:1])
    if lost == "record":
        Resource.objects.filter(pk=patient).update(body=b"{}")
    elif lost == "days":
        elm.book(patient)
        Relationship.objects.update(patient=WHOLE[0], days=b"x" * 40)
    elif lost == "key":
        DataKey.objects.filter(subject=patient).delete()
    else:
        key = Bait.objects.get(pk=elm.id)
        Bait.objects.filter(pk=elm.id).update(sealed=bytes(key.sealed)[:-1] + b"x", version=2)
    elm.system.indexes._made.clear()
    elm.system.baits._known.clear()
    elm.system.vault.lock(elm.id)
    touch = openings(elm, nurse, WHOLE[:1])
    append(elm, [*touch, *(replace(each, practice=other.pk, actor="program") for each in touch)])
    with pytest.raises(Damaged, match="less is known"):
        elm.system.watch.run(elm.clock())
    seen = set(Found.objects.filter(code="honey").values_list("practice", flat=True))
    assert seen == ({other.pk} if lost == "baits" else {elm.id, other.pk})
    assert elm.system.watch.run(elm.clock()) == []


def test_what_is_remembered_is_read_again_only_where_there_is_no_room(elm):
    """Of as many logins as are kept, none is read twice."""
    from confide.watch.shelf import MOST_KEPT, Shelf
    from confide.watch.watch import Watch

    watch = Watch()
    shelf = Shelf(elm.system.keepsakes, watch)
    owners = [f"person:{n}" for n in range(MOST_KEPT - 500)]
    shelf._versions = dict.fromkeys(owners, 0)
    for each in owners:
        watch.memories[each].day = 1
    shelf.fetch(owners[:1], [])
    assert len(watch.memories) == len(owners)
