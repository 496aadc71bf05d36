"""Lets an approved export out: the one place where a chart is opened for somebody outside.

The order is that of the door. Two people's word and the destination are looked at, the journal has an entry
for each patient and is durable, and only then is a seal opened. No budget pays, because two people agreed to
all of it. What is opened never leaves this file: out come resources as the policy made them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

from confide.access import restrictions, terminal
from confide.access.decide import Actor, Grant
from confide.access.relationships import Sealed
from confide.access.roles import Action, Form
from confide.audit.journal import Journal, entry_for
from confide.cipher.derive import frame
from confide.errors import AccessDenied, Damaged
from confide.fhir import json
from confide.protect import uses
from confide.protect.documents import Protector
from confide.protect.elements import Element
from confide.protect.exports.exporter import Exported, Exporter
from confide.protect.exports.keys import ROOT_BYTES
from confide.protect.exports.policy import ExportPolicy, Released
from confide.protect.keyring import Keyring, SubjectKey
from confide.protect.owners import owners
from confide.protect.policy import Policy
from confide.vault.desk import durable
from confide.vault.door import Document, Vault
from confide.vault.exports import PURPOSE, Act, Exports, State, policy_of, releases
from confide.vault.imprint import Imprint, ImprintingKeys
from confide.vault.models import Export

Held = Mapping[str, frozenset[Element]]
"""For each patient of an export the elements that lie sealed in what is exported of them."""

_ENTRIES_AT_ONCE: Final = 1000
_DOCUMENTS_AT_ONCE: Final = 500
_NOBODY: Final = ""
_Item = TypeVar("_Item")
# Public numbers are no secret at rest, so no row says that they are there, but an export replaces them.
_UNSAID: Final = frozenset({Element.IDENTIFIER})


def root_of(keyring: Keyring, export: Export) -> bytes | None:
    """Return an export's root; None if it never ran.

    Raises:
        KeyUnavailable: The key over it is gone, so nothing of that export can be recognised any more.
    """
    if not export.root:
        return None
    return keyring.subject(export.id).wrapping.unwrap(bytes(export.root), _aad(export))


def _aad(export: Export) -> bytes:
    return frame("export root", export.practice, export.id)


class Release:
    """Opens what an approved export needs, and ends it.

    Args:
        vault: The door.
        exports: What was asked for and approved.
        journal: Where it is written first.
        days: Opens the days on which a patient's restriction holds.
        clock: Returns now, aware UTC.
    """

    def __init__(
        self, vault: Vault, exports: Exports, journal: Journal, days: Sealed, clock: Callable[[], datetime]
    ) -> None:
        self._vault = vault
        self._exports = exports
        self._journal = journal
        self._days = days
        self._clock = clock

    def require(self, grant: Grant, export: Export) -> None:
        """Refuse what may not be written, before anybody waits for it; see `Exports.require_runnable`."""
        self._exports.require_runnable(grant, export)

    def restricted(self, export: Export) -> frozenset[str]:
        """Return the patients who have asked that something be kept from what exports are for.

        Raises:
            Damaged: A restriction's row is not as it was written.
            Unavailable: Restrictions cannot be read now.
        """
        return frozenset(restrictions.read(export.practice, PURPOSE, self._clock(), self._days))

    def begin(self, actor: Actor, export: Export, held: Held) -> Opening:
        """Check everything, write the journal, and unlock.

        Args:
            actor: The person who has it written; whether they may is decided now.
            export: Approved, or interrupted before.
            held: Whose it is: every patient of the export who is still there.

        Raises:
            AccessDenied: See `Exports.require_runnable`; or one of them is `restricted`.
            JournalUnavailable: The journal cannot be written; nothing was opened.
            KeyUnavailable: The practice's keys cannot be had.
        """
        grant = self.check(actor, export)
        if not self.restricted(export).isdisjoint(held):
            raise AccessDenied("a patient of the export has asked to be kept from it")
        policy = policy_of(export)
        allowed = releases(policy)
        keyring = self._vault.keyring(export.practice)
        root = self._root(keyring, export)
        changed = Export.objects.filter(pk=export.pk, state__in=[State.APPROVED, State.RUNNING]).update(
            state=State.RUNNING
        )
        if not changed:
            raise AccessDenied("the export was withdrawn")
        export.state = State.RUNNING
        kinds: dict[frozenset[Element], Mapping[Element, Form]] = {}  # most people's charts hold the same
        told = {p: kinds.setdefault(e, _told(e, allowed)) for p, e in held.items()} | {_NOBODY: allowed}
        self.write(grant, export, told)
        opener = _Opener(Protector(self._vault.plan, keyring), keyring, self._vault.plan.policy)
        return Opening(self, actor, export, policy, root, told, opener)

    def _root(self, keyring: Keyring, export: Export) -> bytes:
        """Return the export's own root; make it the first time."""
        there = root_of(keyring, export)
        if there is not None:
            return there
        made = os.urandom(ROOT_BYTES)
        wrapped = keyring.create([export.id])[export.id].wrapping.wrap(made, _aad(export))
        if not Export.objects.filter(pk=export.pk, root=b"").update(root=wrapped):
            raise AccessDenied("another process runs this export")
        export.root = wrapped
        return made

    def write(self, grant: Grant, export: Export, told: Mapping[str, Mapping[Element, Form]]) -> None:
        """Write durably, for each patient, which elements leave in which form."""
        entries = (
            entry_for(
                grant,
                self._clock(),
                patient=patient,
                elements=elements,
                resource_type=Act.RELEASE,
                resource_id=export.id,
                body_sha256=bytes(export.digest),
            )
            for patient, elements in told.items()
        )
        for some in _batches(entries, _ENTRIES_AT_ONCE):
            with durable():
                ids = self._journal.append(some)
            uses.name(uses.Kind.EXPORT, ids)

    def check(self, actor: Actor, export: Export) -> Grant:
        """Ask again, as it goes on, whether it may: somebody may have been frozen meanwhile."""
        grant = terminal.grant(actor.id, export.practice, Action.EXPORT, PURPOSE, self._clock())
        fresh = Export.objects.select_related("destination").get(pk=export.pk)
        self._exports.require_runnable(grant, fresh)
        return grant

    def end(self, grant: Grant, export: Export, manifest: bytes, imprint: Imprint) -> None:
        """Record that it is written, with its manifest, in one durable step.

        Raises:
            AccessDenied: It was withdrawn meanwhile.
            JournalUnavailable: It could not be recorded, so the files must not get their names.
        """
        now = self._clock()
        entry = entry_for(
            grant,
            now,
            resource_type=Act.MANIFEST,
            resource_id=export.id,
            body_sha256=hashlib.sha256(manifest).digest(),
        )
        with durable():
            written = {
                "state": State.WRITTEN,
                "manifest": manifest.decode(),
                "written_at": now,
                "imprint": imprint.packed(),
                "shapes": imprint.counts(),
            }
            if not Export.objects.filter(pk=export.pk, state=State.RUNNING).update(**written):
                raise AccessDenied("the export was withdrawn while it was written")
            self._journal.append([entry])
        export.refresh_from_db()

    @property
    def now(self) -> datetime:
        return self._clock()


