"""Check a proof about the journal, with two files and public keys: something is in it, or was not shown.

    python proof.py PROOF --log-key VKEY [--witness-key VKEY ...]

It stands beside `standalone.py`, which it uses, and needs no more than that does. A proof of absence holds
*all* entries about a patient (they are numbered in the tree, so none can be left out) up to one that is later
than the window. Exit code: 0 it holds, 1 it does not (and what was shown), 2 wrong usage.
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
    from confide.audit.standalone import BROKEN, Head, Keys, Wrong, hash_leaf, join, open_note, read_keys
except ModuleNotFoundError:  # on a machine without Confide the two files lie in one folder
    from standalone import (  # type: ignore[import-not-found,no-redef]
        BROKEN,
        Head,
        Keys,
        Wrong,
        hash_leaf,
        join,
        open_note,
        read_keys,
    )


def check_inclusion(line: dict[str, Any], head: Head) -> None:
    """Check that one entry is in the tree, at the place that its line says.

    Source: RFC 9162 section 2.1.3.2.
    """
    index, last, node = line["position"], head.size - 1, hash_leaf(line)
    name = f"entry {index} (id {line['id']})"
    if not 0 <= index <= last:
        raise Wrong(f"{name}: the tree has no such place")
    for other in map(b64decode, line["proof"]):
        node = join(other, node) if index & 1 or index == last else join(node, other)
        while index == last and index and not index & 1:
            index = last = index >> 1
        index, last = index >> 1, last >> 1
    if last or node != head.root:
        raise Wrong(f"{name}: it is not in the tree")


def check_absence(claim: dict[str, Any], lines: Iterable[dict[str, Any]], head: Head) -> str:
    """Check that all entries about a patient are there, up to one after the window, and what they say."""
    begin, end = at, _ = [datetime.fromisoformat(claim[when]) for when in ("from", "to")]
    shown, nth = [], 0
    for nth, line in enumerate(lines, 1):
        entry = line["entry"]
        if [entry["practice"], entry["patient"], line["of_patient"]] != [*claim["about"], nth]:
            raise Wrong(f"entry {line['position']} (id {line['id']}): not number {nth} about this patient")
        check_inclusion(line, head)
        at = datetime.fromisoformat(entry["at"])
        theirs = all(entry[who] == claim[who] for who in ("credential", "actor") if claim.get(who))
        if theirs and claim["element"] in entry["elements"] and begin <= at < end:
            shown.append(str(line["position"]))
    if at < end:
        raise Wrong("no entry about the patient is later than the window, so some may be missing")
    if shown:
        raise Wrong(f"it was shown, written or searched for: entries {', '.join(shown)}")
    asked = ((who, claim.get(who)) for who in ("credential", "actor"))
    whom = " and ".join(f"{who} {name}" for who, name in asked if name) or "anybody"
    return (
        f"it was not shown: {claim['element']} of {'/'.join(claim['about'])} to {whom}, from {claim['from']}"
        f" to {claim['to']}; all {nth} entries about the patient are here, and none in the window tells of it"
    )


def check(first: dict[str, Any], lines: Iterable[dict[str, Any]], keys: tuple[Keys, Keys]) -> str:
    """Check a proof of either kind."""
    head = open_note(first["checkpoint"], *keys)
    if keys[1].keys() - head.signers:
        raise Wrong("a witness whose key was given has not cosigned the checkpoint")
    if first["confide"] == "absence/1":
        return check_absence(first, lines, head)
    count = 0
    for count, line in enumerate(lines, 1):  # noqa: B007 - how many there were
        check_inclusion(line, head)
    if first["confide"] != "inclusion/1" or not count:
        raise Wrong("this is no proof")
    return f"{count} in the tree of {head.size} entries"


def main() -> None:
    """Check one file."""
    parser = argparse.ArgumentParser(description="Check a proof about the journal.")
    parser.add_argument("proof", type=Path)
    parser.add_argument("--log-key", action="append", required=True)
    parser.add_argument("--witness-key", action="append", default=[])
    args = parser.parse_args()
    try:
        keys = read_keys(args.log_key, 1), read_keys(args.witness_key, 4)
    except BROKEN as wrong:
        parser.error(f"a key cannot be read ({type(wrong).__name__})")
    try:
        with args.proof.open(encoding="utf-8") as file:
            lines = map(json.loads, file)
            sys.stdout.write(f"{check(next(lines, {}), lines, keys)}\n")
    except (Wrong, *BROKEN) as wrong:
        what = wrong if isinstance(wrong, Wrong) else f"a file cannot be read ({type(wrong).__name__})"
        sys.exit(f"WRONG: {what}")


if __name__ == "__main__":
    main()
