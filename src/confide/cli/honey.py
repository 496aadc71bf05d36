"""`confide honey`: synthetic patients, which nobody has a reason to open."""

from __future__ import annotations

import argparse
from typing import Final

from confide.cli import installation, show

PLANT_EXAMPLE: Final = """\
example:
  confide honey plant --source old-ehr

They are mixed from the practice's own patients and go in by the import's own path, so give the --source that
the others came from: in the database nothing tells them from the others. Who opens one without a reason is
stopped; who can explain it is asked. Without --count those are planted that the practice's size wants.
"""
COUNT_EXAMPLE: Final = """\
example:
  confide honey count

How many there are, and how many the practice's size wants. Who they are is never shown.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("honey", help="synthetic patients: plant, count", description=__doc__)
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = actions.add_parser("plant", help="plant what is missing")
    installation.describe(parser, "Plant synthetic patients.", PLANT_EXAMPLE)
    parser.add_argument("--practice", metavar="ID", help="id or name (needed where there are several)")
    parser.add_argument("--count", metavar="N", type=int, help="how many (default: what is missing)")
    parser.add_argument(
        "--source", metavar="NAME", default="files", help="as in confide import (default: %(default)s)"
    )
    parser.set_defaults(run=plant)
    parser = actions.add_parser("count", help="how many there are")
    installation.describe(parser, "Count synthetic patients.", COUNT_EXAMPLE)
    parser.add_argument("--practice", metavar="ID", help="id or name (needed where there are several)")
    parser.set_defaults(run=count)


def plant(args: argparse.Namespace) -> int:
    """Plant what is missing, or as many as are asked for."""
    config = installation.ready(args)
    practice = installation.practice(args.practice)
    system = installation.build(config)
    made = system.planter.plant(practice.pk, args.count, args.source, system.clock())
    show.step("made", "synthetic patients", f"{made}   in {practice.name}")
    return show.DONE


def count(args: argparse.Namespace) -> int:
    """Say how many there are, and how many are wanted."""
    config = installation.ready(args)
    practice = installation.practice(args.practice)
    system = installation.build(config)
    there = len(system.baits.of(practice.pk))
    show.line(f"{there} of {system.planter.wanted(practice.pk)} synthetic patients in {practice.name}")
    return show.DONE
