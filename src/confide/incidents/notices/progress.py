"""How far the mailings of a practice or an incident are, as its officers read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from confide.incidents.notices import mailings
from confide.incidents.notices.models import Batch, Mailing, Unreached
from confide.incidents.notices.states import State


@dataclass(frozen=True, slots=True)
class Standing:
    """One mailing.

    Attributes:
        done: Persons whose letter is written or sent, or who cannot be written to.
        letters: Letters that left.
        missed: Persons it did not reach.
        batches: How many of its batches are done, and how many there are.
    """

    id: str
    incident: str
    state: State
    channel: str
    round: str
    sound: bool
    people: int
    done: int
    letters: int
    missed: int
    batches: tuple[int, int]
    requested_by: str
    requested_at: datetime
    approved_by: str
    approved_at: datetime | None
    finished_at: datetime | None
    to: str

    @property
    def percent(self) -> int:
        return 100 * self.done // max(1, self.people)


def of(practice: str, now: datetime, incident: str = "") -> list[Standing]:
    """Return the mailings of a practice, the newest first.

    Args:
        practice: The practice's id.
        now: Aware UTC.
        incident: Only those of this incident.
    """
    rows = (
        Mailing.objects.filter(practice=practice).select_related("destination").defer("sheets", "templates")
    )
    if incident:
        rows = rows.filter(incident=incident)
    return [_standing(row, now) for row in rows.order_by("-requested_at")]


def _standing(row: Mailing, now: datetime) -> Standing:
    batches = Batch.objects.filter(mailing=row)
    finished = batches.filter(done_at__isnull=False)
    totals = finished.aggregate(people=Sum("people"), letters=Sum("letters"))
    under_way = batches.filter(done_at__isnull=True, sent__gt=0).aggregate(sent=Sum("sent"))
    return Standing(
        id=row.pk,
        incident=row.incident,
        state=mailings.state(row, now),
        channel=row.channel,
        round=row.round,
        sound=row.sound,
        people=row.people,
        done=(totals["people"] or 0) + (under_way["sent"] or 0),
        letters=totals["letters"] or 0,
        missed=Unreached.objects.filter(mailing=row).count(),
        batches=(finished.count(), batches.count()),
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        finished_at=row.finished_at,
        to=row.destination.name if row.destination is not None else "",
    )
