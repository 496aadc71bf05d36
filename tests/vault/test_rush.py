"""Many reveal at once: one pays for all who wait, and each gets what they would have got alone."""

from __future__ import annotations

import threading
from collections import Counter
from time import sleep
from typing import Any

import pytest

from confide.errors import Frozen, JournalUnavailable
from confide.protect.elements import Element
from tests import practice as rooms

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
CALLERS = 8
NAME = frozenset({Element.NAME})


def together(work: Any, callers: int = CALLERS) -> list[Any]:
    """Do *work* in so many threads at once; what each gave, or raised."""
    got: list[Any] = [None] * callers
    ready = threading.Barrier(callers)

    def run(caller: int) -> None:
        from django.db import connections

        try:
            ready.wait(30)
            got[caller] = work(caller)
        except Exception as problem:  # noqa: BLE001 - told to the test
            got[caller] = problem
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return got


# Without a database


def test_each_caller_gets_the_outcome_of_their_own_part() -> None:
    from confide.vault.rush import Rush

    groups: list[list[int]] = []

    def serve(parts: Any) -> list[int]:
        groups.append(list(parts))
        sleep(0.002)
        return [part * 10 for part in parts]

    rush = Rush(serve)
    got = together(lambda caller: [rush.join(caller * 100 + n) for n in range(30)])
    assert got == [[(caller * 100 + n) * 10 for n in range(30)] for caller in range(CALLERS)]
    assert sorted(part for group in groups for part in group) == sorted(
        caller * 100 + n for caller in range(CALLERS) for n in range(30)
    )
    assert max(map(len, groups)) > 1, "nobody was served with another"


def test_where_the_leader_fails_everybody_tries_alone_and_the_next_one_leads() -> None:
    from confide.vault.rush import Rush

    def serve(parts: Any) -> list[Any]:
        sleep(0.001)
        if any(part % 7 == 0 for part in parts):
            raise ValueError
        return [part if part % 3 else None for part in parts]

    rush = Rush(serve)
    got = together(lambda caller: [(n, rush.join(n)) for n in range(caller, 200, CALLERS)])
    for each in got:
        assert len(each) == 200 // CALLERS
        assert all(outcome in {part, None} for part, outcome in each)
        assert all(outcome is None for part, outcome in each if part % 7 == 0 or part % 3 == 0)
    assert rush.join(8) == 8


def test_so_many_at_most_are_served_together() -> None:
    from confide.vault import rush as module

    sizes: list[int] = []
    hold = threading.Event()

    def serve(parts: Any) -> list[Any]:
        hold.wait(30)
        sizes.append(len(parts))
        return list(parts)

    rush = module.Rush(serve)
    callers = module.MOST + 20
    releasing = threading.Timer(1.0, hold.set)
    releasing.start()
    assert together(rush.join, callers) == list(range(callers))
    assert max(sizes) <= module.MOST
    assert sum(sizes) == callers


# With one


@pytest.fixture
def elm(transactional_db: None, settings: Any) -> Any:
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = settings.CONFIDE_HOST_DAY_PATIENTS = 10**6
    system, clock = rooms.build()
    return rooms.Practice(system, clock, "Elm Street")


@pytest.fixture
def documents(elm: Any) -> list[Any]:
    """Six patients, as the vault sees them."""
    from confide.records.models import Resource
    from confide.records.rows import document

    ids = [elm.named("Zoe", f"Quernheim{n}") for n in range(6)]
    return [document(Resource.objects.get(pk=id_)) for id_ in ids]


def reveal(elm: Any, grant: Any, documents: list[Any]) -> list[bool]:
    """Reveal one after the other; which were shown."""
    return [Element.NAME in elm.system.vault.reveal(grant, [d], NAME)[0].shown for d in documents]


def entries() -> list[Any]:
    return rooms.journal(action="reveal", outcome="0")


def test_everybody_gets_exactly_what_their_budget_covers(elm: Any, documents: list[Any]) -> None:
    clients = [elm.client(day_patients=limit) for limit in (1, 2, 3, 4, 5, 6, 150, 150)]
    grants = [elm.grant("reveal", client) for client in clients]
    got = together(lambda caller: reveal(elm, grants[caller], documents))
    allowed = [min(limits(grant), 6) for grant in grants]
    assert [shown.count(True) for shown in got] == allowed
    assert all(shown == sorted(shown, reverse=True) for shown in got), "what is paid for comes first"
    told = Counter(row.actor for row in entries() if row.elements)
    assert told == {c.id: n for c, n in zip(clients, allowed, strict=True) if n}
    assert len(rooms.exposures()) == 6
    assert totals(clients) == allowed


def test_sessions_of_one_owner_share_one_budget(elm: Any, documents: list[Any]) -> None:
    client = elm.client(day_patients=4)
    grant = elm.grant("reveal", client)
    most = limits(grant)
    got = together(lambda caller: reveal(elm, grant, documents[caller % 2 :] + documents[: caller % 2]))
    seen = {d.place.id for caller, shown in enumerate(got) for d, ok in zip(
        documents[caller % 2 :] + documents[: caller % 2], shown, strict=True) if ok}  # fmt: skip
    assert len(seen) == most < len(documents)
    assert totals([client]) == [most]


