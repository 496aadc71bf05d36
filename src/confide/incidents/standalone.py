"""Check the evidence bundle of an incident with this folder and public keys: no Confide, no database.

    python check.py --log-key VKEY [--witness-key VKEY ...]

It lies in the bundle as check.py, beside standalone.py, which checks the journal. Four things are shown:
every file is the one that was put in; the journal's entries are as they were sealed; the scope is exactly
what those entries say; and one of them is that by which exactly this scope was frozen. Exit code: 0 nothing
is wrong, 1 something is.
"""

from __future__ import annotations

import argparse
import json
import sys
from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

SEEING = ("read", "search", "reveal", "export")
FORMS = ("clear", "masked", "searched")
ORDER = (
    "name", "birth-date", "phone", "email", "address", "ssn", "mrn", "licence", "passport", "member-id",
    "account", "card", "identifier", "contact", "photo", "date", "clinical", "document",
)  # fmt: skip


def main() -> None:
    """Check the folder in which this file lies."""
    parser = argparse.ArgumentParser(description="Check the evidence bundle of an incident.")
    parser.add_argument("--log-key", action="append", required=True)
    parser.add_argument("--witness-key", action="append", default=[])
    args = parser.parse_args()
    folder = Path(__file__).resolve().parent
    sys.path.insert(0, str(folder))
    import standalone  # type: ignore[import-not-found]

    try:
        for said in check(folder, standalone, args.log_key, args.witness_key):
            sys.stdout.write(f"{said}\n")
    except (standalone.Wrong, OSError, LookupError, TypeError, ValueError) as wrong:
        sys.exit(f"WRONG: {wrong}")


def check(folder: Path, journal: Any, logs: list[str], witnesses: list[str]) -> list[str]:
    """Return what was found to be right.

    Raises:
        ValueError: Something is not.
    """
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    there = {name for name in there if "__pycache__" not in name} - {"manifest.json"}
    if there != set(manifest["files"]):
        strange = sorted(there ^ set(manifest["files"]))
        raise ValueError(f"{strange[0]} is not in the manifest, or not here")
    for name, told in manifest["files"].items():
        if sha256((folder / name).read_bytes()).hexdigest() != told:
            raise ValueError(f"{name} is not the file that was put in")
    said = [f"{len(manifest['files'])} files are as they were put in"]
    keys = journal.read_keys(logs, 1), journal.read_keys(witnesses, 4)
    said.append(journal.check_file(folder / "journal.ndjson", [], keys))
    head = json.loads((folder / "scope.json").read_text("utf-8"))
    lines = (folder / "scope.tsv").read_bytes().splitlines(keepends=True)
    hashed = sha256(json.dumps(head["digest_of"], sort_keys=True, separators=(",", ":")).encode() + b"\n")
    for line in lines:
        hashed.update(line)
    if hashed.hexdigest() != head["digest"]:
        raise ValueError("the scope is not the one that was frozen")
    said.append(f"the scope of {len(lines)} records is the one that was frozen")
    if count(lines) != {name: head[name] for name in ("records", "states", "elements")}:
        raise ValueError("the figures of scope.json are not those of its records")
    said.append(anchor(folder, head))
    said.append(compare(folder, head, lines))
    if not head["digest_of"]["sound"]:
        said.append("NOTE: when it was counted, the journal did not verify")
    return said


def count(lines: list[bytes]) -> dict[str, Any]:
    """Count the records by state, and by element and form."""
    states: dict[str, int] = {}
    elements: dict[str, dict[str, int]] = {}
    for line in lines:
        _, _, shown, state, _, _ = line.decode().rstrip("\n").split("\t")
        states[state] = states.get(state, 0) + 1
        for place, element in enumerate(ORDER):
            bits = int(shown) >> (3 * place) & 7
            clearest = next((form for i, form in enumerate(FORMS) if bits >> i & 1), None)
            if clearest is not None:
                forms = elements.setdefault(element, {})
                forms[clearest] = forms.get(clearest, 0) + 1
    return {"records": len(lines), "states": states, "elements": elements}


