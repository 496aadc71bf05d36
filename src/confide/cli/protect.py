"""`confide protect`: a file with stand-ins and seals in the place of what identifies."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Final

from confide.cli import columns, show
from confide.errors import Invalid

if TYPE_CHECKING:
    from confide.protect.files.recipe import Recipe
    from confide.protect.files.run import Done

EXAMPLE: Final = """\
examples:
  confide protect patients.csv safe.parquet --keyring research.keyring --columns patients.toml
  confide protect patients.csv safe.csv --keyring research.keyring \\
      --column ssn=ssn --column name=name --column dob=birth-date:generalise --keep visit_id

elements: ssn mrn licence passport phone member-id account card npi identifier (same format),
  name birth-date date email address zip text (sealed)
methods, where the element's own is not wanted: ff1, seal, pseudonym (names), generalise (dates: the year;
  zip: three digits), keep, drop

Formats are told by the names: .csv .tsv .ndjson .parquet .arrow .feather, and .csv.gz. OUT appears when it
is whole. Beside it a recipe is written, OUT.recipe.toml, which confide reveal reads; no values, no keys.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("protect", help="a file: stand-ins for what identifies")
    columns.describe(
        parser, "Protect columns of a file. Columns that nobody names stay as they are.", EXAMPLE
    )
    columns.add_files(parser)
    parser.add_argument(
        "--column",
        metavar="NAME=ELEMENT",
        action="append",
        default=[],
        help="what a column holds; repeatable",
    )
    parser.add_argument(
        "--keep", metavar="NAME", action="append", default=[],
        help="leave a column in clear that seems to identify; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--drop", metavar="NAME", action="append", default=[], help="leave a column out; repeatable"
    )
    parser.add_argument(
        "--malformed", choices=("refuse", "null", "seal"), default="refuse",
        help="what becomes of values that are not what their column holds (default: %(default)s)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Protect a file."""
    columns.need_arrow()
    from confide.protect.columns.kinds import Malformed
    from confide.protect.files import run as files

    recipe = _recipe(args)
    keyring = columns.open_keyring(args.keyring)
    spared = tuple(path for path in (args.keyring, args.columns) if path is not None)
    task = files.Task(
        args.source, args.target, args.format_in, args.format_out, Malformed(args.malformed),
        args.workers, args.force, spared,
    )  # fmt: skip
    started = time.monotonic()
    try:
        with columns.interruptible(), columns.progress("protecting", args.source) as tell:
            done = files.protect(task, recipe, keyring, tell)
    except KeyboardInterrupt:
        show.complain("interrupted (nothing was written)")
        return show.INTERRUPTED
    _tell(args, done, time.monotonic() - started)
    return show.DONE


def _recipe(args: argparse.Namespace) -> Recipe:
    """What is to be done, from the recipe and the options, which win."""
    from confide.protect.files import recipe

    if args.columns is None and not (args.column or args.drop):
        raise Invalid(
            f"nothing says what the columns hold (confide inspect {args.source} --out RECIPE proposes it)"
        )
    found = recipe.Recipe() if args.columns is None else recipe.read(args.columns)
    more = dict(columns.treatment(said) for said in args.column)
    more |= dict.fromkeys(args.keep, recipe.KEPT) | dict.fromkeys(args.drop, recipe.DROPPED)
    return found.also(more)


def _tell(args: argparse.Namespace, done: Done, seconds: float) -> None:
    from confide.protect.files.run import RECIPE

    rate = f" ({done.rows / seconds:,.0f} rows/s)" if seconds > 0.5 else ""
    show.step(
        "made", "file", f"{args.target}   {show.many(done.rows, 'row')} in {show.duration(seconds)}{rate}"
    )
    show.step("made", "recipe", f"{args.target}{RECIPE}   (keep it beside the file; confide reveal reads it)")
    for name, how in done.recipe.columns.items():
        shown = columns.printable(name)
        if how.changes and how.element is not None:
            show.step("ok", shown, f"{how.element}, {_METHODS[how.method]}")
        else:
            show.step("note", shown, "left out" if how.method == "drop" else "in clear, as you said")


_METHODS: Final = {
    "ff1": "stand-ins of the same format",
    "seal": "sealed",
    "pseudonym": "pseudonyms; there is no way back",
    "generalise": "generalised; there is no way back",
}
