"""Files: the whole command from its start to its end, with its workers, and the memory of all of them."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from benchmarks import Figure, LeftOut, benchmark, large

CONFIDE = [sys.executable, "-m", "confide.cli"]
COLUMNS = ("ssn=ssn", "name=name", "birth_date=birth-date", "phone=phone", "zip=zip")
GIVEN = ("Mary", "James", "Patricia", "Robert", "Linda", "Søren", "Wei", "Fatima", "Ottoline", "Priya")
FAMILY = ("Smith", "Johnson", "Garcia", "Nguyen", "O'Brien", "Martinez-Lopez", "Quernheim", "Kim", "Patel")
WORKERS = 2
MOST_MEGABYTES = 500
LEAST_RATE = 150_000


@benchmark
def a_million_rows() -> Iterator[Figure]:
    """SSN and phone get stand-ins, name, birth date and ZIP are sealed: CSV in, Parquet out, and back."""
    yield from _figures(1_000_000)


@large
def ten_million_rows() -> Iterator[Figure]:
    """The same for ten times as many: it takes the same memory."""
    yield from _figures(10_000_000)


def _figures(rows: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="confide-bench-") as name:
        folder = Path(name)
        source, target = folder / "people.csv", folder / "safe.parquet"
        write_people(source, rows)
        keyring = folder / "bench.keyring"
        _run("keyring", "new", keyring)
        columns = [word for each in COLUMNS for word in ("--column", each)]
        options = ("--keyring", keyring, "--workers", WORKERS)
        seconds, memory = _run("protect", source, target, *columns, *options)
        what = f"{rows:,} rows of 5 columns, {WORKERS} workers"
        yield Figure(f"protect a file, CSV to Parquet: {what}", rows / seconds, "rows/s", target=LEAST_RATE)
        yield Figure("the memory of all its processes", memory / 1e6, "MB", target=MOST_MEGABYTES)
        seconds, memory = _run("reveal", target, folder / "clear.csv", *options)
        yield Figure("reveal it, Parquet to CSV", rows / seconds, "rows/s")
        yield Figure("the memory of all its processes then", memory / 1e6, "MB", target=MOST_MEGABYTES)
        if (folder / "clear.csv").stat().st_size != source.stat().st_size:
            raise LeftOut("what came back is not what went in")


def write_people(path: Path, rows: int) -> None:
    """A table of people who do not exist."""
    chance = random.Random(1)
    first = date(1930, 1, 1)
    days = [(first + timedelta(each)).isoformat() for each in range(34_000)]
    with path.open("w", encoding="utf-8") as file:
        file.write("ssn,name,birth_date,phone,zip\n")
        for _ in range(rows):
            bits = chance.getrandbits(62)
            file.write(
                f"{1 + bits % 665:03}-{1 + bits % 99:02}-{1 + bits % 9999:04},"
                f"{GIVEN[bits % 10]} {FAMILY[bits % 9]},{days[bits % 34_000]},"
                f"({200 + bits % 799}) {200 + bits % 797}-{bits % 9973:04},{501 + bits % 99449:05}\n"
            )


def _run(*words: object) -> tuple[float, int]:
    """Run a command; the seconds, and the most bytes of memory that it and its workers had at once."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [*CONFIDE, *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    most = 0
    while process.poll() is None:
        most = max(most, sum(map(_memory, _family(process.pid))))
        time.sleep(0.05)
    seconds = time.perf_counter() - started
    said, _ = process.communicate()
    if process.returncode:
        raise LeftOut(f"confide {words[0]} did not end well: {said.decode()}")
    return seconds, most


def _family(pid: int) -> list[int]:
    """A process and those that it has started."""
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text().split()
            found += [each for child in children for each in _family(int(child))]
    except OSError:
        pass
    return found


def _memory(pid: int) -> int:
    """The process's share of memory, in bytes: what it shares with others counts in part."""
    try:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) << 10 if found else 0
