"""Honest days and an honest month end within the default budgets, whatever is seen on the way by typing."""

import random
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from functools import cache, partial

import pytest

from confide.access import budget
from confide.access.decide import decide
from confide.access.limits import LIMITS
from confide.access.roles import Action, Form, Purpose, Role
from confide.drill.families import households
from confide.errors import StepUpNeeded
from confide.protect.elements import CATALOGUE, Element
from confide.records.finder import MOST_WHILE_TYPING
from tests.practice import Practice, build, observation
from tests.scale import WHOLE

from .conftest import NOW

database = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
PANEL = 700
BY = ("name", "called", "birth date") if WHOLE else ("called",)
MORNING = NOW.replace(hour=8)


def resource(number, person):
    """A Patient with what a front desk writes down."""
    name = {"family": person.family, "given": list(person.given)}
    return {
        "resourceType": "Patient",
        "name": [{part: value for part, value in name.items() if value}],
        "birthDate": person.birth.isoformat(),
        "telecom": [{"system": "phone", "value": f"(555) 01{number // 100:02}-{number * 37 % 10_000:04}"}],
        "address": [{"line": [f"{number} Elm Street"], "city": "Springfield", "postalCode": "01103"}],
        "identifier": [
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": f"{900_000_000 + number}"[-9:]},
            {"system": "http://plan.example/members", "value": f"W-8800-{number:04}"},
        ],
    }


class Panel:
    """A practice with people in it, as the finder of its desk sees them."""

    def __init__(self, transactional_db):
        system, clock = build()
        self.elm = Practice(system, clock, "Elm Street")
        clock.now = MORNING
        self.people = [p for home in households(PANEL, 3, date(2026, 3, 2)) for p in home.people]
        write = self.elm.grant("write")
        self.ids = [
            system.charts.create(write, resource(i, person)).id for i, person in enumerate(self.people)
        ]
        self.strangers = random.Random(4).sample(range(PANEL), PANEL)

    def begin(self, number, count):
        """Begin the day of this *number*; the people of whom nobody had anything to do before."""
        self.elm.clock.now = MORNING + timedelta(days=number)
        taken, self.strangers = self.strangers[:count], self.strangers[count:]
        assert len(taken) == count, "the panel is too small"
        return taken

    def work(self, actor, purpose, minutes):
        """One look-up after the other, *minutes* apart; yields a way to grant."""
        clock = self.elm.clock

        def grant(action, *patients, elements=Element):
            return self.elm.system.decide(actor, Action(action), purpose, patients or None, elements)

        while True:
            yield grant
            clock.advance(minutes=minutes)

    def look_up(self, grant, number, *, by):
        """Type letter by letter until the person is shown; Enter at the end."""
        person = self.people[number]
        text = {
            "name": f"{person.family} {' '.join(person.given)}",
            "called": f"{' '.join(person.given)} {person.family}",
            "birth date": f"{person.birth:%m/%d/%Y} {person.name}",
        }[by].strip()
        find = self.elm.system.finder.find
        for end in range(1, len(text) + 1):
            shown = {view.id for view in find(grant("search"), text[:end], typing=True).views}
            if self.ids[number] in shown:
                return
        found = find(grant("search"), text)
        assert found.too_many or self.ids[number] in {view.id for view in found.views}, "the budget ended"

    def open(self, grant, number):
        """Open the first page of a chart; return the grant."""
        reading = grant("read", self.ids[number])
        view = self.elm.read("Patient", self.ids[number], reading)
        assert not view.hidden & reading.clear, "the budget ended"
        return reading

    def uncover(self, grant, number, *elements):
        revealing = grant("reveal", self.ids[number], elements=elements)
        view = self.elm.read("Patient", self.ids[number], revealing)
        assert revealing.clear == set(elements)
        assert not view.hidden & revealing.clear, "the budget ended"

    def assign(self, number, who):
        """Give somebody a claim of the patient's."""
        patient = {"reference": f"Patient/{self.ids[number]}"}
        bill = self.elm.add({"resourceType": "Account", "status": "active", "subject": [patient]})
        return self.elm.add(
            {
                "resourceType": "Task",
                "status": "requested",
                "intent": "order",
                "focus": {"reference": f"Account/{bill}"},
                "for": patient,
                "owner": {"reference": f"Practitioner/{who}"},
            }
        )


@pytest.fixture
def panel(transactional_db):
    return Panel(transactional_db)


def within(actor, role, clock):
    usage = budget.today(actor, clock())
    assert usage.patients <= LIMITS[role].day_patients
    return usage


@database
def test_honest_days_end_within_the_budgets(panel):
    """One panel, which takes longer to write than to look people up in; each day is of other people."""
    days = [
        *(partial(day_of_a_front_desk, by=by) for by in BY),
        partial(day_of_somebody_else, role=Role.NURSE, purpose=Purpose.TREAT, count=40, minutes=11),
        partial(day_of_somebody_else, role=Role.CLINICIAN, purpose=Purpose.TREAT, count=30, minutes=15),
        partial(day_of_somebody_else, role=Role.BILLER, purpose=Purpose.HPAYMT, count=75, minutes=6),
    ]
    for number, day in enumerate(days):
        day(panel, number)


