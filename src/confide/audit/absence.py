"""Check a proof that an element of a patient was not shown to somebody, with two files and public keys.

    python absence.py PROOF --log-key VKEY [--witness-key VKEY ...]

It stands beside `standalone.py`, which it uses, and needs no more than that does. The proof holds *all*
entries about the patient (they are numbered in the tree, so none can be left out) up to one that is later
than the window. Exit code: 0 it was not shown, 1 it was or the proof does not show it, 2 wrong usage.

Source: RFC 9162 section 2.1.3.2 (inclusion).
"""

from __future__ import annotations

import argparse
import json
import sys
from base64 import b64decode
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

try:
    from confide.audit.standalone import Keys, Wrong, hash_leaf, join, open_note, read_keys
except ModuleNotFoundError:  # on a machine without Confide the two files lie in one folder
    from standalone import (  # type: ignore[import-not-found,no-redef]
        Keys,
        Wrong,
        hash_leaf,
        join,
        open_note,
        read_keys,
    )


def check_absence(claim: dict[str, Any], lines: Iterable[dict[str, Any]], keys: tuple[Keys, Keys]) -> str:
    """Check that all entries about a patient are there, up to one after the window, and what they say."""
    head = open_note(claim["checkpoint"], *keys)
    begin, end = at, _ = [datetime.fromisoformat(claim[when]) for when in ("from", "to")]
    shown = []
    for nth, line in enumerate(lines, 1):
        entry, index, last, found = line["entry"], line["position"], head.size - 1, hash_leaf(line)
        if [entry["practice"], entry["patient"], line["of_patient"]] != [*claim["about"], nth]:
            raise Wrong(f"entry {index} (id {line['id']}): it is not number {nth} about this patient")
        for other in map(b64decode, line["proof"]):  # RFC 9162 section 2.1.3.2
            found = join(other, found) if index & 1 or index == last else join(found, other)
            while index == last and index and not index & 1:
                index = last = index >> 1
            index, last = index >> 1, last >> 1
        if last or found != head.root:
            raise Wrong(f"entry {line['position']} (id {line['id']}): it is not in the tree")
        at = datetime.fromisoformat(entry["at"])
        theirs = all(entry[who] == claim[who] for who in ("credential", "actor") if claim.get(who))
        if theirs and claim["element"] in entry["elements"] and begin <= at < end:
            shown.append(str(line["position"]))
    if at < end or keys[1].keys() - head.signers:
        raise Wrong(
            "it is not closed: an entry later than the window, or the witness's cosignature, is missing"
        )
    if shown:
        raise Wrong(f"it was shown, written or searched for: entries {', '.join(shown)}")
    return "it was not shown: all entries about the patient are here, and none in the window tells of it"


def main() -> None:
    """Check one file."""
    parser = argparse.ArgumentParser(description="Check a proof that something was not shown.")
    parser.add_argument("proof", type=Path)
    parser.add_argument("--log-key", action="append", required=True)
    parser.add_argument("--witness-key", action="append", default=[])
    args = parser.parse_args()
    try:
        keys = read_keys(args.log_key, 1), read_keys(args.witness_key, 4)
        with args.proof.open(encoding="utf-8") as file:
            lines = map(json.loads, file)
            sys.stdout.write(f"{check_absence(next(lines), lines, keys)}\n")
    except (Wrong, OSError, LookupError, TypeError, ValueError, AttributeError, StopIteration) as wrong:
        what = wrong if isinstance(wrong, Wrong) else f"a file cannot be read ({type(wrong).__name__})"
        sys.exit(f"WRONG: {what}")


if __name__ == "__main__":
    main()
