"""Check an export of Confide's journal with this one file and public keys.

    python standalone.py EXPORT --log-key VKEY [--witness-key VKEY ...] [--checkpoint FILE]

It needs Python 3.11 and `cryptography`, no Confide and no database; read it before you believe it. Exit code:
0 nothing is wrong, 1 something is (the first such entry is named), 2 wrong usage.

Source: RFC 6962 section 2.1 (tree); C2SP signed-note, tlog-checkpoint and tlog-cosignature (signatures).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from base64 import b64decode
from collections.abc import Iterable
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Keys = dict[tuple[str, bytes], bytes]  # public keys by name and id
BROKEN = OSError, LookupError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError
NOTE = r"(?:[^\n]+\n)+\n(?:\u2014 [^\n]+\n?)+"


class Wrong(Exception):
    """Something is not as it was sealed; the message says what and where."""


class Head(NamedTuple):
    """A checkpoint whose signatures were checked: so many leaves, this root, signed by these keys."""

    size: int
    root: bytes
    signers: frozenset[tuple[str, bytes]]


def read_keys(texts: Iterable[str], kind: int) -> Keys:
    """Read vkeys, ``name+id+base64(kind || Ed25519 public key)``; kind 1 is a log's, 4 a witness's."""
    keys = {}
    for text in texts:
        name, ident, material = text.strip().split("+", 2)
        key = b64decode(material, validate=True)
        if key[0] != kind or sha256(f"{name}\n".encode() + key).digest()[:4] != bytes.fromhex(ident):
            raise ValueError("not a key of that kind, or its id does not fit")
        keys[name, bytes.fromhex(ident)] = key[1:]
    return keys


def open_note(note: str, logs: Keys, witnesses: Keys) -> Head:
    """Check a checkpoint's signatures; unknown ones are passed over, the log's own must be there."""
    signers = set()
    try:
        text, lines = note.rstrip("\n").rsplit("\n\n", 1)
        origin, size, root = text.split("\n")[:3]
        for _, name, blob in (line.split(" ") for line in lines.split("\n")):
            raw = b64decode(blob, validate=True)
            if key := witnesses.get(who := (name, raw[:4])):
                said = f"cosignature/v1\ntime {int.from_bytes(raw[4:12], 'big')}\n{text}\n".encode()
                Ed25519PublicKey.from_public_bytes(key).verify(raw[12:], said)
                signers.add(who)
            elif name == origin and (key := logs.get(who)):
                Ed25519PublicKey.from_public_bytes(key).verify(raw[4:], f"{text}\n".encode())
                signers.add(who)
        head = Head(int(size), b64decode(root, validate=True), frozenset(signers))
    except InvalidSignature:
        raise Wrong("a checkpoint's signature is not of the key that it names") from None
    except ValueError:
        raise Wrong("a checkpoint is not a signed note") from None
    if not signers & logs.keys():
        raise Wrong("a checkpoint is not signed by the log's key")
    return head


def join(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node of the tree."""
    return sha256(b"\x01" + left + right).digest()


