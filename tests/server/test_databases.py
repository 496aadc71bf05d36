"""Database addresses, and which rows live where."""

import sqlite3
from contextlib import closing

import pytest
from django.apps import apps
from django.db import connections

from confide.errors import Misconfigured
from confide.server.databases import KeysRouter, parse, parse_keys


@pytest.mark.parametrize(
    ("url", "name"),
    [("sqlite:////srv/a%20b.sqlite3", "/srv/a b.sqlite3"), ("sqlite:///here.sqlite3", "here.sqlite3")],
)
def test_sqlite(url, name):
    found = parse(url)
    assert (found["ENGINE"], found["NAME"]) == ("django.db.backends.sqlite3", name)
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgresql(scheme):
    found = parse(f"{scheme}://us%40er:p%2Fw@[::1]:5433/na%20me?sslmode=verify-full")
    wanted = {"NAME": "na me", "USER": "us@er", "PASSWORD": "p/w", "HOST": "::1", "PORT": "5433"}
    assert wanted.items() <= found.items()
    options = {"prepare_threshold": 1, "isolation_level": 2, "sslmode": "verify-full"}
    assert found["OPTIONS"] == options


@pytest.mark.parametrize(("how", "left"), [(parse, True), (parse_keys, False)])
def test_a_deleted_key_is_in_no_free_page(tmp_path, how, left):
    """SQLite itself only forgets where it was."""
    path = tmp_path / "rows.sqlite3"
    command = how(f"sqlite:///{path}")["OPTIONS"]["init_command"]
    key = b"wrapped-key-of-somebody"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA secure_delete=OFF")  # some SQLites are built to overwrite, others are not
        database.executescript(command)
        database.execute("CREATE TABLE key (id INTEGER PRIMARY KEY, wrapped BLOB)")
        database.executemany("INSERT INTO key (wrapped) VALUES (?)", [(key,), (b"another",)])
        database.commit()
        database.execute("DELETE FROM key WHERE id = 1")
        database.commit()
    assert (key in path.read_bytes()) is left


def test_the_key_store_of_postgresql_is_as_any():
    assert parse_keys("postgres:///keys") == parse("postgres:///keys")


def test_the_level_of_isolation_is_the_driver_s_read_committed():
    psycopg = pytest.importorskip("psycopg")
    assert parse("postgres:///x")["OPTIONS"]["isolation_level"] == psycopg.IsolationLevel.READ_COMMITTED


def test_postgresql_on_a_socket():
    found = parse("postgres:///confide?host=/run/postgresql")
    assert (found["HOST"], found["PORT"], found["OPTIONS"]["prepare_threshold"]) == ("/run/postgresql", "", 1)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://u:S3cret@h/n",
        "sqlite://S3cret/x",
        "sqlite:///",
        "postgres://u:S3cret@h",
        "postgres://h:S3cret/n",
    ],
)
def test_other_addresses_are_refused_and_not_repeated(url):
    with pytest.raises(Misconfigured) as caught:
        parse(url)
    assert "S3cret" not in str(caught.value)


def test_key_models_live_in_the_key_store_and_nothing_else_does():
    router = KeysRouter()
    for model in apps.get_models():
        home = "keys" if getattr(model, "database", "") == "keys" else "default"
        other = "default" if home == "keys" else "keys"
        assert router.db_for_read(model) == router.db_for_write(model) == home
        label, name = model._meta.app_label, model._meta.model_name
        assert router.allow_migrate(home, label, name) is True
        assert router.allow_migrate(other, label, name) is False
    in_keys = {model for model in apps.get_models() if router.db_for_read(model) == "keys"}
    assert {model._meta.app_label for model in in_keys} == {"vault"}


@pytest.mark.django_db(databases=["default", "keys"])
@pytest.mark.parametrize("alias", ["default", "keys"])
def test_sqlite_is_durable(alias):
    connection = connections[alias]
    if connection.vendor != "sqlite":
        pytest.skip("not for PostgreSQL: these are SQLite's switches")
    with connection.cursor() as cursor:
        found = {}
        for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "temp_store"):
            cursor.execute(f"PRAGMA {pragma}")
            found[pragma] = cursor.fetchone()[0]
    full, memory = 2, 2
    assert found == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
        "temp_store": memory,
    }
