"""An installation as an operator has it: its commands, its server, and all that they leave."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.cli import templates
from tests.cli.nursery import nursery
from tests.cli.program import Confide
from tests.server.factored import code_of
from tools import installation
from tools.outside import free_port

FHIR = "application/fhir+json"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def raw(self) -> bytes:
        return (
            "\n".join(f"{k}: {v}" for k, v in self.headers.items()).encode("latin-1", "replace") + self.body
        )


@dataclass
class Premises:
    """A folder with everything of one installation in it: data, keys, logs, what commands printed."""

    folder: Path
    databases: dict[str, str]
    log_level: str = "DEBUG"
    port: int = 0
    token: str = ""
    cookies: SimpleCookie = field(default_factory=SimpleCookie)

    @property
    def environment(self) -> dict[str, str]:
        mine = {"CONFIDE_DATA": str(self.folder / "data"), "CONFIDE_LOG_LEVEL": self.log_level}
        mine |= {"CONFIDE_PORT": str(self.port), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        inherited = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("CONFIDE_", "DJANGO_")) and k not in {"DATABASE_URL", "KEYS_DATABASE_URL"}
        }
        return inherited | mine | self.databases

    def start(self, *command: str, stdout: Any = None) -> subprocess.Popen[bytes]:
        """Start one command of ours; what it writes is kept in the folder."""
        written = (self.folder / "logs").open("ab")
        with written:
            return subprocess.Popen(
                [sys.executable, "-m", "confide.cli", *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout or written,
                stderr=written,
                cwd=self.folder,
            )

    def run(self, *command: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run one command to its end; return what it printed."""
        logs = self.folder / "logs"
        with tempfile.NamedTemporaryFile("rb", prefix="confide-said-") as said:
            code = nursery().run(command, self.environment, self.folder, Path(said.name), 120, logs)
            printed = said.read()
        with logs.open("ab") as written:
            written.write(printed)
        assert code in codes, (command, code, self.logs()[-2000:])
        return printed.decode()

    def logs(self) -> str:
        return (self.folder / "logs").read_bytes().decode("utf-8", "replace")

    def found(self) -> None:
        """Lay an installation of one practice: a copy of one that `confide init` has made."""
        self.folder.mkdir(exist_ok=True)
        self.port = free_port()
        templates.copy(templates.riverbend(), Confide(self.folder, self.databases))

    def hire(self, name: str, role: str) -> tuple[str, str]:
        """Add somebody, whom the first privacy officer approves; return password and invitation."""
        first = self.run("staff", "add", "officer", "--role", "privacy_officer")
        said = self.run("staff", "add", name, "--role", role)
        before = self.databases
        self.databases = before | {"CONFIDE_PASSWORD": _told("password", first)}
        self.run("staff", "approve", name, "--by", "officer")
        self.databases = before
        return _told("password", said), _told("invitation", said)

    def enter(self, name: str, password: str, invitation: str) -> str:
        """Sign in for the first time: password, invitation, a code app. Return what the pages showed."""
        token = csrf(self.page("GET", "/sign-in"))
        signed = self.post_page("/sign-in", {"login": name, "password": password}, token)
        assert (signed.status, signed.headers["Location"]) == (302, "/sign-in/set-up"), signed.body[:500]
        assert self.post_page("/sign-in/set-up", {"words": invitation}, token).status == 302
        offered = self.page("GET", "/sign-in/set-up").body.decode()
        found = re.search(r'class="spelled">([A-Z2-7 ]+)<', offered)
        assert found, offered[:1000]
        secret = found[1].replace(" ", "")
        done = self.post_page("/sign-in/set-up", {"code": code_of(secret, datetime.now(UTC))}, token)
        assert b"Keep these codes" in done.body, done.body[:1000]
        return secret

    # The server

    @contextmanager
    def serving(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Serve; afterwards everything is killed, and what lies beside the database then stays there."""
        self.databases = self.databases | more
        process = self.start("serve", "--workers", "1", "--threads", "4")
        try:
            deadline = time.monotonic() + 30
            while True:
                assert process.poll() is None, self.logs()[-2000:]
                assert time.monotonic() < deadline, "the server does not answer"
                try:
                    if self.ask("GET", "/fhir/R4/metadata").status == 200:
                        break
                except OSError:
                    time.sleep(0.05)
            yield process
        finally:
            kill(process)

    def register(self, *more: str) -> None:
        """A program that may do everything, and sees everything."""
        purpose = () if "--purpose" in more else ("--purpose", "PATRQT")
        key = self.folder / "lab-key.json"
        self.run(
            "client",
            "add",
            "lab",
            "--elements",
            "all",
            "--scopes",
            "system/*.cruds vault/tokenize vault/detokenize vault/protect vault/reveal",
            "--token-scopes",
            "lab-partner",
            "--key-out",
            str(key),
            *purpose,
            *more,
        )

    def sign_in(self) -> None:
        """Get that program's token."""
        url = f"http://127.0.0.1:{self.port}"
        self.token = self.run(
            "client", "token", "lab", "--key", str(self.folder / "lab-key.json"), "--url", url
        )
        self.token = self.token.split()[-1]
        # The token is a secret of this program, not of a patient; it does not stay in what is searched.

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request; its address may be anything that fits on a line."""
        program = path.startswith(("/fhir", "/vault"))
        written = {"Authorization": f"Bearer {self.token}"} if self.token and program else {}
        written |= {name.replace("_", "-"): text for name, text in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            written.setdefault("Content-Type", FHIR)
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.putrequest(method, path, skip_host="Host" in written, skip_accept_encoding=True)
            for name, text in written.items():
                connection.putheader(name, text.encode("latin-1"))
            if body is not None and "Transfer-Encoding" not in written:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            answer = Answer(response.status, dict(response.getheaders()), response.read())
            self.cookies.load("; ".join(v for k, v in response.getheaders() if k.lower() == "set-cookie"))
            return answer

    def post_page(self, path: str, form: dict[str, str], token: str, **headers: str) -> Answer:
        """Send a form as a browser does."""
        body = urlencode({"csrfmiddlewaretoken": token} | form).encode()
        return self.page("POST", path, body, Content_Type="application/x-www-form-urlencoded", **headers)

    def page(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        cookie = "; ".join(f"{m.key}={m.value}" for m in self.cookies.values())
        here = {"Origin": f"http://127.0.0.1:{self.port}", "User-Agent": BROWSER}
        return self.ask(method, path, body, **(here | ({"Cookie": cookie} if cookie else {}) | headers))

    def raw(self, request: bytes) -> bytes:
        """Send bytes that may be no HTTP; return all that comes back."""
        got = bytearray()
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.settimeout(20)
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused before all of it was read
            try:
                while piece := connection.recv(65536):
                    got += piece
            except OSError:
                pass
        return bytes(got)

    # What is stored

    def rows(self, statement: str, *, keys: bool = False) -> list[tuple[Any, ...]]:
        """Ask a database directly, around everything that is being tested."""
        url = self.databases.get("KEYS_DATABASE_URL" if keys else "DATABASE_URL")
        if url is None:
            name = "keys.sqlite3" if keys else "confide.sqlite3"
            with closing(sqlite3.connect(self.folder / "data" / name, timeout=30)) as connection:
                return connection.execute(statement).fetchall()
        import psycopg

        with psycopg.connect(url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def settle(self) -> None:
        """Wait until the databases notice that those who used them are gone: a commit may be under way."""
        others = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        deadline = time.monotonic() + 30
        while self.databases and (self.rows(others) or self.rows(others, keys=True)):
            assert time.monotonic() < deadline, "somebody is still connected"
            time.sleep(0.01)


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9 a process that we started, and its children; return when none of them does anything more."""
    if process.poll() is None:
        process.send_signal(signal.SIGSTOP)  # it starts no other while we look
    below = children(process.pid)
    process.kill()
    for child in below:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    process.wait(30)
    deadline = time.monotonic() + 30
    while any(map(alive, below)):
        assert time.monotonic() < deadline, "a process outlives kill -9"
        time.sleep(0.01)


def alive(process: int) -> bool:
    """Whether a process that was killed may still do something: what it was writing, for one."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            child = int(status.parent.name)
            found += [child, *children(child)]
    return found


def empty_databases() -> AbstractContextManager[dict[str, str]]:
    """Environment for an installation of its own; SQLite's databases lie in its folder anyway."""
    url = os.environ.get("DATABASE_URL")
    return installation.fresh_postgres(url) if url else nullcontext({})


def dump(databases: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """pg_dump of both databases."""
    for url in databases.values():
        if url.startswith("postgres"):
            program = Path(os.environ["CONFIDE_PG_BIN"]) / "pg_dump"
            done = subprocess.run([program, "--inserts", url], check=True, capture_output=True)
            yield "pg_dump", done.stdout


def csrf(answer: Answer) -> str:
    match = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', answer.body)
    assert match, answer.body[:500]
    return match[1].decode()


def _told(what: str, said: str) -> str:
    """What a command has printed once."""
    found = re.search(rf"{what}\s+(\S+)", said)
    assert found, said
    return found[1]