class Opening:
    """An export under way. Made by `Release.begin` alone, when the journal is durable."""

    def __init__(
        self,
        release: Release,
        actor: Actor,
        export: Export,
        policy: ExportPolicy,
        root: bytes,
        told: dict[str, Mapping[Element, Form]],
        opener: _Opener,
    ) -> None:
        self._release = release
        self._actor = actor
        self._export = export
        self._told = told
        self._allowed = releases(policy)
        self._opener = opener
        self._imprint = Imprint(root)
        self._exporter = Exporter(policy, ImprintingKeys(root, self._imprint), told.keys() - {_NOBODY})

    def export(self, documents: Iterable[Document]) -> Iterator[Exported]:
        """Return what the policy lets out of *documents*, in order; a person's Patient comes before the rest.

        Args:
            documents: Of the patients who were journalled, or of nobody.

        Raises:
            AccessDenied: One of the people was frozen, the destination retired or the export withdrawn.
            Damaged: A seal does not open, or a row does not say what lies in it.
        """
        for some in _batches(documents, _DOCUMENTS_AT_ONCE):
            grant = self._release.check(self._actor, self._export)
            self._tell(grant, some)
            today = self._release.now.date()
            for d, clear in self._opener.open(some):
                made = self._exporter.export(clear, d.patients[0] if len(d.patients) == 1 else "", today)
                if made is not None:
                    self._require_told(d, made)
                    yield made

    def _tell(self, grant: Grant, documents: list[Document]) -> None:
        """Write down what was added to a chart since the export began, before it is opened."""
        more: dict[str, Mapping[Element, Form]] = {}
        for d in documents:
            for patient in d.patients:
                if patient not in self._told:
                    raise Damaged("a resource of somebody else is in the way of an export")
                fresh = _told(d.elements, self._allowed).items() - self._told[patient].items()
                if fresh:
                    more[patient] = {**more.get(patient, {}), **dict(fresh)}
        if more:
            self._release.write(grant, self._export, more)
            self._told |= {patient: {**self._told[patient], **fresh} for patient, fresh in more.items()}

    def _require_told(self, d: Document, made: Exported) -> None:
        """Refuse to let out what the journal does not say."""
        for patient in d.patients or (_NOBODY,):
            told = self._told[patient]
            for element, form in made.elements.items():
                if element not in told or (form is Released.CLEAR and told[element] is not Form.CLEAR):
                    raise Damaged("a stored resource's row does not say what lies in its seal")

    def finish(self, manifest: bytes) -> None:
        """Record that all of it is written; see `Release.end`."""
        grant = self._release.check(self._actor, self._export)
        self._release.end(grant, self._export, manifest, self._imprint)


def _told(elements: frozenset[Element], allowed: Mapping[Element, Form]) -> dict[Element, Form]:
    return {element: form for element, form in allowed.items() if element in elements | _UNSAID}


class _Opener:
    """Opens seals; only an `Opening` has one."""

    def __init__(self, protector: Protector, keyring: Keyring, policy: Policy) -> None:
        self._protector = protector
        self._keyring = keyring
        self._policy = policy

    def open(self, documents: list[Document]) -> Iterator[tuple[Document, dict[str, Any]]]:
        key_of = self._keyring.keys_of({d.place.subject for d in documents if d.seal})
        for d in documents:
            yield d, self._clear(d, key_of)

    def _clear(self, d: Document, key_of: Callable[[str], SubjectKey]) -> dict[str, Any]:
        if not d.seal:
            if self._protector.sealed_type(d.place.type) or d.elements or d.place.subject:
                raise Damaged("a stored resource has lost its seal")
            kept: dict[str, Any] = json.parse(d.body)
            return kept
        key = key_of(d.place.subject)
        revealed = self._protector.reveal(d.body, d.seal, d.place, key, use=uses.Kind.EXPORT)
        shared = d.place.subject == d.place.id and d.place.type != "Patient"
        whose = owners(self._policy, revealed.resource) if shared else (d.place.subject,)
        if whose != d.patients or not revealed.shown <= d.elements:
            raise Damaged("a stored resource's row does not fit its seal")
        return revealed.resource


def _batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    source = iter(items)
    while some := list(islice(source, size)):
        yield some
