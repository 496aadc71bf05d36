"""Many threads spend budgets as fast as they can; prints what they got, as JSON.

``one`` is one person in ten sessions. ``many`` is people and programs of two practices at random moments of a
month, with random pages, and a second person who raises budgets.
"""

import json
import random
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from confide.access import budget, ceilings, raises  # noqa: E402
from confide.access.decide import act_as_client, act_as_member, decide  # noqa: E402
from confide.access.models import Account, Client, Exposure, Membership, Practice  # noqa: E402
from confide.access.roles import Action, Form, Purpose, Role  # noqa: E402
from confide.errors import BudgetSpent, Unavailable  # noqa: E402
from confide.protect.elements import Element  # noqa: E402

SCENARIO, SEED, THREADS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
NOW = datetime(2026, 5, 4, 8, 1, tzinfo=UTC)
ELEMENTS = [Element.NAME, Element.SSN, Element.PHONE, Element.BIRTH_DATE]
MOMENTS = [timedelta(minutes=m) for m in (0, 3, 20, 55, 130, 600, 1500, 3000, 14_000, 30_000, 43_000)]

failures: list[str] = []
paid: list[tuple] = []
outcomes: Counter[str] = Counter()
together = threading.Barrier(THREADS)


def prepare():
    call_command("migrate", "access", verbosity=0, skip_checks=True)
    elm, oak = (Practice.objects.create(name=name) for name in ("Elm Street", "Oak Avenue"))
    made = []
    for number, role in enumerate([Role.FRONT_DESK, Role.FRONT_DESK, Role.BILLER, Role.NURSE]):
        account = Account.objects.create_user(f"user{number}")
        made += [  # one budget over both
            Membership.objects.create(approved_at=NOW, account=account, practice=practice, role=role)
            for practice in (elm, oak)
        ]
    elements = [str(e) for e in Element]
    made += [
        Client.objects.create(practice=practice, name="Feeder", elements=elements, day_patients=20)
        for practice in (elm, oak)
    ]
    manager = Account.objects.create_user("manager")
    manager.created_at = NOW - timedelta(days=8)
    manager.save()
    Membership.objects.create(approved_at=NOW, account=manager, practice=elm, role=Role.PRACTICE_MANAGER)
    raises.approve(manager, elm.pk, made[0].account, 2, 24, NOW)
    return made


def act(row, session):
    if isinstance(row, Client):
        return act_as_client(row, f"token-{session}")
    return act_as_member(row, f"session-{session}")


def ask(row, session, page, now, *, partly):
    actor = act(row, session)
    purpose = Purpose.HPAYMT if actor.role is Role.BILLER else Purpose.TREAT
    action = Action.READ
    grant = decide(actor, action, purpose, None, Element, now)
    with transaction.atomic():
        if partly:
            groups = list(dict.fromkeys(charge[0] for charge in page))
            covered = set(groups[: budget.reserve(grant, page, now)])
        else:
            budget.spend(grant, page, now)
            covered = {charge[0] for charge in page}
    for patient, element, form in page:
        if patient in covered:
            paid.append((actor.owner, actor.practice, patient, str(element), str(form), now.isoformat()))
    outcomes["paid"] += len(covered)


def many(number, rows):
    chance = random.Random(SEED * 1000 + number)
    for moment in MOMENTS:
        together.wait(200)  # clocks of one installation differ by seconds, not by days
        for _ in range(2):
            now = NOW + moment + timedelta(seconds=chance.randrange(60))
            people = [f"p{chance.randrange(2000)}" for _ in range(chance.choice([1, 1, 1, 3, 12, 40]))]
            page = [
                (patient, element, Form.CLEAR)
                for patient in dict.fromkeys(people)
                for element in chance.sample(ELEMENTS, 2)
            ]
            attempt(chance.choice(rows), number % 10, page, now, partly=chance.random() < 0.5)


def attempt(*args, **more):
    try:
        ask(*args, **more)
    except BudgetSpent:
        outcomes["refused"] += 1
    except Unavailable:
        outcomes["unavailable"] += 1


def run(number, rows):
    try:
        if SCENARIO == "many":
            many(number, rows)
        else:
            together.wait(200)
            for i in range(3):
                attempt(
                    rows[2], number % 10, [(f"{number}-{i}", Element.NAME, Form.CLEAR)], NOW, partly=False
                )
    except Exception as error:  # noqa: BLE001 - the test wants to know of every one
        failures.append(repr(error))
        together.abort()
    finally:
        connection.close()


rows = prepare()
connection.close()
threads = [threading.Thread(target=run, args=(number, rows)) for number in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()


def limits(row):
    actor = act(row, 0)
    own = budget.limits_of(actor.role, *([20, None] if actor.kind == "client" else []))
    return actor.owner, [own.hour, own.day, own.month]


print(
    json.dumps(
        {
            "failures": failures,
            "outcomes": outcomes,
            "paid": paid,
            "raised": rows[0].account_id,
            "limits": dict(map(limits, rows)),
            "practice": [ceilings.ceilings_of(connection, rows[0].practice_id, "x")[0].limits()],
            "host": [ceilings.ceilings_of(connection, rows[0].practice_id, "x")[1].limits()],
            "rows": Exposure.objects.count(),
        }
    )
)
