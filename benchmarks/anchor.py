"""The incident that Confide is designed against, from nothing to the last letter, with real sealed patients.

`python -m tools.postgres python -m benchmarks --large anchor`. A population of 1,049,375 at 1,600 practices
is loaded by the import that practices use; a stolen program's key is in the journal with one entry for each
of them; then the incident is led: scope, freezing, clocks, forms, a notice for each practice, records for the
print house of all persons, killed in the middle, and second letters as PDF files to those whose state asks
for them. ANCHOR_PERSONS makes it smaller. Not in it: verifying the journal (measured by itself) and codes.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import Figure, LeftOut, large

if TYPE_CHECKING:
    from confide.wiring import System

WHOLE: Final = 1_049_375
PERSONS: Final = int(os.environ.get("ANCHOR_PERSONS", str(WHOLE)))
PRACTICES: Final = min(1_600, max(60, PERSONS // 100))
SINCE: Final = datetime(2023, 3, 29, tzinfo=UTC)
UNTIL: Final = datetime(2023, 4, 15, tzinfo=UTC)
DISCOVERED: Final = datetime(2023, 3, 30, 16, tzinfo=UTC)
CORES: Final = 2
_AT_ONCE: Final = 2_000
_RECORDS_A_SECOND: Final = WHOLE / 600


class Led:
    """An installation in which the incident is led: two people of the leading practice, and a print house."""

    def __init__(self, system: System, folder: Path) -> None:
        from pyrage import x25519

        from confide.access.destinations import Use
        from confide.access.models import Account, Destination, Membership

        self.system = system
        self.lead = system.found_practice("Vendor")
        self.identity = x25519.Identity.generate()
        now = datetime.now(UTC)
        self.people = []
        for role in ("privacy_officer", "practice_manager"):
            account = Account.objects.create_user(f"{role}@vendor.example", display_name=role)
            Account.objects.filter(pk=account.pk).update(created_at=now - timedelta(days=30))
            self.people.append(
                Membership.objects.create(account=account, practice=self.lead, role=role, approved_at=now)
            )
        register = system.exports.register(
            self.grant("export", 1), "Printers", str(self.identity.to_public()), str(folder), Use.MAILING
        )
        system.exports.agree(self.grant("export"), register)
        Destination.objects.filter(pk=register.pk).update(registered_at=now - timedelta(hours=73))
        self.place = Destination.objects.get(pk=register.pk)

    def grant(self, action: str, who: int = 0) -> Any:
        """A grant of the officer (0) or the manager (1), at the terminal."""
        from confide.access.decide import act_as_member, decide
        from confide.access.roles import Action, Purpose
        from confide.protect.elements import Element

        now = datetime.now(UTC)
        actor = replace(act_as_member(self.people[who], "terminal"), proved_at=now)
        asked = () if action == "journal-read" else Element
        return decide(actor, Action(action), Purpose.HOPERAT, None, asked, now)


def build() -> System:
    """Open the installation of the environment, in this process or another one."""
    import django

    django.setup()
    from django.conf import settings

    from confide import wiring
    from confide.server.apps import log_of

    return wiring.build(wiring.open_file_kms(settings.CONFIG.keyring, None), log_of(settings.CONFIG))


@large
def anchor_incident() -> Iterator[Figure]:
    """From a million patients to their letters."""
    system = build()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor != "postgresql":
        raise LeftOut("it is led on PostgreSQL: python -m tools.postgres python -m benchmarks --large anchor")
    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    with tempfile.TemporaryDirectory(prefix="confide-bench-") as folder:
        place = Path(folder) / "outgoing"
        place.mkdir()
        led = Led(system, place)
        lived: dict[str, int] = {}
        yield from _load(system, lived)
        thief = yield from _steal(led)
        scope = yield from _scope(led, thief, lived)
        yield from _notices(led, scope)
        yield from _records(led, scope, place)
        yield from _letters(led, scope)
    each = [resource.getrusage(w).ru_maxrss / 1024 for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    yield Figure("memory of this process, which also did all of the above", each[0], "MB")
    yield Figure("memory of the largest process that it started", each[1], "MB", target=1000)


def _load(system: System, lived: dict[str, int]) -> Iterator[Figure]:
    """Draw a population and import it; leaves how many live in each state in *lived*."""
    from django.db import connections

    from confide.drill import enrolment, population
    from confide.drill.census import residents

    people = population.draw(PERSONS, PRACTICES, 7, date(2026, 1, 1), states="anchor")
    lived.update(residents(PERSONS, "anchor"))
    ids = []
    for number in range(int(people.practice[-1]) + 1):
        ids.append(system.found_practice(f"Practice {number + 1:04}").pk)
        system.vault.lock(ids[-1])
    connections.close_all()
    with tempfile.TemporaryDirectory(prefix="confide-bench-") as folder:
        done = enrolment.load(people, ids, build, Path(folder), lambda _: None, CORES)
    name = f"import of {PERSONS:,} persons, {done.resources:,} resources, on two cores"
    yield Figure(name, done.rate, "persons/s", target=2000)
    yield Figure("the same, CPU of Python for each person", done.cpu / PERSONS * 1e6, "us")


def _steal(led: Led) -> Iterator[Any]:
    """Write one entry of a stolen key for each patient, over the seventeen days; return the key's actor."""
    from django.db import connection, transaction

    from confide.access.roles import Action, Form, Purpose
    from confide.audit import partitions
    from confide.audit.journal import entry_for
    from confide.protect.elements import Element
    from confide.records.models import Resource

    with connection.schema_editor() as editor:
        there = set(partitions.months())
        for at in (SINCE, UNTIL):
            month = partitions.month_of(at)
            for statement in partitions.statements(month) if month not in there else ():
                editor.execute(statement)
    shown = [
        dict.fromkeys((Element.ADDRESS, Element.BIRTH_DATE, Element.NAME, Element.SSN), Form.CLEAR),
        dict.fromkeys((Element.ADDRESS, Element.BIRTH_DATE, Element.NAME), Form.CLEAR),
        {Element.NAME: Form.CLEAR, Element.SSN: Form.MASKED},
    ]
    base = replace(
        entry_for(led.grant("journal-read"), SINCE, resource_type="Patient", version=1),
        actor_kind="client", actor=str(led.place.pk), credential="token:stolen", role="integrator",
        action=Action.REVEAL.value, purpose=Purpose.TREAT.value, address="203.0.113.9", device="",
    )  # fmt: skip
    told = [{key.value: form.value for key, form in each.items()} for each in shown]
    rows = Resource.objects.filter(type="Patient").order_by("practice", "pk").values_list("practice", "pk")
    step = (UNTIL - SINCE - timedelta(hours=2)) / PERSONS
    started = time.perf_counter()
    waiting = []
    for n, (practice, pk) in enumerate(rows.iterator(chunk_size=20_000)):
        waiting.append(
            replace(
                base, at=SINCE + step * n, practice=practice, patient=str(pk), resource_id=str(pk),
                elements=told[n % len(told)],
            )
        )  # fmt: skip
        if len(waiting) == _AT_ONCE or n == PERSONS - 1:
            with transaction.atomic():
                led.system.journal.append(waiting)
            waiting = []
    yield Figure("journal of the theft, written", PERSONS / (time.perf_counter() - started), "entries/s")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE audit_journalentry")
    return base.actor


