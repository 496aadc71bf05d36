"""Hard stops are counted: who runs into the end of a budget again and again becomes suspect.

A person meets the end of their budget a few times, and calls somebody. A program that drives a stolen session
goes on asking.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Final

from django.db import DatabaseError, router, transaction

from confide.access import budget, standing, totals
from confide.access.decide import Grant
from confide.access.models import ExposureTotal
from confide.access.standing import Kind, Reason
from confide.access.statements import write
from confide.access.totals import HOUR, Book, Change
from confide.audit import standing as written
from confide.audit.journal import Journal
from confide.errors import Unavailable, Unknown

MOST: Final = 20
"""Hard stops within one hour that are taken for a person's."""


def note(journal: Journal, grant: Grant, now: datetime) -> None:
    """Count one hard stop; degrade the credential where there were too many, in the caller's transaction.

    A ceiling that many have reached together is nobody's own doing, and does not count.

    Args:
        journal: Where it is written that it was degraded.
        grant: Whose budget did not cover what was asked for.
        now: Aware UTC.

    Raises:
        Unavailable: It cannot be counted.
    """
    if not budget.is_own(grant, now):
        return
    actor = grant.actor
    who = f"session:{actor.session}" if actor.session else actor.owner
    book = Book((f"stops of {who}"[:50],), (HOUR,))
    connection = transaction.get_connection(router.db_for_write(ExposureTotal))
    try:
        change: Change = defaultdict(lambda: [0, 0], {totals.slot_of(now): [1, 0]})
        write(connection, [totals.adding([book], change, now)])
        [counted] = totals.count(connection, [book], now)
        if counted.sums[0].patients <= MOST:
            return
        ExposureTotal.objects.filter(owner=book.names[0]).delete()  # it is counted anew from here
        kind, _, id_ = who.partition(":")
        written.degrade(journal, standing.find(Kind(kind), id_), Reason.BUDGET, now)
    except Unknown:
        return  # the session has ended meanwhile
    except DatabaseError as problem:
        raise Unavailable(f"a hard stop cannot be counted ({type(problem).__name__})") from None
