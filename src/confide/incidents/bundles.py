"""Evidence of an incident: pieces by their hash, and one sealed bundle that verifies without Confide.

A bundle is a ZIP file, encrypted to an age key while it is made, so that nothing of it is ever in clear on
the disk. It has the journal's export, the frozen scope record by record, the evidence, the incident as
VERIS, and two short scripts that check all of it. Ids are in it, no values.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import IO, Any, Final, cast

from confide.access.decide import Grant
from confide.audit import extract
from confide.audit import standalone as journal_check
from confide.errors import Invalid, Unavailable
from confide.incidents import scopes, standalone, veris
from confide.incidents.cases import Cases, storing
from confide.incidents.course import Act
from confide.incidents.exhibits import LARGEST, Kind, keep, read
from confide.incidents.models import Exhibit, Incident, Scope
from confide.vault.door import Clock

_README: Final = """\
Evidence of incident {id}, scope version {version}.

    python check.py --log-key "{key}"

checks, with Python 3.11 and the package cryptography, that each file is the one that was put in, that the
journal's entries are as they were sealed, that the scope is exactly what those entries say, and that one of
them is that by which exactly this scope was frozen. Compare the key with the one that you got by hand. Read
check.py and standalone.py before you believe them.

journal.ndjson   the journal's tree from before the window on; entries of others as their hashes
scope.json       what was asked and counted; scope.tsv: practice, patient, shown, state, first, last
veris.json       the incident in the VERIS schema
evidence/        pieces of evidence, by name
"""


class Bundles:
    """The evidence of one installation's incidents.

    Args:
        cases: The incidents.
        clock: Returns now, aware UTC.
    """

    def __init__(self, cases: Cases, clock: Clock) -> None:
        self._cases = cases
        self._clock = clock

    def add(self, grant: Grant, incident: Incident, name: str, kind: Kind, content: bytes) -> Exhibit:
        """Keep a piece of evidence; it cannot be changed or removed.

        Args:
            grant: The privacy officer's.
            incident: Of which it is evidence.
            name: Of the file, without folders.
            kind: What it is.
            content: 1 byte to 64 MiB; it is kept sealed.

        Raises:
            Invalid: The name or the size is not.
        """
        self._cases.require_lead(grant)
        if not name or len(name) > 100 or name != Path(name).name or name.startswith("."):
            raise Invalid("a piece of evidence has a file's name of up to 100 letters")
        if not 0 < len(content) <= LARGEST:
            raise Invalid("a piece of evidence has from 1 byte to 64 MiB")
        if incident.exhibits.filter(name=name).exists():
            raise Invalid("there is a piece of evidence of that name already")
        with storing():
            made = keep(self._cases, incident, name, kind, content, grant.actor.id, self._clock())
            self._cases.record(grant, incident, Act.EXHIBIT, f"{kind} {bytes(made.sha256).hex()}")
        return made

    def write(
        self, grant: Grant, incident: Incident, scope: Scope, path: Path, recipient: str, log_key: str,
        honey: Iterable[str] = (),
    ) -> str:  # fmt: skip
        """Write the sealed bundle; it has its name when it is whole.

        Args:
            grant: The privacy officer's.
            incident: Of which.
            scope: Frozen.
            path: A file that does not exist.
            recipient: An age public key.
            log_key: The journal's public key, for the reader's convenience.
            honey: Ids that were left out of the scope.

        Returns:
            The file's SHA-256 in hexadecimal digits; it stands in the timeline.

        Raises:
            Invalid: The scope is not frozen, the key is none, or the file is there.
            Unavailable: The file cannot be written.
        """
        self._cases.require_lead(grant)
        if scope.frozen_at is None:
            raise Invalid("a bundle holds a frozen scope (confide incident freeze)")
        if path.exists():
            raise Invalid("the file is there already (another name, or remove it)")
        members = self._members(incident, scope, log_key, sorted(honey))
        beside = path.with_name(f".{path.name}.part")
        try:
            with os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
                _seal(members, file, recipient)
                file.flush()
                os.fsync(file.fileno())
            with beside.open("rb") as file:
                written = hashlib.file_digest(file, "sha256").hexdigest()
            sha256 = bytes.fromhex(written)
            with storing():
                about = f"version {scope.version} {written}"
                self._cases.record(grant, incident, Act.BUNDLE, about, sha256=sha256)
            beside.rename(path)
        except OSError as problem:
            raise Unavailable(f"the bundle cannot be written ({type(problem).__name__})") from None
        finally:
            beside.unlink(missing_ok=True)
        return written

    def _members(
        self, incident: Incident, scope: Scope, log_key: str, honey: list[str]
    ) -> Iterator[tuple[str, Iterable[bytes]]]:
        reach = scopes.reach(incident)
        practice = reach[0] if reach else None
        journal = extract.extract(practice, scopes.begin(scope))
        yield "journal.ndjson", (line.encode() for line in journal)
        told = {
            "digest_of": scopes.digest_of(scope),
            "digest": bytes(scope.digest).hex(),
            "practices": list(reach),
            "honey": honey,
            "records": scope.records,
            "states": scope.states,
            "elements": scope.elements,
            "proof": scope.proof,
            "frozen_at": _iso(scope.frozen_at),
        }
        yield "scope.json", [json.dumps(told, indent=1).encode()]
        yield "scope.tsv", scopes.lines(scope)
        yield "veris.json", [json.dumps(veris.describe(incident, scope), indent=1).encode()]
        for exhibit in incident.exhibits.order_by("name").iterator(chunk_size=1):
            yield f"evidence/{exhibit.name}", [read(self._cases, exhibit)]
        yield "check.py", [_source(standalone)]
        yield "standalone.py", [_source(journal_check)]
        yield "README.txt", [_README.format(id=incident.pk, version=scope.version, key=log_key).encode()]


def _seal(members: Iterable[tuple[str, Iterable[bytes]]], file: IO[bytes], recipient: str) -> None:
    """Encrypt a ZIP of *members* while it is made."""
    import pyrage
    from pyrage import x25519

    try:
        key = x25519.Recipient.from_str(recipient.strip())
    except (pyrage.RecipientError, ValueError):
        raise Invalid("the recipient is no age public key (age1...)") from None
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def encrypt() -> None:
        try:
            with os.fdopen(reading, "rb") as source:
                pyrage.encrypt_io(source, cast("Any", file), [key])
        except BaseException as problem:  # noqa: BLE001 - told to the thread that waits
            failed.append(problem)

    hand = Thread(target=encrypt, name="confide-seal")
    hand.start()
    try:
        with os.fdopen(writing, "wb") as pipe, zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as packed:
            hashes = {name: _pack(packed, name, parts) for name, parts in members}
            manifest = json.dumps({"confide": "evidence/1", "files": hashes}, indent=1)
            packed.writestr("manifest.json", manifest)
    finally:
        hand.join()
    if failed:
        raise Unavailable(f"the bundle cannot be written ({type(failed[0]).__name__})")


def _pack(packed: zipfile.ZipFile, name: str, parts: Iterable[bytes]) -> str:
    hashed = hashlib.sha256()
    told = zipfile.ZipInfo(name)
    told.compress_type = zipfile.ZIP_DEFLATED
    with packed.open(told, "w", force_zip64=True) as member:
        for part in parts:
            hashed.update(part)
            member.write(part)
    return hashed.hexdigest()


def _source(module: Any) -> bytes:
    return Path(module.__file__).read_bytes()


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()
