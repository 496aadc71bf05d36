"""The practice's keys in memory, and how they hang under each other.

    root key (Kms) wraps one practice key;
    the practice key wraps purpose keys, and one random data key per subject;
    a shared subject's data key is wrapped under the data key of each patient it belongs to.

A subject is a patient, or a resource of no patient or of several, by its random id. Each wrap is
bound (AAD) to practice, subject, wrapping subject and version, so a wrapped key cannot be moved.
Rekeying gives a subject a newer key; the older ones open what is not sealed anew yet, until they are retired.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Final

from confide.cipher.derive import Mac, frame
from confide.cipher.seal import KEY_BYTES, SealingKey
from confide.errors import Invalid, KeyUnavailable
from confide.protect.keystore import PRACTICE, DataKeys, KeyUse, WrappedDataKey, WrappedKey
from confide.protect.kms import Kms
from confide.protect.subjects import SubjectKey
from confide.protect.wraps import FIRST, Wraps

__all__ = ["DataKeys", "KeyUse", "Keyring", "SubjectKey", "WrappedDataKey", "WrappedKey"]

_AT_ONCE: Final = 64
"""Single keys that are asked for at once at most."""


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
        self._macs: dict[KeyUse, Mac] = {}
        for row in store.purpose_keys(practice):
            key = self._root.unwrap(row.wrapped, _purpose_aad(practice, row.use, row.version))
            self._uses.setdefault(row.use, {})[row.version] = key
        self.version = max(self._uses.get(KeyUse.FF1, {FIRST: b""}))
        self._wraps = Wraps(store, practice, self._root, self.version, self._reload)
        self._capacity = capacity
        self._max_age = max_age
        self._lock = Lock()
        self._asking = [Lock() for _ in range(_AT_ONCE)]
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

    def digest(self, use: KeyUse, data: bytes) -> bytes:
        """Return the keyed digest of *data* under the current version of a purpose key, 32 bytes.

        Raises:
            KeyUnavailable: There is none: never made, or destroyed after rekeying.
        """
        mac = self._macs.get(use)
        if mac is None:
            mac = self._macs[use] = Mac(self.use(use))
        return mac.digest(data)

    def versions(self, use: KeyUse) -> tuple[int, ...]:
        """The versions that there are of a purpose key, the current one last."""
        return tuple(sorted(self._uses.get(use, ())))

    def subject(self, subject: str) -> SubjectKey:
        """One subject's key.

        Raises:
            KeyUnavailable: It has none: never made, or shredded.
        """
        key = self.subjects([subject]).get(subject)
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
        if len(unknown) == 1:
            # Many threads may come for one key at once, as its patient does: one asks, and the others wait.
            with self._asking[hash(unknown[0]) % len(self._asking)]:
                key = self._remembered(unknown[0])
                found.update(self._load(unknown) if key is None else {unknown[0]: key})
        elif unknown:
            found.update(self._load(unknown))
        return found

    def passing(self, subjects: Iterable[str]) -> dict[str, SubjectKey]:
        """The same for whoever goes through all subjects once: asked from the store, and not remembered.

        So a key takes no memory once it was used, and pushes out none of those that are in use.
        """
        return self._wraps.unwrap(self._store.data_keys(self.practice, list(dict.fromkeys(subjects))))

    def keys_of(self, subjects: Iterable[str], *, remember: bool = True) -> Callable[[str], SubjectKey]:
        """Load the keys of many at once, and return what gives the key of each.

        A key that was not there then is looked for once more when it is needed.

        Args:
            subjects: Whose keys.
            remember: As `subjects` does; else as `passing`.
        """
        keys = self.subjects(subjects) if remember else self.passing(subjects)
        return lambda subject: keys.get(subject) or self.subject(subject)

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
        keys = self._wraps.unwrap(rows) if rows else {}
        if any(subject not in keys for subject in rows):
            raise KeyUnavailable("the subject's key is shredded")
        new = [self._wraps.make(subject, direct=True) for subject in wanted if subject not in keys]
        if new:
            self._store.add_data_keys(
                self.practice,
                [self._wraps.wrap(key, PRACTICE) for key in new],
            )
            keys |= {key.subject: key for key in new}
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
        if rows.get(subject):
            shared = self._wraps.unwrap(rows).get(subject)
            if shared is None:
                raise KeyUnavailable("the subject's key is shredded")
        else:
            shared = self._wraps.make(subject, direct=not owners)
        there = {row.under for row in rows.get(subject, ()) if row.version == shared.version}
        if owners or not there:
            self._share(shared, owners, there)
        self._remember({subject: shared})
        return shared

    def renew(self, subjects: Iterable[str]) -> dict[str, SubjectKey]:
        """Make and store a newer data key for each of *subjects* that has one of its own.

        What is sealed already opens with the older ones until :meth:`retire`.

        Returns:
            The new keys; without subjects that have none: never made, or shredded.

        Raises:
            KeyUnavailable: The store is unavailable, or another process does the same just now.
        """
        before = self._wraps.unwrap(self._store.data_keys(self.practice, list(dict.fromkeys(subjects))))
        made = {
            subject: self._wraps.make(subject, key, direct=True)
            for subject, key in before.items()
            if key.direct
        }
        self._store.add_data_keys(self.practice, [self._wraps.wrap(k, PRACTICE) for k in made.values()])
        self._remember(made)
        return made

    def renew_shared(self, subject: str) -> SubjectKey:
        """Make and store a newer data key of what belongs to several patients, under their newest keys.

        Raises:
            KeyUnavailable: The store is unavailable, or they are all shredded.
        """
        rows = self._store.data_keys(self.practice, [subject])
        before = self._wraps.unwrap(rows).get(subject)
        unders = [row.under for row in rows.get(subject, ()) if row.under != PRACTICE]
        owners = self._wraps.unwrap(self._store.data_keys(self.practice, list(dict.fromkeys(unders))))
        if before is None or not owners:
            raise KeyUnavailable("the subject's key is shredded")
        newer = self._wraps.make(subject, before, direct=False)
        self._share(newer, owners, set())
        self._remember({subject: newer})
        return newer

    def retire(self, subjects: Iterable[str]) -> int:
        """Destroy all but the newest key of each of *subjects*; what was sealed with them is lost.

        Returns:
            How many wrapped keys that were.
        """
        old = []
        for rows in self._store.data_keys(self.practice, list(dict.fromkeys(subjects))).values():
            newest = max(row.version for row in rows)
            old += [row for row in rows if row.version < newest]
        self._store.drop_data_keys(self.practice, old)
        self.forget({row.subject for row in old})
        return len(old)

    def _share(self, shared: SubjectKey, owners: dict[str, SubjectKey], there: set[str]) -> None:
        """Wrap a key under those owners under whom it does not lie."""
        wraps = {under: owner.wrapping for under, owner in owners.items()} or {PRACTICE: self._root}
        missing = [self._wraps.wrap(shared, under, by) for under, by in wraps.items() if under not in there]
        if missing:
            self._store.add_data_keys(self.practice, missing)

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
        keys = self._wraps.unwrap(self._store.data_keys(self.practice, subjects))
        self._remember(keys)
        return keys

    def _reload(self, subject: str) -> SubjectKey | None:
        """Ask the store although the key is in memory: another process may have made a newer one."""
        return self._load([subject]).get(subject)


def _purpose_aad(practice: str, use: str, version: int) -> bytes:
    return frame("purpose key", practice, use, version)
