"""kill -9 in the middle of an import: what was acknowledged is there, the rest is not, and it goes on."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from confide.fhir import json
from tests.leaks.planting import KEPT
from tests.leaks.premises import Premises, empty_databases, kill

KILLS = 20
BY_COMMAND = 5  # of them, on the real command with its workers; the others on a child that starts faster
BUNDLES = 20
LONGEST = 0.4  # seconds of work before it is killed
SOURCE = "other-ehr"
ALL_KEYS = "SELECT DISTINCT subject FROM vault_data_key"


@pytest.fixture(scope="module")
def inbox(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Bundles of different sizes that share no resource, so that rows tell which bundle they came from."""
    folder = tmp_path_factory.mktemp("inbox")
    sizes: dict[str, int] = {"": 0}
    for path in sorted((shared / "fhir/synthea").glob("*.gz"), key=lambda p: p.stat().st_size)[:BUNDLES]:
        bundle = json.parse(gzip.decompress(path.read_bytes()))
        own = [e for e in bundle["entry"] if e["resource"]["resourceType"] not in KEPT]
        while len(own) in sizes.values():
            own.pop()
        sizes[f"{len(sizes):02}.json"] = len(own)
        (folder / f"{len(sizes) - 1:02}.json").write_bytes(json.format({**bundle, "entry": own}))
    del sizes[""]
    return {str(folder / name): size for name, size in sizes.items()}


@pytest.fixture(scope="module")
def premises(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    with empty_databases() as databases:
        made = Premises(tmp_path_factory.mktemp("killed") / "premises", databases, log_level="WARNING")
        made.found()
        yield made


def python(premises: Premises, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    path = Path(__file__).with_name(program)
    command = [sys.executable, str(path), *arguments]
    pipe = subprocess.PIPE
    with (premises.folder / "logs").open("ab") as log:
        return subprocess.Popen(command, env=premises.environment, stdin=pipe, stdout=pipe, stderr=log)


def check(premises: Premises, sizes: Counter[int]) -> int:
    """Whole bundles only, a journal entry for each row and a row for each entry, a key for each seal."""
    rows = premises.rows("SELECT id, version, patients, subject, seal, body, updated FROM records_resource")
    groups = Counter(str(row[6]) for row in rows)
    units = premises.rows("SELECT COUNT(*) FROM records_imported_unit")[0][0]
    assert len(groups) == units
    assert not Counter(groups.values()) - sizes, "half a bundle is there"
    written = Counter(
        (plain(id_), version, patient, hashlib.sha256(bytes(body)).digest())
        for id_, version, patients, _, _, body, _ in rows
        for patient in patients.split() or [""]
    )
    entries = premises.rows(
        "SELECT resource_id, version, patient, body_sha256 FROM audit_journalentry WHERE action = 'import'"
    )
    journalled = Counter((plain(i), version, patient, bytes(sha)) for i, version, patient, sha in entries)
    assert journalled == written
    keys = {subject for (subject,) in premises.rows(ALL_KEYS, keys=True)}
    assert {row[3] for row in rows if bytes(row[4])} <= keys
    named = premises.rows(
        "SELECT id FROM records_source_id WHERE content <> ''"
        if not premises.databases
        else "SELECT id FROM records_source_id WHERE content <> ''::bytea"
    )
    assert {plain(i) for (i,) in named} == {plain(row[0]) for row in rows}
    return int(units)


def plain(id_: Any) -> str:
    return str(id_).replace("-", "")


def test_twenty_kills(premises: Premises, inbox: dict[str, int]) -> None:
    folder = str(Path(next(iter(inbox))).parent)
    sizes = Counter(inbox.values())
    dice = random.Random()
    acknowledged: dict[str, int] = {}
    moments = Counter[str]()
    longest = LONGEST
    driver = python(premises, "driver.py", SOURCE, folder)
    after = check(premises, sizes)
    for n in range(KILLS):
        before = after
        said = {}
        if n % (KILLS // BY_COMMAND):
            said = _kill_child(driver, dice.uniform(0, longest))
            acknowledged |= said
        else:
            _kill_command(premises, folder, dice.uniform(0, LONGEST))
        after = check(premises, sizes)
        assert after >= before + len(said), "what was acknowledged is not there"
        # A fast machine is killed sooner, a slow one later, so that the kills fall all over the import.
        longest *= 0.5 if after * KILLS > (n + 1) * len(inbox) else 1.4
        moments["all" if after == len(inbox) else "some" if after else "none"] += 1
    driver.communicate()
    # If nothing was left to interrupt for most of them, the kills missed.
    assert moments["some"] >= KILLS / 4, moments
    printed = premises.run("import", folder, "--source", SOURCE)
    done = check(premises, sizes)
    assert done == len(inbox), printed
    for path, created in acknowledged.items():
        assert created == inbox[str(Path(folder) / path)]


def _kill_child(driver: subprocess.Popen[bytes], seconds: float) -> dict[str, int]:
    """Let the driver's child begin, kill it some time later, and return what it had acknowledged."""
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(b"go\n")
    driver.stdin.flush()
    child = int(driver.stdout.readline())
    time.sleep(seconds)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    said = {}
    while (line := driver.stdout.readline().decode().split()) != ["gone"]:
        assert line, "the driver stopped"
        if line != ["end"]:
            said[line[0]] = int(line[1])
    return said


def _kill_command(premises: Premises, folder: str, seconds: float) -> None:
    """Kill the command and its workers some time after the first of them began to write."""
    begun = premises.rows("SELECT COUNT(*) FROM records_imported_unit")[0][0]
    process = premises.start("import", folder, "--source", SOURCE)
    deadline = time.monotonic() + 20
    # Sometimes before anything is written, sometimes after the first bundles.
    if seconds > LONGEST / 4:
        while process.poll() is None and time.monotonic() < deadline:
            if premises.rows("SELECT COUNT(*) FROM records_imported_unit")[0][0] > begun:
                break
            time.sleep(0.02)
    else:
        time.sleep(2 * seconds)
    time.sleep(seconds / 2)
    kill(process)


def test_the_end_is_that_of_an_uninterrupted_import(
    premises: Premises, inbox: dict[str, int], tmp_path: Path
) -> None:
    folder = str(Path(next(iter(inbox))).parent)
    with empty_databases() as databases:
        whole = Premises(tmp_path / "whole", databases, log_level="WARNING")
        whole.found()
        whole.run("import", folder, "--source", SOURCE)
        expected, got = _opened(whole), _opened(premises)
    assert sum(expected.values()) == sum(inbox.values())
    assert got == expected


def _opened(premises: Premises) -> Counter[str]:
    process = python(premises, "opened.py")
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, premises.logs()[-2000:]
    return Counter(printed.decode().splitlines())


def test_again_changes_nothing(premises: Premises, inbox: dict[str, int]) -> None:
    before = premises.rows("SELECT COUNT(*), MAX(version) FROM records_resource")
    printed = premises.run("import", str(Path(next(iter(inbox))).parent), "--source", SOURCE)
    assert premises.rows("SELECT COUNT(*), MAX(version) FROM records_resource") == before
    assert f"units imported before   {len(inbox):,}" in " ".join(printed.split()).replace(
        "before ", "before   "
    )
