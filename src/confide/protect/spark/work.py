"""What runs on the workers of a cluster: a partition, batch by batch.

Spark runs a task again when its machine dies, and may then mix what the two runs gave: in a shuffle,
each reader has rows of the first or of the second. So both must give the same bytes, or rows are lost
and others come twice. Stand-ins do; seals are made repeatable, so that one call of ``protect`` always
gives the same DataFrame, and another call another one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import pyarrow as pa
from pyspark import TaskContext

from confide.errors import (
    BrokenCells,
    ConfideError,
    Invalid,
    KeyUnavailable,
    MalformedColumn,
    SealBroken,
)
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.spark.address import KmsAddress
from confide.protect.spark.steps import Step

PARTITION: Final = "partition"
"""The column that ``frames`` adds and the work takes away: a task may compute several partitions."""
BYTES_AT_A_TIME: Final = 64 << 20
"""A batch that is larger is worked on in parts: Spark may be told to put a whole partition into one."""


@dataclass(frozen=True, slots=True)
class ColumnWork:
    """What Spark sends to each worker and calls there, once per partition.

    Attributes:
        steps: The columns.
        wrapped: The keyring, under the Kms.
        kms: Where that is.
        seed: Public and random, of this one call.
        streams: Whether the frame is a stream, whose every batch is run by a query of its own.
    """

    steps: tuple[Step, ...]
    wrapped: bytes = field(repr=False)
    kms: KmsAddress
    seed: bytes
    streams: bool

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Work on a partition.

        Raises:
            ConfideError: With column, partition and row numbers, and never a value.
        """
        # For debugging, Spark can log all variables of a failed worker. Ours hold values and keys.
        os.environ.pop("SPARK_TRACEBACK_WITH_LOCALS", None)
        row = 0
        for batch in batches:
            size = max(1, batch.num_rows * BYTES_AT_A_TIME // max(batch.nbytes, 1))
            for start in range(0, max(batch.num_rows, 1), size):
                made = self._part(batch.slice(start, size), row + start)
                if isinstance(made, ConfideError):
                    os.environ["SPARK_HIDE_TRACEBACK"] = "1"  # one line for people; this process ends here
                    raise made
                yield made
            row += batch.num_rows

    def _part(self, batch: pa.RecordBatch, row: int) -> pa.RecordBatch | ConfideError:
        """The batch with its columns changed; or the error, to be raised where no value is in reach."""
        numbered = batch.schema.get_field_index(PARTITION)
        partition = batch.column(numbered)[0].as_py() if batch.num_rows else 0
        query = _query() if self.streams else ""
        step, made = None, batch
        try:
            keyring = unlock(self.wrapped, self.kms)
            for step in self.steps:
                own = keyring.repeatable(self.seed, query, step.position, partition, row)
                array = step.run(batch, own)
                made = made.set_column(step.position, made.schema.names[step.position], array)
        except Exception as error:  # noqa: BLE001 - Arrow repeats values in its messages
            return _told(error, step, partition, row)
        return made.remove_column(numbered)


def _query() -> str:
    """Which query this task belongs to, however often the task runs: Spark counts them."""
    task = TaskContext.get()
    if task is None:
        return ""
    return task.getLocalProperty("spark.sql.execution.id") or f"stage {task.stageId()}"


@lru_cache(maxsize=8)
def unlock(wrapped: bytes, kms: KmsAddress) -> ColumnKeyring:
    """Reach the Kms and unwrap the keyring; each process does it once.

    Raises:
        KeyUnavailable: The Kms cannot be reached from this machine.
        SealBroken: It is not the Kms under which the keyring was wrapped.
    """
    return ColumnKeyring.unwrap(kms.open(), wrapped)


def _told(error: Exception, step: Step | None, partition: int, row: int) -> ConfideError:
    """The error for Spark's logs: where, with rows counted in the partition, and never a value."""
    if step is None:  # the keyring could not be had
        if isinstance(error, ConfideError):
            return error.with_traceback(None)
        return KeyUnavailable(f"the KMS does not give the keyring ({type(error).__name__})")
    place = f"column {step.column!r}, partition {partition}"
    if isinstance(error, MalformedColumn):
        return MalformedColumn([row + each for each in error.rows], f"{error.what}, in {place}")
    if isinstance(error, BrokenCells):
        return SealBroken(f"{place}: {BrokenCells([row + each for each in error.rows])}")
    if isinstance(error, ConfideError):
        # A leaf may be made from something else than a sentence; its family is not.
        kind: type[ConfideError] = next(each for each in type(error).__mro__ if "__init__" not in vars(each))
        return kind(f"{place}, rows from {row} on: {error}")
    return Invalid(f"{place}, rows from {row} on: Arrow cannot do it ({type(error).__name__})")
