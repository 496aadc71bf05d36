"""Where a drill takes place: an installation of its own, its people, and a server in processes of its own."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide.drill.population import Population
from confide.errors import Unavailable

if TYPE_CHECKING:
    from confide.access.decide import Grant
    from confide.access.models import Account
    from confide.wiring import System

LOG: Final = "server.log"
_PATIENCE: Final = 120.0  # seconds until the server answers
_GRACE: Final = 60.0
_SETTLING: Final = 600.0
_CALM: Final = 0.25
"""Seconds of CPU in a second, below which a server rests."""


@dataclass(frozen=True, slots=True)
class Venue:
    """One drill's installation.

    Attributes:
        folder: The drill's own.
        system: The parts of this process.
        people: Who was loaded.
        practices: The ids, in the order of ``people.practice``.
        seed: Of what is random in the attack.
        tell: Prints what is being done.
    """

    folder: Path
    system: System
    people: Population
    practices: list[str]
    seed: int
    tell: Callable[[str], None]

    @contextmanager
    def served(self) -> Iterator[str]:
        """Run ``confide serve`` beside this process; its address."""
        from django.db import connections

        connections.close_all()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        command = [sys.executable, "-P", "-m", "confide.cli", "serve", "--with-parent", "--port", str(port)]
        with (self.folder / LOG).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - ourselves
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ)
            )
            try:
                self._await(process, port)
                self.tell("letting the server build its indexes")
                _settle(process.pid)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
                try:
                    process.wait(_GRACE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _await(self, process: subprocess.Popen[bytes], port: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/fhir/R4/metadata")
                if connection.getresponse().status < 500:
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
            finally:
                connection.close()
        raise Unavailable(f"the drill's server did not start (see {self.folder / LOG})")

    def officer(self) -> Account:
        """Somebody who answers for the privacy of every practice; made at the first call."""
        from confide.access.models import Account, Membership
        from confide.access.roles import Role

        there = Account.objects.filter(username="drill-officer").first()
        if there is not None:
            return there
        account: Account = Account.objects.create_user("drill-officer", display_name="Drill officer")
        now = self.system.clock()
        Membership.objects.bulk_create(
            Membership(
                account=account, practice_id=practice, role=Role.PRIVACY_OFFICER.value, approved_at=now
            )
            for practice in self.practices
        )
        return account

    def reading(self, officer: Account, practice: str) -> Grant:
        """A grant of the officer's to read a practice's journal."""
        from confide.access.decide import act_as_member
        from confide.access.models import Membership
        from confide.access.roles import Action, Purpose

        member = Membership.objects.get(account=officer, practice=practice)
        actor = act_as_member(member, "drill", "127.0.0.1")
        return self.system.decide(actor, Action.JOURNAL_READ, Purpose.HOPERAT, None, ())


def _settle(pid: int) -> None:
    """Wait until a server and its workers have hardly anything to do: one that is attacked has run for long.

    Only where the system tells how much a process has worked (Linux); elsewhere the attack begins at once.
    """
    before, calm = _worked(pid), 0
    deadline = time.monotonic() + _SETTLING
    while calm < 2 and time.monotonic() < deadline:
        time.sleep(1.0)
        now = _worked(pid)
        calm = calm + 1 if now - before < _CALM else 0
        before = now


def _worked(pid: int) -> float:
    """Seconds of CPU of a process and its children."""
    total = 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text("ascii", "replace").rpartition(")")
        except OSError:  # it has ended meanwhile
            continue
        fields = rest.split()
        if pid in {int(name.split(" ", 1)[0]), int(fields[1])}:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total
