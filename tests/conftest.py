"""What all tests share: an installation of their own, what is outside the project, and an honest summary.

A suite that cannot run for want of something outside (tools/outside.py) is *left out by name*: the run says
``left out: <suite>: <reason>``, and fails where CONFIDE_NOTHING_LEFT_OUT is set. A test that does not apply
to this database skips with a reason that begins with ``not for``; every other skip counts as left out.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.scale import WHOLE, scale
from tools import installation, outside

TESTS = Path(__file__).parent
# These talk to a whole installation, so each of them meets both databases.
WHOLE_SYSTEM = ("journeys", "leaks", "faults")
# Files that take longest begin first, so that neither core waits for the other at the end.
LONGEST = (
    "spark/test_cluster.py",
    "records/test_roundtrip.py",
    "leaks/test_canaries.py",
    "faults/test_killed_imports.py",
    "faults/test_killed_server.py",
    "cli/test_demo.py",
    "cli/test_drill.py",
    "cli/test_export.py",
    "cli/test_import.py",
    "journeys/test_operator.py",
    "journeys/test_export.py",
    "leaks/test_real_values.py",
    "faults/test_full_disk.py",
    "faults/test_killed_mailings.py",
    "files/test_killed.py",
    "files/test_memory.py",
    "browser/test_pages.py",
    "browser/test_passkeys.py",
    "server/test_stuffing.py",
    "server/test_serving.py",
    "server/pages/test_throttle.py",
    "access/test_budget.py",
    "access/test_days.py",
    "protect/test_tokens.py",
    "protect/exports/test_charts.py",
    "drill/test_clinic.py",
    "cli/test_init.py",
    "cli/test_client.py",
    "cli/test_columns.py",
    "spark/test_example.py",
)
# Walks whose statements other tests send to PostgreSQL; there only where everything is whole (decision 0060).
ONCE = (
    "access/test_days.py",
    "browser/",
    "drill/",
    "cli/test_client.py",
    "cli/test_downtime.py",
    "cli/test_drill.py",
    "cli/test_incident_docs.py",
    "cli/test_journal.py",
    "cli/test_login.py",
    "cli/test_notices.py",
    "cli/test_passwords.py",
    "cli/test_serve.py",
    "cli/test_staff.py",
    "cli/test_standing.py",
    "faults/test_wrong_wire.py",
    "journeys/test_data_engineer.py",
    "server/test_certificates.py",
    "server/test_headers.py",
    "server/test_openapi.py",
    "server/test_perimeter.py",
    "server/test_reach.py",
    "server/test_serving.py",
    "server/test_stolen_session.py",
    "server/fhir/test_wrong_input.py",
    "server/pages/test_emergencies.py",
    "server/pages/test_entrance.py",
    "server/pages/test_entrances.py",
    "server/pages/test_factors.py",
    "server/pages/test_foreign.py",
    "server/pages/test_pace.py",
    "server/pages/test_passwords.py",
    "server/pages/test_patterns.py",
    "server/pages/test_people.py",
    "server/pages/test_reports.py",
    "server/pages/test_sessions.py",
    "server/pages/test_suspect.py",
    "server/pages/test_throttle.py",
    "server/pages/test_witnesses.py",
)
LONG = ("spark", "leaks", "faults", "journeys", "cli", "browser", "files", "protect", "columns", "cipher")
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server", "fresh_databases"}

settings.register_profile(
    "confide",
    deadline=None,
    max_examples=scale(100, 50),
    derandomize="CI" in os.environ or "CONFIDE_NOTHING_LEFT_OUT" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("confide")


# An installation for the tests, made before Django reads its settings


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    outside.use_memory()
    folder = Path(tempfile.mkdtemp(prefix="confide-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    if not hasattr(config, "workerinput"):  # a worker of pytest-xdist shares the installation of its parent
        os.environ |= installation.lay(folder)
    import django

    django.setup()
    _publish_alone(folder / "journal")
    _keep_databases_in_files(folder)
    _drop_databases_in_use()
    from tests import emptying, hashes

    emptying.take_over()
    hashes.hash_cheaply()


def _publish_alone(folder: Path) -> None:
    """Each process has its database, and so its tree; a worker's settings have been read by now."""
    from django.conf import settings as django_settings

    os.environ["CONFIDE_JOURNAL_FOLDER"] = str(folder)
    django_settings.CONFIG = replace(django_settings.CONFIG, journal_folder=folder)


