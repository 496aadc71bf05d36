"""Requests of exports: asked for by one person, approved by another, written once.

    requested -> approved -> running -> written
    requested or approved -> withdrawn

An approval lapses after seven days, and so does a request that nobody approves. What was asked for never
changes: something else is a new request. A run that was interrupted has left nothing, and may be repeated.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import DatabaseError, transaction

from confide.access import destinations, terminal
from confide.access.approvers import require_settled_id
from confide.access.decide import Grant
from confide.access.destinations import Use
from confide.access.models import Destination
from confide.access.roles import Action, Form, Purpose
from confide.audit.journal import Journal, entry_for
from confide.cipher.derive import frame
from confide.errors import AccessDenied, Damaged, Invalid, Unavailable, Unknown
from confide.protect.elements import Element
from confide.protect.exports.policy import ExportPolicy, parse
from confide.vault.models import Export

LIFETIME: Final = timedelta(days=7)
"""How long an approval, or a request that nobody has approved yet, is good for."""

PURPOSE: Final = Purpose.HOPERAT
_ID_BYTES: Final = 16


class State(StrEnum):
    """How far an export is. ``LAPSED`` is never stored: time alone makes it."""

    REQUESTED = "requested"
    APPROVED = "approved"
    RUNNING = "running"
    WRITTEN = "written"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class Act(StrEnum):
    """What the journal says happened: the type of resource that its entry is about."""

    REGISTRATION = "Destination"
    AGREEMENT = "DestinationApproval"
    RETIREMENT = "DestinationRetirement"
    REQUEST = "ExportRequest"
    APPROVAL = "ExportApproval"
    WITHDRAWAL = "ExportWithdrawal"
    RELEASE = "Export"
    MANIFEST = "ExportManifest"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for.

    Attributes:
        policy: What is done with each element.
        format: ``ndjson`` or ``parquet``.
        cohort: How the patients were chosen; never with what was asked for.
        patients: Their ids.
    """

    policy: ExportPolicy
    format: str
    cohort: str
    patients: Collection[uuid.UUID]


def pack(patients: Iterable[uuid.UUID]) -> bytes:
    """Write ids as they are kept: sorted, each once, 16 bytes each."""
    return b"".join(sorted({patient.bytes for patient in patients}))


def unpack(packed: bytes) -> list[uuid.UUID]:
    """Read what :func:`pack` wrote."""
    return [uuid.UUID(bytes=packed[i : i + _ID_BYTES]) for i in range(0, len(packed), _ID_BYTES)]


def digest(export: Export) -> bytes:
    """Return the SHA-256 over all that was asked for, 32 bytes."""
    place = export.destination
    return hashlib.sha256(
        frame(
            "export",
            export.id,
            export.practice,
            frame(place.id, place.recipient, place.folder),
            frame(export.policy, bytes(export.policy_sha256), export.policy_text),
            export.format,
            export.cohort,
            bytes(export.patients),
            export.requested_by,
        )
    ).digest()


def state(export: Export, now: datetime) -> State:
    """How far *export* is at *now*."""
    stored = State(export.state)
    since = export.approved_at or export.requested_at
    if stored in {State.REQUESTED, State.APPROVED, State.RUNNING} and now >= since + LIFETIME:
        return State.LAPSED
    return stored


def policy_of(export: Export) -> ExportPolicy:
    """Return the policy that was asked for and approved.

    Raises:
        Damaged: What is stored is not that policy.
    """
    policy = parse(export.policy_text)
    if policy.sha256 != bytes(export.policy_sha256):
        raise Damaged("the stored policy is not the one that was asked for")
    return policy


def releases(policy: ExportPolicy) -> dict[Element, Form]:
    """Return the most that a policy lets out of each element: as it is, or changed. The rest stays here."""
    return {element: Form(form.value) for element, form in policy.releases.items()}


