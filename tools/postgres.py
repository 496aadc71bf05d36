"""A throw-away PostgreSQL cluster around one command: ``python -m tools.postgres [OPTIONS] COMMAND...``.

``--optional`` leaves the command out where there is no PostgreSQL. ``--hasty`` writes nothing durably, for
what is filled once to be read: never for what measures or tests a write. ``--told`` logs every statement, for
the tests that look for clear values in what the server was told; it makes each of them slower.

The command sees ``DATABASE_URL`` and ``KEYS_DATABASE_URL`` (two empty databases), ``CONFIDE_TEST_PGDATA``
and ``CONFIDE_TEST_PGLOG`` (the folder and log, for tests that read every byte) and ``CONFIDE_PG_BIN``.
The cluster listens on loopback only, on a free port, with a random password, and writes as durably as a real
one. It is gone afterwards.
"""

from __future__ import annotations

import itertools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools import outside

PATIENCE = 60.0  # seconds that a cluster may take to start
SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=100",
)
OPTIONS = ("--optional", "--hasty", "--told")
TOLD = ("log_statement=all",)
HASTY = (
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=16GB",
    "shared_buffers=1GB",
)


@contextmanager
def cluster(programs: Path, more: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """Run a cluster; yield the environment for those who use it."""
    user = _owner()
    folder = Path(tempfile.mkdtemp(prefix="confide-postgres-"))
    data, password_file, password = folder / "data", folder / "password", secrets.token_urlsafe(18)
    password_file.write_text(password)
    if user is not None:
        for path in (folder, password_file):
            os.chown(path, user.pw_uid, user.pw_gid)
    become = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    quiet = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    server: subprocess.Popen[bytes] | None = None
    try:
        initdb = [programs / "initdb", "-D", data, "-U", "confide", f"--pwfile={password_file}"]
        initdb += ["-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--data-checksums"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, env=quiet, **become)
        port = outside.free_port()
        postgres = [programs / "postgres", "-D", data, "-p", str(port)]
        for option in (*SETTINGS, *more):
            postgres += ["-c", option]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                postgres,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=quiet,
                start_new_session=True,  # Ctrl-C is for the tests; the cluster outlives them by a moment
                **become,
            )
        psql = [programs / "psql", "-h", "127.0.0.1", "-p", str(port), "-U", "confide", "-d", "postgres"]
        psql += ["--no-psqlrc", "--quiet", "--command"]
        environment = quiet | {"PGPASSWORD": password}
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(
            [*psql, "CREATE DATABASE confide"], capture_output=True, env=environment, cwd=folder, check=False
        ).returncode:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit("confide: PostgreSQL did not start:\n" + (folder / "log").read_text()[-2000:])
            time.sleep(0.1)
        subprocess.run([*psql, "CREATE DATABASE confide_keys"], check=True, env=environment, cwd=folder)
        address = f"postgresql://confide:{password}@127.0.0.1:{port}"
        yield {
            "DATABASE_URL": f"{address}/confide",
            "KEYS_DATABASE_URL": f"{address}/confide_keys",
            "CONFIDE_TEST_PGDATA": str(data),
            "CONFIDE_TEST_PGLOG": str(folder / "log"),
            "CONFIDE_PG_BIN": str(programs),
        }
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # "fast": ends sessions, then stops
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _owner() -> pwd.struct_passwd | None:
    """Whom the server runs as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    sys.exit("confide: PostgreSQL refuses to run as root, and there is no other user (add the user postgres)")


def main(arguments: list[str]) -> int:
    command = list(itertools.dropwhile(OPTIONS.__contains__, arguments))
    options = arguments[: len(arguments) - len(command)]
    if not command:
        sys.exit("usage: python -m tools.postgres [--optional] [--hasty] [--told] COMMAND...")
    programs = outside.postgres()
    if programs is None:
        print(f"left out: the tests on PostgreSQL: {outside.NO_POSTGRES}")
        return 0 if "--optional" in options and not os.environ.get("CONFIDE_NOTHING_LEFT_OUT") else 1
    outside.use_memory()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    more = (*(HASTY if "--hasty" in options else ()), *(TOLD if "--told" in options else ()))
    with cluster(programs, more) as environment:
        try:
            return subprocess.run(command, env=os.environ | environment, check=False).returncode
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
