"""Commands without the start of a program: a process has loaded what all of them load, and forks for each.

Python takes longer to load Django and our models than a command to do its work. A child of the nursery is a
process of its own with environment, folder and output of its own. Its parent has loaded the code on an empty
installation; no settings, no connection and no key of that reaches a child, which reads its own. What is
about the program's start, its signals or its end begins a real one (``Confide.running``).
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import confide

APART = ("confide.server.wsgi", "confide.spark", "confide.drill")
"""Not loaded in advance: what builds a whole server, and what few commands use."""
LOADED = (
    "argon2",
    "confide.cli.__main__",
    "cryptography.hazmat.primitives.kdf.argon2",
    "django.core.management.commands.migrate",
    "django.db.backends.sqlite3.base",
    "django.db.models.sql.compiler",
    "django.template.defaulttags",
    "multiprocessing.connection",
    "numpy.ma",
    "pandas",  # which pyarrow loads when it is first given a list
    "pyarrow.pandas_compat",
)
ON_POSTGRES = ("psycopg", "django.db.backends.postgresql.base")


class Nursery:
    """The process, which is there until the tests end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env={k: v for k, v in os.environ.items() if not k.startswith(("CONFIDE_", "DJANGO_"))}
            | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        atexit.register(self._end)

    def run(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        out: Path,
        patience: float,
        errors: Path | None = None,
    ) -> int:
        """Run a command to its end; return its exit code.

        Args:
            words: Of the command line, behind ``confide``.
            environment: All of it.
            folder: Where it works.
            out: The file for what it says on both streams.
            patience: Seconds after which it is killed.
            errors: The file to which its second stream is appended instead.
        """
        asked = {
            "words": list(words), "environment": dict(environment), "folder": str(folder), "out": str(out),
            "patience": patience, "errors": str(errors or out),
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the nursery is gone"
        return int(answer)

    def _end(self) -> None:
        self._process.communicate()


@cache
def nursery() -> Nursery:
    """The one of this process."""
    return Nursery()


# In the process


def load() -> None:
    """Load all that commands load, on an installation that is forgotten at once."""
    import django
    from django.db.migrations.loader import MigrationLoader

    from tests import hashes
    from tools import installation

    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="confide-nursery-") as folder:
        os.environ |= installation.lay(Path(folder))
        django.setup()
        for name in (*LOADED, *modules(), *(ON_POSTGRES if "DATABASE_URL" in os.environ else ())):
            importlib.import_module(name)
        MigrationLoader(None)
    hashes.hash_cheaply()
    os.environ.clear()
    os.environ.update(before)
    assert threading.active_count() == 1, "a thread would not be there in a child"
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def modules() -> Iterator[str]:
    """All of ours, migrations too."""
    for found in pkgutil.walk_packages(confide.__path__, "confide."):
        if not found.name.startswith(APART) and not found.name.endswith("__main__"):
            yield found.name


def forget() -> None:
    """Let Django read the settings of this process when it is asked, as at its start."""
    from django.conf import settings
    from django.db import connections
    from django.utils.functional import empty

    for alias in list(connections):
        assert connections[alias].connection is None, "a model asks how long names may be, and no more"
        del connections[alias]
    vars(connections).pop("settings")
    connections._settings = None
    del sys.modules["confide.server.settings"]
    settings._wrapped = empty


def serve() -> None:
    """Fork for each line that comes."""
    load()
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(asked)
        alarm = threading.Timer(asked["patience"], os.kill, (child, 9))
        alarm.start()
        _, status = os.waitpid(child, 0)
        alarm.cancel()
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(asked: dict[str, Any]) -> NoReturn:
    """Be the command that was asked for."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    forget()
    os.chdir(asked["folder"])
    written = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files = (
        os.open(os.devnull, os.O_RDONLY), os.open(asked["out"], written, 0o600),
        os.open(asked["errors"], written, 0o600),
    )  # fmt: skip
    for stream, file in enumerate(files):
        os.dup2(file, stream)
    program = sys.modules["confide.cli.__main__"]
    sys.modules["__main__"] = program  # what a worker of the command loads first
    sys.argv = [str(program.__file__), *asked["words"]]
    from django.db import connections

    code: Any = 1
    try:
        code = program.main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - as Python does at the end of a program
        traceback.print_exc()
    if "settings" in vars(connections):  # it has asked for a database
        connections.close_all()  # as a program does when it ends: SQLite's files are whole then
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve()
