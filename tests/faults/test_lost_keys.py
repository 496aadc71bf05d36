"""The keys are gone: no write, no reveal, and the refusal says what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from confide.errors import KeyUnavailable
from tests.leaks.premises import Premises, empty_databases
from tests.practice import PATIENT, Practice, build

ONE = '{"resourceType": "Patient", "name": [{"family": "Quernheim"}]}\n'


@pytest.fixture
def premises(tmp_path: Path) -> Iterator[Premises]:
    with empty_databases() as databases:
        made = Premises(tmp_path / "premises", databases, log_level="WARNING")
        made.found()
        (made.folder / "one.ndjson").write_text(ONE)
        yield made


def _count(premises: Premises) -> int:
    return int(premises.rows("SELECT COUNT(*) FROM records_resource")[0][0])


def test_without_the_key_file_nothing_is_written_and_nothing_served(premises: Premises) -> None:
    keyring = premises.folder / "data-keys" / "keyring.json"
    keyring.rename(keyring.with_name("elsewhere.json"))
    for command in (("import", "one.ndjson"), ("serve",)):
        premises.run(*command, codes=(3, 4))
    assert "keyring" in premises.logs()
    assert "Traceback" not in premises.logs()
    assert _count(premises) == 0
    keyring.with_name("elsewhere.json").rename(keyring)
    premises.run("import", "one.ndjson")
    assert _count(premises) == 1


def test_another_key_file_opens_nothing(premises: Premises) -> None:
    from datetime import UTC, datetime

    from confide.protect.kms.file import FileKms

    premises.run("import", "one.ndjson")
    keyring = premises.folder / "data-keys" / "keyring.json"
    keyring.unlink()
    FileKms.create(keyring, now=datetime.now(UTC))
    (premises.folder / "two.ndjson").write_text(ONE.replace("Quernheim", "Ottoline"))
    premises.run("import", "two.ndjson", codes=(1, 3, 4))
    assert _count(premises) == 1
    assert "Traceback" not in premises.logs()


def test_without_the_key_store_nothing_is_written(premises: Premises) -> None:
    if premises.databases:
        pytest.skip("not for PostgreSQL: its files are not this program's")
    store = premises.folder / "data" / "keys.sqlite3"
    for part in store.parent.glob("keys.sqlite3*"):
        part.rename(part.with_name(f"gone-{part.name}"))
    for command in (("import", "one.ndjson"), ("serve",)):
        premises.run(*command, codes=(3, 4))
    assert _count(premises) == 0


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_keys_that_are_lost_while_it_runs() -> None:
    from confide.audit.models import JournalEntry
    from confide.records.models import Resource
    from confide.vault.models import DataKey, PracticeKey, PurposeKey

    practice = Practice(*build(), "Elm Street")
    stored = practice.system.charts.create(practice.grant("write"), PATIENT)
    for model in (DataKey, PracticeKey, PurposeKey):
        model.objects.all().delete()
    # A process that starts now has none of them in memory.
    restarted = Practice.__new__(Practice)
    restarted.__dict__.update(practice.__dict__)
    restarted.system, _ = build()
    before = JournalEntry.objects.count()
    grant = practice.grant("read")
    with pytest.raises(KeyUnavailable):
        restarted.system.charts.read(grant, "Patient", stored.id)
    with pytest.raises(KeyUnavailable):
        restarted.system.charts.create(practice.grant("write"), PATIENT)
    with pytest.raises(KeyUnavailable):
        restarted.system.indexes(practice.id).catch_up()
    assert Resource.objects.count() == 1
    assert not JournalEntry.objects.filter(action="write")[1:].exists()
    assert (
        JournalEntry.objects.count() - before <= 2
    )  # a reveal that failed may be written down; never the other way
