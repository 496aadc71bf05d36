"""`confide destination`, `confide export` and `confide trace`, as people run them."""

from __future__ import annotations

import io
import json
import re
import signal
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.office import Office
from tests.cli.program import Confide, stop
from tests.cli.templates import copy, place

PEOPLE = 16


@pytest.fixture(scope="module")
def peopled(staffed: Office, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with place(tmp_path_factory) as apart:
        copy(staffed.confide, apart)
        office = Office(apart, staffed.passwords)
        office.bring(PEOPLE)
        yield office


@pytest.fixture
def filled(confide: Confide, peopled: Office) -> Office:
    """With synthetic people in it, and a destination that can be used."""
    copy(peopled.confide, confide)
    office = Office(confide, peopled.passwords)
    office.prepare()
    return office


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
    assert "is frozen" in office(*words, by="mlopez", exits=1)


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
    assert re.search(r"University\s+export\s+usable", office("destination", "list"))
    office("destination", "retire", "University", by="plindgren")
    assert re.search(r"University\s+export\s+retired", office("destination", "list"))
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
    ours = filled.ask("SELECT id FROM records_resource WHERE type = 'Patient'")[:3]
    ids.write_text("".join(f"Patient/{uuid.UUID(str(id_))}\n" for (id_,) in ours))
    assert re.search(
        r"patients\s+3\s+a list of ids", filled("export", "show", filled.request("--cohort", ids))
    )
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
    traced = filled("trace", leak, "--who", by="plindgren")
    assert f"it came from export {tables[:8]}" in traced
    assert "it holds 3 persons of this practice" in traced
    named = re.findall(r"^  [0-9a-f-]{36} +([A-Z]\S+ .*\S) *$", traced, re.MULTILINE)
    assert len(named) == 3
    assert filled.ask("SELECT COUNT(*) FROM audit_journalentry WHERE action = 'reveal'") == [(3,)]
    # Without --who nobody is opened.
    without = filled("trace", leak, by="plindgren")
    assert "it holds 3 persons" in without
    assert not [name for name in named if name in without]


def test_synthetic_patients_are_in_no_cohort(filled: Office) -> None:
    def counted(*cohort: object) -> int:
        shown = filled("export", "show", filled.request(*cohort))
        return int(re.findall(r"patients\s+([\d,]+)", shown)[0])

    filled.confide("honey", "plant", "--count", 4)
    assert filled.ask("SELECT COUNT(*) FROM records_resource WHERE type = 'Patient'") == [(PEOPLE + 4,)]
    assert counted() == PEOPLE
    assert counted("--cohort", "Patient?gender=female") + counted("--cohort", "Patient?gender=male") == PEOPLE
    everybody = filled.confide.folder / "everybody.txt"
    ids = filled.ask("SELECT id FROM records_resource WHERE type = 'Patient'")
    everybody.write_text("".join(f"{uuid.UUID(str(id_))}\n" for (id_,) in ids))
    assert counted("--cohort", everybody) == PEOPLE


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
