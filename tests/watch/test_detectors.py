"""What each detector says, and what it leaves unsaid, of journal entries that were made for it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from confide.vault.index import Kin
from confide.watch.findings import Code
from confide.watch.rungs import Rung
from confide.watch.traits import Bare, Trait
from confide.watch.watch import Watch
from tests.watch.clinic import MONDAY, Journal, entry, patients, shift

WHOLE = patients(600)
AT = MONDAY + timedelta(hours=15)


def feed(watch, entries, journal=None):
    found = {}
    for finding in watch.feed((journal or Journal()).lines(entries), AT):
        found[finding.code] = finding
    return found


def openings(whole, step=60, **changes):
    """The charts of *whole*, opened one after the other by one person, unexplained unless *changes* say."""
    told = {"relationship": "", **changes}
    return [entry(AT + timedelta(seconds=step * n), "a", p, **told) for n, p in enumerate(whole)]


def weeks(watch, journal, days=10, number=25, **changes):
    """Ordinary work before."""
    dice = random.Random(5)
    for back in range(days, 0, -1):
        day = MONDAY - timedelta(days=back)
        rows = list(shift(dice, day, "a", WHOLE, number, 0.06, **changes))
        assert watch.feed(journal.lines(rows), day) == []


class Traits:
    """Says the same of everybody."""

    def __init__(self, **trait):
        self.trait = Trait({}, **trait)

    def prepare(self, batches, now):
        pass

    def about(self, batch, now):
        return [self.trait for _ in batch.seen]


@pytest.mark.parametrize("order", ["name", "birth", "number"])
@pytest.mark.parametrize("way", [1, -1])
def test_unexplained_charts_in_an_order_of_values_are_an_enumeration(order, way):
    orders = {patient: {order: n} for n, patient in enumerate(WHOLE)}
    watch = Watch(Bare(orders=orders))
    found = feed(watch, openings(WHOLE[:40:3][::way]))
    finding = found[Code.ENUMERATION]
    assert finding.evidence
    assert watch.rung("person:a", AT).height >= Rung.MASKED.height
    # The same charts without an order, and in order but explained, are none.
    mixed = random.Random(2).sample(WHOLE[:40:3], 14)
    assert Code.ENUMERATION not in feed(Watch(Bare(orders=orders)), openings(mixed))
    explained = openings(WHOLE[:40:3][::way], relationship="appointment")
    assert Code.ENUMERATION not in feed(Watch(Bare(orders=orders)), explained)


def test_an_order_is_seen_through_some_steps_to_the_side():
    orders = {patient: {"name": n} for n, patient in enumerate(WHOLE)}
    line = [WHOLE[n * 10] for n in range(26)]
    for at in (7, 16, 23):
        line[at], line[at + 1] = line[at + 1], line[at]
    assert Code.ENUMERATION in feed(Watch(Bare(orders=orders)), openings(line))


def test_ids_in_order_are_an_enumeration():
    assert Code.ENUMERATION in feed(Watch(), openings(sorted(WHOLE[:20])))


def test_a_program_that_reads_a_list_to_its_end_is_seen_by_its_pages():
    whole, rows = sorted(WHOLE[:120]), []
    for page in range(10):
        at = AT + timedelta(seconds=page)
        rows += [
            entry(at, "p", patient, actor_kind="client", action="search", relationship="")
            for patient in whole[page * 12 : page * 12 + 12]
        ]
    found = feed(Watch(), rows)
    assert found[Code.PAGING].owner == "client:p"
    # Pages of chance, and small ones, are none.
    rows = [
        entry(AT + timedelta(seconds=n // 12), "p", patient, actor_kind="client", action="search")
        for n, patient in enumerate(random.Random(1).sample(whole, 120))
    ]
    assert Code.PAGING not in feed(Watch(), rows)


def test_twenty_strangers_a_day_are_found_beside_a_full_days_work():
    watch, journal, dice = Watch(), Journal(), random.Random(3)
    weeks(watch, journal, number=35)
    found = {}
    for day in range(17):
        rows = list(shift(dice, MONDAY + timedelta(days=day), "a", WHOLE, 35, 0.06))
        rows += [
            entry(MONDAY + timedelta(days=day, hours=16, minutes=n), "a", p, relationship="")
            for n, p in enumerate(dice.sample(WHOLE, 20))
        ]
        rows.sort(key=lambda each: each.at)
        for finding in watch.feed(journal.lines(rows), AT):
            found.setdefault(finding.code, day)
        if found:
            break
    assert found.keys() == {Code.UNEXPLAINED}
    assert found[Code.UNEXPLAINED] <= 3
    finding = watch.open["elm", "person:a", Code.UNEXPLAINED]
    assert "appointment" in finding.sentence
    assert len(finding.evidence) > 10


def test_a_finding_grows_and_does_not_multiply_and_its_evidence_stays_small():
    watch, journal = Watch(), Journal()
    first = feed(watch, openings(WHOLE[:20]), journal)[Code.UNEXPLAINED]
    rows = openings(WHOLE[20:300], step=200)
    again = feed(watch, rows, journal)[Code.UNEXPLAINED]
    assert [key for key in watch.open if key[2] is Code.UNEXPLAINED] == [
        ("elm", "person:a", Code.UNEXPLAINED)
    ]
    assert again.since == first.since
    assert again.signals > first.signals
    assert len(again.evidence) <= 100


def test_what_somebody_has_explained_is_not_said_again_for_a_month():
    watch, journal = Watch(), Journal()
    finding = feed(watch, openings(WHOLE[:20]), journal)[Code.UNEXPLAINED]
    watch.answer(finding, AT, explained=True)
    assert Code.UNEXPLAINED not in feed(watch, openings(WHOLE[20:60]), journal)
    other = feed(watch, openings(WHOLE[:20], actor_kind="person", role="nurse"), journal)
    assert Code.UNEXPLAINED not in other
    later = [
        entry(each.at + timedelta(days=31), "a", each.patient, relationship="")
        for each in openings(WHOLE[:20])
    ]
    assert Code.UNEXPLAINED in feed(watch, later, journal)


def test_where_nothing_explains_anybodys_charts_nobody_is_told_of_and_a_known_role_weighs_more():
    for usual, told in ((0.9, None), (0.05, 7)):
        watch, journal = Watch(), Journal()
        for who in range(5):
            for back in range(9, 0, -1):
                dice = random.Random(10 * back + who)
                rows = shift(dice, MONDAY - timedelta(days=back), f"s{who}", WHOLE, 14, usual)
                watch.feed(journal.lines(rows), AT)
        watch.open.clear()
        found = feed(watch, openings(WHOLE[:30]), journal)
        assert (found[Code.UNEXPLAINED].weight if Code.UNEXPLAINED in found else None) == told


def test_whose_work_it_is_to_look_where_nothing_explains_it_is_not_told_of():
    assert Code.UNEXPLAINED not in feed(Watch(), openings(WHOLE[:60], role="privacy_officer"))


def test_appointments_that_the_person_made_explain_only_so_many():
    mine = openings(WHOLE[:30], relationship="appointment own")
    assert Code.SELF_MADE in feed(Watch(), mine)
    desk = [
        each
        for n, each in enumerate(openings(WHOLE[:60], role="front_desk", relationship="appointment"))
        if n % 2
    ]
    desk += openings(WHOLE[60:90], role="front_desk", relationship="appointment own")
    assert Code.SELF_MADE not in feed(Watch(), desk)


def test_far_more_people_than_the_person_ever_saw_are_breadth():
    watch, journal = Watch(), Journal()
    weeks(watch, journal)
    found = feed(watch, openings(WHOLE[:120], relationship="appointment"), journal)
    assert found.keys() == {Code.BREADTH}
    watch, journal = Watch(), Journal()
    weeks(watch, journal)
    assert feed(watch, openings(WHOLE[:38], relationship="appointment"), journal) == {}


def test_a_bait_without_an_explanation_masks_and_with_one_is_a_question():
    watch = Watch(Bare(frozenset({WHOLE[3]})))
    finding = feed(watch, openings(WHOLE[3:4]))[Code.HONEY]
    assert finding.evidence == (1,)
    assert watch.rung("person:a", AT) is Rung.MASKED
    watch = Watch(Bare(frozenset({WHOLE[3]})))
    asked = feed(watch, openings(WHOLE[3:4], relationship="appointment"))[Code.HONEY]
    assert not asked.look
    assert watch.rung("person:a", AT) is Rung.WATCH
    # An appointment of one's own making is no explanation, and a bait among people found is no touch.
    watch = Watch(Bare(frozenset({WHOLE[3]})))
    assert feed(watch, openings(WHOLE[3:4], relationship="appointment own"))[Code.HONEY].look
    assert feed(Watch(Bare(frozenset({WHOLE[3]}))), openings(WHOLE[3:4], action="search")) == {}
    # What was refused or failed shows nobody.
    assert feed(Watch(Bare(frozenset({WHOLE[3]}))), openings(WHOLE[3:4], outcome="4")) == {}


def test_relatives_own_records_and_well_known_people():
    assert Code.FAMILY in feed(Watch(Traits(kin=Kin.NAME)), openings(WHOLE[:1]))
    assert Code.FAMILY in feed(Watch(Traits(kin=Kin.ADDRESS)), openings(WHOLE[:1]))
    assert feed(Watch(Traits(kin=Kin.NAME)), openings(WHOLE[:1], relationship="appointment")) == {}
    assert Code.OWN_RECORD in feed(Watch(Traits(kin=Kin.SELF)), openings(WHOLE[:1]))
    assert Code.VIP in feed(Watch(Traits(vip=True)), openings(WHOLE[:1]))
    assert feed(Watch(Traits(vip=True, explained=True)), openings(WHOLE[:1])) == {}


def test_sensitive_numbers_where_the_role_hardly_opens_any():
    ssn = {"elements": {"ssn": "masked"}, "relationship": "appointment"}
    assert Code.ELEMENTS in feed(Watch(), openings(WHOLE[:8], role="front_desk", **ssn))
    assert feed(Watch(), openings(WHOLE[:4], role="front_desk", **ssn)) == {}
    assert feed(Watch(), openings(WHOLE[:25], role="biller", **ssn)) == {}


def test_many_found_and_hardly_any_opened():
    rows = openings(WHOLE[:70], action="search", relationship="appointment")
    assert feed(Watch(), rows).keys() == {Code.BULK}
    both = [*rows, *openings(WHOLE[:12], relationship="appointment")]
    watch = Watch()
    assert feed(watch, sorted(both, key=lambda each: each.at)) == {}


def test_an_hour_in_which_nobody_works():
    watch, journal = Watch(), Journal()
    for who in range(3):
        dice = random.Random(who)
        for back in range(9, 0, -1):
            rows = list(shift(dice, MONDAY - timedelta(days=back), f"s{who}", WHOLE, 25, 0))
            watch.feed(journal.lines(rows), AT)
    night = [entry(MONDAY + timedelta(hours=3, minutes=n), "s1", p) for n, p in enumerate(WHOLE[:14])]
    assert feed(watch, night[:3], journal) == {}
    found = feed(watch, night[3:], journal)
    assert found[Code.HOUR].look
    assert "03:00" in found[Code.HOUR].sentence


def test_new_places_and_devices_are_told_once_a_login_has_a_history():
    watch, journal = Watch(), Journal()
    weeks(watch, journal)
    moved = {"address": "198.51.100.9", "device": "phone", "relationship": "appointment"}
    found = feed(watch, openings(WHOLE[:1], **moved), journal)
    assert found.keys() == {Code.PLACE, Code.DEVICE}
    assert not any(each.look for each in found.values())
    assert feed(watch, openings(WHOLE[1:2], **moved), journal) == {}
    assert feed(Watch(), openings(WHOLE[:1], **moved)) == {}


def test_two_places_that_take_turns():
    rows = []
    for n in range(6):
        place = {"address": "198.51.100.9", "device": "b"} if n % 2 else {}
        rows += openings(WHOLE[n : n + 1], relationship="appointment", **place)
    rows = [
        entry(AT + timedelta(minutes=n), "a", each.patient, address=each.address, device=each.device)
        for n, each in enumerate(rows)
    ]
    assert Code.TWO_PLACES in feed(Watch(), rows)
    assert feed(Watch(), [*rows[::2], *rows[1:2]]) == {}


def test_a_login_that_slept_for_long():
    watch, journal = Watch(), Journal()
    before = [entry(AT - timedelta(days=60), "a", WHOLE[0])]
    assert feed(watch, before, journal) == {}
    assert Code.DORMANT in feed(watch, openings(WHOLE[:6], relationship="appointment"), journal)


@pytest.mark.parametrize("program", [True, False])
def test_one_patient_with_an_appointment_on_each_page_hides_no_sweep(program):
    whole, rows = sorted(WHOLE), []
    kind, size = ("client", 20) if program else ("person", 5)
    for page in range(26):
        at = AT + timedelta(seconds=page)
        rows += [
            entry(at, "p", patient, actor_kind=kind, action="search", relationship="" if n else "appointment")
            for n, patient in enumerate(whole[page * size : (page + 1) * size])
        ]
    found = feed(Watch(), rows)
    assert Code.ENUMERATION in found
    assert (Code.PAGING in found) is program
    # A day's list, on which few are not explained, is no sweep.
    day = [replace(each, relationship="" if n % 5 == 2 else "appointment") for n, each in enumerate(rows)]
    assert not {Code.ENUMERATION, Code.PAGING} & feed(Watch(), day).keys()


def test_a_clock_that_ran_ahead_for_a_moment_makes_nobody_suspect_afterwards():
    watch, journal = Watch(), Journal()
    weeks(watch, journal)
    ahead = [replace(each, at=each.at + timedelta(days=365)) for each in openings(WHOLE[:1])]
    watch.feed(journal.lines(ahead), ahead[0].at)
    watch.open.clear()
    dice, found = random.Random(4), []
    for day in range(20):
        begin = MONDAY + timedelta(days=day)
        found += watch.feed(journal.lines(shift(dice, begin, "a", WHOLE, 25, 0.06)), begin)
    assert found == []
    assert len(watch.memories["person:a"].days) == 19


def test_a_finding_from_a_clock_that_ran_ahead_silences_no_later_one():
    watch, journal = Watch(Traits(honey=True)), Journal()
    for ahead in (365, 0):
        touch = [replace(each, at=each.at + timedelta(days=ahead)) for each in openings(WHOLE[:1])]
        [finding] = [each for each in watch.feed(journal.lines(touch), AT) if each.code is Code.HONEY]
    assert (finding.at, finding.signals) == (AT, 2)


def test_an_answer_holds_for_its_practice_and_for_nothing_heavier():
    watch, journal = Watch(Traits(honey=True)), Journal()
    asked = feed(watch, openings(WHOLE[:1], relationship="appointment"), journal)[Code.HONEY]
    watch.answer(asked, AT, explained=True)
    assert Code.HONEY not in feed(watch, openings(WHOLE[1:2], relationship="appointment"), journal)
    assert feed(watch, openings(WHOLE[2:3]), journal)[Code.HONEY].weight == 8
    watch.open.clear()
    elsewhere = openings(WHOLE[3:4], relationship="appointment", practice="oak")
    assert feed(watch, elsewhere, journal)[Code.HONEY].practice == "oak"
