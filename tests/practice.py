"""A practice to test on, with real keys in real databases, and people and programs that act in it.

Models are imported inside: this file may be read before Django is set up.
"""

from __future__ import annotations

import copy
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

NOW = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)

PATIENT = {
    "resourceType": "Patient",
    "identifier": [
        {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "078-05-1120"},
        {
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
            "system": "http://elm.example/mrn",
            "value": "E-0004711",
        },
        {"system": "http://plan.example/members", "value": "W-8800-1122"},
    ],
    "name": [{"use": "official", "family": "Müller-Ortiz", "given": ["Zoë", "Ana"]}],
    "telecom": [
        {"system": "phone", "value": "(555) 010-4477", "use": "home"},
        {"system": "email", "value": "Zoe@example.org"},
    ],
    "gender": "female",
    "birthDate": "1963-05-04",
    "address": [{"line": ["12 Elm Street"], "city": "Springfield", "state": "MA", "postalCode": "01103"}],
}


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


class Practice:
    """One practice of an installation: who acts in it, and short ways to do so."""

    def __init__(self, system: Any, clock: Clock, name: str) -> None:
        self.system = system
        self.clock = clock
        self.row = system.found_practice(name)
        self.id = self.row.pk

    # Who acts

    def client(
        self, purpose: str = "PATRQT", *, day_patients: int = 150, day_units: int = 10**6, **more: Any
    ) -> Any:
        """An OAuth client as an actor; as it stands, one that may see everything."""
        from confide.access.decide import act_as_client
        from confide.access.models import Client
        from confide.protect.elements import Element

        made = Client.objects.create(
            practice=self.row,
            name="Reader",
            purpose=purpose,
            elements=more.pop("elements", [str(e) for e in Element]),
            day_patients=day_patients,
            day_units=day_units,
            **more,
        )
        return act_as_client(made, "token")

    def member(self, role: str, practitioner: str = "") -> Any:
        """A person of a role as an actor, who has just proved a second factor.

        Args:
            role: A code of ``roles.Role``.
            practitioner: The id of the Practitioner that they are.
        """
        from dataclasses import replace

        from confide.access.decide import act_as_member
        from confide.access.models import Account, Membership

        count = Account.objects.count()
        account = Account.objects.create_user(f"{role}{count}@elm.example", display_name=role)
        account.created_at = NOW - timedelta(days=30)
        account.save()
        made = Membership.objects.create(
            approved_at=NOW, account=account, practice=self.row, role=role, practitioner=practitioner
        )
        return replace(act_as_member(made, "session"), proved_at=self.clock())

    def grant(
        self, action: str, actor: Any = None, purpose: str = "", patients: Any = None, elements: Any = None
    ) -> Any:
        from confide.access.roles import Action, Purpose
        from confide.protect.elements import Element

        purpose = purpose or ("TREAT" if action == "write" else "PATRQT")
        actor = actor or self.client(purpose)
        asked = Element if elements is None else elements
        return self.system.decide(actor, Action(action), Purpose(purpose), patients, asked)

    def system_grant(self, action: str) -> Any:
        from confide.access.decide import system_grant
        from confide.access.roles import Action

        return system_grant(Action(action), self.id, "a test", self.clock())

    # Short ways

    def book(self, patient: str, days: int = 0, grant: Any = None, **changes: Any) -> str:
        """An appointment so many days from now, made by a program unless a grant says by whom; its id."""
        start = (self.clock() + timedelta(days=days)).date().isoformat()
        made = self.system.charts.create(grant or self.grant("write"), appointment(patient, start, **changes))
        return str(made.id)

    def add(self, resource: dict[str, Any]) -> str:
        """Store a resource; return its id."""
        return self.system.charts.create(self.grant("write"), resource).id

    def patient(self, **changes: Any) -> str:
        return self.add({**copy.deepcopy(PATIENT), **changes})

    def named(self, given: str, family: str, **changes: Any) -> str:
        """A patient of whom hardly more than the name is known."""
        return self.add(
            {"resourceType": "Patient", "name": [{"family": family, "given": [given]}], **changes}
        )

    def put(self, kind: str, id_: str, **changes: Any) -> Any:
        """Read all of a resource and write it back changed."""
        body = self.read(kind, id_).body
        return self.system.charts.update(self.grant("write"), kind, id_, {**body, **changes})

    def read(self, kind: str, id_: str, grant: Any = None) -> Any:
        return self.system.charts.read(grant or self.grant("read"), kind, id_)

    def search(self, kind: str, *params: tuple[str, str], grant: Any = None) -> Any:
        return self.system.search.search(grant or self.grant("search"), kind, params)

    def ids(self, kind: str, *params: tuple[str, str], grant: Any = None) -> list[str]:
        return [view.id for view in self.search(kind, *params, grant=grant).views]

    def find(self, text: str, grant: Any = None) -> Any:
        return self.system.finder.find(grant or self.grant("search"), text)

    def found(self, text: str, grant: Any = None) -> set[str]:
        return {view.id for view in self.find(text, grant).views}

    def importer(self, source: str = "elsewhere") -> Any:
        return self.system.importer(self.id, source)


