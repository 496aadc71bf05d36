"""Fresh keys for persons whose records were reached: what was stored under the old ones is sealed anew.

The entry of each person is durable before anything of theirs is opened. Nothing that is opened leaves this
process: what comes out is sealed again, and old and new stand-ins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from confide.access import pulse
from confide.access.decide import Grant
from confide.access.roles import Action, Form
from confide.audit import writes
from confide.audit.journal import Entry, Journal, entry_for
from confide.audit.writes import REMEDY, Renewing
from confide.errors import Damaged, GrantMismatch
from confide.protect import uses
from confide.protect.documents import Protector
from confide.protect.elements import Element
from confide.protect.keyring import Keyring, SubjectKey
from confide.protect.renewal import Renewal, Renewed
from confide.vault.door import Clock, Document, Vault

_ALLOWED: Final = frozenset({Action.JOURNAL_READ, Action.IMPORT})


class Rekeying:
    """Seals anew, for remedies that two officers have agreed to.

    Args:
        vault: Whose keys open and seal.
        journal: Where it is written first.
        clock: Returns now, aware UTC.
    """

    def __init__(self, vault: Vault, journal: Journal, clock: Clock) -> None:
        self._vault = vault
        self._journal = journal
        self._clock = clock

    def announce(
        self,
        grant: Grant,
        practice: str,
        remedy: str,
        act: Renewing,
        people: Mapping[str, Collection[Element]],
        form: Form,
    ) -> list[int]:
        """Write one entry for each person, in the caller's transaction.

        Args:
            grant: For ``JOURNAL_READ``, of the officer who has it done.
            practice: Whose patients they are.
            remedy: Its id.
            act: What is done.
            people: For each patient which elements are opened.
            form: In which form they come out of it.

        Returns:
            The entries' ids.

        Raises:
            GrantMismatch, GrantExpired: The grant is not for this.
        """
        self._require(grant)
        entry = replace(
            self._entry(grant, practice), action=act.value, resource_type=REMEDY, resource_id=remedy
        )
        return self._journal.append(
            [
                replace(entry, patient=patient, elements=dict.fromkeys(sorted(elements), form.value))
                for patient, elements in people.items()
            ]
        )

    @staticmethod
    def allow(act: Renewing, remedy: str, entries: Sequence[int]) -> frozenset[str]:
        """Say which entries allow the openings that follow; return whose they are.

        Raises:
            Damaged: The journal does not have them: nothing may be opened.
        """
        patients = writes.announced(act, remedy, entries)
        if len(patients) != len(entries):
            raise Damaged("what is to be opened for a remedy has no entries (treat it as an incident)")
        uses.name(uses.Kind(act.value), entries)
        return patients

    def renew_keys(self, practice: str, patients: Iterable[str]) -> None:
        """Make a newer key for each patient who has one."""
        self._vault.keyring(practice).renew(patients)

    def renew_shared_key(self, practice: str, subject: str) -> None:
        """Make a newer key of what several patients share."""
        self._vault.keyring(practice).renew_shared(subject)

    def renew(self, practice: str, documents: Sequence[Document]) -> list[Renewed | None]:
        """Seal documents anew; None where the newest key seals one already.

        Raises:
            SealBroken: One is not what was stored.
            KeyUnavailable: Its subject has no key.
        """
        keyring = self._vault.keyring(practice)
        renewal = Renewal(keyring)
        return [renewal.renew(d.body, d.seal, d.place, key) for d, key in _keyed(keyring, documents)]

    def record(self, grant: Grant, practice: str, changed: Iterable[tuple[Document, bytes]]) -> None:
        """Write which bodies are stored from now on, in the caller's transaction: (document, SHA-256)."""
        self._require(grant)
        entry = replace(self._entry(grant, practice), action=Renewing.RESEAL.value)
        self._journal.append(
            [
                replace(
                    entry, patient=d.patients[0] if d.patients else "", body_sha256=sha256,
                    resource_type=d.place.type, resource_id=d.place.id, version=d.place.version,
                )
                for d, sha256 in changed
            ]
        )  # fmt: skip

    def retire(self, practice: str, subjects: Iterable[str]) -> int:
        """Destroy the older keys of subjects; return how many."""
        return self._vault.keyring(practice).retire(subjects)

    def open(
        self, practice: str, remedy: str, entries: Sequence[int], documents: Sequence[Document]
    ) -> list[dict[str, Any]]:
        """Open Patients whole, to be written anew with other numbers.

        Raises:
            Damaged: One of them has no entry; nothing was opened.
        """
        allowed = self.allow(Renewing.RENUMBER, remedy, entries)
        if any(d.place.subject not in allowed for d in documents):
            raise Damaged("a patient of a remedy has no entry (treat it as an incident)")
        keyring = self._vault.keyring(practice)
        protector = Protector(self._vault.plan, keyring)
        return [
            protector.reveal(d.body, d.seal, d.place, key, use=uses.Kind.RENUMBER).resource
            for d, key in _keyed(keyring, documents)
        ]

    def _require(self, grant: Grant) -> None:
        if grant.action not in _ALLOWED:
            raise GrantMismatch("the grant is not for remedies")
        grant.require(grant.action, None, self._clock())
        pulse.recheck(grant)

    def _entry(self, grant: Grant, practice: str) -> Entry:
        return replace(entry_for(grant, self._clock()), practice=practice)


def _keyed(keyring: Keyring, documents: Sequence[Document]) -> Iterator[tuple[Document, SubjectKey]]:
    """Each document with its subject's key."""
    key_of = keyring.keys_of({d.place.subject for d in documents})
    for d in documents:
        yield d, key_of(d.place.subject)