def day_of_a_front_desk(panel, day, by):
    """80 look-ups in seven hours, of 65 people: some come up again. The first hour has twice as many.

    Four in ten have no appointment: they call, and are given one, which opens little of their charts today.
    """
    chance = random.Random(by)
    desk = panel.elm.member("front_desk")
    people = panel.begin(day, 65)
    booked = set(people[:45])
    for number in booked:
        panel.elm.book(panel.ids[number])
    calls = [*people, *chance.sample(people, 15)]
    work = panel.work(desk, Purpose.TREAT, 5)
    for turn, number in enumerate(calls):
        if turn == 20:
            work = panel.work(desk, Purpose.TREAT, 6)
        grant = next(work)
        panel.look_up(grant, number, by=by)
        if number not in booked:
            assert not panel.open(grant, number).clear
            panel.elm.book(panel.ids[number], 2, grant("write", panel.ids[number]))
            assert panel.open(grant, number).relations[panel.ids[number]].own
            booked.add(number)
            panel.uncover(grant, number, Element.PHONE)
        elif panel.open(grant, number).relations[panel.ids[number]].full:
            panel.uncover(grant, number, Element.PHONE, Element.MEMBER_ID)
    usage = within(desk, Role.FRONT_DESK, panel.elm.clock)
    assert usage.patients >= 65


def day_of_somebody_else(panel, day, role, purpose, count, minutes):
    """They find their patients by name, open them, and see (or bill) what was measured.

    Who bills uncovers the SSN of one in five, and proves a second factor anew each time.
    """
    people = panel.begin(day, count)
    who = panel.elm.add({"resourceType": "Practitioner", "name": [{"family": "Okafor"}]})
    actor = panel.elm.member(role.value, who)
    for number in people:
        panel.elm.add(observation(panel.ids[number], note=[{"text": "said that she felt better"}]))
        if role is Role.BILLER:
            panel.assign(number, who)
        else:
            panel.elm.book(panel.ids[number])
    work = panel.work(actor, purpose, minutes)
    for turn, number in enumerate(people):
        grant, patient = next(work), panel.ids[number]
        panel.look_up(grant, number, by="name")
        assert panel.open(grant, number).relations[patient].full
        page = panel.elm.search("Observation", ("patient", patient), grant=grant("search", patient))
        assert not page.withheld
        reveal = grant("reveal", patient, elements=[e for e in Element if not CATALOGUE[e].step_up])
        view = panel.elm.system.charts.read(reveal, "Patient", patient)
        assert not view.hidden & reveal.clear, "the budget ended"
        if role is Role.BILLER and turn % 5 == 0:
            if turn:
                with pytest.raises(StepUpNeeded):
                    grant("reveal", patient, elements=[Element.SSN])
            proved = panel.work(replace(actor, proved_at=panel.elm.clock()), purpose, 0)
            panel.uncover(next(proved), number, Element.SSN)
    assert within(actor, role, panel.elm.clock).patients >= count


def test_the_month_of_a_front_desk(desk):
    """80 look-ups on each of 21 days: 45 people who come, 35 calls of people who come within two weeks."""
    chance = random.Random(30)
    seen_with = on_the_way([p.name for home in households(3000, 3, date(2026, 3, 2)) for p in home.people])
    diary = [chance.sample(range(3000), 45) for _ in range(21 + 20)]
    seen = set()
    for day in range(21):
        calls = [chance.choice(chance.choice(diary[day : day + 20])) for _ in range(35)]
        morning = MORNING + timedelta(days=day // 5 * 7 + day % 5)
        for turn, number in enumerate([*diary[day + 10], *calls]):
            now = morning + timedelta(minutes=5 * turn)
            grant = decide(desk, Action.READ, Purpose.TREAT, None, Element, now)
            found = seen_with(number)
            page = [(f"p{i}", e, Form.CLEAR) for i in found for e in (Element.NAME, Element.BIRTH_DATE)]
            budget.spend(grant, page, now)
            seen |= set(found)
    assert 1000 < len(seen) <= LIMITS[Role.FRONT_DESK].month.patients


def test_no_default_exceeds_150_patients_a_day():
    assert {role: limits.day_patients for role, limits in LIMITS.items() if limits.day_patients > 150} == {}


def on_the_way(names):
    """Who is shown while somebody's name is typed, family name first."""
    starts = defaultdict(set)
    for number, name in enumerate(names):
        for word in name.casefold().split():
            for end in range(1, len(word) + 1):
                starts[word[:end]].add(number)

    @cache
    def seen_with(number):
        *given, family = names[number].casefold().split()
        text = " ".join([family, *given])
        seen = {number}
        for end in range(1, len(text) + 1):
            hits = set.intersection(*(starts[term] for term in text[:end].split()))
            if len(hits) <= MOST_WHILE_TYPING:
                seen |= hits
                if number in hits:
                    break
        return sorted(seen)

    return seen_with
