"""The one door to clear values: no grant, no budget or no journal entry, no value.

The order is always the same: the grant is asked, the budget pays and the journal writes in one
durable transaction, and only when that is committed is a seal opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

from confide.access import pulse
from confide.access.budget import Learned
from confide.access.charges import Operation
from confide.access.decide import Grant
from confide.access.roles import Action, Form
from confide.audit.journal import Entry, Journal, entry_for
from confide.cipher.derive import frame
from confide.errors import AccessDenied, Damaged, GrantExpired, GrantMismatch, NoRelationship
from confide.fhir import json
from confide.protect import uses
from confide.protect.documents import Place, Protected, Protector, Revealed
from confide.protect.elements import Element
from confide.protect.keyring import Keyring, SubjectKey
from confide.protect.keystore import DataKeys, KeyUse
from confide.protect.kms import Kms
from confide.protect.owners import owners
from confide.protect.plan import Plan
from confide.protect.uses import Kind
from confide.vault import till
from confide.vault.desk import durable
from confide.vault.telling import learn

Clock = Callable[[], datetime]
Keys = Mapping[str, SubjectKey]
"""Subjects' keys by their ids; only the vault uses them."""

DIGEST_BYTES = 16
_KEYS_AT_ONCE = 500
_WRITING = frozenset({Action.WRITE, Action.IMPORT})
_SHOWING = frozenset({Action.READ, Action.SEARCH, Action.REVEAL})
_SHOWN = frozenset({Form.CLEAR, Form.MASKED})


@dataclass(frozen=True, slots=True)
class Document:
    """A stored resource, as the vault sees it.

    Attributes:
        place: Where it belongs; part of its seal.
        patients: The patients in whose compartments it lies.
        body: The protected resource, exact bytes.
        seal: What was taken out of it; empty only where nothing was and its type is a kept one.
        elements: The data elements in the seal.
    """

    place: Place
    patients: tuple[str, ...]
    body: bytes
    seal: bytes
    elements: frozenset[Element]

    @property
    def exposed(self) -> tuple[str, ...]:
        """Whose exposure it is when it is shown: the patients', or its own subject's."""
        return self.patients or ((self.place.subject,) if self.place.subject else ())


@dataclass(frozen=True, slots=True)
class Incoming:
    """A resource that is to be protected; see `Vault.protect`."""

    place: Place
    key: SubjectKey
    resource: dict[str, Any]
    patients: Sequence[str] = ()


