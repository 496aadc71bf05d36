"""Opens what a downtime pack needs: the charts of those who come today, for when nothing works.

A pack is pushed, like an export, to a place that two people registered for it 72 hours before. Nobody asks
for it each morning, so Confide itself does, and only while two of those people may still export. The journal
has an entry for each patient, and is durable, before a chart is opened. No budget pays: nobody is shown
anything here, and whoever holds the key of that place is answered for by the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from confide.access import destinations, restrictions, terminal
from confide.access.decide import Grant, system_grant
from confide.access.destinations import APPROVALS, Use
from confide.access.models import Destination
from confide.access.relationships import Sealed
from confide.access.restrictions import Kept
from confide.access.roles import Action, Form, Purpose
from confide.audit import agreements
from confide.audit.journal import Journal, entry_for
from confide.errors import AccessDenied, Damaged
from confide.protect import uses
from confide.protect.documents import Protector
from confide.protect.elements import Element
from confide.protect.owners import owners
from confide.vault import exports
from confide.vault.desk import durable
from confide.vault.door import Document, Vault
from confide.vault.exports import PURPOSE

Held = Mapping[str, frozenset[Element]]
"""For each patient of a pack the elements that lie sealed in what is read for it."""

_REASON: Final = "the downtime pack of the morning"
_WHEN: Final = frozenset({Element.DATE})
_AGREEING: Final = (exports.Act.REGISTRATION, exports.Act.AGREEMENT)
_ENTRIES_AT_ONCE: Final = 1000


class Act(StrEnum):
    """What the journal says happened: the type of resource that its entry is about."""

    PACK = "DowntimePack"
    MANIFEST = "DowntimePackManifest"


class Packs:
    """Lets packs out.

    Args:
        vault: The door.
        journal: Where it is written first.
        days: Opens the days on which a patient's restriction holds.
        clock: Returns now, aware UTC.
    """

    def __init__(self, vault: Vault, journal: Journal, days: Sealed, clock: Callable[[], datetime]) -> None:
        self._vault = vault
        self._journal = journal
        self._days = days
        self._clock = clock

    def check(self, destination: Destination) -> None:
        """Refuse a place that is not for packs, or that two people do not answer for now.

        Raises:
            AccessDenied: It is retired, too young, or for something else; or of those who agreed to it fewer
                than two may still export: they are frozen, or have left.
            Damaged: The destination's row is not what was agreed to.
            Unavailable: Accounts, or the journal, cannot be read now.
        """
        now = self._clock()
        destinations.require_usable(destination, Use.DOWNTIME, now)
        # By the journal, too: the destination's row could have been written over.
        agreed = agreements.agreed(
            destination.practice_id, _AGREEING, destination.id, exports.digest_of(destination)
        )
        people = agreed & set(destinations.state(destination, now).approved_by)
        if len(people) < APPROVALS:
            raise Damaged("the destination is not as it was agreed to (treat it as an incident)")
        if sum(self._answers(account, destination.practice_id, now) for account in people) < APPROVALS:
            raise AccessDenied(
                "two of those who agreed to the destination must be there still (register it anew)"
            )

    def _answers(self, account: str, practice: str, now: datetime) -> bool:
        try:
            terminal.grant(account, practice, Action.EXPORT, PURPOSE, now)
        except AccessDenied:
            return False
        return True

    def starts(self, practice: str, appointments: Sequence[Document]) -> Iterator[tuple[Document, str]]:
        """Return when each of *appointments* begins, after one entry in the journal; nothing else of them."""
        grant = system_grant(Action.INDEX, practice, _REASON, self._clock())
        opened = self._vault.open_for_index(grant, appointments, _WHEN)
        for d, revealed in zip(appointments, opened, strict=True):
            yield d, str(revealed.resource.get("start", ""))

    def begin(self, destination: Destination, pack: str, held: Held) -> Packing:
        """Check everything, write the journal, and unlock.

        Args:
            destination: Where it goes.
            pack: The id of the pack.
            held: Whose charts are in it: every patient who comes.

        Raises:
            AccessDenied: See :meth:`check`.
            JournalUnavailable: The journal cannot be written; nothing was opened.
            KeyUnavailable: The practice's keys cannot be had.
            Unavailable: What patients have asked to be kept from treatment cannot be read.
        """
        self.check(destination)
        now = self._clock()
        practice = destination.practice_id
        grant = system_grant(Action.EXPORT, practice, _REASON, now)
        kept = restrictions.read(practice, Purpose.TREAT, now, self._days)
        told = {p: (elements & grant.clear) - kept.get(p, frozenset()) for p, elements in held.items()}
        self._write(grant, pack, told)
        return Packing(self, self._vault, grant, destination, pack, told, kept)

    def _write(self, grant: Grant, pack: str, told: Held) -> None:
        """Write durably, for each patient, which elements leave."""
        entries = [
            entry_for(
                grant,
                self._clock(),
                patient=patient,
                elements=dict.fromkeys(elements, Form.CLEAR),
                resource_type=Act.PACK,
                resource_id=pack,
            )
            for patient, elements in told.items()
        ]
        for start in range(0, len(entries), _ENTRIES_AT_ONCE):
            with durable():
                ids = self._journal.append(entries[start : start + _ENTRIES_AT_ONCE])
            uses.name(uses.Kind.PACK, ids)

    def end(self, grant: Grant, pack: str, sha256: bytes) -> None:
        """Record that it is written.

        Raises:
            JournalUnavailable: It could not be recorded, so the file must not get its name.
        """
        entry = entry_for(
            grant, self._clock(), resource_type=Act.MANIFEST, resource_id=pack, body_sha256=sha256
        )
        with durable():
            self._journal.append([entry])


class Packing:
    """A pack under way. Made by `Packs.begin` alone, when the journal is durable."""

    def __init__(
        self,
        packs: Packs,
        vault: Vault,
        grant: Grant,
        destination: Destination,
        pack: str,
        told: Held,
        kept: Kept,
    ) -> None:
        self._packs = packs
        self._grant = grant
        self._destination = destination
        self._pack = pack
        self._told = told
        self._kept = kept
        self._keyring = vault.keyring(grant.practice)
        self._plan = vault.plan
        self._protector = Protector(vault.plan, self._keyring)

    def open(self, documents: Sequence[Document]) -> Iterator[tuple[Document, dict[str, Any]]]:
        """Return *documents* with what belongs into a pack in clear, and stand-ins for the rest.

        Args:
            documents: Of the patients who were journalled.

        Raises:
            AccessDenied: One of the people was frozen, or the destination retired.
            Damaged: A seal does not open, or a row does not say what lies in it.
        """
        self._packs.check(self._destination)
        shown = [self._shown(d) for d in documents]
        for d, what in zip(documents, shown, strict=True):
            untold = [p for p in d.patients if not what <= self._told.get(p, frozenset())]
            if untold or not d.patients or not d.seal:
                raise Damaged("a resource is in the way of a pack of which the journal does not know")
        key_of = self._keyring.keys_of({d.place.subject for d in documents})
        for d, what in zip(documents, shown, strict=True):
            key = key_of(d.place.subject)
            revealed = self._protector.reveal(d.body, d.seal, d.place, key, what, use=uses.Kind.PACK)
            shared = d.place.subject == d.place.id and d.place.type != "Patient"
            whose = owners(self._plan.policy, revealed.resource) if shared else (d.place.subject,)
            if whose != d.patients or not (revealed.shown | revealed.hidden) <= d.elements:
                raise Damaged("a stored resource's row does not fit its seal")
            yield d, revealed.resource

    def _shown(self, d: Document) -> frozenset[Element]:
        """What of *d* a pack holds in clear: nothing that one of its patients keeps from treatment."""
        return (d.elements & self._grant.clear).difference(*(self._kept.get(p, ()) for p in d.patients))

    def finish(self, sha256: bytes) -> None:
        """Record that it is written; see `Packs.end`."""
        self._packs.check(self._destination)
        self._packs.end(self._grant, self._pack, sha256)