def _keep_databases_in_files(folder: Path) -> None:
    """Test what is promised: a SQLite file with its journal, not Django's usual database in memory."""
    from django.conf import settings as django_settings

    for alias, database in django_settings.DATABASES.items():
        if database["ENGINE"].endswith("sqlite3"):
            database.setdefault("TEST", {})["NAME"] = str(folder / f"test-{alias}.sqlite3")


def _drop_databases_in_use() -> None:
    """A thread or a program that a test has ended may still hold a session for a moment."""
    from django.db.backends.postgresql.creation import DatabaseCreation

    def drop(self: DatabaseCreation, test_database_name: str, verbosity: int) -> None:
        name = self.connection.ops.quote_name(test_database_name)
        with self._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")

    DatabaseCreation._destroy_test_db = drop


def _place_in_line(item: pytest.Item) -> tuple[int, int]:
    name, folder = _name(item), _folder(item)
    return (
        LONGEST.index(name) if name in LONGEST else len(LONGEST),
        LONG.index(folder) if folder in LONG else len(LONG),
    )


def _name(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else ""


def _folder(item: pytest.Item) -> str:
    return _name(item).partition("/")[0]


def pytest_collection_finish() -> None:
    """Look for garbage less often: what is loaded by now stays, and what tests make is mostly no cycle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place_in_line)
    for item in items:
        folder = _folder(item)
        uses_database = DATABASE_FIXTURES.intersection(getattr(item, "fixturenames", ()))
        if _name(item).startswith(ONCE) and not WHOLE:
            continue
        if folder in WHOLE_SYSTEM or uses_database or item.get_closest_marker("django_db"):
            item.add_marker(pytest.mark.database)


# What is outside the project


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared: real FHIR data, vectors, law."""
    return outside.shared() or pytest.skip(f"left out: {outside.NO_SHARED}")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """A Chromium that is on the machine."""
    return outside.chromium() or pytest.skip(f"left out: {outside.NO_CHROMIUM}")


@pytest.fixture(scope="session")
def java() -> Path:
    """The home of a Java that Spark runs on."""
    return outside.java() or pytest.skip(f"left out: {outside.NO_JAVA}")


@pytest.fixture(scope="session")
def postgres_cluster() -> Path:
    """The data folder of the throw-away cluster that this run is on."""
    if "CONFIDE_TEST_PGDATA" not in os.environ:
        pytest.skip("not for SQLite: it looks at a PostgreSQL cluster")
    return Path(os.environ["CONFIDE_TEST_PGDATA"])


@pytest.fixture(name="installation")
def _installation(transactional_db: None) -> tuple[Any, Any]:
    """An installation with real keys, and the clock that it goes by."""
    from tests.practice import build

    return build()


@pytest.fixture
def elm(installation: tuple[Any, Any]) -> Any:
    """A practice of the installation."""
    from tests.practice import Practice

    return Practice(*installation, "Elm Street")


@pytest.fixture
def oak(installation: tuple[Any, Any]) -> Any:
    """Another practice of the same installation."""
    from tests.practice import Practice

    return Practice(*installation, "Oak Avenue")


@pytest.fixture
def fresh_databases() -> Iterator[dict[str, str]]:
    """Environment for a program with empty databases of its own; SQLite's lie in its data folder anyway."""
    if "DATABASE_URL" not in os.environ:
        yield {}
        return
    with installation.fresh_postgres(os.environ["DATABASE_URL"]) as environment:
        yield environment


# The summary


def _left_out(terminal: pytest.TerminalReporter) -> Counter[tuple[str, str]]:
    """Suites and reasons, with the number of tests."""
    found: Counter[tuple[str, str]] = Counter()
    for report in terminal.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not reason.startswith("not for "):
            suite = "/".join(report.nodeid.partition("::")[0].split("/")[:2])
            found[suite, reason.removeprefix("left out: ")] += 1
    if outside.postgres() is None:
        found["the suite on PostgreSQL", outside.NO_POSTGRES] += 1
    return found


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    demanded = terminal and os.environ.get("CONFIDE_NOTHING_LEFT_OUT")
    if demanded and session.exitstatus == pytest.ExitCode.OK and _left_out(terminal):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out = _left_out(terminalreporter)
    if not left_out:
        return
    terminalreporter.section("left out", yellow=True)
    for (suite, reason), count in sorted(left_out.items()):
        tests = "1 test" if count == 1 else f"{count} tests"
        terminalreporter.write_line(f"left out: {suite}: {reason} ({tests})")
    if os.environ.get("CONFIDE_NOTHING_LEFT_OUT"):
        terminalreporter.write_line("CONFIDE_NOTHING_LEFT_OUT is set, so this run has failed", red=True)