class Vault:
    """Protects what goes in; reveals what a grant, a budget and the journal let out.

    Args:
        kms: Holds the root key; asked once a practice and process.
        store: The wrapped keys.
        journal: Where every reveal is written first.
        plan: The compiled at-rest policy.
        clock: Returns now, aware UTC.
    """

    def __init__(self, kms: Kms, store: DataKeys, journal: Journal, plan: Plan, clock: Clock) -> None:
        self._kms = kms
        self._store = store
        self._journal = journal
        self._plan = plan
        self._clock = clock
        self._practices: dict[str, tuple[Keyring, Protector]] = {}
        self._lock = Lock()

    @property
    def plan(self) -> Plan:
        return self._plan

    def found(self, practice: str) -> None:
        """Make the keys that a practice has not got; a second call changes nothing."""
        Keyring.found(self._kms, self._store, practice)
        with self._lock:
            self._practices.pop(practice, None)

    def _unlocked(self, practice: str) -> tuple[Keyring, Protector]:
        # Asked for every digest of an import: who finds it there needs no lock.
        there = self._practices.get(practice)
        if there is not None:
            return there
        with self._lock:
            unlocked = self._practices.get(practice)
            if unlocked is None:
                keyring = Keyring(self._kms, self._store, practice)
                unlocked = self._practices[practice] = (keyring, Protector(self._plan, keyring))
            return unlocked

    def unlock(self, practice: str) -> None:
        """Unlock a practice's keys now instead of at the first use.

        Raises:
            KeyUnavailable: They cannot be had.
        """
        self._unlocked(practice)

    def lock(self, practice: str) -> None:
        """Drop all keys of a practice from this process's memory; the next use unlocks them again."""
        with self._lock:
            self._practices.pop(practice, None)

    def forget(self, practice: str, subjects: Iterable[str]) -> None:
        """Drop subjects' keys from memory; the key store is asked before their next use."""
        with self._lock:
            unlocked = self._practices.get(practice)
        if unlocked is not None:
            unlocked[0].forget(subjects)

    def keyring(self, practice: str) -> Keyring:
        """A practice's keys, unlocked: for the vault's own parts only."""
        return self._unlocked(practice)[0]

    def digest(self, practice: str, *parts: str | bytes) -> bytes:
        """A keyed digest for exact look-ups: equal for equal *parts* of one practice, and only then.

        Returns:
            16 bytes: HMAC-SHA-256 of the framed parts under the practice's index key, cut.
        """
        return self.keyring(practice).digest(KeyUse.INDEX, frame(*parts))[:DIGEST_BYTES]

    # In

    def subject_keys(self, grant: Grant, patients: Iterable[str]) -> Keys:
        """Make the keys of patients that have none yet, and return all of them."""
        return self.keyring(grant.practice).create(patients)

    def shared_key(self, grant: Grant, subject: str, patients: Sequence[str]) -> SubjectKey:
        """The key of a resource of no patient or of several."""
        return self.keyring(grant.practice).create_shared(subject, patients)

    def protect(
        self,
        grant: Grant,
        place: Place,
        key: SubjectKey,
        resource: dict[str, Any],
        patients: Sequence[str] = (),
    ) -> Protected:
        """Take out of a valid resource what identifies, and seal it.

        Args:
            grant: For writing.
            place: Where it will lie.
            key: Of its subject.
            resource: Valid FHIR JSON.
            patients: Those in whose compartments it lies and who are there already.

        Raises:
            GrantMismatch: The grant is not for writing here.
            AccessDenied: The grant does not cover an element of it.
            KeyUnavailable: No key, no write.
        """
        return self.protect_all(grant, [Incoming(place, key, resource, patients)])[0]

    def protect_all(self, grant: Grant, incoming: Sequence[Incoming]) -> list[Protected]:
        """Do for many resources what :meth:`protect` does for one: the same checks, the same seals."""
        now = self._clock()
        for each in incoming:
            if grant.action not in _WRITING or each.place.practice != grant.practice:
                msg = "the grant is not for writing here"
                raise GrantMismatch(msg)
            for patient in each.patients or (() if grant.patients is None else (each.place.subject,)):
                grant.require(grant.action, patient, now)
            grant.require_action(grant.action, now)
        protector = self._unlocked(grant.practice)[1]
        documents = ((each.resource, each.place, each.key) for each in incoming)
        made = protector.protect_all(documents, now.date())
        what = "write every element that this resource holds"
        for each, protected in zip(incoming, made, strict=True):
            self._require_clear(grant, protected.elements, each.patients, what)
        return made

    def keep(self, grant: Grant, resource: dict[str, Any]) -> Protected | None:
        """Return a resource that holds nothing to protect, as it is stored without key and seal.

        None where its type is always sealed, or where it holds something personal.
        """
        protector = self._unlocked(grant.practice)[1]
        if protector.sealed_type(resource["resourceType"]) or protector.identifies(
            resource, self._clock().date()
        ):
            return None
        body = json.format(resource)
        return Protected(body, b"", hashlib.sha256(body).digest(), frozenset(), resource)

    def require_replaceable(self, grant: Grant, document: Document) -> None:
        """Refuse to replace or delete what the grant could not have written.

        Raises:
            AccessDenied: The stored version holds elements that the role may not write.
        """
        what = "replace or delete every element that this resource holds"
        self._require_clear(grant, document.elements, document.patients, what)

    @staticmethod
    def _require_clear(
        grant: Grant, elements: frozenset[Element], patients: Sequence[str], what: str
    ) -> None:
        for element in elements:
            if grant.form(element, patients) is not Form.CLEAR:
                if isinstance(grant.explain(element, patients), NoRelationship):
                    raise NoRelationship(f"no relationship to the patient lets you {what}")
                raise AccessDenied(f"your role may not {what}")

    def written(self, grant: Grant, documents: Iterable[tuple[Document, bytes]]) -> None:
        """Journal writes, in the caller's transaction: (document, SHA-256 of its body).

        Raises:
            Frozen: The credential was stopped since the grant was made; nothing may be stored.
        """
        pulse.recheck(grant)
        now = self._clock()
        self._append(
            entry_for(
                grant, now, patient=patient, elements=dict.fromkeys(sorted(d.elements), Form.CLEAR),
                body_sha256=sha256, **till.describe(d),
            )
            for d, sha256 in documents
            for patient in d.patients or ("",)
        )  # fmt: skip

    # Out

    def reveal(
        self,
        grant: Grant,
        documents: Sequence[Document],
        elements: frozenset[Element],
        operation: Operation = Operation.READ,
    ) -> list[Revealed]:
        """Show *elements* of *documents* in the form that the grant allows, in order.

        What the grant does not show, or the budget does not cover, stays a stand-in. Commits its own
        transaction before anything is opened.

        Args:
            grant: For reading or revealing these documents' patients.
            documents: In the order in which they are paid for.
            elements: What is asked for; the grant may allow less.
            operation: What it is charged as.

        Raises:
            GrantMismatch, GrantExpired: The grant is not for this.
            Frozen: The credential was stopped since the grant was made.
            JournalUnavailable: The journal cannot be written; nothing was revealed.
            Damaged: A seal is missing or does not open; recorded as shown, nothing was revealed.
        """
        now = self._clock()
        if grant.action not in _SHOWING:
            msg = "the grant is not for showing anything"
            raise GrantMismatch(msg)
        if now >= grant.expires:
            msg = "the grant has expired"
            raise GrantExpired(msg)
        for document in documents:
            if document.place.practice != grant.practice:
                msg = "the grant is for another practice"
                raise GrantMismatch(msg)
            for patient in document.exposed:
                grant.require(grant.action, patient, now)
        # Patients differ: one is this person's business, another has asked for a restriction. Types differ,
        # too: of today's patients some are needed for care.
        forms = {
            (whose, kind): {e: grant.form(e, whose, kind) for e in elements}
            for whose, kind in {(d.patients, d.place.type) for d in documents}
        }
        shown = [{e: forms[d.patients, d.place.type][e] for e in d.elements & elements} for d in documents]
        shown = [{e: form for e, form in what.items() if form in _SHOWN} for what in shown]
        told = till.pay(self._journal, grant, operation, documents, shown, now)
        keys = self.keyring(grant.practice).subjects({d.place.subject for d in documents if d.seal})
        return [self._open(grant, d, what, keys) for d, what in zip(documents, told, strict=True)]

    def asked(
        self,
        grant: Grant,
        operation: Operation,
        elements: frozenset[Element],
        matched: Sequence[str],
        fixed: Sequence[str] = (),
    ) -> Learned:
        """Charge for what is learned by asking; see `telling.learn`."""
        return learn(self._journal, grant, operation, self._clock(), elements, matched, fixed)

    def _append(self, entries: Iterable[Entry]) -> list[int]:
        return self._journal.append(list(entries))

    def _open(
        self,
        grant: Grant,
        d: Document,
        shown: Mapping[Element, Form],
        keys: Keys,
    ) -> Revealed:
        """Open a seal, also where nothing of it is asked for: what is shown is what was stored."""
        clear = frozenset(e for e, form in shown.items() if form is Form.CLEAR)
        protector = self._unlocked(grant.practice)[1]
        if not d.seal:
            if protector.sealed_type(d.place.type) or d.elements or d.place.subject:
                msg = "a stored resource has lost its seal"
                raise Damaged(msg)
            return Revealed(json.parse(d.body), frozenset(), frozenset())
        key = keys.get(d.place.subject) or self.keyring(grant.practice).subject(d.place.subject)
        use = Kind.REVEAL if shown else Kind.VEILED
        revealed = protector.reveal(d.body, d.seal, d.place, key, clear, frozenset(shown) - clear, use)
        # The row says whose it is and what is in its seal, and was believed when it was paid for.
        shared = d.place.subject == d.place.id and d.place.type != "Patient"
        whose = owners(self._plan.policy, revealed.resource) if shared else (d.place.subject,)
        if whose != d.patients or not (revealed.shown | revealed.hidden) <= d.elements:
            msg = "a stored resource's row does not fit its seal"
            raise Damaged(msg)
        return revealed

    # For the vault's own parts

    def open_for_index(
        self, grant: Grant, documents: Sequence[Document], elements: frozenset[Element]
    ) -> Iterator[Revealed]:
        """Open identities for the in-memory index, after one journal entry; they stay in this process.

        Args:
            grant: A system grant for indexing.
            documents: Patients.
            elements: What the index is made of; nothing else is opened.

        Raises:
            JournalUnavailable: The journal cannot be written; nothing was opened.
        """
        now = self._clock()
        grant.require(Action.INDEX, None, now)
        if not documents:
            return
        with durable():
            entry = entry_for(grant, now, elements=dict.fromkeys(elements, Form.SEARCHED))
            ids = self._append([entry])
        uses.name(Kind.INDEX, ids)
        keyring, protector = self._unlocked(grant.practice)
        for start in range(0, len(documents), _KEYS_AT_ONCE):
            some = documents[start : start + _KEYS_AT_ONCE]
            key_of = keyring.keys_of({d.place.subject for d in some}, remember=False)
            sealed = ((d.body, d.seal, d.place, key_of(d.place.subject)) for d in some)
            yield from protector.reveal_all(sealed, elements, use=Kind.INDEX)
