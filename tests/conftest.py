"""What all tests share: an installation of their own, what is outside the project, and an honest summary.

A suite that cannot run for want of something outside (tools/outside.py) is *left out by name*: the run says
``left out: <suite>: <reason>``, and fails where CONFIDE_NOTHING_LEFT_OUT is set. A test that does not apply
to this database skips with a reason that begins with ``not for``; every other skip counts as left out.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tools import installation, outside

TESTS = Path(__file__).parent
# These talk to a whole installation, so each of them meets both databases.
WHOLE_SYSTEM = ("journeys", "leaks", "faults")
# Files that take longest begin first, so that neither core waits for the other at the end.
LONGEST = (
    "cli/test_init.py",
    "spark/test_cluster.py",
    "cli/test_client.py",
    "files/test_killed.py",
    "server/test_stolen_session.py",
    "server/test_reach.py",
    "server/test_openapi.py",
    "protect/test_tokens.py",
    "records/test_roundtrip.py",
    "journeys/test_export.py",
    "cli/test_columns.py",
    "cli/test_export.py",
    "access/test_budget.py",
    "access/test_days.py",
    "server/pages/test_throttle.py",
)
LONG = ("spark", "leaks", "faults", "journeys", "cli", "browser", "files", "protect", "columns", "cipher")
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server", "fresh_databases"}

settings.register_profile(
    "confide",
    deadline=None,
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
    _keep_databases_in_files(folder)
    _drop_databases_in_use()
    from tests import emptying

    emptying.take_over()


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
    name = item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else ""
    folder = _folder(item)
    return (
        LONGEST.index(name) if name in LONGEST else len(LONGEST),
        LONG.index(folder) if folder in LONG else len(LONG),
    )


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place_in_line)
    for item in items:
        folder = _folder(item)
        uses_database = DATABASE_FIXTURES.intersection(getattr(item, "fixturenames", ()))
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