def _scope(led: Led, thief: str, lived: dict[str, int]) -> Iterator[Any]:
    from django.db import connection

    from confide.incidents import residences, scopes
    from confide.incidents.course import Breadth
    from confide.incidents.facts import Way
    from confide.incidents.questions import Question

    system = led.system
    incident = system.cases.open(
        led.grant("journal-read"), "The vendor", DISCOVERED, way=Way.LOGIN, breadth=Breadth.HOST
    )
    started = time.perf_counter()
    residences.refresh()
    yield Figure("where all of them live, read once from their records", time.perf_counter() - started, "s")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE incidents_residence")
    question = Question(since=SINCE, until=UNTIL, actors=(thief,))
    times = []
    for _ in range(3):
        started = time.perf_counter()
        counted = system.scopes.measure(led.grant("journal-read"), incident, question)
        times.append(time.perf_counter() - started)
    wrong = {state: n for state, n in lived.items() if n and counted.states.get(state) != n}
    if counted.records != PERSONS or wrong:
        raise LeftOut(f"the count is wrong: {counted.records} {sorted(wrong)}")
    size = f"{counted.records:,} persons at {counted.practices:,} practices"
    maine, texas = (counted.states.get(each, 0) for each in ("ME", "TX"))
    yield Figure(f"scope of {size}: Maine {maine:,}, Texas {texas:,}", min(times), "s", target=5)
    yield Figure("the same, the first time", times[0], "s", target=5)
    counted.sound, counted.proof = True, {"size": PERSONS, "wrong": []}  # verifying is measured elsewhere
    counted.save(update_fields=["sound", "proof"])
    started = time.perf_counter()
    frozen = system.scopes.freeze(led.grant("journal-read"), counted)
    yield Figure("freezing it, with the hash over all", time.perf_counter() - started, "s")
    started = time.perf_counter()
    if scopes.digest(frozen) != bytes(frozen.digest):
        raise LeftOut("the frozen scope is not as it was frozen")
    yield Figure("counting that hash again", time.perf_counter() - started, "s")
    return frozen


