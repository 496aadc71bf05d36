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
from tests.scale import scale

KILLS = scale(20, 8)
BY_COMMAND = KILLS // 4  # on the real command with its workers; the others on a child that starts faster
BUNDLES = scale(20, 12)
LONGEST = 0.1  # seconds of work after what was waited for, before it is killed
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
    premises.settle()
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


def test_many_kills(premises: Premises, inbox: dict[str, int]) -> None:
    folder = str(Path(next(iter(inbox))).parent)
    sizes = Counter(inbox.values())
    dice = random.Random()
    acknowledged: dict[str, int] = {}
    moments = Counter[str]()
    driver = python(premises, "driver.py", SOURCE, folder)
    after = check(premises, sizes)
    for n in range(KILLS):
        before = after
        said = {}
        if n % (KILLS // BY_COMMAND):
            said = _kill_child(driver, n % 2, dice.uniform(0, LONGEST))
            acknowledged |= said
        else:
            _kill_command(premises, folder, bool(n % 8), dice.uniform(0, LONGEST))
        after = check(premises, sizes)
        assert after >= before + len(said), "what was acknowledged is not there"
        moments["all" if after == len(inbox) else "some" if after else "none"] += 1
    driver.communicate()
    # If nothing was left to interrupt for most of them, the kills missed. Each second one waits for a bundle.
    assert moments["some"] >= KILLS / 4, moments
    printed = premises.run("import", folder, "--source", SOURCE)
    done = check(premises, sizes)
    assert done == len(inbox), printed
    for path, created in acknowledged.items():
        assert created == inbox[str(Path(folder) / path)]


def _kill_child(driver: subprocess.Popen[bytes], bundles: int, seconds: float) -> dict[str, int]:
    """Kill the driver's child some time after it has acknowledged *bundles*; return what it had by then.

    A slow machine takes longer for a bundle, so that the kills fall all over the import on every one.
    """
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(b"go\n")
    driver.stdin.flush()
    child = int(driver.stdout.readline())
    said: dict[str, int] = {}
    line: list[str] = []

    def listen() -> bool:
        """Whether it acknowledged another one."""
        line[:] = driver.stdout.readline().decode().split()
        assert line, "the driver stopped"
        if len(line) == 2:
            said[line[0]] = int(line[1])
        return len(line) == 2

    while len(said) < bundles and listen():
        pass
    time.sleep(seconds)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    while line != ["gone"]:
        listen()
    return said


def _kill_command(premises: Premises, folder: str, written: bool, seconds: float) -> None:
    """Kill the command and its workers as they start, or some time after one has *written* a bundle."""
    begun = premises.rows("SELECT COUNT(*) FROM records_imported_unit")[0][0]
    process = premises.start("import", folder, "--source", SOURCE)
    while written and process.poll() is None:
        if premises.rows("SELECT COUNT(*) FROM records_imported_unit")[0][0] > begun:
            break
        time.sleep(0.02)
    time.sleep(seconds)
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
