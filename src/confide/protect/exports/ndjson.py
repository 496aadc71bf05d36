"""Exported resources as NDJSON: one resource a line, one type a file."""

from __future__ import annotations

from typing import Protocol

from confide.fhir import json
from confide.protect.exports.exporter import Exported


class Sink(Protocol):
    """Where a writer puts its bytes, one after the other; an encrypting stream is one."""

    def write(self, data: bytes, /) -> object: ...


class NdjsonWriter:
    """Writes the resources of one type, each at once: nothing is held in memory.

    Source:
        FHIR Bulk Data Access, media type ``application/fhir+ndjson``.
    """

    suffix = ".ndjson"

    def __init__(self, sink: Sink, type: str) -> None:
        self._sink = sink
        self.type = type
        self.rows = 0

    def write(self, exported: Exported) -> None:
        """Append one resource of this writer's type."""
        self._sink.write(json.format(exported.resource) + b"\n")
        self.rows += 1

    def close(self) -> None:
        """Finish the file; the sink stays open, it is the caller's."""
