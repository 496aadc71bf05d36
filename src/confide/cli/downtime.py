"""`confide downtime`: today's patients on one encrypted page, for when nothing works."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Final

from confide.cli import installation, show

EXAMPLE: Final = """\
example:
  confide destination add Downtime --for downtime --to /srv/downtime --by mlopez --recipient age1ql3z7hjy...
  confide destination approve Downtime --by plindgren
  confide downtime --to Downtime                          # each morning, from a timer

The page has name, birth date, phone, allergies, medicines, problems and the latest notes of everybody with an
appointment today, by this machine's clock and time zone. It opens with age and the key, without any server.
Nobody is asked in the morning: the two people who agreed to the destination answer for it, and it stops when
one of them may not export any more. Packs of days before yesterday are removed.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("downtime", help="today's patients, encrypted, for when nothing works")
    installation.describe(parser, "Write the downtime pack of today.", EXAMPLE)
    parser.add_argument(
        "--to", metavar="NAME", required=True, help="a destination that was registered --for downtime"
    )
    parser.add_argument("--practice", metavar="ID", help="id or name (needed where there are several)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write today's pack."""
    config = installation.ready(args)
    from confide.access import destinations
    from confide.server import sheet

    practice = installation.practice(args.practice)
    destination = destinations.find(practice.pk, args.to)
    system = installation.build(config)
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None  # noqa: S101 - astimezone sets it; tells the type
    written = system.downtime.write(destination, zone, sheet.render)
    show.step("made", "pack", f"{written.path}   ({show.many(written.patients, 'patient')})")
    if written.removed:
        show.step("note", "removed", show.many(written.removed, "old pack"))
    return show.DONE
