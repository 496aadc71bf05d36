"""`confide trace`: which export, recipient or record a leaked piece came from."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from confide.cli import installation, person, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confide.access.decide import Grant
    from confide.vault.models import Export
    from confide.vault.tracing import Finding
    from confide.wiring import System

EXAMPLE: Final = """\
examples:
  confide trace found-on-the-net.csv --by plindgren
  confide trace found-on-the-net.csv --who --by plindgren

SAMPLE is a table, NDJSON or text, perhaps a part, perhaps compressed (.gz), or Parquet. Ids and numbers in it
are compared with every export, with the tokens of every recipient, and with the records. What it holds is
never printed, and nobody's record is opened. --who also names the people that it leads to: the privacy
officer reads their names through the door, each an entry and within the budget of the day.
"""
# Below this a person may say it in public.
_CERTAIN: Final = 1e-9
_SURE: Final = 1e-4
_LIKELY: Final = 1e-2
_AT_ONCE: Final = 50


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("trace", help="where a leaked piece of data came from")
    installation.describe(parser, "Say which export or store a leaked sample came from.", EXAMPLE)
    parser.add_argument("sample", metavar="SAMPLE", type=Path, help="the leaked piece")
    parser.add_argument("--who", action="store_true", help="name the people that it holds")
    person.describe(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare a sample with all that ever left."""
    config = installation.ready(args)
    from confide.access.roles import Action
    from confide.records import samples
    from confide.vault.exports import listed

    practice = installation.practice(args.practice)
    system = installation.build(config)
    grant = person.grant(args.by, practice, Action.JOURNAL_READ, system.clock())
    with show.waiting("comparing ..."):
        reading = samples.read(args.sample)
        findings = system.tracer.trace(grant, reading.sample)
    exports = {each.id: each for each in listed(practice.pk)}
    handles, values = len(reading.sample.handles), len(reading.sample.values)
    show.line(
        f"{show.many(handles, 'id')} and {show.many(values, 'value')} to go by"
        + ("" if reading.whole else ", the first ones of more"),
        style="bold",
    )
    rows = [_row(each, exports) for each in findings if each.found or not each.readable]
    if rows:
        headings = ("  source", "", "found", "of", "by chance", "people", "certainty")
        show.table(headings, rows, figures=[2, 3, 4, 5])
    _conclude(findings, exports)
    held = sorted({each for found in findings if found.chance <= _LIKELY for each in found.persons})
    if held:
        show.line(f"it holds {show.many(len(held), 'person', 'persons')} of this practice", style="bold")
    if args.who and held:
        _name(system, grant, held)
    return show.DONE


def _name(system: System, grant: Grant, held: list[str]) -> None:
    """Name people, each by a reveal of their own: what is not paid for any more is told by its id alone."""
    from confide.access import terminal
    from confide.access.charges import Operation
    from confide.access.roles import Action
    from confide.protect.elements import Element
    from confide.records.rows import current

    covered, rows = frozenset({Element.NAME}), []
    for start in range(0, len(held), _AT_ONCE):
        some = held[start : start + _AT_ONCE]
        reveal = terminal.grant(
            grant.actor.id, grant.practice, Action.REVEAL, grant.purpose, system.clock(),
            elements=covered, patients=some,
        )  # fmt: skip
        found = [current(grant.practice, "Patient", each) for each in some]
        views = system.charts.views(reveal, found, covered, Operation.REVEAL)
        for patient, view in zip(some, views, strict=True):
            shown = Element.NAME in view.shown
            rows.append((f"  {patient}", _called(view.body) if shown else "not shown: the budget is spent"))
    show.table(("  id", "name"), rows)


def _called(body: Mapping[str, Any] | None) -> str:
    names = (body or {}).get("name") or [{}]
    return " ".join([*names[0].get("given", ()), names[0].get("family", "")]).strip() or "without a name"


def _row(each: Finding, exports: dict[str, Export]) -> tuple[str, ...]:
    what, detail = _named(each, exports)
    if not each.readable:
        return (f"  {what}", detail, "", "", "", "", "its key is gone, so nothing can be said")
    people = "" if each.people is None else f"{each.people:,}"
    chance = f"{each.expected:.2g}" if each.expected >= 1e-12 else "0"
    return (
        f"  {what}",
        detail,
        f"{each.found:,}",
        f"{each.tried:,}",
        chance,
        people,
        _certainty(each.chance),
    )


def _named(each: Finding, exports: dict[str, Export]) -> tuple[str, str]:
    if each.kind == "export":
        export = exports[each.name]
        when = "" if export.written_at is None else f", written {export.written_at:%Y-%m-%d}"
        return f"export {each.name[:8]}", f"to {export.destination.name}, {export.policy}{when}"
    if each.kind == "tokens":
        return "tokens", f"of {each.name}"
    return "the records", "database, backup or API"


def _certainty(chance: float) -> str:
    """Say how sure it is, and by which figure."""
    if chance > _LIKELY:
        return "may be chance"
    word = "certain" if chance <= _CERTAIN else "all but certain" if chance <= _SURE else "likely"
    power = 99 if chance <= 0 else min(99, math.floor(-math.log10(chance)))
    return f"{word} (by chance: 1 in 10^{power}{' or less' if power == 99 else ''})"


def _conclude(findings: list[Finding], exports: dict[str, Export]) -> None:
    sure = [each for each in findings if each.found and each.chance <= _LIKELY]
    if not sure:
        expected = max((each.expected for each in findings), default=0.0)
        figure = f"{expected:.2g}" if expected >= 1e-12 else "0"
        show.line(f"none of ours: no source holds more of it than chance gives (up to {figure} expected)")
        return
    for each in sure:
        what, detail = _named(each, exports)
        show.line(f"it came from {what} ({detail})", style="bold")
