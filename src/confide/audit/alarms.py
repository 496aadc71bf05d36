"""How a witness shouts: on standard error, to a syslog, to a command, to a web address. No Django here."""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from confide.errors import Invalid

LOCAL_SYSLOG: Final = "/dev/log"
_PATIENCE: Final = 30


def parse_syslog(address: str) -> str | tuple[str, int]:
    """Read where a syslog is: a socket's path, or HOST:PORT for UDP.

    Raises:
        Invalid: It is neither.
    """
    if address.startswith("/"):
        return address
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise Invalid("a syslog is a socket's path, or HOST:PORT")
    return host.strip("[]"), int(port)


def tell_syslog(address: str | tuple[str, int], text: str, priority: int) -> bool:
    """Send one line to a syslog; tell whether it was taken (UDP takes everything).

    Args:
        address: As :func:`parse_syslog` returns it.
        text: One line.
        priority: A level of `logging`.
    """
    try:
        handler = _Loud(address, SysLogHandler.LOG_AUTHPRIV)
        try:
            handler.ident = "confide: "
            handler.emit(logging.LogRecord("confide", priority, "", 0, text, None, None))
        finally:
            handler.close()
    except OSError:
        return False
    return True


class _Loud(SysLogHandler):
    """Says when a line was not taken, instead of writing about it on standard error."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's own name
        """Let the error out that emit has caught."""
        raise  # noqa: PLE0704 - it is called while that error is handled


@dataclass(frozen=True, slots=True)
class Ways:
    """Where a shout goes, besides standard error.

    Attributes:
        syslog: As :func:`parse_syslog` returns it; None where there is none.
        command: Is run with the text on its standard input.
        webhook: Gets the alarm as JSON by POST.
    """

    syslog: str | tuple[str, int] | None = None
    command: str = ""
    webhook: str = ""

    def __post_init__(self) -> None:
        if self.webhook and urlsplit(self.webhook).scheme not in {"http", "https"}:
            raise Invalid("a webhook begins with https:// or http://")
        if self.command and not shlex.split(self.command):
            raise Invalid("the alarm's command is empty")


def find_syslog() -> str | None:
    """Return this machine's syslog, if it has one."""
    return LOCAL_SYSLOG if Path(LOCAL_SYSLOG).exists() else None


def shout(ways: Ways, log: str, trouble: str, text: str, now: datetime) -> list[str]:
    """Say it everywhere; one way that fails does not stop the others.

    Args:
        ways: Where to.
        log: The log's name.
        trouble: A code.
        text: A sentence.
        now: Aware UTC.

    Returns:
        The ways that failed.
    """
    line = f"ALARM {trouble}: {log}: {text}"
    sys.stderr.write(f"confide witness: {now:%Y-%m-%dT%H:%M:%SZ} {line}\n")
    sys.stderr.flush()
    failed = []
    if ways.syslog is not None and not tell_syslog(ways.syslog, line, logging.CRITICAL):
        failed.append("syslog")
    if ways.command and not _run(ways.command, line):
        failed.append("command")
    if ways.webhook:
        body = {"log": log, "trouble": trouble, "text": text, "at": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
        if not _post(ways.webhook, json.dumps(body).encode()):
            failed.append("webhook")
    return failed


def _run(command: str, line: str) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
            shlex.split(command), input=f"{line}\n", text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _post(address: str, body: bytes) -> bool:
    request = Request(address, body, {"Content-Type": "application/json"})  # noqa: S310 - checked in Ways
    try:
        with urlopen(request, timeout=_PATIENCE):  # noqa: S310 - as above
            return True
    except (URLError, OSError, ValueError):
        return False
