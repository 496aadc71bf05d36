"""A file of any length takes the same memory."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import polars as pl
import pytest

from confide.columns import ColumnKeyring
from tests.cli.program import Confide, children, on_linux
from tests.scale import WHOLE

pytestmark = on_linux
MOST = 500 << 20
SHORT, LONG = 100_000, 500_000


def memory(pid: int) -> int:
    """The process's share of memory, in bytes: what it shares with others counts in part."""
    try:
        found = re.search(
            r"^Pss:\s+(\d+)", (Path("/proc") / str(pid) / "smaps_rollup").read_text(), re.MULTILINE
        )
    except OSError:
        return 0
    return int(found[1]) << 10 if found else 0


def peak(confide: Confide, *words: object) -> int:
    """The most memory that a command and its workers take together."""
    most = 0
    with confide.running(*words) as process:
        while process.poll() is None:
            most = max(most, sum(map(memory, {process.pid, *children(confide.folder)})))
            time.sleep(0.05)
        assert process.returncode == 0, process.stdout.read()
    return most


WAYS = [("csv", "arrow"), ("parquet", "ndjson")] + [("csv", "parquet"), ("arrow", "arrow")] * WHOLE


@pytest.mark.parametrize(("before", "after"), WAYS)
def test_more_rows_take_no_more_memory(before, after, tmp_path) -> None:
    ColumnKeyring.create(tmp_path / "k.keyring")
    taken = {}
    for rows in (SHORT, LONG):
        source, target = tmp_path / f"{rows}.{before}", tmp_path / f"{rows}-safe.{after}"
        numbers = pl.int_range(rows, eager=True)
        frame = pl.DataFrame(
            {
                "ssn": (numbers % 600 + 1).cast(pl.String).str.zfill(3) + "-45-6789",
                "name": "Quernheim " + (numbers % 977).cast(pl.String),
                "n": numbers,
            }
        )
        # One batch, one row group: the worst that others write.
        if before == "csv":
            frame.write_csv(source)
        elif before == "arrow":
            frame.write_ipc(source)
        else:
            frame.write_parquet(source, row_group_size=rows)
        taken[rows] = peak(
            Confide(tmp_path), "protect", source, target, "--keyring", tmp_path / "k.keyring",
            "--column", "ssn=ssn", "--column", "name=name", "--keep", "n", "--workers", 2,
        )  # fmt: skip
        assert target.stat().st_size > 100 * rows
        os.truncate(target, 0)
    assert taken[LONG] < taken[SHORT] * 1.25 + (30 << 20)
    assert taken[LONG] < MOST