def _notices(led: Led, scope: Any) -> Iterator[Figure]:
    """Clocks, Maine's form, and a notice for each practice."""
    from confide.incidents import clocks, deadlines, reading
    from confide.incidents.duties import Standing
    from confide.incidents.notices import filings, owners, templates
    from tests.notices.post import facts

    incident = scope.incident
    started = time.perf_counter()
    found = led.system.deadlines.reckon(incident, scope)
    yield Figure(f"clocks of {scope.practices:,} covered entities", time.perf_counter() - started, "s")
    until = {duty.id: str(duty.until) for duty in found.duties}
    if (until.get("hipaa-individual"), until.get("ME:individual")) != ("2023-05-29", "2023-04-29"):
        raise LeftOut("the clocks are wrong")
    due = {duty.id for duty in found.duties if duty.standing is Standing.DUE}
    media = sorted(each.partition(":")[2] for each in due if each.startswith("hipaa-media"))
    agencies = sorted(each.partition(":")[0] for each in due if each.endswith(":agencies"))
    yield Figure("clocks: HIPAA 2023-05-29, Maine 2023-04-29; states with media notice", len(media), "states")
    yield Figure(
        f"consumer reporting agencies: yes, asked by {len(agencies)} states", len(agencies), "states"
    )
    known = deadlines.describe(incident, scope)
    form = filings.fill(
        "maine_ag", known, clocks.reckon(known, reading.held(), datetime.now(UTC)), scope.sound
    )
    filled = sum(answer.known is not None for answer in form.answers)
    if str(scope.states["ME"]) not in {answer.told.replace(",", "") for answer in form.answers}:
        raise LeftOut("Maine's form does not say how many live there")
    yield Figure(f"Maine's form: fields filled as data, of {len(form.answers)}", filled, "fields")
    started = time.perf_counter()
    count = sum(1 for _ in owners.write(scope, found, templates.built_in(), facts()))
    if count != scope.practices:
        raise LeftOut(f"notices to {count} practices only")
    yield Figure(f"notices to all {count:,} practices", time.perf_counter() - started, "s")


