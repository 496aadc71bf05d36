"""A gate in a Spark job: its tasks leave marks and wait, so that a test sees where they are when it kills."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyspark import TaskContext

from tools.spark import MARK, wait


@dataclass(frozen=True)
class Mark:
    """A task that has come to the gate.

    Attributes:
        partition: Of the frame.
        node: The worker of the cluster that it runs on.
        attempt: Different for each task, also for the second run of the same one.
    """

    partition: int
    node: str
    attempt: int

    @classmethod
    def here(cls) -> Mark:
        task = TaskContext.get()
        return cls(task.partitionId(), os.environ[MARK].partition("/")[2], task.taskAttemptId())


@dataclass(frozen=True)
class Gate:
    """Lets batches through; a task of a partition from *first* on gives its first batch and waits.

    Attributes:
        folder: Where the marks are.
        first: The first partition that waits until :meth:`open`.
    """

    folder: Path
    first: int

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        mark = Mark.here()
        for number, batch in enumerate(batches):
            yield batch
            if number == 0:
                (self.folder / f"{mark.partition} {mark.node} {mark.attempt}").touch()
                if mark.partition >= self.first:
                    wait((self.folder / "open").exists, "the gate opens")
        time.sleep(0.02)  # so that neither of two workers does everything before the other has begun

    def marks(self) -> list[Mark]:
        """The tasks that have come here so far."""
        found = (path.name.split() for path in self.folder.iterdir() if path.name != "open")
        return [Mark(int(partition), node, int(attempt)) for partition, node, attempt in found]

    def waiting(self) -> set[str]:
        """The workers with a task that waits here now."""
        return {mark.node for mark in self.marks() if mark.partition >= self.first}

    def open(self) -> None:
        (self.folder / "open").touch()
