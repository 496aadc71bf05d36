"""`confide population`: as many made-up people as a drill needs, as files or in an installation."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide.cli import init, installation, show
from confide.errors import Misconfigured

if TYPE_CHECKING:
    from confide.drill.enrolment import Summary
    from confide.drill.population import Population
    from confide.wiring import System

EXAMPLE: Final = """\
example:
  confide population --persons 5000 --practices 8 --seed 7 --out people
  confide init --data drill-data && confide population --data drill-data --persons 5000 --practices 8 --load

Nobody in it exists. Equal seeds give equal people. --out writes FHIR NDJSON, a file for each practice;
--load brings them into an installation that has no other patients, by the import that practices use.
Interrupted, the same command goes on.
"""
NAME: Final = "Synthetic practice"
DRAWN: Final = "population.json"
"""In the data folder: which people are loaded."""

TODAY: Final = date(2026, 1, 1)
"""Nobody in a population was born later, whenever it is drawn."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("population", help="made-up people by the million, for drills")
    installation.describe(parser, "Draw a synthetic population.", EXAMPLE)
    describe(parser, persons=1_000, practices=4)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", metavar="DIR", type=Path, help="write NDJSON into a new folder")
    where.add_argument("--load", action="store_true", help="import them into the installation")
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        default=2,
        help="processes of --load; 0 is none but this one (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def describe(parser: argparse.ArgumentParser, persons: int, practices: int) -> None:
    """Add what says which people are drawn."""
    parser.add_argument(
        "--persons", metavar="N", type=_count, default=persons, help="how many (default: %(default)s)"
    )
    parser.add_argument(
        "--practices", metavar="N", type=_count, default=practices, help="over which (default: %(default)s)"
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=_seed,
        default=7,
        help="equal seeds give equal people (default: %(default)s)",
    )
    parser.add_argument(
        "--states",
        choices=("anchor", "census"),
        default="anchor",
        help="anchor: Maine and Texas as in the incident of 2023, the rest as in the census (default)",
    )
    parser.add_argument(
        "--duplicates",
        metavar="N",
        type=int,
        default=0,
        help="registered twice, with slips of the pen; in addition to --persons (default: none)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1 on is wanted")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("a whole number from 0 on is wanted")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Draw; write or load."""
    if args.out is not None:
        people = drawn(args)
        _write(people, args.out)
        return show.DONE
    config = installation.ready(args)
    installation.unlock(config)
    people = drawn(args)
    claim(args, config.data)
    system = installation.build(config)
    practices = found(system, int(people.practice[-1]) + 1)
    bring(people, practices, args.workers)
    return show.DONE


def drawn(args: argparse.Namespace) -> Population:
    """Draw the population that *args* mean.

    Raises:
        Misconfigured: NumPy is not installed.
    """
    try:
        from confide.drill import population
    except ModuleNotFoundError as missing:
        if missing.name != "numpy":
            raise
        raise Misconfigured("a population needs NumPy (pip install 'confide[columns]')") from None
    begun = time.monotonic()
    with show.waiting("drawing ..."):
        people = population.draw(
            args.persons, args.practices, args.seed, TODAY, states=args.states, duplicates=args.duplicates
        )
    took = show.duration(time.monotonic() - begun)
    twice = f", and {show.many(args.duplicates, 'duplicate')}" if args.duplicates else ""
    show.step(
        "made",
        "population",
        f"{show.many(args.persons, 'person', 'persons')}{twice} in {show.many(args.practices, 'practice')}"
        f" ({took}, seed {args.seed})",
    )
    return people


def claim(args: argparse.Namespace, data: Path) -> None:
    """Write down which people are loaded into an installation: of two populations nobody knows the truth.

    Raises:
        Misconfigured: Others are there.
    """
    path = data / DRAWN
    wanted = {name: getattr(args, name) for name in ("persons", "practices", "seed", "states", "duplicates")}
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        path.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
        return
    except ValueError:
        there = None
    if there != wanted:
        raise Misconfigured(
            f"another population was loaded there: see {path} (give the same numbers, or another folder)"
        )


def _write(people: Population, folder: Path) -> None:
    from confide.drill import enrolment

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Misconfigured(f"{folder} is there already and not empty (name a new folder)")
    init.folder(folder)
    with show.progress() as bar:
        task = bar.add_task("writing", total=len(people), count=0, unit="persons")

        def told(persons: int) -> None:
            bar.advance(task, persons)
            bar.update(task, count=int(bar.tasks[0].completed))

        size = enrolment.write(people, folder, told)
    show.step("made", "files", f"{folder}   ({size / 1e6:,.0f} MB of NDJSON)")


def found(system: System, count: int) -> list[str]:
    """Make the practices that are not there; return the ids of all, in order.

    Raises:
        Misconfigured: There are patients of other practices.
    """
    from confide.access.models import Practice
    from confide.records.models import Resource

    names = [f"{NAME} {number + 1:04}" for number in range(count)]
    there = {each.name: each for each in Practice.objects.filter(name__startswith=NAME)}
    ours = [each.pk for each in there.values()]
    if Resource.objects.filter(type="Patient").exclude(practice__in=ours).exists():
        raise Misconfigured("the installation has patients of its own (choose an empty one with --data)")
    made = 0
    ids = []
    with show.progress() as bar:
        task = bar.add_task("founding", total=count, count=0, unit="practices")
        for name in names:
            if name in there:
                init.found(system, there[name])
                ids.append(there[name].pk)
            else:
                ids.append(init.establish(system, name).pk)
                made += 1
            system.vault.lock(ids[-1])
            bar.update(task, advance=1, count=len(ids))
    show.step("made" if made else "kept", "practices", f"{count:,}, each with keys of its own")
    return ids


def bring(people: Population, practices: list[str], workers: int) -> Summary:
    """Import a population; tell how fast it went."""
    from django.db import connections

    from confide.drill import enrolment
    from confide.records import statistics

    connections.close_all()
    with show.progress() as bar, tempfile.TemporaryDirectory(prefix="confide-population-") as folder:
        task = bar.add_task("importing", total=len(people), count=0, unit="persons")
        done = 0

        def told(persons: int) -> None:
            nonlocal done
            done += persons
            bar.update(task, completed=done, count=done)

        summary = enrolment.load(people, practices, open_system, Path(folder), told, workers)
    new = summary.persons - summary.skipped
    if new:
        statistics.renew()
    before = f"; {summary.skipped:,} were there before" if summary.skipped else ""
    rate = ""
    if new:
        rate = f" ({summary.rate:,.0f} persons/s; {summary.cpu / new * 1e6:,.0f} µs of CPU each)"
    show.step(
        "made" if new else "kept",
        "imported",
        f"{new:,} persons, {summary.resources:,} resources in {show.duration(summary.seconds)}{rate}{before}",
    )
    return summary


def open_system() -> System:
    """Start Django on the installation of the environment, and put the parts together."""
    from confide.server import config

    found_there = config.read()
    installation.start(found_there)
    return installation.build(found_there)