def _records(led: Led, scope: Any, place: Path) -> Iterator[Figure]:
    """Records of all persons for the print house: killed in the middle, gone on with, each there once."""
    campaigns, incident = led.system.campaigns, scope.incident
    started = time.perf_counter()
    made = campaigns.request(led.grant("mail"), scope, _wanted("records", led, 500))
    campaigns.approve(led.grant("mail", 1), incident)
    yield Figure("mailings of all practices, asked for and approved", time.perf_counter() - started, "s")
    started = time.perf_counter()
    begun = _drive(incident.pk, led.people[0].account_id, stop=made.people // 2)
    done = _drive(incident.pk, led.people[0].account_id)
    took = time.perf_counter() - started
    if not 0 < begun < made.people or done != made.people:
        raise LeftOut("it was not killed in the middle, or did not end")
    name = f"records of {made.people:,} persons with entries, killed at {begun:,} and gone on with"
    yield Figure(name, made.people / took, "persons/s", target=_RECORDS_A_SECOND)
    yield Figure("the same, altogether", took / 60, "min", target=10 * made.people / WHOLE)
    once = _once(led, made, place)
    yield Figure("persons in exactly one entry and one record, or known as not reached", once, "persons")


def _once(led: Led, made: Any, place: Path) -> int:
    """Count over everything that was written; each person once, or it says what is wrong."""
    import pyrage
    from django.db import connection

    from confide.incidents.notices.models import Unreached

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(DISTINCT patient) FROM audit_journalentry WHERE resource_type = 'Letter'"
        )
        entries, persons = cursor.fetchone()
    references: set[str] = set()
    records = 0
    for path in place.rglob("*.ndjson.age"):
        for line in pyrage.decrypt(path.read_bytes(), [led.identity]).splitlines():
            references.add(json.loads(line)["reference"])
            records += 1
    missed = Unreached.objects.filter(mailing__in=made.ids).count()
    if not entries == persons == made.people == records + missed or len(references) != records:
        raise LeftOut(f"not once: {entries} entries, {persons} persons, {records} records, {missed} missed")
    return persons


def _letters(led: Led, scope: Any) -> Iterator[Figure]:
    """The second letters, as PDF files of up to 100."""
    campaigns = led.system.campaigns
    made = campaigns.request(led.grant("mail"), scope, _wanted("letters", led, 100, second=True))
    campaigns.approve(led.grant("mail", 1), scope.incident)
    before = _children()
    started = time.perf_counter()
    if _drive(scope.incident_id, led.people[0].account_id) != made.people:
        raise LeftOut("the letters were not all written")
    took = time.perf_counter() - started
    name = f"{made.people:,} letters in PDF files of up to 100, {len(made.ids)} practices"
    yield Figure(name, made.people / took, "letters/s", target=300)
    rate = CORES * made.people / (_children() - before)
    yield Figure("the same, by CPU on two cores, without the database's", rate, "letters/s", target=300)


def _wanted(channel: str, led: Led, size: int, *, second: bool = False) -> Any:
    from confide.incidents.notices import templates
    from confide.incidents.notices.mailings import Wanted
    from confide.incidents.notices.states import Channel, Round
    from tests.notices.post import facts

    which = Round.FEDERAL if second else Round.NOTICE
    return Wanted(facts(), templates.built_in(), Channel(channel), which, led.place, size)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _drive(incident: str, account: str, stop: int = 0) -> int:
    """Write the mailings in a process of its own, as the command does; return how many persons were done.

    Args:
        incident: The incident's id.
        account: Who has them written.
        stop: Kill it, and all that it started, when so many are done; 0 is not at all.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.anchor", incident, account],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        done = 0
        for line in process.stdout or ():
            done = int(line)
            if stop and done >= stop:
                os.killpg(process.pid, signal.SIGKILL)
                break
    return done


def _write(incident: str, account: str) -> None:
    """What that process does."""
    system = build()
    from confide.cli import scribes
    from confide.incidents.models import Incident

    with scribes.at_work(CORES, build) as hands:
        system.campaigns.run(
            account, Incident.objects.get(pk=incident), lambda done, _: print(done, flush=True), hands
        )


if __name__ == "__main__":
    _write(*sys.argv[1:3])
