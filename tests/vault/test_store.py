"""The key store in the database: its writes stay when the caller's transaction does not."""

import pytest
from django.db import connections, transaction

from confide.errors import KeyUnavailable
from confide.protect.keystore import KeyUse, WrappedDataKey, WrappedKey
from confide.vault.models import DataKey
from confide.vault.store import DatabaseDataKeys
from tests.practice import read_only

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def row(subject, wrapped=b"wrapped"):
    return WrappedDataKey(subject, "", 1, wrapped)


def test_it_is_a_database_of_its_own():
    names = {alias: connections[alias].settings_dict["NAME"] for alias in connections}
    assert names["keys"] != names["default"]
    DatabaseDataKeys().add_data_keys("p", [row("a")])
    assert DataKey.objects.using("keys").count() == 1
    assert "vault_data_key" not in connections["default"].introspection.table_names()
    assert "records_resource" not in connections["keys"].introspection.table_names()


def test_a_key_outlives_the_transaction_of_what_it_was_made_for():
    with transaction.atomic():
        DatabaseDataKeys().add_data_keys("p", [row("a")])
        transaction.set_rollback(True)
    assert DatabaseDataKeys().data_keys("p", ["a"]) == {"a": [row("a")]}


def test_a_store_that_does_not_answer():
    store = DatabaseDataKeys()
    with read_only("keys"):
        for write in (
            lambda: store.add_practice_key("p", b"k"),
            lambda: store.add_purpose_key("p", WrappedKey(KeyUse.FF1, 1, b"k")),
            lambda: store.add_data_keys("p", [row("a")]),
        ):
            with pytest.raises(KeyUnavailable):
                write()
        assert store.practice_key("p") is None


def test_a_store_without_its_tables():
    store = DatabaseDataKeys()
    with connections["keys"].cursor() as cursor:
        cursor.execute("ALTER TABLE vault_data_key RENAME TO away")
    try:
        with pytest.raises(KeyUnavailable):
            store.data_keys("p", ["a"])
    finally:
        with connections["keys"].cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO vault_data_key")
