"""32 threads spend one person's budget as fast as they can; prints what they got, as JSON."""

import json
import threading
from datetime import UTC, datetime

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from confide.access import budget  # noqa: E402
from confide.access.decide import act_as_member, decide  # noqa: E402
from confide.access.models import Account, Exposure, Membership, Practice  # noqa: E402
from confide.access.roles import Action, Form, Purpose, Role  # noqa: E402
from confide.errors import BudgetSpent  # noqa: E402
from confide.protect.elements import Element  # noqa: E402

THREADS, EACH = 32, 4
NOW = datetime.now(UTC)

call_command("migrate", "access", verbosity=0, skip_checks=True)
practice = Practice.objects.create(name="Elm Street")
account = Account.objects.create_user("desk@elm.example")
membership = Membership.objects.create(account=account, practice=practice, role=Role.FRONT_DESK)
grant = decide(act_as_member(membership, "s"), Action.READ, Purpose.TREAT, None, Element, NOW)
connection.close()

paid: list[str] = []
refused: list[str] = []
failures: list[str] = []
start = threading.Barrier(THREADS)


def run(number: int) -> None:
    start.wait()
    try:
        for i in range(EACH):
            patient = f"{number}-{i}"
            try:
                with transaction.atomic():
                    budget.spend(grant, [(patient, Element.NAME, Form.CLEAR)], NOW)
                paid.append(patient)
            except BudgetSpent:
                refused.append(patient)
    except Exception as error:  # noqa: BLE001 - the test wants to know of every one
        failures.append(repr(error))
    finally:
        connection.close()


threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
seen = Exposure.objects.values("patient").distinct().count()
print(
    json.dumps(
        {
            "asked": THREADS * EACH,
            "paid": len(paid),
            "refused": len(refused),
            "seen": seen,
            "counted": budget.today(grant.actor, NOW).patients,
            "failures": failures,
        }
    )
)
