"""Runs that are killed or interrupted leave no half file; values stay out of everything that is told."""

from __future__ import annotations

import os
import re
import signal
import time
from itertools import product
from pathlib import Path

import pytest

from confide.columns import ColumnKeyring
from tests.cli.program import PATIENCE, Confide, children, gone, on_linux
from tests.scale import WHOLE, scale

pytestmark = on_linux
COLUMNS = ("--column", "ssn=ssn", "--column", "name=name", "--column", "born=birth-date", "--keep", "n")
ROWS = scale(160_000, 60_000)
CANARY = "Zyxquorth"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    ColumnKeyring.create(folder / "k.keyring")
    with (folder / "in.csv").open("w") as file:
        file.write("ssn,name,born,n\n")
        for i in range(ROWS):
            file.write(
                f"{i % 600 + 1:03}-45-{i % 9999 + 1:04},{CANARY} {i % 977},1963-05-{i % 28 + 1:02},{i}\n"
            )
    return folder


@pytest.fixture
def confide(tmp_path: Path) -> Confide:
    return Confide(tmp_path)


def started(confide: Confide, people: Path, out: str = "out.csv", workers: int = 2):
    return confide.running(
        "protect", people / "in.csv", confide.folder / out, "--keyring", people / "k.keyring",
        *COLUMNS, "--workers", workers,
    )  # fmt: skip


def under_way(confide: Confide, out: str = "out.csv") -> Path:
    """Wait until something of the file has been written."""
    unfinished = confide.folder / f".{out}.confide-unfinished"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if unfinished.exists() and unfinished.stat().st_size > 100_000:
            return unfinished
        time.sleep(0.005)
    raise AssertionError("nothing was written")


@pytest.mark.parametrize(
    ("number", "workers"),
    product((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), (0, 2))
    if WHOLE
    else [(signal.SIGTERM, 2), (signal.SIGINT, 0), (signal.SIGHUP, 2)],
)
def test_an_interrupted_run_leaves_nothing(number, workers, confide, people) -> None:
    with started(confide, people, workers=workers) as process:
        under_way(confide)
        process.send_signal(number)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said == "confide: interrupted (nothing was written)\n"
    assert not list(confide.folder.iterdir())
    assert gone(confide.folder)


def test_ctrl_c_on_a_terminal_reaches_all_processes(confide, people) -> None:
    with started(confide, people, "out.parquet") as process:
        under_way(confide, "out.parquet")
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said == "confide: interrupted (nothing was written)\n"
    assert not list(confide.folder.iterdir())


def test_a_killed_run_leaves_no_half_file_and_the_next_one_clears_up(confide, people) -> None:
    for _ in range(scale(3, 1)):
        with started(confide, people) as process:
            left = under_way(confide)
            process.kill()
            process.communicate(timeout=PATIENCE)
        assert [path.name for path in confide.folder.iterdir()] == [left.name]
        assert gone(confide.folder), "workers end with their parent"
    confide(
        "protect", people / "in.csv", "out.csv", "--keyring", people / "k.keyring", *COLUMNS, "--workers", 2
    )
    assert sorted(path.name for path in confide.folder.iterdir()) == ["out.csv", "out.csv.recipe.toml"]
    with (confide.folder / "out.csv").open("rb") as file:
        assert sum(1 for _ in file) == ROWS + 1


def test_a_dead_worker_is_a_clear_error_and_no_file(confide, people) -> None:
    with started(confide, people) as process:
        under_way(confide)
        workers = [pid for pid in children(confide.folder) if b"spawn_main" in command_line(pid)]
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4
    assert said.startswith("confide: a worker process was killed")
    assert not list(confide.folder.iterdir())


def test_nothing_but_the_files_holds_values_or_keys(confide, people) -> None:
    """Command lines, environments, open files and what is printed, while it runs and after."""
    secrets = [CANARY.encode(), *re.findall(rb'"key": "([^"]+)"', (people / "k.keyring").read_bytes())]
    seen = b""
    with started(confide, people) as process:
        under_way(confide)
        mine = [process.pid, *children(confide.folder)]
        assert len(set(mine)) >= 3
        for pid in mine:
            seen += command_line(pid) + (Path("/proc") / str(pid) / "environ").read_bytes()
            seen += b" ".join(os.fsencode(each.readlink()) for each in open_files(pid))
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    seen += said.encode() + (confide.folder / "out.csv.recipe.toml").read_bytes()
    seen += (confide.folder / "out.csv").read_bytes()
    assert not [secret for secret in secrets if secret in seen]


def open_files(pid: int) -> list[Path]:
    return [each for each in (Path("/proc") / str(pid) / "fd").iterdir() if each.is_symlink()]


def command_line(pid: int) -> bytes:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


# What is wrong with a file is told without its values


WRONG = {
    "malformed": (f"ssn,name\n{CANARY},Ann\n078-05-1120,{CANARY}\n", "data rows 1"),
    "ragged": (f"ssn,name\n078-05-1120,{CANARY}\n{CANARY},Ann,{CANARY}\n", "data row 2"),
    "unclosed": (f'ssn,name\n078-05-1120,"{CANARY}\n{CANARY},Ann\n', "data row 1"),
    "not UTF-8": (f"ssn,name\n078-05-1120,{CANARY}\udcff\n", "data row 1"),
    "no header": (f"078-05-1120,{CANARY}\n219-09-9999,Ann\n", "looks like data"),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("level", ["", "DEBUG"])
def test_errors_tell_rows_and_no_values(kind, level, confide, people) -> None:
    content, told = WRONG[kind]
    (confide.folder / "in.csv").write_text(content, errors="surrogateescape")
    said = confide(
        "protect", "in.csv", "out.csv", "--keyring", people / "k.keyring", *COLUMNS[:4],
        exits=2, CONFIDE_LOG_LEVEL=level,
    )  # fmt: skip
    assert told in said
    assert CANARY not in said
    assert "078-05" not in said
    assert [path.name for path in confide.folder.iterdir()] == ["in.csv"]


def test_broken_json_is_told_without_its_values(confide, people) -> None:
    (confide.folder / "in.ndjson").write_text(
        f'{{"ssn":"078-05-1120","name":"{CANARY}"}}\n{{"ssn":{CANARY}}}\n'
    )
    for out in ("out.ndjson", "out.parquet"):
        said = confide(
            "protect", "in.ndjson", out, "--keyring", people / "k.keyring", *COLUMNS[:4], exits=2
        )  # fmt: skip
        assert said == "confide: data row 2 is not one JSON object in UTF-8\n"
    (confide.folder / "in.ndjson").write_text(
        f'{{"ssn":"078-05-1120","name":"Ann","a":1}}\n{{"a":"{CANARY}"}}\n'
    )
    said = confide(
        "protect", "in.ndjson", "out.parquet", "--keyring", people / "k.keyring", *COLUMNS[:4], exits=2
    )
    assert "do not agree in their types" in said
    assert CANARY not in said
