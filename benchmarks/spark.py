"""Columns on a local Spark cluster of two workers with one core each."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import Figure, LeftOut, benchmark
from tools import outside

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS = 1_000_000
PARTS = 8


@benchmark
def columns_on_spark() -> Iterator[Figure]:
    """SSN by FF1 and name sealed, from Parquet to nowhere; and the same way with nothing done."""
    java = outside.java()
    if java is None:
        raise LeftOut(outside.NO_JAVA)
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    from confide.spark import ColumnKeyring, FileKms, FileKmsAddress, protect, reveal
    from tools import spark

    with (
        tempfile.TemporaryDirectory(prefix="confide-bench-") as name,
        spark.cluster(java, memory="1g", options="-XX:+UseParallelGC") as cluster,
        spark.session(cluster) as session,
    ):
        folder = Path(name)
        FileKms.create(folder / "spark.key")
        keys = {"keyring": ColumnKeyring.random(), "kms": FileKmsAddress(str(folder / "spark.key"))}
        _write(folder / "people")
        people = session.read.parquet(str(folder / "people"))
        columns = {"ssn": "ssn", "name": "name"}
        protected = protect(people, columns, **keys)
        protected.write.parquet(str(folder / "protected"))
        back = reveal(session.read.parquet(str(folder / "protected")), columns, **keys)
        ways = {
            "through Arrow and Python, unchanged": people.mapInArrow(lambda batches: batches, people.schema),
            "SSN by FF1": protect(people, {"ssn": "ssn"}, **keys),
            "SSN by FF1, name sealed": protected,
            "the same, revealed": back,
        }
        for what, frame in ways.items():
            yield Figure(f"Spark, 2 workers: {what}", ROWS / _took(frame), "rows/s")


def _write(folder: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir()
    size = ROWS // PARTS
    for part in range(PARTS):
        numbers = range(part * size, (part + 1) * size)
        table = pa.table(
            {
                "id": pa.array(numbers, pa.int64()),
                "ssn": [f"{1 + i % 898:03}-{1 + i % 99:02}-{1 + i % 9_999:04}" for i in numbers],
                "name": [f"Person {os.urandom(4).hex()}" for _ in numbers],
            }
        )
        parquet.write_table(table, folder / f"{part}.parquet")


def _took(frame: DataFrame) -> float:
    """Seconds, the better of two: the first one starts the Python workers."""
    times = []
    for _ in range(2):
        started = time.perf_counter()
        frame.write.format("noop").mode("overwrite").save()
        times.append(time.perf_counter() - started)
    return min(times)