def entries(folder: Path) -> Iterator[dict[str, Any]]:
    """Read the journal's entries that are written out."""
    with (folder / "journal.ndjson").open(encoding="utf-8") as file:
        for written in file:
            entry = json.loads(written).get("entry")
            if entry is not None:
                yield entry


def anchor(folder: Path, head: dict[str, Any]) -> str:
    """Look for the entry by which exactly this scope was frozen: nobody can have made it up since."""
    last, nameless = "", False
    for entry in entries(folder):
        last = max(last, stamp(entry["at"]))
        if entry["action"] == "incident-freeze" and entry["resource_id"] == head["digest_of"]["incident"]:
            if b64decode(entry["body_sha256"]).hex() == head["digest"]:
                return "the journal has the entry by which exactly this scope was frozen"
            nameless = nameless or not entry["body_sha256"]
    frozen = datetime.fromisoformat(head["frozen_at"])
    if not nameless and last and datetime.fromisoformat(last) > frozen + timedelta(minutes=10):
        raise ValueError("the journal has no entry by which this scope was frozen")
    return "NOTE: the journal does not say yet, or not by its hash, that this scope was frozen"


def compare(folder: Path, head: dict[str, Any], lines: list[bytes]) -> str:
    """Count again from the journal's entries, and compare record by record."""
    question = head["digest_of"]["question"]
    if question.get("copy"):
        return "a copy of the store is counted from what is stored; the journal cannot show that"
    kept = {}
    for line in lines:
        practice, patient, shown, _, first, last = line.decode().rstrip("\n").split("\t")
        kept[practice, patient] = (int(shown), first, last)
    found: dict[tuple[str, str], tuple[int, str, str]] = {}
    nobody: set[str] = set()
    for entry in entries(folder):
        if not reached(entry, question, head["practices"]):
            continue
        seen, at = pack(entry["elements"]), stamp(entry["at"])
        if seen and entry["patient"] in head["honey"]:
            nobody.add(entry["patient"])
        elif seen:
            before = found.get((entry["practice"], entry["patient"]), (0, at, at))
            found[entry["practice"], entry["patient"]] = (
                before[0] | seen, min(before[1], at), max(before[2], at),
            )  # fmt: skip
    if found != kept:
        wrong = sorted(key for key in {*found, *kept} if found.get(key) != kept.get(key))
        raise ValueError(
            f"the scope is not what the journal says: {len(wrong)} records differ, first {wrong[0]}"
        )
    left = f"; {len(nobody)} more are left out as synthetic, which is the holder's word" if nobody else ""
    return f"the journal's entries say exactly these {len(found)} records{left}"


def reached(entry: dict[str, Any], question: dict[str, Any], practices: list[str]) -> bool:
    """Tell whether an entry is one that the question asks for."""
    if entry["outcome"] != "0" or not entry["patient"] or (practices and entry["practice"] not in practices):
        return False
    if entry["resource_type"] == "Export" and entry["resource_id"] in question.get("exports", ()):
        return bool(entry["action"] == "export")
    if entry["action"] not in SEEING:
        return False
    at = datetime.fromisoformat(entry["at"])
    if not datetime.fromisoformat(question["since"]) <= at < datetime.fromisoformat(question["until"]):
        return False
    named = (("actor", "actors"), ("credential", "credentials"), ("address", "addresses"))
    return any(entry[one] in question.get(many, ()) for one, many in named)


def pack(elements: dict[str, str]) -> int:
    """Return elements and forms as the scope writes them: three bits for each."""
    return sum(
        1 << (3 * ORDER.index(element) + FORMS.index(form))
        for element, form in elements.items()
        if element in ORDER and form in FORMS
    )


def stamp(at: str) -> str:
    """Return a moment as the scope writes it."""
    return datetime.fromisoformat(at).isoformat(timespec="microseconds")


if __name__ == "__main__":
    main()
