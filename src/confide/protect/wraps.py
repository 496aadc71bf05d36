"""How one practice's data keys are wrapped, opened and drawn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final

from confide.cipher.derive import frame
from confide.cipher.seal import KEY_BYTES, SealingKey
from confide.errors import SealBroken
from confide.protect.keystore import PRACTICE, DataKeys, WrappedDataKey
from confide.protect.subjects import SubjectKey

FIRST: Final = 1
"""The version of a first key."""


class Wraps:
    """Wraps and opens the data keys of one practice.

    Args:
        store: Asked for the keys of patients under which others lie.
        practice: The practice's id.
        root: The practice's key.
        ff1_version: Of the FF1 key that the keys' tweaks go with.
        again: Asks the store anew for a subject's key.
    """

    def __init__(
        self,
        store: DataKeys,
        practice: str,
        root: SealingKey,
        ff1_version: int,
        again: Callable[[str], SubjectKey | None],
    ) -> None:
        self._store = store
        self._practice = practice
        self._root = root
        self._ff1_version = ff1_version
        self._again = again

    def unwrap(self, rows: dict[str, list[WrappedDataKey]]) -> dict[str, SubjectKey]:
        """The keys of the subjects in *rows*; without those whose wrapping patients are shredded."""
        keys: dict[str, SubjectKey] = {}
        shared: list[WrappedDataKey] = []
        for subject, wraps in rows.items():
            own = [self._opened(self._root, row) for row in wraps if row.under == PRACTICE]
            if own:
                keys[subject] = _newest(own)
            else:
                shared.extend(wraps)
        if shared:
            owners = {subject: key for subject, key in keys.items() if key.direct}
            absent = {row.under for row in shared} - owners.keys()
            # Asked from the store even if remembered: a shredded patient's key must open nothing.
            for subject, wraps in self._store.data_keys(self._practice, absent).items() if absent else ():
                own = [self._opened(self._root, row) for row in wraps if row.under == PRACTICE]
                if own:
                    owners[subject] = _newest(own)
            opened: dict[str, dict[int, SubjectKey]] = {}
            for row in shared:
                versions = opened.setdefault(row.subject, {})
                owner = owners.get(row.under)
                if owner is not None and row.version not in versions:
                    versions[row.version] = self._shared(owner, row)
            keys |= {subject: _newest(versions.values()) for subject, versions in opened.items() if versions}
        return keys

    def _shared(self, owner: SubjectKey, row: WrappedDataKey) -> SubjectKey:
        """A shared key lies under the key that its owner had when it was made."""
        for key in owner.older:
            try:
                return self._opened(key.wrapping, row)
            except SealBroken:
                continue
        return self._opened(owner.wrapping, row)

    def _opened(self, by: SealingKey, row: WrappedDataKey) -> SubjectKey:
        aad = _data_aad(self._practice, row.subject, row.under, row.version)
        return self._key(row.subject, by.unwrap(row.wrapped, aad), row.version, direct=row.under == PRACTICE)

    def wrap(self, key: SubjectKey, under: str, by: SealingKey | None = None) -> WrappedDataKey:
        """Wrap a key under the practice's, or under *by*, the wrapping key of the patient *under*."""
        aad = _data_aad(self._practice, key.subject, under, key.version)
        return WrappedDataKey(key.subject, under, key.version, key.wrap_under(by or self._root, aad))

    def make(self, subject: str, older: SubjectKey | None = None, *, direct: bool) -> SubjectKey:
        """Draw a key, in the place of an *older* one if there is one; nothing is stored."""
        made = self._key(
            subject, os.urandom(KEY_BYTES), FIRST if older is None else older.version + 1, direct=direct
        )
        if older is not None:
            made.older = (older, *older.older)
        return made

    def _key(self, subject: str, key: bytes, version: int, *, direct: bool) -> SubjectKey:
        return SubjectKey(
            subject, key, ff1_version=self._ff1_version, direct=direct, version=version, again=self._again
        )


def _newest(keys: Iterable[SubjectKey]) -> SubjectKey:
    """The newest of one subject's keys, with the older ones behind it."""
    newest, *older = sorted(keys, key=lambda key: key.version, reverse=True)
    newest.older = tuple(older)
    return newest


def _data_aad(practice: str, subject: str, under: str, version: int) -> bytes:
    return frame("data key", practice, subject, under, version)
