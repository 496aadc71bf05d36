"""The practice's keys in memory, and how they hang under each other.

    root key (Kms) wraps one practice key;
    the practice key wraps purpose keys, and one random data key per subject;
    a shared subject's data key is wrapped under the data key of each patient it belongs to.

A subject is a patient, or a resource of no patient or of several, by its random id. Each wrap is
bound (AAD) to practice, subject, wrapping subject and version, so a wrapped key cannot be moved.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Final

from confide.cipher.derive import expand, extract, frame
from confide.cipher.seal import KEY_BYTES, SealingKey, pad, unpad
from confide.errors import Invalid, KeyUnavailable
from confide.protect.keystore import PRACTICE, DataKeys, KeyUse, WrappedDataKey, WrappedKey
from confide.protect.kms import Kms

__all__ = ["DataKeys", "KeyUse", "Keyring", "SubjectKey", "WrappedDataKey", "WrappedKey"]

TWEAK_BYTES: Final = 16
FIRST: Final = 1
"""The version of a first key."""


class SubjectKey:
    """One subject's data key, and what is derived from it. Threads may share one."""

    __slots__ = (
        "_ff1_version",
        "_key",
        "_pseudorandom",
        "_sealing",
        "_tweaks",
        "_wrapping",
        "direct",
        "subject",
    )

    def __init__(self, subject: str, key: bytes, *, ff1_version: int, direct: bool) -> None:
        """Only :class:`Keyring` makes one. *direct*: the practice key itself wraps it."""
        self.subject = subject
        self.direct = direct
        self._key = key
        self._ff1_version = ff1_version
        # The data key only feeds HKDF: sealing, wrapping and tweaks have keys of their own.
        # Derived at first use, because an import makes thousands of keys a second.
        self._pseudorandom: bytes | None = None
        self._sealing: SealingKey | None = None
        self._wrapping: SealingKey | None = None
        self._tweaks: dict[tuple[str, int], bytes] = {}

    def __repr__(self) -> str:
        return f"SubjectKey({self.subject!r})"

    @property
    def sealing(self) -> SealingKey:
        """The key that seals this subject's values."""
        if self._sealing is None:
            self._sealing = SealingKey(self._derive(frame("seal")))
        return self._sealing

    @property
    def wrapping(self) -> SealingKey:
        """The key that wraps the data keys of what this subject shares with others."""
        if self._wrapping is None:
            self._wrapping = SealingKey(self._derive(frame("wrap")))
        return self._wrapping

    def tweak(self, element: str, version: int | None = None) -> bytes:
        """The FF1 tweak of one element of this subject.

        Args:
            element: The element's code, such as ``ssn``.
            version: Of the FF1 key it will go with; the current one when absent.

        Returns:
            16 bytes: HKDF of the data key, so equal values of two subjects have unrelated stand-ins.
        """
        at = (element, self._ff1_version if version is None else version)
        tweak = self._tweaks.get(at)
        if tweak is None:
            tweak = self._derive(frame("tweak", *at), TWEAK_BYTES)
            self._tweaks[at] = tweak
        return tweak

    def seal(self, data: bytes, aad: bytes) -> bytes:
        """Pad *data* so that its length hardly shows, and seal it, bound to *aad*."""
        return self.sealing.seal(pad(data), aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Give back what :meth:`seal` took.

        Raises:
            SealBroken: Another subject's, other associated data, or edited bytes.
        """
        return unpad(self.sealing.open(sealed, aad))

    def _derive(self, info: bytes, length: int = KEY_BYTES) -> bytes:
        if self._pseudorandom is None:
            self._pseudorandom = extract(self._key)
        return expand(self._pseudorandom, info, length)


class Keyring:
    """One practice's keys, unlocked. Threads may share one.

    Subject keys are held in memory, the least recently used leaving first, and none longer than
    *max_age* without asking the store again: so long may a key that another process shredded live.
    """

    def __init__(
        self, kms: Kms, store: DataKeys, practice: str, *, capacity: int = 20_000, max_age: float = 300.0
    ) -> None:
        """Unlock the practice's key and purpose keys.

        Args:
            kms: Asked once, here.
            store: Asked here and whenever a subject's key is not in memory.
            practice: The practice's id.
            capacity: How many subjects' keys to hold; about 1 KiB each.
            max_age: Seconds.

        Raises:
            KeyUnavailable: The practice has no key, or the Kms does not give it.
            SealBroken: The stored keys do not belong to this Kms and practice.
        """
        wrapped = store.practice_key(practice)
        if wrapped is None:
            raise KeyUnavailable("the practice has no key")
        self.practice = practice
        self._store = store
        self._root = SealingKey(kms.unwrap(wrapped, frame("practice key", practice)))
        self._uses: dict[KeyUse, dict[int, bytes]] = {}
        for row in store.purpose_keys(practice):
            key = self._root.unwrap(row.wrapped, _purpose_aad(practice, row.use, row.version))
            self._uses.setdefault(row.use, {})[row.version] = key
        self.version = max(self._uses.get(KeyUse.FF1, {FIRST: b""}))
        self._capacity = capacity
        self._max_age = max_age
        self._lock = Lock()
        self._held: OrderedDict[str, tuple[SubjectKey, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"Keyring({self.practice!r})"

    @classmethod
    def found(cls, kms: Kms, store: DataKeys, practice: str) -> Keyring:
        """Make what is missing of a practice's key and its purpose keys, and unlock them.

        A second call changes nothing, so an interrupted first one can be repeated.

        Raises:
            KeyUnavailable: The Kms does not answer, or another process does the same just now.
        """
        context = frame("practice key", practice)
        wrapped = store.practice_key(practice)
        if wrapped is None:
            wrapped = kms.wrap(os.urandom(KEY_BYTES), context)
            store.add_practice_key(practice, wrapped)
        root = SealingKey(kms.unwrap(wrapped, context))
        there = {row.use for row in store.purpose_keys(practice)}
        for use in KeyUse:
            if use not in there:
                fresh = root.wrap(os.urandom(KEY_BYTES), _purpose_aad(practice, use, FIRST))
                store.add_purpose_key(practice, WrappedKey(use, FIRST, fresh))
        return cls(kms, store, practice)

    def use(self, use: KeyUse, version: int | None = None) -> bytes:
        """A purpose key, 32 bytes; the current version unless another is asked for.

        Raises:
            KeyUnavailable: There is none: never made, or destroyed after rekeying.
        """
        versions = self._uses.get(use)
        if not versions:
            raise KeyUnavailable(f"the practice has no {use} key")
        key = versions.get(max(versions) if version is None else version)
        if key is None:
            raise KeyUnavailable(f"the practice has no {use} key of that version")
        return key

    def versions(self, use: KeyUse) -> tuple[int, ...]:
        """The versions that there are of a purpose key, the current one last."""
        return tuple(sorted(self._uses.get(use, ())))

    def subject(self, subject: str) -> SubjectKey:
        """One subject's key.

        Raises:
            KeyUnavailable: It has none: never made, or shredded.
        """
        key = self._remembered(subject) or self._load([subject]).get(subject)
        if key is None:
            raise KeyUnavailable("the subject has no key: never made, or shredded")
        return key

    def subjects(self, subjects: Iterable[str]) -> dict[str, SubjectKey]:
        """The keys of those *subjects* that have one, with one question to the store.

        (A second one when shared subjects need patients' keys that are not in memory.)
        """
        found: dict[str, SubjectKey] = {}
        unknown = []
        for subject in dict.fromkeys(subjects):
            key = self._remembered(subject)
            if key is None:
                unknown.append(subject)
            else:
                found[subject] = key
        if unknown:
            found.update(self._load(unknown))
        return found

    def create(self, subjects: Iterable[str]) -> dict[str, SubjectKey]:
        """Make and store a random data key for each of *subjects* that has none.

        Always asks the store, never only the memory. A caller whose transaction is rolled back
        calls :meth:`forget`, because the keys in memory are then keys that nobody stored.

        Returns:
            The keys of all *subjects*, new and old.

        Raises:
            KeyUnavailable: The store is unavailable, another process makes the same key just now,
                or a shared subject's patients are all shredded. Nothing was made.
        """
        wanted = list(dict.fromkeys(subjects))
        if not wanted:
            return {}
        rows = self._store.data_keys(self.practice, wanted)
        keys = self._unwrap(rows) if rows else {}
        if any(subject not in keys for subject in rows):
            raise KeyUnavailable("the subject's key is shredded")
        new = [(subject, os.urandom(KEY_BYTES)) for subject in wanted if subject not in keys]
        if new:
            self._store.add_data_keys(
                self.practice, [self._wrapped(self._root, subject, PRACTICE, key) for subject, key in new]
            )
            for subject, key in new:
                keys[subject] = self._key(subject, key, direct=True)
        self._remember(keys)
        return keys

    def create_shared(self, subject: str, patients: Sequence[str]) -> SubjectKey:
        """Make and store the data key of what belongs to several *patients*, or to none.

        Called again with more patients, it wraps the same key under theirs too. A patient without
        a key gets one.

        Args:
            subject: The resource's id.
            patients: Whose keys wrap it: while one of them is not shredded, it opens. With none,
                the practice key wraps it.

        Raises:
            KeyUnavailable: As for :meth:`create`.
            Invalid: One of *patients* is itself shared.
        """
        owners = self.create(patients)
        if not all(owner.direct for owner in owners.values()):
            raise Invalid("a shared key is wrapped under patients' own keys")
        rows = self._store.data_keys(self.practice, [subject])
        there = {row.under for row in rows.get(subject, ())}
        if there:
            shared = self._unwrap(rows).get(subject)
            if shared is None:
                raise KeyUnavailable("the subject's key is shredded")
        else:
            shared = self._key(subject, os.urandom(KEY_BYTES), direct=not owners)
        wraps = {under: owner.wrapping for under, owner in owners.items()} or {PRACTICE: self._root}
        missing = [
            self._wrapped(by, subject, under, shared._key)  # noqa: SLF001 - same module
            for under, by in wraps.items()
            if under not in there
        ]
        if missing and (owners or not there):
            self._store.add_data_keys(self.practice, missing)
        self._remember({subject: shared})
        return shared

    def forget(self, subjects: Iterable[str] | None = None) -> None:
        """Drop keys from memory: after a rollback, after shredding; all of them without *subjects*."""
        with self._lock:
            if subjects is None:
                self._held.clear()
            else:
                for subject in subjects:
                    self._held.pop(subject, None)

    def _remembered(self, subject: str) -> SubjectKey | None:
        with self._lock:
            held = self._held.get(subject)
            if held is None:
                return None
            key, since = held
            if time.monotonic() - since > self._max_age:
                del self._held[subject]
                return None
            self._held.move_to_end(subject)
            return key

    def _remember(self, keys: dict[str, SubjectKey]) -> None:
        now = time.monotonic()
        with self._lock:
            for subject, key in keys.items():
                self._held[subject] = (key, now)
                self._held.move_to_end(subject)
            while len(self._held) > self._capacity:
                self._held.popitem(last=False)

    def _load(self, subjects: list[str]) -> dict[str, SubjectKey]:
        keys = self._unwrap(self._store.data_keys(self.practice, subjects))
        self._remember(keys)
        return keys

    def _unwrap(self, rows: dict[str, list[WrappedDataKey]]) -> dict[str, SubjectKey]:
        """The keys of the subjects in *rows*; without those whose wrapping patients are shredded."""
        keys: dict[str, SubjectKey] = {}
        shared: list[WrappedDataKey] = []
        for subject, wraps in rows.items():
            for row in wraps:
                if row.under == PRACTICE:
                    keys[subject] = self._opened(self._root, row)
                    break
            else:
                shared.extend(wraps)
        if shared:
            owners = {subject: key for subject, key in keys.items() if key.direct}
            absent = {row.under for row in shared} - owners.keys()
            # Asked from the store even if remembered: a shredded patient's key must open nothing.
            for subject, wraps in self._store.data_keys(self.practice, absent).items() if absent else ():
                for row in wraps:
                    if row.under == PRACTICE:
                        owners[subject] = self._opened(self._root, row)
            for row in shared:
                owner = owners.get(row.under)
                if owner is not None and row.subject not in keys:
                    keys[row.subject] = self._opened(owner.wrapping, row)
        return keys

    def _opened(self, by: SealingKey, row: WrappedDataKey) -> SubjectKey:
        aad = _data_aad(self.practice, row.subject, row.under, row.version)
        return self._key(row.subject, by.unwrap(row.wrapped, aad), direct=row.under == PRACTICE)

    def _wrapped(self, by: SealingKey, subject: str, under: str, key: bytes) -> WrappedDataKey:
        aad = _data_aad(self.practice, subject, under, FIRST)
        return WrappedDataKey(subject, under, FIRST, by.wrap(key, aad))

    def _key(self, subject: str, key: bytes, *, direct: bool) -> SubjectKey:
        return SubjectKey(subject, key, ff1_version=self.version, direct=direct)


def _purpose_aad(practice: str, use: str, version: int) -> bytes:
    return frame("purpose key", practice, use, version)


def _data_aad(practice: str, subject: str, under: str, version: int) -> bytes:
    return frame("data key", practice, subject, under, version)
