"""A stolen backup: the records' database and the data folder, without the key store and the key file."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide.drill import copies
from confide.drill.outcome import Check, Outcome
from confide.drill.scanner import Scanner

if TYPE_CHECKING:
    from confide.drill.venue import Venue

CODE: Final = "backup"
TITLE: Final = "A stolen backup"


def run(venue: Venue) -> Outcome:
    """Copy what a backup of the records holds, look for everybody in it, and for a key that opens it."""
    started = time.monotonic()
    venue.tell("looking for everybody in the backup")
    scanner = Scanner(venue.people)
    hits = scanner.scan(_bytes(venue))
    checks, figures = copies.judge(hits, scanner, venue)
    secrets = _secrets()
    held = sum(_holds(path, secrets) for path in _files(venue.folder / "data"))
    keys = Check("files in it with a part of the key file", f"{held}", "none", held == 0)
    return Outcome(
        CODE,
        TITLE,
        "in process: the records' database and every file of the data folder",
        time.monotonic() - started,
        0 if all(each.holds for each in checks) else None,
        figures=figures,
        checks=(*checks, keys),
        notes=(
            "The wrapped keys are another database, with backups of its own; the key file is in no backup.",
        ),
    )


def _bytes(venue: Venue) -> Iterator[bytes]:
    yield from copies.dump("default")
    for path in _files(venue.folder / "data"):
        if not path.name.startswith(("confide.sqlite3", "keys.sqlite3")):
            yield from copies.read(path)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _secrets() -> list[bytes]:
    """The long texts in the key file: whoever has one of them may have the key."""
    from confide.server import config as configuration

    text = configuration.read().keyring.read_bytes()
    return list(re.findall(rb'"([A-Za-z0-9+/=_-]{32,})"', text)) or [text]


def _holds(path: Path, secrets: list[bytes]) -> bool:
    data = path.read_bytes()
    return any(each in data for each in secrets)
