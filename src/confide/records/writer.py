"""Writing: drafts become protected rows, terms, digests and journal entries.

``prepare`` does the slow part (keys, protection, hashing) before the transaction; ``commit`` writes
everything in the caller's transaction, so that a draft is stored whole or not at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.db.models import F

from confide.access.decide import Grant
from confide.errors import VersionConflict
from confide.protect.documents import Place
from confide.protect.owners import owners
from confide.records import identities, terms
from confide.records.binder import Binder, Bound
from confide.records.models import (
    ChangeCounter,
    IdentifierDigest,
    PatientChange,
    Resource,
    Superseded,
    Term,
)
from confide.records.rows import bits, document
from confide.vault import bulk
from confide.vault.days import SealedDays
from confide.vault.door import Clock, Incoming, Keys, Vault

_COPIED = (
    "practice",
    "type",
    "version",
    "subject",
    "patients",
    "elements",
    "body",
    "seal",
    "updated",
    "deleted",
    "id",
)


@dataclass(slots=True)
class Draft:
    """A resource to be written.

    Attributes:
        resource: Valid clear FHIR JSON, its references resolved; None deletes.
        replaces: The row that it replaces; None where it is new.
    """

    type: str
    id: uuid.UUID
    resource: dict[str, Any] | None
    replaces: Resource | None = None

    @property
    def version(self) -> int:
        return self.replaces.version + 1 if self.replaces else 1


@dataclass(slots=True)
class Prepared:
    """A draft that is ready to be stored."""

    draft: Draft
    row: Resource
    terms: set[int]
    digests: list[bytes]
    sha256: bytes


@dataclass(slots=True)
class Batch:
    """Drafts that are ready to be stored together."""

    prepared: list[Prepared]
    bound: Bound


class Writer:
    """Writes drafts of one vault's practices."""

    def __init__(self, vault: Vault, days: SealedDays, clock: Clock) -> None:
        self._vault = vault
        self._binder = Binder(days)
        self._clock = clock

    def prepare(self, grant: Grant, drafts: Sequence[Draft]) -> Batch:
        """Protect *drafts*.

        Raises:
            AccessDenied: The grant does not cover an element of one of them.
            KeyUnavailable: No key, no write.
        """
        now = self._clock()
        for d in drafts:
            if d.replaces is not None:
                self._vault.require_replaceable(grant, document(d.replaces))
        stamped = [_stamp(d, now) for d in drafts]
        policy = self._vault.plan.policy
        whose = [owners(policy, r) if r is not None else () for r in stamped]
        kept = [
            None if r is None or patients else self._vault.keep(grant, r)
            for r, patients in zip(stamped, whose, strict=True)
        ]
        # One question to the key store for all of them: patients', and those of resources of nobody.
        wanted = {p for patients in whose for p in patients}
        wanted |= {
            str(d.id)
            for d, r, patients, k in zip(drafts, stamped, whose, kept, strict=True)
            if r is not None and not patients and k is None
        }
        keys = self._vault.subject_keys(grant, wanted)
        fresh = {str(d.id) for d in drafts if d.type == "Patient" and d.replaces is None}
        rows = [_row(grant, d, patients, now) for d, patients in zip(drafts, whose, strict=True)]
        incoming = [
            self._incoming(grant, draft, resource, row, patients, fresh, keys)
            for draft, resource, row, patients, clear in zip(drafts, stamped, rows, whose, kept, strict=True)
            if resource is not None and clear is None
        ]
        sealed = iter(self._vault.protect_all(grant, incoming) if incoming else ())
        prepared = []
        for draft, resource, row, patients, clear in zip(drafts, stamped, rows, whose, kept, strict=True):
            if resource is None:
                prepared.append(Prepared(draft, row, set(), [], b""))
                continue
            protected = clear or next(sealed)
            row.body, row.seal, row.elements = protected.body, protected.seal, bits(protected.elements)
            found = terms.terms(grant.practice, patients, protected.resource)
            digests = identities.digests(self._vault, grant.practice, resource)
            prepared.append(Prepared(draft, row, found, digests, protected.sha256))
        return Batch(prepared, self._binder.prepare(grant, drafts, whose, now))

    def _incoming(
        self,
        grant: Grant,
        draft: Draft,
        resource: dict[str, Any],
        row: Resource,
        patients: tuple[str, ...],
        fresh: set[str],
        keys: Keys,
    ) -> Incoming:
        """Under the one patient's key; under a key of its own where there is none, or several."""
        known = [p for p in patients if p not in fresh]
        row.subject = patients[0] if len(patients) == 1 else str(draft.id)
        key = self._vault.shared_key(grant, row.subject, patients) if len(patients) > 1 else keys[row.subject]
        place = Place(grant.practice, row.subject, draft.type, str(draft.id), draft.version)
        return Incoming(place, key, resource, known)

    def commit(self, grant: Grant, batch: Batch) -> None:
        """Store what was prepared, in the caller's transaction.

        Raises:
            VersionConflict: Somebody else wrote one of the resources in the meantime.
            JournalUnavailable: The journal cannot be written; the transaction must be rolled back.
        """
        prepared = batch.prepared
        new = [p for p in prepared if p.draft.replaces is None]
        try:
            bulk.insert(Resource, _COPIED, ([getattr(p.row, name) for name in _COPIED] for p in new))
        except IntegrityError:
            msg = "somebody else wrote the same resource just now"
            raise VersionConflict(msg) from None
        for p in prepared:
            if p.draft.replaces is not None:
                _replace(p, p.draft.replaces)
        terms.insert((key, p.draft.id) for p in prepared for key in p.terms)
        bulk.insert(
            IdentifierDigest,
            ("practice", "digest", "patient"),
            ((grant.practice, d, p.draft.id) for p in prepared for d in p.digests),
        )
        self._binder.commit(batch.bound)
        _number(grant.practice, [p.draft.id for p in prepared if p.draft.type == "Patient"])
        self._vault.written(grant, [(document(p.row), p.sha256) for p in prepared])


