"""Many accounts, programs that try stolen passwords on them, and a clock that they can wait by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.test import Client as Http
from django.utils import timezone

from confide.access.models import Account, Membership
from confide.vault.emergencies import Emergencies
from tests.server import factored
from tests.server.pages.surgery import BROWSER

PROOF = re.compile(r'name="proof" value="([^"]+)"')


class Clock:
    """Begins now, and is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


def follow(monkeypatch: Any, clock: Clock) -> None:
    """Let the server of this process go by *clock*."""
    config = apps.get_app_config("server")
    system = config.system()
    emergencies = Emergencies(system.vault, system.journal, clock)
    monkeypatch.setattr(config, "_system", replace(system, clock=clock, emergencies=emergencies))


def hash_cheaply(monkeypatch: Any) -> None:
    """The real hasher at a cost that ten thousand tries can pay."""
    from confide.access.hashing import Bounded

    monkeypatch.setattr(Bounded, "time_cost", 1)
    monkeypatch.setattr(Bounded, "memory_cost", 64)
    monkeypatch.setattr(Bounded, "parallelism", 1)


def hire(practice: Any, pairs: dict[str, str], role: str = "front_desk", *, enrolled: bool = False) -> None:
    """Make accounts with passwords, members of the practice; with a second factor if they are *enrolled*."""
    people = [
        Account(username=name, display_name=name.title(), password=make_password(password))
        for name, password in pairs.items()
    ]
    Account.objects.bulk_create(people)
    Membership.objects.bulk_create(
        Membership(approved_at=timezone.now(), account=account, practice=practice, role=role)
        for account in people
    )

    for account in people if enrolled else ():
        factored.enrol(account)


@dataclass
class Page:
    """The sign-in page in one browser, with the cookies that it has been given."""

    address: str
    agent: str = BROWSER
    http: Http = field(init=False)
    token: str = field(init=False)

    def __post_init__(self) -> None:
        headers = {"user-agent": self.agent}
        self.http = Http(enforce_csrf_checks=True, headers=headers, REMOTE_ADDR=self.address)
        self.fetch()

    def fetch(self) -> None:
        self.http.get("/sign-in")
        self.token = self.http.cookies["csrf"].value

    def send(self, name: str, password: str, proof: str = "") -> Any:
        form = {"login": name, "password": password, "proof": proof, "csrfmiddlewaretoken": self.token}
        return self.http.post("/sign-in", form)

    def sign_in(self, name: str, password: str, clock: Clock, patience: int = 3) -> bool:
        """Sign in as a person does: wait when told so, and type the password again."""
        answer = self.send(name, password)
        for _ in range(patience):
            if answer.status_code != 429:
                break
            clock.advance(seconds=int(answer["Retry-After"]))
            answer = self.send(name, password, proof_of(answer))
        if answer.status_code != 302:
            return False
        for _ in range(patience):
            answer = factored.second(self.http, name, csrfmiddlewaretoken=self.token)
            if answer.status_code != 429:
                break
            clock.advance(seconds=int(answer["Retry-After"]))
        return answer.status_code == 302 and self.http.get("/find").status_code == 200

    def leave(self) -> None:
        """Close the browser: the session is gone, the cookie of the device stays."""
        self.http.cookies.pop("session", None)
        self.fetch()


def proof_of(answer: Any) -> str:
    found = PROOF.search(answer.content.decode())
    return found[1] if found else ""


def everything_stored() -> Iterator[str]:
    """Every cell of every table of both databases, as text."""
    from django.db import connections

    for alias in ("default", "keys"):
        connection = connections[alias]
        for table in connection.introspection.table_names():
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                for row in cursor.fetchall():
                    yield from (
                        bytes(cell).decode("utf-8", "replace")
                        if isinstance(cell, bytes | memoryview)
                        else str(cell)
                        for cell in row
                    )
