"""Writes an approved export: encrypted files, one per type, in a folder that is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final, Protocol

from confide.access import destinations
from confide.access.decide import Grant
from confide.errors import AccessDenied, Misconfigured
from confide.protect.exports.exporter import Exported
from confide.protect.exports.ndjson import NdjsonWriter, Sink
from confide.protect.exports.plan import at_rest, person_types
from confide.records.cohorts import Cohort
from confide.records.parcel import Parcel, Sealed
from confide.vault.exports import State, policy_of, unpack
from confide.vault.models import Export
from confide.vault.release import Opening, Release

MANIFEST: Final = "manifest.json"
FORMATS: Final = ("ndjson", "parquet")
_BUFFER: Final = 1 << 18


class Writer(Protocol):
    """Makes a file of exported resources; `NdjsonWriter` is one."""

    suffix: str
    rows: int

    def write(self, exported: Exported) -> None: ...

    def close(self) -> None: ...


def writer(format: str) -> Callable[[Sink, str], Writer]:
    """Return what writes a format.

    Raises:
        Misconfigured: What it needs is not installed.
    """
    if format == "ndjson":
        return NdjsonWriter
    try:
        from confide.protect.exports.parquet import ParquetWriter
    except ModuleNotFoundError:
        raise Misconfigured("Parquet needs pyarrow (pip install 'confide[columns]')") from None
    return ParquetWriter


Progress = Callable[[int, int], None]
"""Called with resources done and resources there are."""


class Outgoing:
    """Writes exports.

    Args:
        release: Opens what two people agreed to.
        clock: Returns now, aware UTC.
    """

    def __init__(self, release: Release, clock: Callable[[], datetime]) -> None:
        self._release = release
        self._clock = clock

    def run(self, grant: Grant, export: Export, progress: Progress = lambda _done, _total: None) -> Path:
        """Write an export, or finish one of which only the last step was missing.

        Args:
            grant: Of the person who has it written.
            export: Approved, or interrupted before.
            progress: Told how far it is.

        Returns:
            The folder with the files.

        Raises:
            AccessDenied: It may not be written, or is written already.
            Misconfigured: The destination's folder cannot be used.
            Unavailable: The disk is full, or another process writes there.
        """
        with Parcel(Path(export.destination.folder), export.id, export.destination.recipient) as parcel:
            export.refresh_from_db()
            if export.state == State.WRITTEN:
                if parcel.delivered or not parcel.complete:
                    raise AccessDenied("the export is written already (ask for it anew)")
                parcel.deliver()
                return parcel.path
            if parcel.delivered:
                raise Misconfigured(
                    "the destination has a folder with the export's id already (move it away)"
                )
            self._release.require(grant, export)
            parcel.discard()
            self._write(grant, export, parcel, progress)
            parcel.deliver()
        return parcel.path

    def _write(self, grant: Grant, export: Export, parcel: Parcel, progress: Progress) -> None:
        make = writer(export.format)
        policy = policy_of(export)
        kinds = person_types(at_rest()) | policy.shared_types
        kept = self._release.restricted(export)
        patients = [patient for patient in unpack(bytes(export.patients)) if str(patient) not in kept]
        cohort = Cohort(export.practice, patients, kinds, policy.shared_types)
        cohort.survey()
        opening = self._release.begin(grant.actor, export, cohort.held)
        done = 0

        def counted(kind: str) -> Iterator[Any]:
            nonlocal done
            for document in cohort.documents(kind):
                yield document
                done += 1
                if done % 100 == 0:
                    progress(done, cohort.total)

        files: list[dict[str, Any]] = []
        for kind in cohort.kinds:
            files += _add(parcel, make, kind, opening, counted(kind))
        progress(cohort.total, cohort.total)
        manifest = self._manifest(export, len(cohort.held), files)
        parcel.add(MANIFEST, [manifest])
        parcel.complete_all()
        opening.finish(manifest)

    def _manifest(self, export: Export, people: int, files: list[dict[str, Any]]) -> bytes:
        """What was written, for the journal and for the recipient; the same bytes for both."""
        place, policy = export.destination, policy_of(export)
        content = {
            "export": export.id,
            "written": self._clock().isoformat(timespec="seconds").replace("+00:00", "Z"),
            "destination": {
                "name": place.name,
                "recipient": place.recipient,
                "fingerprint": destinations.fingerprint(place.recipient),
            },
            "policy": {
                "name": policy.name,
                "title": policy.title,
                "basis": policy.basis,
                "sha256": policy.sha256.hex(),
            },
            "format": export.format,
            "patients": people,
            "resources": {file["type"]: file["rows"] for file in files},
            "files": files,
        }
        return json.dumps(content, indent=1).encode() + b"\n"


def _add(
    parcel: Parcel, make: Callable[[Sink, str], Writer], kind: str, opening: Opening, documents: Iterable[Any]
) -> list[dict[str, Any]]:
    """Write one type, if anything of it goes out."""
    exported = opening.export(documents)
    first = next(exported, None)
    if first is None:
        return []
    buffer = _Buffer()
    made = make(buffer, kind)
    sealed: Sealed = parcel.add(kind + made.suffix, _chunks(made, buffer, chain([first], exported)))
    return [
        {"name": sealed.name, "type": kind, "rows": made.rows, "size": sealed.size, "sha256": sealed.sha256}
    ]


class _Buffer:
    """What a writer has written and nobody has taken yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return taken


def _chunks(made: Writer, buffer: _Buffer, exported: Iterable[Exported]) -> Iterator[bytes]:
    for each in exported:
        made.write(each)
        if buffer.size >= _BUFFER:
            yield buffer.take()
    made.close()
    yield buffer.take()