def _stamp(draft: Draft, now: datetime) -> dict[str, Any] | None:
    """A copy with our id, version and time."""
    if draft.resource is None:
        return None
    meta = {
        **draft.resource.get("meta", {}),
        "versionId": str(draft.version),
        "lastUpdated": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return {**draft.resource, "id": str(draft.id), "meta": meta}


def _row(grant: Grant, draft: Draft, patients: tuple[str, ...], now: datetime) -> Resource:
    return Resource(
        id=draft.id,
        practice=grant.practice,
        type=draft.type,
        version=draft.version,
        subject="",
        patients=" ".join(patients),
        elements=0,
        body=b"",
        seal=b"",
        updated=now,
        deleted=draft.resource is None,
    )


def _replace(p: Prepared, before: Resource) -> None:
    fields = {name: getattr(p.row, name) for name in _COPIED if name not in {"id", "practice", "type"}}
    # The seal too: who rekeys seals a version anew, and what was read before must not come back.
    if not Resource.objects.filter(pk=before.pk, version=before.version, seal=before.seal).update(**fields):
        msg = "somebody else wrote a newer version just now"
        raise VersionConflict(msg)
    Superseded.objects.create(**{name: getattr(before, name) for name in _COPIED})
    Term.objects.filter(resource=before.pk).delete()
    IdentifierDigest.objects.filter(patient=before.pk).delete()


def _number(practice: str, patients: Sequence[uuid.UUID]) -> None:
    """Give changed patients the practice's next numbers; the identity index reads on from them."""
    if not patients:
        return
    counters = ChangeCounter.objects.filter(pk=practice)
    if not counters.update(number=F("number") + len(patients)):
        ChangeCounter.objects.get_or_create(pk=practice)
        counters.update(number=F("number") + len(patients))
    last = counters.values_list("number", flat=True)[0]
    first = last - len(patients) + 1
    rows = ((practice, first + i, p) for i, p in enumerate(patients))
    bulk.insert(PatientChange, ("practice", "number", "patient"), rows)
