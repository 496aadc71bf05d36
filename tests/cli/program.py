"""The `confide` command as a person runs it: a program of its own, in an environment of its own."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.cli.nursery import nursery

COMMAND = [sys.executable, "-m", "confide.cli"]
PATIENCE = 180.0
NOT_INHERITED = ("CONFIDE_", "DATABASE_URL", "KEYS_DATABASE_URL", "DJANGO_")


@dataclass
class Confide:
    """Runs commands on one data folder."""

    folder: Path
    databases: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def keyring(self) -> Path:
        return self.folder / "data-keys" / "keyring.json"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith(NOT_INHERITED)}
        path = os.pathsep.join(each for each in sys.path if each)
        return kept | {"PYTHONPATH": path, "CONFIDE_DATA": str(self.data)} | dict(self.databases) | more

    def __call__(self, *words: object, exits: int = 0, **environment: str) -> str:
        """Run a command; return what it prints, on both streams."""
        with tempfile.NamedTemporaryFile("r", prefix="confide-said-") as said:
            code = nursery().run(
                list(map(str, words)), self.environment(**environment), self.folder, Path(said.name), PATIENCE
            )
            printed = said.read()
        assert code == exits, printed
        assert "Traceback" not in printed
        assert "\x1b" not in printed, "colours are for terminals"
        return printed

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """Read from the database directly."""
        url = self.databases.get("DATABASE_URL")
        if url is None:
            with closing(sqlite3.connect(self.data / "confide.sqlite3", timeout=30)) as connection:
                return connection.execute(statement).fetchall()
        import psycopg

        with psycopg.connect(url) as connection:
            return connection.execute(statement.encode()).fetchall()

    @contextmanager
    def running(self, *words: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command in a session of its own; whatever is left of it afterwards is a failure."""
        process = subprocess.Popen(
            [*COMMAND, *map(str, words)],
            env=self.environment(**environment),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()


def stop(process: subprocess.Popen[str], number: int = signal.SIGINT, *, terminal: bool = False) -> str:
    """Interrupt a program as a terminal does (all of its group) or a supervisor; return the rest."""
    if terminal:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    rest, _ = process.communicate(timeout=PATIENCE)
    return rest


def children(folder: Path) -> list[int]:
    """Processes that work on *folder* still: their environment names it."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                if str(folder).encode() in (process / "environ").read_bytes():
                    found.append(int(process.name))
            except OSError:
                continue
    return found


def gone(folder: Path) -> bool:
    """Whether all of them end soon."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not children(folder):
            return True
        time.sleep(0.1)
    return False


def status(url: str) -> int:
    """The status with which a server answers; 0 for none."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except HTTPError as refusal:
        return refusal.code
    except OSError:
        return 0


def answers(url: str, process: subprocess.Popen[str]) -> bool:
    """Wait for a server."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if status(url):
            return True
        time.sleep(0.1)
    return False


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="not for this system: it looks into /proc")
