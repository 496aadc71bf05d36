"""`confide destination`, `confide export` and `confide trace`, as people run them."""

from __future__ import annotations

import io
import json
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from pyrage import x25519

from confide.drill.synthetic import bundles
from tests.cli.program import Confide, stop

PEOPLE = 40
COUNT = re.compile(r"\b\d[\d,]*\b")


class Office:
    """An installation with two people in it, and a recipient with a key."""

    def __init__(self, confide: Confide) -> None:
        self.confide = confide
        self.identity = x25519.Identity.generate()
        self.recipient = str(self.identity.to_public())
        self.outgoing = confide.folder / "outgoing"
        self.outgoing.mkdir()
        self.passwords = {}
        for name, role in (
            ("mlopez", "practice_manager"),
            ("plindgren", "privacy_officer"),
            ("desk", "front_desk"),
        ):
            said = confide("staff", "add", name, "--role", role)
            self.passwords[name] = re.findall(r"password\s+(\S+)", said)[0]

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


@pytest.fixture
def office(installed: Confide) -> Office:
    return Office(installed)


@pytest.fixture
def filled(office: Office) -> Iterator[Office]:
    """With synthetic people in it."""
    inbox = office.confide.folder / "inbox"
    inbox.mkdir()
    for number, bundle in enumerate(bundles(PEOPLE, 3, date(2026, 5, 4))):
        (inbox / f"{number:03}.json").write_text(json.dumps(bundle))
    office.confide("import", inbox, "--workers", 0)
    office.register()
    office("destination", "approve", "University", by="plindgren")
    office.wait()
    yield office
    assert not list(office.confide.folder.rglob("*.ndjson")), "nothing in clear"


def clear_values(office: Office) -> set[str]:
    """Names and numbers of the people who were imported."""
    found = set()
    for path in (office.confide.folder / "inbox").iterdir():
        for entry in json.loads(path.read_text())["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] == "Patient":
                found |= {i["value"] for i in resource.get("identifier", ()) if len(i["value"]) > 6}
                found |= {t["value"] for t in resource.get("telecom", ())}
                found |= {line for a in resource.get("address", ()) for line in a.get("line", ())}
    return found


def test_from_a_key_to_a_trace(filled: Office) -> None:
    id_ = filled.request()
    short = id_[:8]
    listed = filled("export", "list")
    assert re.search(rf"{short}\s+requested\s+University\s+limited-data-set\s+{PEOPLE}\b", listed)
    shown = filled("export", "show", short)
    assert filled.recipient in shown
    assert re.search(r"birth-date\s+shift", shown)
    assert not re.search(r"^\s*ssn", shown, re.MULTILINE)

    assert "second person" in filled("export", "approve", short, by="mlopez", exits=1)
    assert "not approved" in filled("export", "run", short, by="mlopez", exits=1)
    assert "good for seven days" in filled("export", "approve", short, by="plindgren")
    said = filled("export", "run", short, by="mlopez")
    folder = filled.outgoing / id_
    assert str(folder) in said
    assert re.search(rf"Patient\s+{PEOPLE}\b", said)
    assert "written already" in filled("export", "run", short, by="mlopez", exits=1)
    assert re.search(rf"{short}\s+written", filled("export", "list"))

    got = filled.read(folder)
    manifest = json.loads(got["manifest.json"])
    assert manifest["resources"]["Patient"] == PEOPLE
    assert manifest["export"] == id_
    for file in manifest["files"]:
        assert file["sha256"] in filled("export", "show", short)
        assert len(got[file["name"].removesuffix(".age")].splitlines()) == file["rows"]

    secrets = clear_values(filled)
    assert len(secrets) > PEOPLE
    everything = b"".join(got.values()).decode()
    assert not [secret for secret in secrets if secret in everything]
    for path in (*filled.confide.data.rglob("*"), *filled.outgoing.rglob("*")):
        if path.is_file():
            written = path.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in written], path

    patients = [json.loads(line) for line in got["Patient.ndjson"].splitlines()]
    leak = filled.confide.folder / "leak.csv"
    leak.write_text("id,sex\n" + "".join(f"{p['id']},{p.get('gender')}\n" for p in patients[:5]))
    traced = filled("trace", leak, by="plindgren")
    assert f"it came from export {short} (to University" in traced
    assert "certain" in traced
    assert patients[0]["id"] not in traced
    leak.write_text("id\n" + "".join(f"{n:08x}-0000-4000-8000-000000000000\n" for n in range(50)))
    assert "none of ours" in filled("trace", leak, by="plindgren")
    assert "may not" in filled("trace", leak, by="mlopez", exits=1)


def test_who_one_is(office: Office) -> None:
    words = ("destination", "add", "Lab", "--recipient", office.recipient, "--to", office.outgoing)
    assert "who you are" not in office(*words, by="mlopez")
    assert "nobody is there to type" in office.confide(*words, "--by", "mlopez", exits=3)
    for name, password in (("mlopez", "wrong"), ("nobody", office.passwords["mlopez"]), ("mlopez", "")):
        said = office.confide(*words, "--by", name, exits=1, CONFIDE_PASSWORD=password)
        assert "not the name and password" in said
        assert not password or password not in said
    assert "may not export" in office(*words, by="desk", exits=1)
    office.change("UPDATE access_account SET frozen_at = %s WHERE username = 'mlopez'", datetime.now(UTC))
    assert "not an active member" in office(*words, by="mlopez", exits=1)


