"""`confide doctor`: what is configured, what is missing, and whether the clocks are sane."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict
from importlib.metadata import version
from typing import Final

from confide.cli import health, installation, show

EXAMPLE: Final = """\
example:
  confide doctor
  confide doctor --json

Looks and changes nothing. Exit code 1 if anything is wrong; a note is something to look at.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("doctor", help="what is configured, what is missing or wrong")
    installation.describe(
        parser, "Look at an installation: configuration, keys, databases, clocks, room.", EXAMPLE
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look at everything, and tell."""
    config = installation.locate(args)
    program = f"Confide {version('confide')} on Python {platform.python_version()}"
    with show.waiting("looking ..."):
        found = list(health.examine(config))
    amiss = sum(each.mark == "wrong" for each in found)
    if args.json:
        listed = [asdict(each) for each in found]
        sys.stdout.write(
            json.dumps({"program": program, "ok": not amiss, "findings": listed}, indent=2) + "\n"
        )
        return show.FAILED if amiss else show.DONE
    show.line(program, style="bold")
    for each in found:
        show.step(each.mark, each.what, each.text + (f"   ({each.advice})" if each.advice else ""))
    notes = sum(each.mark == "note" for each in found)
    verdict = f"{show.many(amiss, 'thing')} wrong" if amiss else "nothing is wrong"
    show.line(verdict + (f", {show.many(notes, 'note')}" if notes else ""), style="bold")
    return show.FAILED if amiss else show.DONE
