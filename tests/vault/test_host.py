"""The host's own keys: made once, by whoever comes first, however many come at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.conf import settings

from confide.audit.notes import Kind
from confide.protect.keyring import Keyring
from confide.protect.keystore import KeyUse
from confide.protect.kms.file import FileKms
from confide.vault.host import HOST, Host
from confide.vault.store import DatabaseDataKeys

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def kms() -> Any:
    return FileKms.open(settings.CONFIG.keyring)


def test_processes_that_start_together_have_the_same_keys(kms: Any) -> None:
    got: list[Any] = []
    ready = threading.Barrier(6)

    def start() -> None:
        from django.db import connections

        try:
            ready.wait(30)
            got.append(Host(kms, DatabaseDataKeys()).log_key("elm.example/journal"))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(got) == 6
    assert len({key.seed for key in got}) == 1
    assert got[0].kind is Kind.NOTE


def test_a_process_that_was_killed_while_it_made_them_leaves_the_rest_to_the_next(kms: Any) -> None:
    from confide.vault.models import PurposeKey

    Keyring.found(kms, DatabaseDataKeys(), HOST)
    PurposeKey.objects.filter(practice=HOST, use=KeyUse.JOURNAL).delete()
    assert Host(kms, DatabaseDataKeys()).log_key("elm.example/journal")


def test_another_name_is_another_log_with_another_key(kms: Any) -> None:
    host = Host(kms, DatabaseDataKeys())
    one, other = host.log_key("elm.example/journal"), host.log_key("oak.example/journal")
    assert one.public != other.public
    assert one == Host(kms, DatabaseDataKeys()).log_key("elm.example/journal")
