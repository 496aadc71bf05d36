"""`confide inspect`: what the columns of a file seem to hold, and what still identifies. Never a value."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide.cli import columns, show

if TYPE_CHECKING:
    from confide.protect.files.crowd import Crowd
    from confide.protect.files.inspection import Inspection
    from confide.protect.files.judge import Finding

EXAMPLE: Final = """\
examples:
  confide inspect patients.csv
  confide inspect patients.csv --out patients.toml

Proposes what to do with each column, from a sample of the whole file. Read the proposal, mend it, then
  confide protect patients.csv safe.csv --keyring research.keyring --columns patients.toml
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("inspect", help="a file: what its columns seem to hold")
    columns.describe(parser, "Look at the columns of a file; no value is shown.", EXAMPLE)
    parser.add_argument("source", metavar="IN", type=Path, help="the file")
    parser.add_argument("--out", metavar="RECIPE", type=Path, help="write the proposal to this file, as TOML")
    parser.add_argument(
        "--format-in", metavar="FORMAT", choices=columns.FORMATS, help="whatever its name says: %(choices)s"
    )
    parser.add_argument("--force", action="store_true", help="take the place of a RECIPE that is there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look at a file."""
    columns.need_arrow()
    from confide.protect.files.formats import form_of
    from confide.protect.files.inspection import inspect
    from confide.protect.files.place import Place, write_whole
    from confide.protect.files.source import open_source

    if args.out is not None:
        Place(args.out, replaces=args.force).check()
    with show.waiting("looking at the file"):
        found = inspect(open_source(args.source, form_of(args.source, args.format_in)))
    _tell(found)
    if args.out is not None:
        write_whole(args.out, _text(args.source, found).encode())
        show.line()
        show.step("made", "recipe", f"{args.out}   (a proposal: read it, and mend it)")
        command = f"confide protect {args.source} OUT --keyring KEYRING --columns {args.out}"
        show.advice((command, "carries it out"))
    return show.DONE


def _text(source: Path, found: Inspection) -> str:
    from confide.protect.files import recipe

    heading = (
        f"What to do with the columns of {source.name}. confide inspect proposes it; a person checks it.",
        'An element, {element = "...", method = "..."}, "keep" or "drop"; see docs/data-engineers.md.',
    )
    remarks = {}
    for name, each in found.columns.items():
        note = f"; {each.note}" if each.note else ""
        wrong = f"; {each.malformed:.1%} malformed" if each.malformed else ""
        remarks[name] = f"{each.what}, {each.share:.0%} fit{wrong}{note}"
    return recipe.write(found.recipe, heading, remarks)


def _tell(found: Inspection) -> None:
    show.line(f"looked at {show.many(found.rows, 'row')} from all over the file", style="bold")
    rows = [
        (f"  {columns.printable(name)}", each.what, f"{each.share:.0%}", _proposal(each))
        for name, each in found.columns.items()
    ]
    show.table(("  column", "seems to be", "fits", "proposal"), rows, figures=[2])
    notes = [(name, each.note) for name, each in found.columns.items() if each.note]
    wrong = [(name, each.malformed) for name, each in found.columns.items() if each.malformed]
    if notes or wrong or found.before or found.after:
        show.line("what to look at", style="bold")
    for name, note in notes:
        show.step("note", columns.printable(name), note)
    for name, share in wrong:
        show.step("note", columns.printable(name), f"{share:.1%} malformed (mend them, or --malformed)")
    for each in found.before:
        show.step("note", "in clear", _crowd(each))
    for each in found.after:
        show.step("note", "when protected", f"{_crowd(each)} by what stays in clear")


def _proposal(finding: Finding) -> str:
    how = finding.treatment
    if how.element is None:
        return how.method
    alphabet = f", alphabet {how.alphabet}" if how.alphabet else ""
    return f"{how.element}, {how.method}{alphabet}"


def _crowd(each: Crowd) -> str:
    names = " + ".join(columns.printable(name) for name in each.columns)
    rows = max(each.rows, 1)
    return (
        f"{names}: {each.alone / rows:.1%} of {show.many(each.rows, 'row')} are the only one of their kind,"
        f" {each.few / rows:.1%} one of fewer than 11; the smallest group has {each.smallest:,}"
    )
