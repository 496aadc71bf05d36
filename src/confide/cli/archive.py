"""`confide journal archive`: what is older than six years, as a sealed file that can be verified."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from confide.cli import installation, show

EXAMPLE: Final = """\
example:
  confide journal archive 2020.age --recipient age1... --years 6
  age -d -i private.txt 2020.age > 2020.ndjson
  confide journal verify 2020.ndjson --log-key "$(cat log.vkey)"

Encrypted to an age key (age-keygen) whose private part is kept elsewhere. It is verified before it is
written, and that it was made is an entry with the file's hash. Nothing is dropped; the next one
begins where it ends.
"""


def register(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `confide journal archive`."""
    parser = actions.add_parser("archive", help="what is older than six years, into a sealed file")
    installation.describe(parser, "Write old entries into a sealed file.", EXAMPLE)
    parser.add_argument("file", metavar="FILE", type=Path, help="a file that does not exist")
    parser.add_argument("--recipient", metavar="KEY", required=True, help="an age public key, age1...")
    parser.add_argument(
        "--years", metavar="N", type=int, default=6, help="older than that (6 at least; default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the next segment."""
    config = installation.ready(args)
    from confide.audit import archive

    system = installation.build(config)
    now = datetime.now(UTC)
    segment = archive.plan(now, args.years)
    with show.waiting("verifying and writing ..."):
        sha256 = archive.write(system.journal, args.file, segment, args.recipient, system.sequencer.key, now)
    many = show.many(segment.end.size - segment.start, "entry", "entries")
    show.step("made", "archive", f"{args.file}   {many}, to {segment.end.at:%Y-%m-%d}")
    show.step("note", "SHA-256", sha256.hex())
    show.advice((f"age -d -i PRIVATE {args.file} > journal.ndjson", "open it, where the private key is"))
    return show.DONE
