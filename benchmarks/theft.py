"""The incident that Confide is designed against, counted from the journal: 1,049,375 persons.

`python -m tools.postgres python -m benchmarks --large theft`. The journal is filled with the real schema, as
``filling`` does it; where each person lives is at hand, as it is where a server has kept records.
"""

from __future__ import annotations

import hashlib
import resource
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from benchmarks import Figure, LeftOut, large
from benchmarks.filling import Filler

if TYPE_CHECKING:
    from confide.wiring import System

PERSONS: Final = 1_049_375
PRACTICES: Final = 1_600
MAINE: Final = 3_913
TEXAS: Final = 131_815
UNKNOWN: Final = 1_000
SINCE: Final = datetime(2023, 3, 29, tzinfo=UTC)
UNTIL: Final = datetime(2023, 4, 15, tzinfo=UTC)
DISCOVERED: Final = datetime(2023, 3, 30, 16, tzinfo=UTC)
_FORMS: Final = (
    '{"address":"clear","birth-date":"clear","name":"clear","ssn":"clear"}',
    '{"address":"clear","birth-date":"clear","name":"clear"}',
    '{"name":"clear","ssn":"masked"}',
)


class Theft(Filler):
    """One entry of a stolen program's key for each person, practice by practice."""

    def __init__(self, practices: list[str]) -> None:
        super().__init__(practices[0], 20, UNTIL - timedelta(seconds=1))
        self.number = PERSONS
        self.step = (UNTIL - SINCE - timedelta(hours=2)) / PERSONS
        self.practices = practices
        self.client = self._name()
        self.patients = [str(uuid.UUID(int=self._dice.getrandbits(128), version=4)) for _ in range(PERSONS)]

    def practice_of(self, n: int) -> str:
        return self.practices[n * PRACTICES // PERSONS]  # most of a practice live in one state

    def rows(self, start: int, end: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
        for n in range(start, end):
            moment = (self.end - self.step * (self.number - n)).isoformat()
            practice, patient, elements = self.practice_of(n), self.patients[n], _FORMS[n % len(_FORMS)]
            canonical = (
                f'{{"action":"reveal","actor":"{self.client}","actor_kind":"client","address":"203.0.113.9",'
                f'"at":"{moment[:-6]}Z","body_sha256":"","credential":"token:stolen","elements":{elements},'
                f'"outcome":"0","patient":"{patient}","practice":"{practice}","purpose":"TREAT",'
                f'"reason_sealed":"","resource_id":"{patient}","resource_type":"Patient",'
                f'"role":"integrator","version":1}}'
            )
            leaf = hashlib.sha256(b"\x00" + canonical.encode()).digest()
            line = (
                f"{n + 1}\t{moment}\t{practice}\tclient\t{self.client}\ttoken:stolen\tintegrator\treveal\t"
                f"TREAT\t{patient}\t{elements}\tPatient\t{patient}\t1\t\\\\x\t0\t203.0.113.9\t\\\\x\t\t\t"
                f"\\\\x{leaf.hex()}\n"
            )
            yield line, (n + 1, leaf, practice, patient, "token:stolen")

    def settle(self) -> None:
        """Write down where they live: so many in Maine and Texas, some nowhere known, the rest elsewhere."""
        from django.db import connection

        from confide.incidents import reading

        others = [code for code in reading.held().states if code not in {"ME", "TX"}]
        with connection.cursor() as cursor:
            with cursor.copy("COPY incidents_residence (patient, practice, state) FROM STDIN") as copy:
                for n, patient in enumerate(self.patients):
                    state = (
                        "ME" if n < MAINE
                        else "TX" if n < MAINE + TEXAS
                        else "" if n < MAINE + TEXAS + UNKNOWN
                        else others[n * len(others) // PERSONS]
                    )  # fmt: skip
                    copy.write(f"{patient}\t{self.practice_of(n)}\t{state}\n")
            cursor.execute("VACUUM ANALYZE incidents_residence")


@large
def scope_of_a_million() -> Iterator[Figure]:
    """Count, freeze and hash the scope, and count the clocks of all covered entities."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from confide import wiring
    from confide.access.decide import act_as_member, decide
    from confide.access.models import Account, Membership, Practice
    from confide.access.roles import Action, Purpose
    from confide.incidents import scopes
    from confide.incidents.course import Breadth
    from confide.incidents.facts import Way
    from confide.incidents.questions import Question
    from confide.server.apps import log_of

    if connection.vendor != "postgresql":
        raise LeftOut(
            "it is filled on PostgreSQL: python -m tools.postgres python -m benchmarks --large theft"
        )
    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    kms = wiring.open_file_kms(settings.CONFIG.keyring, None)
    system: System = wiring.build(kms, log_of(settings.CONFIG))
    lead = system.found_practice("Vendor")
    names = [lead.pk, *(str(uuid.uuid4()) for _ in range(PRACTICES - 1))]
    Practice.objects.bulk_create(Practice(pk=pk, name=f"Practice {i:04}") for i, pk in enumerate(names[1:]))
    theft = Theft(names)
    started = time.perf_counter()
    theft.fill(system)
    yield Figure("journal of the theft, filled", PERSONS / (time.perf_counter() - started), "entries/s")
    theft.settle()
    now = datetime.now(UTC)
    account = Account.objects.create_user("officer", display_name="Officer")
    member = Membership.objects.create(
        account=account, practice=lead, role="privacy_officer", approved_at=now
    )
    actor = replace(act_as_member(member, "terminal"), proved_at=now)

    def grant() -> Any:
        return decide(actor, Action.JOURNAL_READ, Purpose.HOPERAT, None, (), datetime.now(UTC))

    incident = system.cases.open(grant(), "The vendor", DISCOVERED, way=Way.LOGIN, breadth=Breadth.HOST)
    question = Question(since=SINCE, until=UNTIL, actors=(theft.client,))
    times = []
    for _ in range(3):
        started = time.perf_counter()
        counted = system.scopes.measure(grant(), incident, question)
        times.append(time.perf_counter() - started)
    found = (counted.records, counted.practices, *(counted.states[each] for each in ("ME", "TX", "")))
    if found != (PERSONS, PRACTICES, MAINE, TEXAS, UNKNOWN):
        raise LeftOut(f"the count is wrong: {found}")
    yield Figure(f"scope of {PERSONS:,} persons at {PRACTICES:,} practices", min(times), "s", target=5)
    yield Figure("the same, the first time", times[0], "s", target=5)
    started = time.perf_counter()
    duties = system.deadlines.reckon(incident, counted)
    yield Figure(f"clocks of {PRACTICES:,} covered entities", time.perf_counter() - started, "s")
    until = {duty.id: duty.until for duty in duties.duties} if duties else {}
    if str(until.get("hipaa-individual")) != "2023-05-29" or str(until.get("ME:individual")) != "2023-04-29":
        raise LeftOut("the clocks are wrong")
    counted.sound, counted.proof = True, {"size": PERSONS, "wrong": []}  # verifying is measured elsewhere
    counted.save(update_fields=["sound", "proof"])
    started = time.perf_counter()
    frozen = system.scopes.freeze(grant(), counted)
    yield Figure("freezing it, with the hash over all", time.perf_counter() - started, "s")
    started = time.perf_counter()
    told = sum(1 for practice in scopes.practices(frozen) for _ in scopes.records(frozen, practice))
    yield Figure("reading it, practice by practice", told / (time.perf_counter() - started), "records/s")
    yield Figure("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB", target=1024)
