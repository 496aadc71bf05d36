"""Opens names and addresses for letters about a breach: a grant of its own, given by two people.

What they agreed to is fixed: the notice, the place that it goes to, and for each batch a digest of whom it
holds and what of them was shown. Both entries stand in the journal with the digest over all of it, and are
looked for there; a row that was written over is found out. No budget pays, because two people agreed to all
of it. Of each person the journal has one entry, written with the rest of their batch in one durable step
before a seal is opened. A batch that was cut off is opened again under the entries that it has.

Source:
    45 CFR 164.404(d): notice in written form, to the last known address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from django.db import DatabaseError, transaction

from confide.access import destinations, terminal
from confide.access.approvers import require_settled_id
from confide.access.decide import Grant
from confide.access.destinations import Use
from confide.access.roles import Action, Form, Purpose
from confide.audit import agreements
from confide.audit.journal import Entry, Journal, Outcome, entry_for
from confide.errors import AccessDenied, Damaged, Unavailable
from confide.protect import uses
from confide.protect.documents import Protector
from confide.protect.elements import Element
from confide.vault.desk import durable
from confide.vault.door import Document, Vault
from confide.vault.mandates import SHA256, Mandate, Person, Whole, unpack

PURPOSE: Final = Purpose.HOPERAT


class Act(StrEnum):
    """What the journal says happened: the type of resource that its entry is about."""

    REQUEST = "MailingRequest"
    APPROVAL = "MailingApproval"
    WITHDRAWAL = "MailingWithdrawal"
    LETTER = "Letter"
    MANIFEST = "MailingManifest"


Store = Callable[[int], None]
StoreAll = Callable[[int, Sequence[int]], None]


class Mailings:
    """Two people's word, and what is opened on it.

    Args:
        vault: The door.
        journal: Where every step is written first.
        clock: Returns now, aware UTC.
    """

    def __init__(self, vault: Vault, journal: Journal, clock: Callable[[], datetime]) -> None:
        self._vault = vault
        self._journal = journal
        self._clock = clock

    def request(self, grant: Grant, mandate: Mandate, store: Store) -> None:
        """Record that a person asks for a mailing; nothing is opened.

        Args:
            grant: A person's, for mailing.
            mandate: What is asked for.
            store: Writes its rows, in the transaction of the entry; is told the entry's id.

        Raises:
            AccessDenied: A program asks, or the place is not one for mailings, or not yet.
        """
        self._require_mine(grant, mandate)
        self._require_place(mandate)
        self._step(grant, Act.REQUEST, mandate, mandate.digest, store)

    def approve(self, grant: Grant, mandate: Mandate, store: Store) -> None:
        """Record the second person's word; see :meth:`request`.

        Raises:
            AccessDenied: They asked for it themselves, or their account is too new.
            Damaged: It is not what was asked for.
        """
        self._require_mine(grant, mandate)
        if grant.actor.id == mandate.people[0]:
            raise AccessDenied("whoever asked for a mailing cannot approve it (a second person must)")
        require_settled_id(grant.actor.id, self._clock())
        self._require_place(mandate)
        if self._said(mandate, Act.REQUEST, 0) != mandate.people[0]:
            raise Damaged("the mailing is not as it was asked for (treat it as an incident)")
        self._step(grant, Act.APPROVAL, mandate, mandate.digest, store)

    def request_all(self, grant: Grant, whole: Whole, store: StoreAll) -> None:
        """Record that a person asks for the mailings of all practices; see :meth:`request`.

        Each practice reads so in its own journal.

        Args:
            grant: A person's of the practice that leads, at the host's terminal.
            whole: What is asked for.
            store: Writes their rows, in the transaction of the entries; is told the id of the one about the
                whole, and those of the others in the order of the mandates.
        """
        self._require_whole(grant, whole)
        self._step_all(grant, Act.REQUEST, whole, whole.digest, store)

    def approve_all(self, grant: Grant, whole: Whole, store: StoreAll) -> None:
        """Record the second person's word on the mailings of all practices; see :meth:`approve`."""
        self._require_whole(grant, whole)
        asked = {each.people[0] for each in whole.mandates}
        if grant.actor.id in asked:
            raise AccessDenied("whoever asked for a mailing cannot approve it (a second person must)")
        require_settled_id(grant.actor.id, self._clock())
        said = agreements.agreed(whole.lead, [Act.REQUEST.value], whole.incident, whole.digest)
        if len(asked) != 1 or not asked <= said:
            raise Damaged("the mailings are not as they were asked for (treat it as an incident)")
        self._step_all(grant, Act.APPROVAL, whole, whole.digest, store)

    def withdraw_all(self, grant: Grant, whole: Whole, store: StoreAll) -> None:
        """Record that the mailings of all practices are taken back; one person is enough for that."""
        self._require_whole(grant, whole, placed=False)
        self._step_all(grant, Act.WITHDRAWAL, whole, whole.digest, store)

    def check_all(self, account: str, whole: Whole) -> None:
        """Refuse mailings that are not the ones to which two people agreed as one.

        Raises:
            AccessDenied: Two people do not answer for them, or one of them may no longer.
            Damaged: One was changed, taken out or put in.
        """
        for which, act in ((0, Act.REQUEST), (1, Act.APPROVAL)):
            people = {each.people[which] for each in whole.mandates}
            if "" in people:
                raise AccessDenied("the mailings do not have the word of two people (confide notice approve)")
            said = agreements.agreed(whole.lead, [act.value], whole.incident, whole.digest)
            if len(people) != 1 or not people <= said:
                raise Damaged("the mailings are not as two people agreed to them (treat it as an incident)")
        for one in whole.mandates[:1]:  # all of them go to the same place
            self._require_place(one)
        terminal.grant(account, whole.lead, Action.MAIL, PURPOSE, self._clock())

    def finish_all(self, account: str, whole: Whole, sha256: bytes, store: Store) -> None:
        """Record that all of them went, with the SHA-256 of the manifest of the whole; once."""
        if agreements.agreed(whole.lead, [Act.MANIFEST.value], whole.incident, sha256):
            return
        grant = terminal.grant(account, whole.lead, Action.MAIL, PURPOSE, self._clock())
        entry = entry_for(
            grant, self._clock(), resource_type=Act.MANIFEST, resource_id=whole.incident, body_sha256=sha256
        )
        with _storing():
            store(self._journal.append([entry])[0])

    def withdraw(self, grant: Grant, mandate: Mandate, store: Store) -> None:
        """Record that a mailing is taken back; one person is enough for that."""
        self._require_mine(grant, mandate)
        self._step(grant, Act.WITHDRAWAL, mandate, mandate.digest, store)

    def finish(self, account: str, mandate: Mandate, sha256: bytes, store: Store) -> None:
        """Record that all of it went, with the SHA-256 of its manifest."""
        self._step(self.check(account, mandate), Act.MANIFEST, mandate, sha256, store)

    def check(self, account: str, mandate: Mandate) -> Grant:
        """Return the grant of a mailing, asked anew: somebody may have been frozen meanwhile.

        Args:
            account: Of the person who has it written.
            mandate: As its rows say it is.

        Raises:
            AccessDenied: Two people do not answer for it now, or the place is retired.
            Damaged: The journal does not say that both agreed to exactly this.
        """
        now = self._clock()
        asked, approved = mandate.people
        if not asked or not approved or asked == approved:
            raise AccessDenied("the mailing does not have the word of two people (confide notice approve)")
        if (self._said(mandate, Act.REQUEST, 0), self._said(mandate, Act.APPROVAL, 1)) != mandate.people:
            raise Damaged("the mailing is not as two people agreed to it (treat it as an incident)")
        given: dict[str, Grant] = {}
        for each in mandate.people:
            try:
                given[each] = terminal.grant(each, mandate.home, Action.MAIL, PURPOSE, now)
            except AccessDenied:
                raise AccessDenied("one of the two who agreed to the mailing may no longer do so") from None
        self._require_place(mandate)
        return given.get(account) or terminal.grant(account, mandate.home, Action.MAIL, PURPOSE, now)

    def open(
        self,
        account: str,
        mandate: Mandate,
        number: int,
        packed: bytes,
        documents: Mapping[str, Document],
        entries: Sequence[int],
        store: Callable[[Sequence[int]], None],
    ) -> Iterator[tuple[Person, dict[str, Any] | None]]:
        """Write a batch's entries, or find those that it has; then open what addresses its letters.

        Args:
            account: Of the person who has it written.
            mandate: What was agreed to.
            number: Of the batch, from 0.
            packed: Its people, in order.
            documents: Their Patients, by id; of some there may be none any more.
            entries: Ids of the entries that an interrupted attempt wrote; empty the first time.
            store: Keeps the ids of the entries, in their transaction. It raises where somebody else was
                faster.

        Returns:
            Each person with their Patient, in which only what addresses a letter is clear.

        Raises:
            AccessDenied: See :meth:`check`.
            Damaged: The batch is not the one that was agreed to, or a seal does not open.
            JournalUnavailable: The journal cannot be written; nothing was opened.
        """
        grant = self.check(account, mandate)
        sha256 = hashlib.sha256(packed).digest()
        if mandate.batches[number * SHA256 : (number + 1) * SHA256] != sha256:
            raise Damaged(
                "a batch of the mailing is not the one that was agreed to (treat it as an incident)"
            )
        people = unpack(packed)
        told = grant.clear & mandate.elements
        if entries:
            self._require_written(mandate, sha256, people, entries)
        else:
            self._write(grant, mandate, sha256, people, documents, told, store)
        return self._opened(mandate, people, documents, told)

    def _write(
        self,
        grant: Grant,
        mandate: Mandate,
        sha256: bytes,
        people: Sequence[Person],
        documents: Mapping[str, Document],
        told: frozenset[Element],
        store: Callable[[Sequence[int]], None],
    ) -> None:
        now = self._clock()
        lines = [
            entry_for(
                grant,
                now,
                patient=patient,
                elements=dict.fromkeys(sorted(told & documents[patient].elements), Form.CLEAR)
                if patient in documents
                else {},
                resource_type=Act.LETTER,
                resource_id=mandate.id,
                body_sha256=sha256,
                outcome=Outcome.SUCCESS if patient in documents else Outcome.MINOR_FAILURE,
            )
            for patient, _ in people
        ]
        if mandate.lead:
            lines = [_moved(line, mandate) for line in lines]
        with durable():
            ids = self._journal.append(lines)
            store(ids)
        uses.name(uses.Kind.MAILING, (id_ for id_, line in zip(ids, lines, strict=True) if line.elements))

    def _require_written(
        self, mandate: Mandate, sha256: bytes, people: Sequence[Person], entries: Sequence[int]
    ) -> None:
        """Refuse to open again what the journal does not say was opened."""
        found = agreements.named_in(entries, mandate.practice, Act.LETTER.value, mandate.id, sha256)
        if sorted(found) != sorted(patient for patient, _ in people):
            raise Damaged("a batch of the mailing has no entries in the journal (treat it as an incident)")

    def _opened(
        self,
        mandate: Mandate,
        people: Sequence[Person],
        documents: Mapping[str, Document],
        told: frozenset[Element],
    ) -> Iterator[tuple[Person, dict[str, Any] | None]]:
        keyring = self._vault.keyring(mandate.practice)
        protector = Protector(self._vault.plan, keyring)
        key_of = keyring.keys_of({d.place.subject for d in documents.values()})
        for person in people:
            d = documents.get(person[0])
            if d is None:
                yield person, None
                continue
            if (
                d.place.type != "Patient"
                or d.place.subject != person[0]
                or d.place.practice != mandate.practice
            ):
                raise Damaged("a resource of somebody else is in the way of a mailing")
            key = key_of(d.place.subject)
            revealed = protector.reveal(d.body, d.seal, d.place, key, told, use=uses.Kind.MAILING)
            if not (revealed.shown | revealed.hidden) <= d.elements:
                raise Damaged("a stored resource's row does not fit its seal")
            yield person, revealed.resource

    def _require_mine(self, grant: Grant, mandate: Mandate) -> None:
        self._require_person(grant)
        if grant.practice != mandate.home:
            raise AccessDenied("the mailing is another practice's")

    def _require_person(self, grant: Grant) -> None:
        grant.require(Action.MAIL, None, self._clock())
        if grant.actor.kind != "person":
            raise AccessDenied("a mailing is for people to ask for and approve")

    def _require_whole(self, grant: Grant, whole: Whole, *, placed: bool = True) -> None:
        self._require_person(grant)
        if grant.actor.credential != terminal.CREDENTIAL:
            raise AccessDenied("a mailing of all practices is for the host's terminal")
        if not whole.mandates or any(each.home != whole.lead for each in whole.mandates):
            raise AccessDenied("a mailing is another practice's")
        if grant.practice != whole.lead:
            raise AccessDenied("the mailings are another practice's")
        if placed:  # all of them have the same one
            for each in {each.destination.pk: each for each in whole.mandates if each.destination}.values():
                self._require_place(each)

    def _require_place(self, mandate: Mandate) -> None:
        if mandate.destination is not None:
            if mandate.destination.practice_id != mandate.home:
                raise AccessDenied("the destination is another practice's")
            destinations.require_usable(mandate.destination, Use.MAILING, self._clock())

    @staticmethod
    def _said(mandate: Mandate, act: Act, which: int) -> str:
        return agreements.agreed_in(
            mandate.said[which], mandate.practice, act.value, mandate.id, mandate.digest
        )

    def _step(self, grant: Grant, act: Act, mandate: Mandate, sha256: bytes, store: Store) -> None:
        entry = entry_for(grant, self._clock(), resource_type=act, resource_id=mandate.id, body_sha256=sha256)
        with _storing():
            store(self._journal.append([_moved(entry, mandate)])[0])

    def _step_all(self, grant: Grant, act: Act, whole: Whole, sha256: bytes, store: StoreAll) -> None:
        entry = entry_for(
            grant, self._clock(), resource_type=act, resource_id=whole.incident, body_sha256=sha256
        )
        each = [
            replace(_moved(entry, one), resource_id=one.id, body_sha256=one.digest) for one in whole.mandates
        ]
        with _storing():
            ids = self._journal.append([entry, *each])
            store(ids[0], ids[1:])


def _moved(entry: Entry, mandate: Mandate) -> Entry:
    """Return an entry as it stands in the journal of the practice whose patients they are."""
    return replace(entry, practice=mandate.practice, role="") if mandate.lead else entry


@contextmanager
def _storing() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except DatabaseError as problem:
        raise Unavailable("the database does not answer; nothing was recorded") from problem
