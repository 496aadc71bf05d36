"""What a worker does with its batches, without a cluster: rows, errors, keys, and doing it twice."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark import cloudpickle

from confide import columns
from confide.errors import KeyUnavailable, MalformedColumn, Misconfigured, SealBroken
from confide.protect.spark import work
from confide.protect.spark.steps import Columns, steps
from confide.protect.spark.work import PARTITION, ColumnWork
from confide.spark import ColumnKeyring, ColumnRule, FileKms, FileKmsAddress

KEYRING = ColumnKeyring.random()
SEED = b"one call"


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> FileKmsAddress:
    path = tmp_path_factory.mktemp("kms") / "spark.key"
    FileKms.create(path)
    return FileKmsAddress(str(path))


def made(how: Columns, kms: FileKmsAddress, *, forward: bool = True, seed: bytes = SEED) -> ColumnWork:
    planned = steps(["c0", "c1"], how, "refuse", None, None, forward=forward)
    return ColumnWork(planned, KEYRING.wrap(kms.open()), kms, seed, streams=False)


def batches(table: dict[str, list[Any]], sizes: list[int], partition: int = 7) -> list[pa.RecordBatch]:
    rows = len(next(iter(table.values())))
    whole = pa.record_batch({**table, PARTITION: pa.array([partition] * rows, pa.int32())})
    cut, at = [], 0
    for size in [*sizes, rows]:
        cut.append(whole.slice(at, size))
        at += size
    return cut


def run(work: ColumnWork, given: list[pa.RecordBatch]) -> list[dict[str, Any]]:
    return [row for batch in work(iter(given)) for row in batch.to_pylist()]


names = st.lists(st.none() | st.text(max_size=8), max_size=12)
sizes = st.lists(st.integers(0, 5), max_size=5)


@given(names, sizes, sizes)
def test_a_partition_in_batches_of_any_size(
    kms: FileKmsAddress, values: list[str | None], one: list[int], two: list[int]
) -> None:
    how: Columns = {"c0": "name"}
    table = {"c0": pa.array(values, pa.string()), "c1": list(range(len(values)))}
    first = run(made(how, kms), batches(table, one))
    assert [row["c1"] for row in first] == table["c1"]
    assert all((row["c0"] is None) == (value is None) for row, value in zip(first, values, strict=True))
    again = run(made(how, kms), batches(table, one))
    assert again == first, "the same task once more"
    cells = [
        row["c0"]
        for row in first + run(made(how, kms, seed=b"another call"), batches(table, one))
        if row["c0"]
    ]
    assert len(set(cells)) == len(cells)
    back = pa.array([row["c0"] for row in first], pa.string())
    assert run(made(how, kms, forward=False), batches({"c0": back, "c1": table["c1"]}, two)) == [
        {"c0": value, "c1": row} for row, value in enumerate(values)
    ]


def test_equal_values_at_equal_places_of_other_columns_and_partitions(kms: FileKmsAddress) -> None:
    table = {"c0": ["Smith"] * 3, "c1": ["Smith"] * 3}
    run_once = made({"c0": "name", "c1": "name"}, kms)
    rows = run(run_once, batches(table, [1])) + run(run_once, batches(table, [1], partition=8))
    cells = [cell for row in rows for cell in row.values()]
    assert len(set(cells)) == len(cells) == 12


def test_a_batch_that_is_too_large_is_worked_on_in_parts(
    kms: FileKmsAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "BYTES_AT_A_TIME", 1000)
    table = {"c0": ["x" * 90] * 100, "c1": list(range(100))}
    parts = list(made({"c0": "text"}, kms)(iter(batches(table, []))))
    assert len(parts) > 8
    assert [row for part in parts for row in part["c1"].to_pylist()] == table["c1"]
    with pytest.raises(MalformedColumn) as refused:
        run(made({"c0": "ssn"}, kms), batches(table, [40]))
    assert refused.value.rows[0] == 0


def test_rows_are_counted_in_the_partition(kms: FileKmsAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_TRACEBACK_WITH_LOCALS", "1")
    monkeypatch.setenv("SPARK_HIDE_TRACEBACK", "")
    values = ["078-05-1120"] * 50
    values[33] = values[35] = "Smith"
    with pytest.raises(MalformedColumn, match="column 'c0'") as refused:
        run(made({"c0": "ssn"}, kms), batches({"c0": values, "c1": values}, [20, 10]))
    assert refused.value.rows == (33, 35)
    assert "partition 7" in str(refused.value)
    assert "Smith" not in str(refused.value)
    assert refused.value.__cause__ is refused.value.__context__ is None, "nothing of Arrow's hangs on it"
    assert pickle.loads(pickle.dumps(refused.value)).rows == (33, 35)
    # What Spark reads when it writes the error into its logs.
    assert "SPARK_TRACEBACK_WITH_LOCALS" not in work.os.environ
    assert work.os.environ["SPARK_HIDE_TRACEBACK"] == "1"


def test_a_seal_of_another_keyring_is_told_by_its_row(
    kms: FileKmsAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_HIDE_TRACEBACK", "")
    sealed = columns.protect(["Smith"] * 50, "name", KEYRING)
    sealed[44] = columns.protect(["Smith"], "name", ColumnKeyring.random())[0]
    with pytest.raises(SealBroken, match=r"column 'c0', partition 7.* 1 sealed.* from 0: 44\)"):
        run(made({"c0": "name"}, kms, forward=False), batches({"c0": sealed, "c1": sealed}, [20, 10]))


def test_an_error_of_arrow_is_told_without_its_words(
    kms: FileKmsAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_HIDE_TRACEBACK", "")
    how: Columns = {"c0": ColumnRule("text", as_type="int64")}
    sealed = columns.protect(pa.array(["Smith"]), "text", KEYRING)
    with pytest.raises(ValueError, match="column 'c0', partition 7") as refused:
        run(made(how, kms, forward=False), batches({"c0": sealed, "c1": [1]}, []))
    assert "Smith" not in str(refused.value)


def test_what_travels_holds_no_key(kms: FileKmsAddress) -> None:
    sent = cloudpickle.dumps(made({"c0": "ssn", "c1": "name"}, kms))
    secrets = [
        *KEYRING._pseudorandom.values(),
        KEYRING.ff1(),
        KEYRING.tweak("ssn"),
        KEYRING._derive(None, "seal"),
    ]
    assert not [secret for secret in secrets if secret in sent or secret.hex().encode() in sent]
    assert len(sent) < 5000, "no module travels, only its name"
    shown = repr(pickle.loads(sent))
    assert "wrapped" not in shown
    assert kms.path in shown


def test_another_kms_opens_nothing(
    kms: FileKmsAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_HIDE_TRACEBACK", "")
    FileKms.create(tmp_path / "other.key", "secret")
    mine = made({"c0": "ssn"}, kms)
    other = ColumnWork(
        mine.steps,
        mine.wrapped,
        FileKmsAddress(str(tmp_path / "other.key"), "CONFIDE_X"),
        SEED,
        streams=False,
    )
    given_rows = batches({"c0": ["078-05-1120"], "c1": [1]}, [])
    with pytest.raises(KeyUnavailable, match="no CONFIDE_X"):
        run(other, given_rows)
    monkeypatch.setenv("CONFIDE_X", "secret")
    with pytest.raises(SealBroken):
        run(other, given_rows)


@pytest.mark.parametrize("missing", ["pyspark", "pyarrow"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    program = f"""
import sys
sys.modules[{missing!r}] = None
from confide.errors import Misconfigured
try:
    import confide.spark
except Misconfigured as told:
    assert "confide[spark]" in str(told)
else:
    sys.exit("it came in")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_address_is_for_every_machine() -> None:
    with pytest.raises(Misconfigured, match="root"):
        FileKmsAddress("spark.key")
