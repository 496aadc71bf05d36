"""Commands without the start of a program: a process has loaded what all of them load, and forks for each.

Python takes longer to load Django than a command to do its work. A child of the nursery is a process of its
own with environment, folder and output of its own; nothing is set up in its parent, only imported. What is
about the program's start, its signals or its end begins a real one (``Confide.running``).
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

LOADED = (
    "confide.cli.__main__",
    "confide.server.config",
    "django.contrib.auth.hashers",
    "django.core.management",
    "django.core.management.commands.migrate",
    "django.db.backends.sqlite3.base",
    "django.forms",
    "django.http",
    "django.template.defaulttags",
    "django.utils.log",
    "django.views.generic",
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
        self, words: Sequence[str], environment: Mapping[str, str], folder: Path, out: Path, patience: float
    ) -> int:
        """Run a command to its end; what it says on both streams is in *out*. Return its exit code."""
        asked = {
            "words": list(words), "environment": dict(environment), "folder": str(folder), "out": str(out),
            "patience": patience,
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


def serve() -> None:
    """Fork for each line that comes."""
    for name in (*LOADED, *(ON_POSTGRES if "DATABASE_URL" in os.environ else ())):
        importlib.import_module(name)
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
    os.chdir(asked["folder"])
    out = os.open(asked["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, out)):
        os.dup2(file, stream)
    program = sys.modules["confide.cli.__main__"]
    sys.modules["__main__"] = program  # what a worker of the command loads first
    sys.argv = [str(program.__file__), *asked["words"]]
    code: Any = 1
    try:
        code = program.main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - as Python does at the end of a program
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve()
