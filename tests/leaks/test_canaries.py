"""Plant values that exist nowhere else, live through a day, and search every byte that is left."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from confide.fhir import json as fhir_json
from confide.fhir import tables
from confide.fhir.validate import validate
from tests.leaks.canaries import Garden, files, held
from tests.leaks.day import Day
from tests.leaks.planting import KEPT
from tests.leaks.premises import FHIR, Premises, dump, empty_databases

PERMITTED_DATE = re.compile(rb"\d{4}-01-01T00:00:00Z")
FULL_DATE = re.compile(rb'"(\d{4}-\d\d(?:-\d\d[^"]*)?)"')


@pytest.fixture(scope="module")
def day(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The day is lived once; each test looks at something else that it left."""
    with empty_databases() as databases:
        folder = tmp_path_factory.mktemp("leaks") / "premises"
        premises = Premises(folder, databases)
        premises.found()
        given = premises.hire("drlee", "clinician")
        premises.register("--purpose", "TREAT")
        lived = Day(premises, Garden(int.from_bytes(os.urandom(6))), shared)
        lived.morning()
        with premises.serving() as server:
            premises.sign_in()
            lived.programs()
            lived.people(*given)
            del server
        yield lived


def test_the_search_finds_a_canary_in_every_writing() -> None:
    garden = Garden(1)
    for canary in (garden.word("a"), garden.number("b"), garden.uuid("c")):
        written = [
            canary.encode(),
            canary.lower().encode(),
            canary.upper().encode(),
            canary.encode("utf-16-le"),
        ]
        written += [base64.b64encode(b"x" * n + canary.encode() + b"yz") for n in range(3)]
        written += [base64.b64encode(w) for w in written[-3:]]
        written += [
            canary.encode().hex().encode(),
            b"\\x" + (b'{"a":"' + canary.encode() + b'"}' + b" " * 20).hex().encode(),
        ]
        written += ["".join(f"\\u{ord(c):04x}" for c in canary).encode(), canary[::-1].encode()]
        written += ["".join(f"%{ord(c):02X}" for c in canary).encode(), canary.encode("utf-16-be")]
        for text in written:
            assert garden.hits(b"before\0" + text + b"\0after"), text
    assert not garden.hits(os.urandom(2**20))


def test_the_day_was_a_real_one(day: Day) -> None:
    """Or nothing would be found for want of anything to find."""
    assert day.shown > 50
    assert len(day.errors) > 200
    assert len(day.garden.planted) > 100_000
    types = {kind for (kind,) in day.premises.rows("SELECT DISTINCT type FROM records_resource")}
    assert types == set(tables.RESOURCES)
    assert "DEBUG" in day.premises.logs()


def test_no_error_repeats_a_value(day: Day) -> None:
    found = [(what[:80], hit) for what, answer in day.errors for hit in day.garden.hits(answer.raw)]
    assert not found, f"{len(found)} times: {found[:3]}"


def test_errors_of_the_api_are_outcomes(day: Day) -> None:
    for what, answer in day.errors:
        if " /fhir/R4" in what and not what.startswith("b'"):
            assert answer.headers.get("Content-Type", "").startswith(FHIR), (what, answer)
            assert answer.json()["issue"][0]["diagnostics"], what


def test_errors_of_the_vault_have_a_code_and_a_text(day: Day) -> None:
    told = [answer for what, answer in day.errors if " /vault/" in what]
    assert len(told) > 100
    for answer in told:
        assert answer.headers.get("Content-Type") == "application/json", answer
        assert set(answer.json()["error"]) == {"code", "text"}, answer


@pytest.mark.asvs("14.2.4")
def test_no_canary_is_in_any_byte_that_is_left(day: Day) -> None:
    left = list(files([day.premises.folder]))
    assert {"logs", "refusals.ndjson", "keyring.json"} <= {p.name for p in left}
    found = [(str(p), hit) for p in left for hit in day.garden.hits(p.read_bytes())]
    assert not found, f"{len(found)} times: {found[:3]}"


def test_the_secret_of_a_code_app_is_in_no_byte_that_is_left(day: Day) -> None:
    places = [(str(p), p.read_bytes()) for p in files([day.premises.folder])]
    if os.environ.get("DATABASE_URL", "").startswith("postgres"):
        places += list(dump(day.premises.databases))
    assert len(day.app) == 32
    for name, content in places:
        assert day.app.encode() not in content, name
        assert base64.b32decode(day.app) not in content, name


def test_no_canary_is_in_any_byte_of_postgresql(day: Day, postgres_cluster: Path) -> None:
    import psycopg

    found = [(name, hit) for name, dumped in dump(day.premises.databases) for hit in day.garden.hits(dumped)]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    log = Path(os.environ["CONFIDE_TEST_PGLOG"])
    assert b"INSERT INTO" in log.read_bytes(), (
        "the server tells its log every statement (tools.postgres --told)"
    )
    left = list(files([postgres_cluster, log]))
    assert any(p.parent.name == "pg_wal" for p in left)
    found += [(str(p), hit) for p in left for hit in day.garden.hits(_ASKED.sub(b"", held(p)))]
    assert not found, f"{len(found)} times: {found[:3]}"


# The log of all statements, which no installation needs, tells which random id was asked for, also by a
# request that found nothing; and what somebody typed as the name of an account (docs/limitations.md).
_ASKED = re.compile(
    rb"'[0-9a-f]{32}'::uuid"
    rb"""|"access_account"\."username" = '[^']*' OR \("access_account"\."email" = '[^']*' AND"""
)


def test_no_full_date_is_stored(day: Day) -> None:
    found = [
        (kind, date)
        for kind, body in _bodies(day)
        if kind not in KEPT
        for date in FULL_DATE.findall(_without_times_of_ours(body))
        if not PERMITTED_DATE.fullmatch(date) and date not in _NOT_DATES
    ]
    assert not found, found[:5]


_NOT_DATES = frozenset({b"0378-1805-01", b"0071-2214-20"})  # drugs' codes (NDC) in the examples


def _without_times_of_ours(body: bytes) -> bytes:
    return re.sub(rb'"lastUpdated":"[^"]*"', b"", body)


def test_what_is_stored_is_valid_fhir(day: Day) -> None:
    for kind, body in _bodies(day):
        assert not validate(fhir_json.parse(body)), kind


def _bodies(day: Day) -> list[tuple[str, bytes]]:
    statement = "SELECT type, body FROM {} WHERE deleted = false"
    tables_ = ("records_resource", "records_superseded")
    return [(kind, bytes(body)) for t in tables_ for kind, body in day.premises.rows(statement.format(t))]
