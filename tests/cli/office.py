"""An office from which exports leave, by commands alone: people, passwords, and a recipient with a key."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyrage
from pyrage import x25519

from confide.drill.synthetic import bundles
from tests.cli.program import Confide


class Office:
    """An installation with two people in it, and a recipient with a key."""

    def __init__(self, confide: Confide, passwords: dict[str, str] | None = None) -> None:
        """Recruit two people and an officer, unless their *passwords* say that they are there already."""
        self.confide = confide
        self.identity = x25519.Identity.generate()
        self.recipient = str(self.identity.to_public())
        self.outgoing = confide.folder / "outgoing"
        self.outgoing.mkdir()
        self.passwords = {} if passwords is None else passwords
        if passwords is None:
            self._recruit()

    def _recruit(self) -> None:
        for name, role in (
            ("plindgren", "privacy_officer"),
            ("mlopez", "practice_manager"),
            ("desk", "front_desk"),
        ):
            said = self.confide("staff", "add", name, "--role", role)
            self.passwords[name] = re.findall(r"password\s+(\S+)", said)[0]
            if role != "privacy_officer":
                self("staff", "approve", name, by="plindgren")
        self.change("UPDATE access_account SET created_at = %s", datetime.now(UTC) - timedelta(days=8))

    def __call__(self, *words: object, by: str = "", exits: int = 0) -> str:
        more = ("--by", by) if by else ()
        secret = {"CONFIDE_PASSWORD": self.passwords[by]} if by else {}
        return self.confide(*words, *more, exits=exits, **secret)

    def register(self, name: str = "University") -> None:
        self("destination", "add", name, "--recipient", self.recipient, "--to", self.outgoing, by="mlopez")

    def wait(self) -> None:
        """Three days go by for every destination."""
        self.change(
            "UPDATE access_destination SET registered_at = %s", datetime.now(UTC) - timedelta(hours=73)
        )

    def change(self, statement: str, *values: object) -> None:
        """Write to the database directly, as no command does."""
        url = self.confide.databases.get("DATABASE_URL")
        if url is None:
            with closing(sqlite3.connect(self.confide.data / "confide.sqlite3", timeout=30)) as connection:
                written = [str(v.replace(tzinfo=None)) if isinstance(v, datetime) else v for v in values]
                connection.execute(statement.replace("%s", "?"), written)
                connection.commit()
            return
        import psycopg

        with psycopg.connect(url) as connection:
            connection.execute(statement.encode(), values)

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        return self.confide.ask(statement)

    def request(self, *more: object, exits: int = 0) -> str:
        said = self(
            "export", "--to", "University", "--policy", "limited-data-set", *more, by="mlopez", exits=exits
        )
        return "" if exits else re.findall(r"request\s+([0-9a-f-]{36})", said)[0]

    def read(self, folder: Path) -> dict[str, bytes]:
        return {
            path.name.removesuffix(".age"): pyrage.decrypt(path.read_bytes(), [self.identity])
            for path in folder.iterdir()
        }

    def bring(self, people: int) -> None:
        """Bring synthetic people in."""
        self.inbox.mkdir()
        for number, bundle in enumerate(bundles(people, 3, date(2026, 5, 4))):
            (self.inbox / f"{number:03}.json").write_text(json.dumps(bundle))
        self.confide("import", self.inbox, "--workers", 0)

    def prepare(self) -> None:
        """Get a destination ready."""
        self.register()
        self("destination", "approve", "University", by="plindgren")
        self.wait()

    @property
    def inbox(self) -> Path:
        return self.confide.folder / "inbox"

    def secrets(self) -> set[str]:
        """Numbers, streets, mailboxes and names of the people who were brought in."""
        found = set()
        for path in self.inbox.iterdir():
            for entry in json.loads(path.read_text())["entry"]:
                resource = entry["resource"]
                if resource["resourceType"] == "Patient":
                    found |= {i["value"] for i in resource.get("identifier", ()) if len(i["value"]) > 6}
                    found |= {t["value"] for t in resource.get("telecom", ())}
                    found |= {line for a in resource.get("address", ()) for line in a.get("line", ())}
                    names = [n.get("family", "") for n in resource.get("name", ())]
                    found |= {f'"{name}"' for name in names if name}
        return found