def build() -> tuple[Any, Clock]:
    """An installation's parts on the key file of this test run."""
    from django.conf import settings

    from confide import wiring
    from confide.protect.kms.file import FileKms

    clock = Clock()
    kms = FileKms.open(settings.CONFIG.keyring)
    log = wiring.Log("elm.example/journal", settings.CONFIG.journal)
    return wiring.build(kms, log, frozenset({"http://elm.example/codes"}), clock), clock


def observation(
    patient: str, when: str = "2024-05-04", code: str = "8480-6", **changes: Any
) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": when,
        **changes,
    }


def appointment(patient: str, day: str, **changes: Any) -> dict[str, Any]:
    """Makes a patient the business of whoever works at the practice."""
    return {
        "resourceType": "Appointment",
        "status": "booked",
        "start": f"{day}T15:00:00Z",
        "end": f"{day}T15:20:00Z",
        "participant": [{"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"}],
        **changes,
    }


def journal(**chosen: Any) -> list[Any]:
    """Journal rows, oldest first, without those of writing and indexing (unless asked for)."""
    from confide.audit.models import JournalEntry

    rows = JournalEntry.objects.filter(**chosen).order_by("id")
    return list(rows if "action" in chosen else rows.exclude(action__in=["write", "import", "index"]))


def exposures() -> set[tuple[str, str]]:
    """(patient, element) that somebody has paid for."""
    from confide.access.models import Exposure

    return set(Exposure.objects.values_list("patient", "element"))


def counts() -> dict[str, int]:
    """How many rows there are of everything that a write writes."""
    from django.apps import apps

    from confide.audit.models import JournalEntry

    models = [*apps.get_app_config("records").get_models(), JournalEntry]
    return {model.__name__: model._default_manager.count() for model in models}


@contextmanager
def without_journal() -> Iterator[None]:
    """The journal's table is away, as after a failed restore."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_journalentry RENAME TO audit_away")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_away RENAME TO audit_journalentry")


@contextmanager
def read_only(alias: str) -> Iterator[None]:
    """The database refuses writes, as on a full or failing disk."""
    from django.db import connections

    connection = connections[alias]
    sqlite = connection.vendor == "sqlite"
    on, off = (
        ("PRAGMA query_only = ON", "PRAGMA query_only = OFF")
        if sqlite
        else ("SET default_transaction_read_only = on", "SET default_transaction_read_only = off")
    )
    with connection.cursor() as cursor:
        cursor.execute(on)
    try:
        # Who pays for others would do it on the process's connection, unless this one is watched.
        with connection.execute_wrapper(lambda execute, *words: execute(*words)):
            yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(off)


@cache
def lines(folder: Path) -> tuple[bytes, ...]:
    """Each resource of a folder of NDJSON files."""
    return tuple(
        line
        for path in sorted(folder.glob("*.ndjson.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    )
