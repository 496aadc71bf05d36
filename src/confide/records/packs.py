"""The downtime pack: today's patients on one page that needs no server, encrypted to a key of the practice.

Who comes is read from the appointments, whose times are sealed; then the charts are opened, and written into
one encrypted file. Nothing of it is ever on a disk in clear.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from confide.access.models import Destination
from confide.errors import Misconfigured
from confide.fhir import json
from confide.records.cohorts import Cohort, in_order
from confide.records.models import Resource
from confide.records.parcel import Parcel
from confide.records.rows import View, document
from confide.vault.door import Document
from confide.vault.packs import Packing, Packs

NAME: Final = "downtime.html"
KINDS: Final = (
    "AllergyIntolerance",
    "Appointment",
    "Condition",
    "DocumentReference",
    "MedicationRequest",
    "MedicationStatement",
    "Patient",
)
"""What is read of each chart."""

KEPT: Final = timedelta(days=1)
"""Packs of days before yesterday are removed when a new one is there."""

_COMING: Final = frozenset({"booked", "pending", "arrived", "checked-in"})
_SHARED: Final = ("Appointment",)
_PLACE: Final = re.compile(r"downtime-(\d{4}-\d\d-\d\d)-\d{6}", re.ASCII)
_NAMED: Final = ("Medication", "Practitioner")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who comes today.

    Attributes:
        patient: The id.
        at: When, in the zone of the pack; the first of several appointments.
        views: Their chart, as far as it is in a pack.
    """

    patient: str
    at: datetime
    views: Sequence[View]


@dataclass(frozen=True, slots=True)
class Pack:
    """What is written.

    Attributes:
        practice: Its name.
        day: Whose patients.
        made: When, in the zone of the pack.
        visitors: In the order in which they come.
        named: Bodies of the medicines and people that are outside every chart, by ``Type/id``.
    """

    practice: str
    day: date
    made: datetime
    visitors: Sequence[Visitor]
    named: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of it.

    Attributes:
        path: The folder with the encrypted file.
        patients: How many.
        removed: How many old packs were removed.
    """

    path: Path
    patients: int
    removed: int


Render = Callable[[Pack], Iterable[str]]
"""Writes a pack as one page of HTML."""


class Downtime:
    """Writes packs.

    Args:
        packs: The vault's side of it.
        clock: Returns now, aware UTC.
    """

    def __init__(self, packs: Packs, clock: Callable[[], datetime]) -> None:
        self._packs = packs
        self._clock = clock

    def write(self, destination: Destination, zone: tzinfo, render: Render) -> Written:
        """Write today's pack into the destination's folder, whole or not at all, and remove old ones.

        Args:
            destination: Registered for packs.
            zone: On whose wall it is today.
            render: Makes the page.

        Raises:
            AccessDenied: Two people do not answer for the destination now.
            JournalUnavailable: The journal cannot be written; nothing was opened.
            KeyUnavailable: The practice's keys cannot be had.
            Misconfigured: The folder cannot be used.
            Unavailable: The disk is full, or another process writes there.
        """
        self._packs.check(destination)
        now = self._clock().astimezone(zone)
        name = f"downtime-{now:%Y-%m-%d-%H%M%S}"
        place = Path(destination.folder)
        with Parcel(place, name, destination.recipient) as parcel:
            if parcel.delivered:
                raise Misconfigured("there is a pack of this second already (try again)")
            parcel.discard()
            starts = self._starts(destination.practice_id, now.date(), zone)
            coming = {
                p: at for d, at in sorted(starts, key=lambda pair: pair[1], reverse=True) for p in d.patients
            }
            cohort = Cohort(destination.practice_id, [UUID(p) for p in coming], KINDS, _SHARED)
            cohort.survey()
            held = {patient: cohort.held.get(patient, frozenset()) for patient in coming}
            packing = self._packs.begin(destination, name, held)
            chosen = {d.place.id for d, _ in starts}
            pack = Pack(
                destination.practice.name,
                now.date(),
                now,
                _visitors(packing, cohort, coming, chosen),
                _named(destination.practice_id),
            )
            sealed = parcel.add(NAME, (part.encode() for part in render(pack)))
            parcel.complete_all()
            packing.finish(bytes.fromhex(sealed.sha256))
            parcel.deliver()
            removed = _clean(place, now.date())
        return Written(place / name, len(coming), removed)

    def _starts(self, practice: str, day: date, zone: tzinfo) -> list[tuple[Document, datetime]]:
        """Today's appointments that somebody is expected to, and when."""
        rows = Resource.objects.filter(practice=practice, type="Appointment", deleted=False)
        # A row does not say when; its status says that nobody has closed it yet, as with most that are past.
        wanted = [
            document(row)
            for row in in_order(rows)
            if row.patients and json.parse(bytes(row.body)).get("status") in _COMING
        ]
        found = []
        for d, start in self._packs.starts(practice, wanted):
            at = moment(start, zone)
            if at is not None and at.date() == day:
                found.append((d, at))
        return found


def moment(text: str, zone: tzinfo) -> datetime | None:
    """Read a FHIR instant as the time that it is in *zone*; None if it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(zone)


def _visitors(
    packing: Packing, cohort: Cohort, coming: Mapping[str, datetime], chosen: set[str]
) -> list[Visitor]:
    charts: dict[str, list[View]] = {patient: [] for patient in coming}
    for kind in cohort.kinds:
        documents = [d for d in cohort.documents(kind) if kind != "Appointment" or d.place.id in chosen]
        for d, body in packing.open(documents):
            view = View(kind, d.place.id, d.place.version, _NEVER, body, d.elements, frozenset(), d.patients)
            for patient in d.patients:
                charts[patient].append(view)
    return [
        Visitor(patient, at, charts[patient]) for patient, at in sorted(coming.items(), key=lambda c: c[1])
    ]


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def _named(practice: str) -> dict[str, Mapping[str, Any]]:
    """What charts refer to and no chart holds: names of staff and of medicines, which are kept."""
    rows = Resource.objects.filter(practice=practice, type__in=_NAMED, deleted=False, patients="")
    return {f"{row.type}/{row.pk}": json.parse(bytes(row.body)) for row in in_order(rows)}


def _clean(place: Path, today: date) -> int:
    """Remove packs of days before yesterday."""
    removed = 0
    for path in sorted(place.iterdir()):
        match = _PLACE.fullmatch(path.name)
        if match and path.is_dir() and not path.is_symlink() and date.fromisoformat(match[1]) < today - KEPT:
            shutil.rmtree(path)
            removed += 1
    return removed
