"""A decision: its facts in one query, then the decision itself, about people nobody has asked about yet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks import Figure, benchmark, percentiles

if TYPE_CHECKING:
    from confide.wiring import System

PATIENTS = 400
TARGET = 200  # microseconds, once the facts are loaded


def _register() -> tuple[System, Any, str]:
    """A practice, a nurse who works there, and the database's name."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from confide import wiring
    from confide.access.decide import act_as_member
    from confide.access.models import Account, Membership
    from confide.server.apps import log_of

    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    system = wiring.build(wiring.open_file_kms(settings.CONFIG.keyring, None), log_of(settings.CONFIG))
    practice = system.found_practice("Decisions")
    account = Account.objects.create(username=f"nurse {practice.pk}", display_name="Nurse")
    member = Membership.objects.create(
        account=account, practice=practice, role="nurse", approved_at=system.clock(), practitioner="me"
    )
    nurse = replace(act_as_member(member, "session"), proved_at=system.clock())
    return system, nurse, {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]


def _relate(system: System, practice: str, patient: str, rows: int) -> None:
    """Visits every three months, the last of them last week, as the writer of records leaves them."""
    from confide.access.relationships import bound
    from confide.access.ties import Relationship, Restriction

    made = []
    for number in range(rows):
        day = (system.clock() - timedelta(days=7 + 90 * number)).date()
        made_at = int(system.clock().timestamp()) - 86_400 * (90 * number + 8)
        told = (patient, "encounter", f"{patient}-{number}", 1, "me you", day.year, "client:x", made_at)
        days = system.days.seal_days(practice, (day.toordinal(), day.toordinal()), *bound(*told))
        names = ("patient", "kind", "resource", "version", "people", "year", "owner", "made")
        row = Relationship(
            practice=practice, type="Encounter", days=days, **dict(zip(names, told, strict=True))
        )
        made.append(row)
    Relationship.objects.bulk_create(made)
    Restriction.objects.create(
        practice=practice, patient=patient, purpose="TREAT", elements="photo", resource=patient, version=1
    )


def _measure(system: System, nurse: Any, patients: list[str]) -> tuple[list[float], list[float]]:
    """Microseconds of each query, and of each decision after it."""
    from confide.access import facts
    from confide.access.decide import judge
    from confide.access.roles import Action, Purpose
    from confide.protect.elements import Element

    asking, deciding = [], []
    for patient in patients:
        now = system.clock()
        begun = time.perf_counter()
        known = facts.load(nurse, Purpose.TREAT, [patient], now)
        loaded = time.perf_counter()
        grant = judge(nurse, Action.READ, Purpose.TREAT, [patient], Element, known, now, system.days)
        decided = time.perf_counter()
        if not grant.relations[patient].full or Element.PHOTO in grant.clear:
            raise AssertionError("the decision is wrong")
        asking.append((loaded - begun) * 1e6)
        deciding.append((decided - loaded) * 1e6)
    return asking, deciding


@benchmark
def decisions() -> Iterator[Figure]:
    """A nurse opens charts of people with a few visits, and of people with many."""
    system, nurse, vendor = _register()
    for rows in (4, 13):  # within the years that are looked at there are 16 at most
        patients = [f"{rows}-{number}" for number in range(PATIENTS)]
        for patient in patients:
            _relate(system, nurse.practice, patient, rows)
        _measure(system, nurse, patients[:20])
        asking, deciding = (percentiles(times) for times in _measure(system, nurse, patients[20:]))
        what = f"decide on a chart with {rows} visits, {vendor}"
        yield Figure(f"{what}: the facts, one query, p50", asking[50], "us")
        yield Figure(f"{what}: the facts, one query, p99", asking[99], "us")
        yield Figure(f"{what}: the decision, p50", deciding[50], "us", target=TARGET)
        yield Figure(f"{what}: the decision, p99", deciding[99], "us", target=TARGET)
