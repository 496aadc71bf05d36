"""A log made by hand, without the sequencer: leaves, tiles, checkpoints, an export. An oracle."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from confide.audit.notes import Head, Kind, SigningKey

LOG = SigningKey("elm.example/journal", Kind.NOTE, bytes(range(32)))
OTHER = SigningKey("elm.example/journal", Kind.NOTE, bytes(range(1, 33)))
WITNESS = SigningKey("witness.example/1", Kind.COSIGNATURE, bytes(range(2, 34)))


def levels(leaves: list[bytes]) -> list[list[bytes]]:
    """The complete subtrees of each height, 0 first."""
    rows = [leaves]
    while len(rows[-1]) > 1:
        row = rows[-1]
        rows.append([_node(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)])
    return rows


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is written there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return _node(root(leaves[:k]), root(leaves[k:]))


def fast_root(leaves: list[bytes]) -> bytes:
    """The same for many leaves: over the complete subtrees, from the right."""
    rows, size, found = levels(leaves), len(leaves), None
    for height, row in enumerate(rows):
        if size >> height & 1:
            found = row[-1] if found is None else _node(row[(size >> height) - 1], found)
    return found if found is not None else sha256(b"").digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def frontier(leaves: list[bytes]) -> list[bytes]:
    rows, size = levels(leaves), len(leaves)
    return [rows[h][(size >> h) - 1] for h in reversed(range(size.bit_length())) if size >> h & 1]


def sign(leaves: list[bytes], key: SigningKey = LOG) -> str:
    """A checkpoint of this tree."""
    text = str(Head(key.name, len(leaves), fast_root(leaves)))
    return f"{text}\n{key.sign(text)}"


def cosign(note: str, at: Any, key: SigningKey = WITNESS) -> str:
    text = note.partition("\n\n")[0] + "\n"
    return f"{note}{key.cosign(text, at)}"


def publish(folder: Path, leaves: list[bytes], key: SigningKey = LOG) -> str:
    """Write checkpoint and tiles; return the checkpoint."""
    rows = levels(leaves)
    for level in range(8):
        hashes = rows[8 * level] if 8 * level < len(rows) else []
        for index in range(0, len(hashes), 256):
            tile = hashes[index : index + 256]
            name = f"{index // 256 % 1000:03}"
            if index // 256 >= 1000:
                name = f"x{index // 256 // 1000:03}/{name}"
            path = folder / "tile" / str(level) / (name if len(tile) == 256 else f"{name}.p/{len(tile)}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(tile))
    note = sign(leaves, key)
    (folder / "checkpoint").write_text(note)
    return note


def leaf(n: int, salt: str = "") -> bytes:
    return sha256(f"{salt}{n}".encode()).digest()


# Exports


def entry(n: int, **changes: Any) -> dict[str, Any]:
    """The n-th entry of a small practice: a few patients, a few sessions, and lines about nobody."""
    return {
        "action": "reveal",
        "actor": f"person-{n % 3}",
        "actor_kind": "person",
        "address": "192.0.2.7",
        "at": f"2026-03-02T{9 + n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z",
        "body_sha256": "",
        "credential": "" if n % 7 == 6 else f"session-{n % 4}",
        "elements": {"ssn": "clear"} if n % 3 == 0 else {"name": "clear"},
        "outcome": "0",
        "patient": "" if n % 5 == 4 else f"patient-{n % 6}",
        "practice": "elm",
        "purpose": "TREAT",
        "reason_sealed": "",
        "resource_id": f"r{n}",
        "resource_type": "Patient",
        "role": "clinician",
        "version": 1,
        **changes,
    }


def lines(count: int, changes: Callable[[int], dict[str, Any]] = lambda _: {}) -> list[dict[str, Any]]:
    """Lines of an export, and the leaf that each should have in its key ``leaf``."""
    counts: dict[Any, int] = {}
    made = []
    for n in range(count):
        told = entry(n, **changes(n))
        numbers = []
        for key in (("p", told["practice"], told["patient"]), ("c", told["credential"])):
            counts[key] = counts.get(key, 0) + 1
            numbers.append(counts[key] if key[-1] else 0)
        made.append(seal(n, 3 * n + 1, *numbers, told))
    return made


def seal(
    position: int, id_: int, of_patient: int, of_credential: int, told: dict[str, Any]
) -> dict[str, Any]:
    writing = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    hashed = sha256(b"\x00" + writing).digest()
    numbers = b"".join(n.to_bytes(8, "big") for n in (id_, of_patient, of_credential))
    return {
        "position": position,
        "id": id_,
        "of_patient": of_patient,
        "of_credential": of_credential,
        "hash": b64encode(hashed).decode(),
        "entry": told,
        "leaf": sha256(b"\x00" + hashed + numbers).digest(),
    }


def export(
    made: list[dict[str, Any]], start: int = 0, every: int = 16, key: SigningKey = LOG
) -> list[dict[str, Any]]:
    """An export of all or the last part of a log, with a checkpoint every so many entries."""
    leaves = [line["leaf"] for line in made]
    first = {
        "confide": "journal/1",
        "origin": key.name,
        "start": start,
        "frontier": [b64encode(peak).decode() for peak in frontier(leaves[:start])] if start else [],
        "checkpoint": sign(leaves, key),
    }
    told: list[dict[str, Any]] = [first]
    for line in made[start:]:
        told.append({name: value for name, value in line.items() if name != "leaf"})
        if (line["position"] + 1) % every == 0:
            told.append({"checkpoint": sign(leaves[: line["position"] + 1], key)})
    return told


def write(path: Path, told: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in told), encoding="utf-8")
    return path