def require_releasable(grant: Grant, releases: Mapping[Element, Form]) -> None:
    """Refuse a policy that lets out more than the role may.

    Raises:
        AccessDenied: An element would leave clear, or at all, that the role may not let out so.
    """
    for element, form in releases.items():
        allowed = grant.form(element)
        if allowed is Form.REFUSED or (form is Form.CLEAR and allowed is not Form.CLEAR):
            raise AccessDenied(f"the policy lets out {element} as it is, which no role may do by an export")


class Exports:
    """Destinations and requests, each step with its journal entry.

    Args:
        journal: Where every step is written.
        clock: Returns now, aware UTC.
    """

    def __init__(self, journal: Journal, clock: Callable[[], datetime]) -> None:
        self._journal = journal
        self._clock = clock

    # Destinations

    def register(
        self, grant: Grant, name: str, recipient: str, folder: str, use: Use = Use.EXPORT
    ) -> Destination:
        """Register a destination; see `access.destinations.register`."""
        with _one_step():
            made = destinations.register(grant, name, recipient, folder, self._clock(), use)
            self._write(grant, Act.REGISTRATION, made.id, digest_of(made))
        return made

    def agree(self, grant: Grant, destination: Destination) -> None:
        """Approve a destination; see `access.destinations.approve`."""
        with _one_step():
            destinations.approve(grant, destination, self._clock())
            self._write(grant, Act.AGREEMENT, destination.id, digest_of(destination))

    def retire(self, grant: Grant, destination: Destination) -> None:
        """Take a destination out of use; see `access.destinations.retire`."""
        with _one_step():
            destinations.retire(grant, destination, self._clock())
            self._write(grant, Act.RETIREMENT, destination.id, digest_of(destination))

    # Requests

    def request(self, grant: Grant, destination: Destination, wanted: Wanted) -> Export:
        """Record what a person asks for; nothing is opened.

        Raises:
            AccessDenied: The policy lets out more than the role may, or the destination cannot be used yet.
            Invalid: There is nobody to export.
        """
        now = self._clock()
        grant.require(Action.EXPORT, None, now)
        if grant.actor.kind != "person":
            raise AccessDenied("an export is for people to ask for")
        if destination.practice_id != grant.practice:
            raise Unknown("there is no such destination (see confide destination list)")
        destinations.require_usable(destination, Use.EXPORT, now)
        require_releasable(grant, releases(wanted.policy))
        if not wanted.patients:
            raise Invalid("the cohort is empty: there is nobody to export")
        export = Export(
            id=str(uuid.uuid4()),
            practice=grant.practice,
            destination=destination,
            policy=wanted.policy.name,
            policy_sha256=wanted.policy.sha256,
            policy_text=wanted.policy.text,
            format=wanted.format,
            cohort=wanted.cohort,
            patients=pack(wanted.patients),
            people=len(set(wanted.patients)),
            state=State.REQUESTED,
            requested_by=grant.actor.id,
            requested_at=now,
        )
        export.digest = digest(export)
        with _one_step():
            export.save(force_insert=True)
            self._write(grant, Act.REQUEST, export.id, export.digest)
        return export

    def approve(self, grant: Grant, export: Export) -> None:
        """Give the second person's word.

        Raises:
            AccessDenied: They asked for it themselves, it is not waiting, or has lapsed.
        """
        now = self._clock()
        self._require_mine(grant, export, now)
        if grant.actor.kind != "person":
            raise AccessDenied("an export is for people to approve")
        if grant.actor.id == export.requested_by:
            raise AccessDenied("whoever asked for an export cannot approve it (a second person must)")
        require_settled_id(grant.actor.id, now)
        if state(export, now) is not State.REQUESTED:
            raise AccessDenied(f"the export is {state(export, now)}, so it cannot be approved")
        destinations.require_usable(export.destination, Use.EXPORT, now)
        require_releasable(grant, releases(policy_of(export)))
        with _one_step():
            changed = Export.objects.filter(pk=export.pk, state=State.REQUESTED).update(
                state=State.APPROVED, approved_by=grant.actor.id, approved_at=now
            )
            if not changed:
                raise AccessDenied("the export is not waiting for approval any more")
            self._write(grant, Act.APPROVAL, export.id, bytes(export.digest))
        export.refresh_from_db()

    def withdraw(self, grant: Grant, export: Export) -> None:
        """Take a request back, approved or not; one person is enough for that.

        Raises:
            AccessDenied: It is written, or was withdrawn already.
        """
        self._require_mine(grant, export, self._clock())
        open_states = [State.REQUESTED, State.APPROVED, State.RUNNING]
        with _one_step():
            changed = Export.objects.filter(pk=export.pk, state__in=open_states).update(state=State.WITHDRAWN)
            if not changed:
                raise AccessDenied(f"the export is {state(export, self._clock())}")
            self._write(grant, Act.WITHDRAWAL, export.id, bytes(export.digest))
        export.refresh_from_db()

    def require_runnable(self, grant: Grant, export: Export) -> None:
        """Refuse to write what two people who may still do so have not both agreed to, or no more.

        Raises:
            AccessDenied: Not approved, lapsed, withdrawn or written; one of the two is frozen, or may not
                export any more; the destination is retired.
            Damaged: The request is not as it was made.
        """
        now = self._clock()
        self._require_mine(grant, export, now)
        found = state(export, now)
        if found is State.REQUESTED:
            raise AccessDenied("the export is not approved yet (confide export approve)")
        if found not in {State.APPROVED, State.RUNNING}:
            raise AccessDenied(f"the export is {found}, so it is not written (ask for it anew)")
        allowed = releases(policy_of(export))
        people = (export.requested_by, export.approved_by)
        if not all(people) or people[0] == people[1]:
            raise Damaged("the export does not have the word of two people")
        for account in people:
            try:
                theirs = terminal.grant(account, export.practice, Action.EXPORT, PURPOSE, now)
            except AccessDenied:
                raise AccessDenied("one of the two who agreed to it may no longer export") from None
            require_releasable(theirs, allowed)
        destinations.require_usable(export.destination, Use.EXPORT, now)

    def _require_mine(self, grant: Grant, export: Export, now: datetime) -> None:
        grant.require(Action.EXPORT, None, now)
        if export.practice != grant.practice:
            raise Unknown("there is no such export (see confide export list)")
        if digest(export) != bytes(export.digest):
            raise Damaged("the request is not as it was made (treat it as an incident)")

    def _write(self, grant: Grant, act: Act, name: str, sha256: bytes) -> None:
        entry = entry_for(grant, self._clock(), resource_type=act.value, resource_id=name, body_sha256=sha256)
        self._journal.append([entry])


def find(practice: str, name: str) -> Export:
    """Return the export of that id, or of an id that begins so if there is one such.

    Raises:
        Unknown: There is none, or more than one.
    """
    found = list(
        Export.objects.filter(practice=practice, id__startswith=name).select_related("destination")[:2]
    )
    if not name or len(found) != 1:
        raise Unknown("there is no such export (see confide export list)")
    return found[0]


def listed(practice: str) -> Sequence[Export]:
    """A practice's exports, newest first, without their long parts."""
    rows = Export.objects.filter(practice=practice).select_related("destination")
    return list(rows.defer("patients", "imprint", "policy_text").order_by("-requested_at"))


def digest_of(destination: Destination) -> bytes:
    """Return the SHA-256 over all that people agree to with a destination, 32 bytes."""
    parts = (destination.id, destination.practice_id, destination.name, destination.use)
    return hashlib.sha256(frame("destination", *parts, destination.recipient, destination.folder)).digest()


@contextmanager
def _one_step() -> Iterator[None]:
    """What is done and its journal entry: both, or neither."""
    try:
        with transaction.atomic():
            yield
    except DatabaseError as problem:
        msg = "the database does not answer; nothing was recorded"
        raise Unavailable(msg) from problem
