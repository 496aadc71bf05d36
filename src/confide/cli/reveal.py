"""`confide reveal`: a protected file in clear again."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from confide.cli import columns, show
from confide.errors import Invalid

if TYPE_CHECKING:
    from confide.protect.files.recipe import Recipe

EXAMPLE: Final = """\
examples:
  confide reveal safe.parquet clear.csv --keyring research.keyring
  confide reveal safe.parquet clear.csv --keyring research.keyring --column ssn
  confide reveal moved.csv clear.csv --keyring research.keyring --columns safe.csv.recipe.toml

What was done with each column stands in the recipe beside IN (IN.recipe.toml), or in the one that is named.
OUT holds clear values and is for its owner only (mode 0600). Pseudonyms and years have no way back.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("reveal", help="a protected file in clear again")
    columns.describe(parser, "Reveal columns of a file that confide protect wrote.", EXAMPLE)
    columns.add_files(parser)
    parser.add_argument(
        "--column", metavar="NAME", action="append", default=[],
        help="reveal this column only; NAME=ELEMENT where no recipe says what it holds; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--version", metavar="N", type=int, help="version of the keyring, where no recipe says it"
    )
    parser.add_argument(
        "--malformed", choices=("refuse", "null"), default="refuse",
        help="what becomes of values that confide protect never gives (default: %(default)s)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Reveal a file."""
    columns.need_arrow()
    from confide.protect.columns.kinds import Malformed
    from confide.protect.files import run as files

    recipe = _recipe(args)
    keyring = columns.open_keyring(args.keyring)
    beside = args.source.with_name(args.source.name + files.RECIPE)
    spared = tuple(path for path in (args.keyring, args.columns, beside) if path is not None)
    task = files.Task(
        args.source, args.target, args.format_in, args.format_out, Malformed(args.malformed),
        args.workers, args.force, spared,
    )  # fmt: skip
    started = time.monotonic()
    try:
        with columns.interruptible(), columns.progress("revealing", args.source) as tell:
            done = files.reveal(task, recipe, keyring, tell)
    except KeyboardInterrupt:
        show.complain("interrupted (nothing was written)")
        return show.INTERRUPTED
    took = show.duration(time.monotonic() - started)
    show.step("made", "file", f"{args.target}   {show.many(done.rows, 'row')} in {took}")
    for name in done.left:
        method = recipe.columns[name].method
        show.step("note", columns.printable(name), f"stays as it is: {method} has no way back")
    shown = ", ".join(columns.printable(name) for name in done.recipe.columns)
    show.step("note", "in clear", f"{shown}   (mode 0600: whoever reads the file reads people)")
    return show.DONE


def _recipe(args: argparse.Namespace) -> Recipe:
    """What was done, from the recipe that is named or lies beside the file, and from the options."""
    from confide.protect.files import recipe
    from confide.protect.files.run import find_recipe

    beside = find_recipe(args.source)
    found = beside if args.columns is None else recipe.read(args.columns)
    if found is None:
        found = recipe.Recipe()
    if beside is not None and not found.keyring:
        found = found.bound(beside.keyring, found.version or beside.version or 1)
    named = {said.rpartition("=")[0] if "=" in said else said: said for said in args.column}
    more = dict(columns.treatment(said) for said in named.values() if "=" in said)
    unknown = [name for name in named if name not in more and name not in found.columns]
    if unknown:
        raise Invalid(
            f"nothing says what was done with column {', '.join(unknown)} (NAME=ELEMENT, or --columns RECIPE)"
        )
    found = found.also(more)
    if named:
        found = replace(found, columns={name: found.columns[name] for name in named})
    if not found.columns:
        raise Invalid(f"there is no recipe beside {args.source} (name it with --columns, or use --column)")
    return found if args.version is None else replace(found, version=args.version)
