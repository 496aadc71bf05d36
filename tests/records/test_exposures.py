"""Whatever is asked, in whatever order, by however many at once: what was learned was paid for."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from confide.access.exposure import weigh
from confide.access.models import Client, Exposure
from confide.access.roles import Form
from confide.errors import ConfideError, Damaged
from confide.protect.elements import Element
from confide.protect.tokens import Wanted
from confide.vault.covers import Bare, Kept
from tests.practice import observation

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])

PEOPLE = 12
PATIENTS, UNITS = 4, 60
"""What each program may see; far less than is asked for."""

THREADS = 6
GIVEN = ("Ada", "Adam", "Bo", "Bob", "Cleo", "Clea")
FAMILY = ("Abbott", "Abel", "Baker", "Bell")
ALL = frozenset(Element)


@dataclass
class Elm:
    """A practice with a few people in it, what there is to know of them, and what was learned."""

    practice: object
    ids: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    births: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def settle(self):
        for i in range(PEOPLE):
            given, family, birth = GIVEN[i % 6], FAMILY[i % 4], f"19{50 + i * 3}-0{i % 9 + 1}-11"
            id_ = self.practice.patient(
                name=[{"given": [given], "family": family}],
                birthDate=birth,
                telecom=[{"system": "phone", "value": f"55501{i:05}"}],
                identifier=[{"system": "http://hl7.org/fhir/sid/us-ssn", "value": f"91000{i:04}"}],
            )
            self.ids.append(id_)
            self.names[id_], self.births[id_] = f"{given} {family}".lower(), birth
            self.notes[id_] = self.practice.add(observation(id_, f"2024-0{i % 9 + 1}-04"))
        self.practice.put("Patient", self.ids[0], gender="male")


class Program:
    """One credential: what it asks, and what its answers tell."""

    def __init__(self, elm):
        self.elm = elm
        self.system = elm.practice.system
        self.actor = elm.practice.client(day_patients=PATIENTS, day_units=UNITS, token_scopes=["lab"])
        self.lock = threading.Lock()
        self.learned = set()
        self.counts = []
        self.surprises = []

    def grant(self, action):
        return self.elm.practice.grant(action, self.actor, "PATRQT")

    def learn(self, *pairs):
        with self.lock:
            self.learned.update(pairs)

    def look(self, views):
        for view in views:
            for patient in view.patients or (view.id,):
                self.learn(*((patient, e.value) for e in view.shown))

    def do(self, number):
        chance = random.Random(number)
        one = chance.choice(self.elm.ids)
        act = chance.choice(sorted(ACTS))
        try:
            ACTS[act](self, chance, one)
        except Damaged as problem:
            self.surprises.append(repr(problem))
        except ConfideError:
            pass  # refused: nothing is told

    # What there is to ask

    def read(self, chance, one):
        self.look([self.system.charts.read(self.grant("read"), "Patient", one)])

    def vread(self, chance, one):
        self.look([self.system.charts.vread(self.grant("read"), "Patient", one, 1)])

    def history(self, chance, one):
        self.look(self.system.charts.history(self.grant("read"), "Patient", one))

    def everything(self, chance, one):
        self.look(self.system.charts.chart(self.grant("read"), one))

    def reveal(self, chance, one):
        some = frozenset(chance.sample(sorted(Element), 3))
        self.look([self.system.charts.read(self.grant("reveal"), "Patient", one, some)])

    def filters(self, chance):
        """Some filters: parameters, the elements that they ask by, and whom they match."""
        name, year = chance.choice(["a", "ad", "bo", "clea", "abel", "zz"]), 1950 + chance.randrange(36)
        chosen = {
            "name": (
                Element.NAME,
                lambda p: any(w.startswith(name) for w in self.elm.names[p].split()),
                name,
            ),
            "birthdate": (Element.BIRTH_DATE, lambda p: self.elm.births[p] >= str(year), f"ge{year}"),
        }
        keys = chance.choice([["name"], ["birthdate"], ["name", "birthdate"]])
        params = [(key, chosen[key][2]) for key in keys]
        elements = {chosen[key][0].value for key in keys}
        return params, elements, {p for p in self.elm.ids if all(chosen[key][1](p) for key in keys)}

    def search(self, chance, one):
        params, elements, matching = self.filters(chance)
        if chance.random() < 0.3:
            params.append(("_id", one))
            matching &= {one}
        counting = chance.random() < 0.5
        page = self.system.search.search(
            self.grant("search"), "Patient", [*params, *([("_summary", "count")] if counting else [])]
        )
        with self.lock:
            self.counts.append((page.total, elements, matching))
        self.look(page.views)
        self.learn(*((view.id, e) for view in page.views for e in elements))

    def cohort(self, chance, one):
        params, elements, _ = self.filters(chance)
        found = self.system.search.every(self.grant("search"), "Patient", params)
        self.learn(*((str(id_), e) for id_ in found for e in elements))

    def find(self, chance, one):
        text = chance.choice(
            [self.elm.names[one], self.elm.births[one], "ab", "cle", f"bo {self.elm.births[one]}"]
        )
        finding = self.system.finder.find(self.grant("search"), text, typing=chance.random() < 0.5)
        self.look(finding.views)
        self.learn(*((view.id, "name") for view in finding.views if text[0].isalpha()))

    def within(self, chance, one):
        params = [
            ("patient", one),
            chance.choice([("date", "2024"), ("_sort", "date"), ("date", "lt2024-04")]),
        ]
        page = self.system.search.search(self.grant("search"), "Observation", params)
        self.look(page.views)
        self.learn((one, "date"))

    def batch(self, chance, one):
        urls = [
            f"Patient/{one}",
            f"Observation?patient={one}&date=2024",
            "Patient?name=ad",
            f"Patient?_id={one}",
        ]
        entries = [{"request": {"method": "GET", "url": url}} for url in urls]
        self.system.bundles.execute(
            self.grant_of,
            {"resourceType": "Bundle", "type": "batch", "entry": entries},
            lambda kind, page: self.look(page.views) or {},
        )

    def grant_of(self, action):
        return self.grant(action.value)

    def tokenize(self, chance, one):
        wanted = Wanted(Element.SSN, f"91000{chance.randrange(PEOPLE):04}", one)
        [token] = self.system.values.tokenize(self.grant("tokenize"), "lab", [wanted])
        if isinstance(token, str):
            self.learn((one, "ssn"))
            [value] = self.system.values.detokenize(self.grant("reveal"), "lab", [token])
            if isinstance(value, ConfideError):  # whoever's it was first
                return

    def protect(self, chance, one):
        asked = [Bare(one, Element.SSN, f"91000{chance.randrange(PEOPLE):04}")]
        [kept] = self.system.values.protect(self.grant("tokenize"), self.grant("search"), asked)
        if isinstance(kept, Kept):
            self.learn((one, "ssn"))
            [shown] = self.system.values.reveal(self.grant("reveal"), [kept])
            if not isinstance(shown, ConfideError):
                self.learn((one, shown.element.value))


ACTS = {
    name: getattr(Program, name)
    for name in (
        "read", "vread", "history", "everything", "reveal", "search", "cohort", "find", "within", "batch",
        "tokenize", "protect",
    )
}  # fmt: skip


@pytest.fixture
def settled(elm):
    made = Elm(elm)
    made.settle()
    elm.system.indexes(elm.id).catch_up()
    return made


def paid(program):
    """What the database says that a credential has paid for: (patient, element) to the heaviest weight."""
    rows = Exposure.objects.filter(owner=program.actor.owner).values_list("patient", "element", "form")
    heaviest = defaultdict(int)
    for patient, element, form in rows:
        weight = weigh(Element(element), Form(form))
        heaviest[patient, element] = max(weight, heaviest[patient, element])
    return heaviest


def race(programs, numbers):
    """All operations, dealt out to threads, each with connections of its own."""
    failed = []

    def run(mine):
        try:
            for place, number in mine:
                programs[place % len(programs)].do(number)
        except Exception as problem:  # noqa: BLE001 - the test wants to know of every one
            failed.append(repr(problem))
        finally:
            connections.close_all()

    dealt = list(enumerate(numbers))
    threads = [threading.Thread(target=run, args=(dealt[i::THREADS],)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@seed(4)
@settings(
    max_examples=10, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 10**9))
def test_what_was_learned_was_paid_for(settled, number):
    chance = random.Random(number)
    numbers = [chance.randrange(10**9) for _ in range(60)]
    programs = [Program(settled) for _ in range(2)]
    race(programs, numbers)
    assert any(len({patient for patient, _ in paid(program)}) == PATIENTS for program in programs)
    for program in programs:
        heaviest = paid(program)
        assert not program.surprises
        assert program.learned <= set(heaviest)
        assert len({patient for patient, _ in heaviest if not patient.startswith("token:")}) <= PATIENTS
        assert len({patient for patient, _ in heaviest}) <= PATIENTS
        assert sum(heaviest.values()) <= UNITS
        for total, elements, matching in program.counts:
            known = {p for p in matching if all((p, e) in heaviest for e in elements)}
            assert total <= len(known), "a count speaks of nobody who is not paid for"


def test_the_operations_tell_something(settled):
    """With a budget that does not end every kind of operation is answered: the other test tests something."""
    program = Program(settled)
    Client.objects.filter(pk=program.actor.id).update(day_patients=150, day_units=10**6)
    for act in sorted(ACTS):
        program.learned.clear()
        for number in range(12):
            ACTS[act](program, random.Random(number), settled.ids[1])
        assert program.learned, act
