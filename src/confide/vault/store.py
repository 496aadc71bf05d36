"""The key store in the database: the server's implementation of ``protect.keystore.DataKeys``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from django.db import DatabaseError, IntegrityError, connections, router, transaction

from confide.access.statements import among, ask
from confide.errors import KeyUnavailable
from confide.protect.keystore import KeyUse, WrappedDataKey, WrappedKey
from confide.vault import bulk
from confide.vault.models import DataKey, PracticeKey, PurposeKey

_MOST_AT_ONCE: Final = 900
# As text: whoever opens a patient's chart for the first time waits for it, and Django's builder takes longer
# than the database.
_ASK: Final = (
    "SELECT subject, under, version, wrapped FROM vault_data_key WHERE practice = %s AND {}"
    " ORDER BY version, id"
)


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
        connection = connections[router.db_for_read(DataKey)]
        with _answering():
            for start in range(0, len(wanted), _MOST_AT_ONCE):
                some = wanted[start : start + _MOST_AT_ONCE]
                which, listed = among(connection, "subject", some)
                [rows] = ask(connection, [(_ASK.format(which), [practice, listed])])
                for subject, under, version, wrapped in rows:
                    key = WrappedDataKey(subject, under, version, bytes(wrapped))
                    found.setdefault(subject, []).append(key)
        return found

    def add_data_keys(self, practice: str, keys: list[WrappedDataKey]) -> None:
        columns = ("practice", "subject", "under", "version", "wrapped")
        rows = [(practice, k.subject, k.under, k.version, k.wrapped) for k in keys]
        with _answering(), transaction.atomic(using=router.db_for_write(DataKey)):
            bulk.insert(DataKey, columns, rows)

    def drop_data_keys(self, practice: str, keys: list[WrappedDataKey]) -> None:
        alike: dict[tuple[str, int], list[str]] = {}
        for key in keys:
            alike.setdefault((key.under, key.version), []).append(key.subject)
        with _answering(), transaction.atomic(using=router.db_for_write(DataKey)):
            for (under, version), subjects in alike.items():
                rows = DataKey.objects.filter(practice=practice, under=under, version=version)
                for start in range(0, len(subjects), _MOST_AT_ONCE):
                    rows.filter(subject__in=subjects[start : start + _MOST_AT_ONCE]).delete()
