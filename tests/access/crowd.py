"""Eight threads of one process try passwords as fast as they can; prints what became of them, as JSON.

The test starts several of these on one database: ``python crowd.py ADDRESS NAMES`` with a number of names.
"""

import json
import sys
import threading
from collections import Counter
from datetime import UTC, datetime

import django

django.setup()

from django.db import connection, transaction  # noqa: E402

from confide.access import attempts  # noqa: E402
from confide.access.attempts import Entrant, Kind  # noqa: E402

ADDRESS, NAMES, THREADS, EACH = sys.argv[1], int(sys.argv[2]), 8, 6
met: Counter[str] = Counter()
failures: list[str] = []
start = threading.Barrier(THREADS)


def run(number: int) -> None:
    start.wait()
    try:
        for i in range(EACH):
            name = f"somebody{(number * EACH + i) % NAMES}"
            entrant = Entrant(Kind.PASSWORD, attempts.tag_account(name), attempts.tag_network(ADDRESS))
            with transaction.atomic():
                met[attempts.admit(entrant, "", datetime.now(UTC)).verdict.rung] += 1
    except Exception as error:  # noqa: BLE001 - the test wants to know of every one
        failures.append(repr(error))
    finally:
        connection.close()


threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"met": met, "failures": failures}))