def test_destinations(office: Office) -> None:
    office.register()
    office.register_again = office(
        "destination", "add", "University", "--recipient", office.recipient, "--to", office.outgoing,
        by="plindgren", exits=2,
    )  # fmt: skip
    assert "already" in office.register_again
    for key in ("age1nonsense", "AGE-SECRET-KEY-1" + "Q" * 58):
        said = office(
            "destination", "add", "Lab", "--recipient", key, "--to", office.outgoing, by="mlopez", exits=2
        )
        assert "not an age public key" in said
        assert key not in said
    for folder, code in ((office.confide.data, 2), (office.confide.folder / "nowhere", 3)):
        words = ("destination", "add", "Lab", "--recipient", office.recipient, "--to", folder)
        office(*words, by="mlopez", exits=code)
    assert "second person must approve" in office.confide(
        "export", "--to", "University", "--policy", "safe-harbor", "--by", "mlopez", exits=1,
        CONFIDE_PASSWORD=office.passwords["mlopez"],
    )  # fmt: skip
    assert "waits for a second person" in office("destination", "list")
    assert "approved already" in office("destination", "approve", "University", by="mlopez", exits=1)
    office("destination", "approve", "University", by="plindgren")
    assert "72 hours" in office(
        "export", "--to", "University", "--policy", "safe-harbor", by="mlopez", exits=1
    )
    office.wait()
    assert re.search(r"University\s+usable", office("destination", "list"))
    office("destination", "retire", "University", by="plindgren")
    assert re.search(r"University\s+retired", office("destination", "list"))
    assert "no such destination" in office(
        "export", "--to", "University", "--policy", "safe-harbor", by="mlopez", exits=1
    )


def test_what_can_be_asked_for(filled: Office) -> None:
    women = filled.request("--cohort", "Patient?gender=female")
    shown = filled("export", "show", women)
    count = int(re.findall(r"patients\s+([\d,]+)\s+Patient\?gender", shown)[0])
    assert 0 < count < PEOPLE
    assert "female" not in shown
    ids = filled.confide.folder / "ids.txt"
    filled("export", "approve", women, "--run", by="plindgren")
    handles = [
        json.loads(line)["id"] for line in filled.read(filled.outgoing / women)["Patient.ndjson"].splitlines()
    ]
    assert len(handles) == count
    ids.write_text("\n".join(handles))
    filled.request("--cohort", ids, exits=1)  # a handle is no id of ours
    filled.request("--cohort", "Patient?shoe-size=46", exits=2)
    filled.request("--cohort", "Nobody?x=1", exits=2)
    filled.request("--cohort", filled.confide.folder / "nothing", exits=2)
    filled.request("--cohort", "Patient?family=Zzyzx", exits=2)
    assert "--to and --policy" in filled("export", by="mlopez", exits=2)
    assert "who are you" in filled("export", "--to", "University", "--policy", "safe-harbor", exits=2)
    policy = filled.confide.folder / "research.toml"
    policy.write_text('name = "study"\nbasis = "research"\ntitle = "A study"\n[elements]\nmrn = "reveal"\n')
    said = filled("export", "--to", "University", "--policy", policy, by="mlopez", exits=2)
    assert "line 5" in said
    assert "no such export" in filled("export", "show", "ffffffff", exits=1)
    other = filled.request("--cohort", "Condition")
    filled("export", "withdraw", other, by="plindgren")
    assert re.search(rf"{other[:8]}\s+withdrawn", filled("export", "list"))

    pq = pytest.importorskip("pyarrow.parquet", reason="left out: pyarrow")
    tables = filled.request("--format", "parquet", "--cohort", "Patient?gender=male")
    filled("export", "approve", tables, "--run", by="plindgren")
    got = filled.read(filled.outgoing / tables)
    table = pq.read_table(io.BytesIO(got["Patient.parquet"]))
    assert table.num_rows == json.loads(got["manifest.json"])["patients"]
    leak = filled.confide.folder / "leak.parquet"
    pq.write_table(table.slice(0, 3).select(["id"]), leak)
    assert f"it came from export {tables[:8]}" in filled("trace", leak, by="plindgren")


def test_interrupted_it_leaves_nothing_and_can_be_repeated(filled: Office) -> None:
    id_ = filled.request()
    filled("export", "approve", id_, by="plindgren")
    secret = {"CONFIDE_PASSWORD": filled.passwords["mlopez"]}
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        with filled.confide.running("export", "run", id_, "--by", "mlopez", **secret) as process:
            assert under_way(process.pid, filled.outgoing), "it writes"
            stop(process, number)
            assert process.returncode
        assert not list(filled.outgoing.iterdir()), number
        assert re.search(rf"{id_[:8]}\s+running", filled("export", "list"))
    filled("export", "run", id_, by="mlopez")
    got = filled.read(filled.outgoing / id_)
    assert json.loads(got["manifest.json"])["resources"]["Patient"] == PEOPLE


def under_way(process: int, place: Path) -> bool:
    """Whether the process has a file without a name open in *place*, soon."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for path in Path(f"/proc/{process}/fd").glob("*"):
            try:
                if str(path.readlink()).startswith(str(place)) and "(deleted)" in str(path.readlink()):
                    return True
            except OSError:
                continue
        time.sleep(0.005)
    return False
