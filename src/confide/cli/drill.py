"""`confide drill`: attacks on an installation of made-up people, and what got out."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide.cli import init, installation, population, show
from confide.errors import Misconfigured

if TYPE_CHECKING:
    from confide.drill.outcome import Outcome
    from confide.drill.venue import Venue
    from confide.wiring import System

EXAMPLE: Final = """\
example:
  confide drill nextgen                          a stolen program, 2,000 people in 20 practices, a minute
  confide drill nextgen --persons 1049375 --practices 1600 --in drill --report report
  confide drill all --json

It makes an installation of its own with made-up people, attacks it, and says what got out, by person and
element, and whether that is what must hold. Nothing of a real installation is touched; --like takes over its
limits. On SQLite in a temporary folder, or on the two empty databases of DATABASE_URL and KEYS_DATABASE_URL.
With --in the installation stays, and an interrupted drill goes on.
"""
DATABASES: Final = ("DATABASE_URL", "KEYS_DATABASE_URL")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("drill", help="attacks on made-up people: what would have got out")
    parser.description = "Attack an installation of made-up people, and say what got out."
    parser.epilog = f"{EXAMPLE}\n{show.EXIT_CODES}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("scenario", metavar="SCENARIO", help="its name; list shows all, all runs all")
    population.describe(parser, persons=2_000, practices=20)
    parser.add_argument(
        "--in", dest="place", metavar="DIR", type=Path, help="keep the drill's installation there"
    )
    parser.add_argument("--like", metavar="DIR", type=Path, help="data folder whose limits are taken over")
    parser.add_argument("--report", metavar="FILE", type=Path, help="write FILE.html and FILE.pdf")
    parser.add_argument("--json", action="store_true", help="print what came of it as JSON")
    parser.add_argument(
        "--workers", metavar="N", type=int, default=2, help="processes that load (default: 2)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the venue, run the scenarios, report."""
    from confide.drill import scenarios

    if args.scenario == "list":
        show.table(("name", "what it is"), [(each.code, each.title) for each in scenarios.ALL.values()])
        return show.DONE
    if args.report is not None and not args.report.absolute().parent.is_dir():
        raise Misconfigured("--report: its folder is not there (make it first)")
    chosen = list(scenarios.ALL.values()) if args.scenario == "all" else scenarios.named(args.scenario)
    begun = time.monotonic()
    outcomes: list[Outcome] = []
    with _quiet(args.json), _place(args) as folder:
        _start(args, folder)
        venue = _venue(args, folder) if any(each.needs_people for each in chosen) else None
        for each in chosen:
            show.step("ok", each.code, each.title)
            outcomes.append(each.run(venue, args.seed))
            if not args.json:
                tell(outcomes[-1])
        seconds = time.monotonic() - begun
        if args.report is not None:
            _report(args, outcomes, seconds)
    if args.json:
        show.line(json.dumps({"seconds": round(seconds, 1), "outcomes": [o.as_json() for o in outcomes]}))
    return show.DONE if all(each.holds for each in outcomes) else show.FAILED


@contextmanager
def _quiet(machine: bool) -> Iterator[None]:
    """Where a program reads the output, what is being done goes to standard error."""
    if not machine:
        yield
        return
    with show.aside():
        yield


@contextmanager
def _place(args: argparse.Namespace) -> Iterator[Path]:
    if args.place is not None:
        yield args.place.expanduser().absolute()
        return
    with tempfile.TemporaryDirectory(prefix="confide-drill-") as folder:
        yield Path(folder) / "drill"


def _start(args: argparse.Namespace, folder: Path) -> None:
    """Lay the installation's folder, and start Django on it; that of the environment is not heard of."""
    from confide.server import config as configuration

    limits = _limits(args.like) if args.like is not None else {}
    kept = {name: os.environ[name] for name in DATABASES if name in os.environ}
    if len(kept) == 1:
        raise Misconfigured("a drill on PostgreSQL takes two empty databases (set both URLs, or neither)")
    for name in list(os.environ):
        if name.startswith("CONFIDE_") and name != "CONFIDE_LOG_LEVEL":
            del os.environ[name]
    os.environ |= {
        "CONFIDE_DATA": str(folder / "data"),
        "CONFIDE_KEYRING": str(folder / "keys" / "keyring.json"),
        "CONFIDE_PLAIN_HTTP": "true",
        **limits,
    }
    init.folder(folder)
    config = configuration.read()
    init.lay_folder(config, _tell)
    installation.start(config)


def _venue(args: argparse.Namespace, folder: Path) -> Venue:
    """Make the databases and keys; draw and load the people."""
    from confide.server import config as configuration

    people = population.drawn(args)
    config = configuration.read()
    population.claim(args, config.data)
    init.migrate(_tell)
    system = init.keys(config, _tell)
    practices = population.found(system, int(people.practice[-1]) + 1)
    population.bring(people, practices, args.workers)
    _seal(system)
    from confide.drill.venue import Venue

    return Venue(folder, system, people, practices, args.seed, lambda text: show.line(f"  {text} ..."))


def _tell(made: bool, what: str, text: str) -> None:
    if made:
        show.step("made", what, text)


def _seal(system: System) -> None:
    """Give the import's entries their places in the journal's tree now, not in the middle of the attack."""
    begun = time.monotonic()
    with show.waiting("sealing the journal ..."):
        system.sequencer.seal(system.clock())
    show.step("made", "journal's tree", f"sealed in {show.duration(time.monotonic() - begun)}")


def _limits(data: Path) -> dict[str, str]:
    """What the configuration of a real installation says of limits, as the environment says it."""
    from confide.server import config as configuration

    if not (data / configuration.FILE).is_file():
        raise Misconfigured(f"there is no configuration in {data} (name a data folder)")
    there = configuration.read({"CONFIDE_DATA": str(data.expanduser().absolute())})
    named = {
        "CONFIDE_CLIENT_CEILING_PATIENTS": there.client_ceiling_patients,
        "CONFIDE_PRACTICE_DAY_PATIENTS": there.practice_day_patients,
        "CONFIDE_HOST_DAY_PATIENTS": there.host_day_patients,
    }
    return {name: str(value) for name, value in named.items() if value is not None}


def tell(outcome: Outcome) -> None:
    """Print what came of one scenario."""
    show.line()
    show.line(outcome.title, style="bold")
    show.line(f"  {outcome.method}; {show.duration(outcome.seconds)}", style="dim")
    if outcome.exposed:
        rows = [(f"  {e.element}", f"{e.clear:,}", f"{e.masked:,}", f"{e.asked:,}") for e in outcome.exposed]
        show.table(("  persons, by element", "clear", "masked", "asked"), rows, figures=[1, 2, 3])
    if outcome.figures:
        show.table(("", ""), [(f"  {name}", value) for name, value in outcome.figures])
    for check in outcome.checks:
        show.step("ok" if check.holds else "wrong", check.what, f"{check.found}   ({check.wanted})")
    for note in outcome.notes:
        show.line(f"  {note}", style="dim")


def _report(args: argparse.Namespace, outcomes: list[Outcome], seconds: float) -> None:
    from datetime import UTC, datetime

    from confide.drill import sheet

    now = datetime.now(UTC)
    name = args.report.name.removesuffix(".html").removesuffix(".pdf")
    html, pdf = (args.report.with_name(f"{name}{end}") for end in (".html", ".pdf"))
    html.write_text(sheet.write_html(outcomes, args.persons, args.practices, seconds, now), encoding="utf-8")
    pdf.write_bytes(sheet.write_pdf(outcomes, args.persons, args.practices, seconds, now))
    show.step("made", "report", f"{html}, {pdf}")