def hash_leaf(line: dict[str, Any]) -> bytes:
    """The leaf of one line: the entry is written again, hashed, and joined to its id and running counts."""
    entry = b64decode(line["hash"], validate=True)
    if "entry" in line:  # another practice's entry is told by its hash alone
        writing = json.dumps(line["entry"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if entry != sha256(b"\x00" + writing.encode()).digest():
            raise Wrong("its text is not what was hashed when it was written")
    numbers = (line["id"], line["of_patient"], line["of_credential"])
    return sha256(b"\x00" + entry + b"".join(n.to_bytes(8, "big") for n in numbers)).digest()


def check_line(line: dict[str, Any], size: int, seen: dict[Any, int], start: int) -> bytes:
    """Check one entry; the n-th about a patient, and the m-th of a credential, follow the ones before."""
    try:
        if line["position"] != size:
            raise Wrong(f"it says position {line['position']}: an entry is missing, added or moved")
        leaf, entry = hash_leaf(line), line.get("entry")
        if entry is None:
            seen[()] = seen.get((), 0) + 1
            return leaf
        about = (entry["practice"], entry["patient"]) if entry["patient"] else None
        both = ("of_patient", about, False), ("of_credential", entry["credential"], () in seen)
        for what, key, gaps in both:
            told = line[what]
            least = seen.get(key, told - 1 if start or gaps else 0) + 1 if key else 0
            if told < max(least, bool(key)) or (told > least and not (gaps and key)):
                raise Wrong(f"{what} is {told} and does not follow: an entry is missing, added or moved")
            seen[key] = told if key else 0
    except (*BROKEN, Wrong) as wrong:
        why = wrong if isinstance(wrong, Wrong) else "it is not an entry's line"
        raise Wrong(f"entry {size} (id {line.get('id')}): {why}") from None
    return leaf


def check_export(first: dict[str, Any], lines: Iterable[dict[str, Any]], kept: list[Head], keys: Any) -> str:
    """Check every entry, and the root at every checkpoint that the export has or that was kept elsewhere."""
    start = size = sound = first["start"]
    peaks = [b64decode(peak) for peak in first["frontier"]]  # roots of full subtrees, the largest first
    heads = [head for head in [*kept, open_note(first["checkpoint"], *keys)] if head.size]
    heads.sort(reverse=True)
    longest, signers, seen = max([0, *(head.size for head in heads)]), set[Any](), dict[Any, int]()
    if start and (len(peaks) != start.bit_count() or heads[-1].size <= start):
        raise Wrong("the export begins after a checkpoint that it is compared with: export from before it")
    for line in lines:
        if "checkpoint" in line:
            heads.append(open_note(line["checkpoint"], *keys))
        else:
            leaf, before = check_line(line, size, seen, start), size
            while before & 1:
                leaf, before = join(peaks.pop(), leaf), before >> 1
            peaks.append(leaf)
            size += 1
        while heads and heads[-1].size <= size:
            head = heads.pop()
            if (head.size, head.root) != (size, reduce(lambda right, left: join(left, right), peaks[::-1])):
                raise Wrong(f"entry {sound} or one after it: not what was sealed in checkpoint {head.size}")
            sound, signers = size, signers | head.signers
    if size != longest:
        raise Wrong(f"entry {size}: cut off here, or added; the largest checkpoint is of {longest} entries")
    if keys[1].keys() - signers:
        raise Wrong("a witness whose key was given has cosigned none of the checkpoints")
    hidden = f" ({seen[()]} of other practices by their hashes)" if () in seen else ""
    return f"{size - start} entries are as they were sealed, from {start} to {size - 1}{hidden}"


def check_file(export: Path, notes: list[str], keys: tuple[Keys, Keys]) -> str:
    """Check one file, with checkpoints that were kept elsewhere."""
    try:
        kept = [open_note(note, *keys) for note in notes]
        with export.open(encoding="utf-8") as file:
            lines = map(json.loads, file)
            return check_export(next(lines, {}), lines, kept, keys)
    except BROKEN as wrong:
        raise Wrong(f"a file cannot be read ({type(wrong).__name__})") from None


def main() -> None:
    """Check one file."""
    parser = argparse.ArgumentParser(description="Check an export of the journal.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--log-key", action="append", required=True)
    parser.add_argument("--witness-key", action="append", default=[])
    parser.add_argument("--checkpoint", type=Path, help="what a witness kept: one checkpoint, or several")
    args = parser.parse_args()
    try:
        keys = read_keys(args.log_key, 1), read_keys(args.witness_key, 4)
        notes = re.findall(NOTE, args.checkpoint.read_text("utf-8")) if args.checkpoint else []
    except BROKEN as wrong:
        parser.error(f"a key or the witness's file cannot be read ({type(wrong).__name__})")
    if args.checkpoint and not notes:
        sys.exit("WRONG: the witness's file holds no checkpoint")
    try:
        sys.stdout.write(f"{check_file(args.export, notes, keys)}\n")
    except Wrong as wrong:
        sys.exit(f"WRONG: {wrong}")


if __name__ == "__main__":
    main()