def test_the_ceiling_of_a_practice_is_not_exceeded_by_one(
    elm: Any, documents: list[Any], settings: Any
) -> None:
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 50  # 20 an hour
    grants = [elm.grant("reveal", elm.client()) for _ in range(CALLERS)]
    got = together(lambda caller: attempts(elm, grants[caller], documents))
    shown = [ok for some in got for ok in some]
    assert shown.count(True) == 20


def attempts(elm: Any, grant: Any, documents: list[Any]) -> list[bool]:
    """As `reveal`; where a ceiling came near while others paid, ask again."""
    from confide.errors import Unavailable

    got = []
    for document in documents:
        for _ in range(50):
            try:
                got += reveal(elm, grant, [document])
                break
            except Unavailable:
                sleep(0.01)
    return got


def test_who_is_stopped_is_stopped_and_the_others_go_on(elm: Any, documents: list[Any]) -> None:
    from confide.access.models import Client

    clients = [elm.client() for _ in range(CALLERS)]
    grants = [elm.grant("reveal", client) for client in clients]
    together(lambda caller: reveal(elm, grants[caller], documents[:1]))
    Client.objects.filter(pk=clients[3].id).update(active=False)
    got = together(lambda caller: reveal(elm, grants[caller], documents))
    assert isinstance(got[3], Frozen)
    assert [shown for n, shown in enumerate(got) if n != 3] == [[True] * 6] * (CALLERS - 1)
    assert Counter(row.actor for row in entries())[clients[3].id] == 1


def test_each_caller_has_the_receipts_of_their_own_entries(elm: Any, documents: list[Any]) -> None:
    from confide.audit import receipts

    clients = [elm.client() for _ in range(CALLERS)]
    grants = [elm.grant("reveal", client) for client in clients]

    def work(caller: int) -> Any:
        with receipts.collecting() as collected:
            reveal(elm, grants[caller], documents)
        return collected

    got = together(work)
    rows = {row.pk: row for row in entries()}
    assert len(rows) == 6 * CALLERS
    for caller, collected in enumerate(got):
        assert [rows[id_].actor for id_, _ in collected] == [clients[caller].id] * 6
        assert [bytes(rows[id_].leaf) for id_, _ in collected] == [leaf for _, leaf in collected]
        assert [rows[id_].patient for id_, _ in collected] == [d.place.id for d in documents]


def test_several_are_paid_for_in_one_transaction(elm: Any, documents: list[Any]) -> None:
    from django.db import connection

    if connection.vendor == "sqlite":
        pytest.skip("not for SQLite: its rows do not say by which transaction they were written")
    grants = [elm.grant("reveal", elm.client()) for _ in range(CALLERS)]
    together(lambda caller: reveal(elm, grants[caller], documents))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(DISTINCT xmin::text) FROM audit_journalentry WHERE action = 'reveal'"
        )
        rows, transactions = cursor.fetchone()
    assert rows == 6 * CALLERS
    assert transactions < rows


def test_who_leads_pays_on_one_connection_of_the_process(elm: Any, documents: list[Any]) -> None:
    """Where it is cut while nobody pays, who comes next pays alone, and then there is a new one."""
    from django.db import connection

    if connection.vendor == "sqlite":
        pytest.skip("not for SQLite: there each pays on their own connection")
    grant = elm.grant("reveal", elm.client())
    together(lambda _: reveal(elm, grant, documents[:1]), 1)
    reveal(elm, grant, documents[1:3])
    held = sessions()
    assert len(held) == 1, "that of the thread that has ended is closed"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [*held])
    assert reveal(elm, grant, documents[3:]) == [True] * 3
    assert len(entries()) == 6
    assert len(sessions() - held) == 1


def sessions() -> set[int]:
    """The other sessions with this database, of clients."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return {pid for (pid,) in cursor.fetchall()}


def test_without_a_journal_nobody_is_shown_anything(elm: Any, documents: list[Any]) -> None:
    grants = [elm.grant("reveal", elm.client()) for _ in range(CALLERS)]
    with rooms.without_journal():
        got = together(lambda caller: reveal(elm, grants[caller], documents))
    assert all(isinstance(each, JournalUnavailable) for each in got), got
    assert not rooms.exposures()


def limits(grant: Any) -> int:
    """Patients that its own budget covers within an hour."""
    from confide.access.limits import limits_of

    return limits_of(grant.actor.role, grant.day_patients, grant.day_units).hour_patients


def totals(clients: list[Any]) -> list[int]:
    """Patients that each has paid for, by the totals."""
    from django.db.models import Sum

    from confide.access.models import ExposureTotal

    return [
        ExposureTotal.objects.filter(owner=client.owner, span=1).aggregate(all=Sum("patients"))["all"] or 0
        for client in clients
    ]
