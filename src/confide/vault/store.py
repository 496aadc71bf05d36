"""The key store in the database: the server's implementation of ``protect.keystore.DataKeys``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, IntegrityError

from confide.errors import KeyUnavailable
from confide.protect.keystore import KeyUse, WrappedDataKey, WrappedKey
from confide.vault.models import DataKey, PracticeKey, PurposeKey

# A query's parameters are limited (SQLite: 32,766; Django: 999 there).
_MOST_AT_ONCE = 900


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except IntegrityError as problem:
        msg = "another process made the same key just now"
        raise KeyUnavailable(msg) from problem
    except DatabaseError as problem:
        msg = "the key store does not answer"
        raise KeyUnavailable(msg) from problem


class DatabaseDataKeys:
    """Wrapped keys in the database ``keys``. Writes are durable when a call returns."""

    def practice_key(self, practice: str) -> bytes | None:
        with _answering():
            row = PracticeKey.objects.filter(practice=practice).first()
        return bytes(row.wrapped) if row else None

    def add_practice_key(self, practice: str, wrapped: bytes) -> None:
        with _answering():
            PracticeKey.objects.create(practice=practice, wrapped=wrapped)

    def purpose_keys(self, practice: str) -> list[WrappedKey]:
        with _answering():
            rows = list(PurposeKey.objects.filter(practice=practice).order_by("use", "version"))
        return [WrappedKey(KeyUse(r.use), r.version, bytes(r.wrapped)) for r in rows]

    def add_purpose_key(self, practice: str, key: WrappedKey) -> None:
        with _answering():
            PurposeKey.objects.create(
                practice=practice, use=key.use, version=key.version, wrapped=key.wrapped
            )

    def data_keys(self, practice: str, subjects: Collection[str]) -> dict[str, list[WrappedDataKey]]:
        found: dict[str, list[WrappedDataKey]] = {}
        wanted = list(subjects)
        with _answering():
            for start in range(0, len(wanted), _MOST_AT_ONCE):
                some = wanted[start : start + _MOST_AT_ONCE]
                rows = DataKey.objects.filter(practice=practice, subject__in=some).order_by("version", "id")
                for subject, under, version, wrapped in rows.values_list(
                    "subject", "under", "version", "wrapped"
                ):
                    key = WrappedDataKey(subject, under, version, bytes(wrapped))
                    found.setdefault(subject, []).append(key)
        return found

    def add_data_keys(self, practice: str, keys: list[WrappedDataKey]) -> None:
        with _answering():
            DataKey.objects.bulk_create(
                DataKey(
                    practice=practice, subject=k.subject, under=k.under, version=k.version, wrapped=k.wrapped
                )
                for k in keys
            )
