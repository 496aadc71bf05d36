"""`confide import`: charts from other systems, by several processes, one transaction per bundle."""

from __future__ import annotations

import argparse
import json
import os
import signal
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from rich.progress import Progress, TaskID

from confide.cli import crew, installation, show
from confide.errors import InvalidResource, Misconfigured, Unknown

if TYPE_CHECKING:
    from confide.records.imports import Refusal, Report, Unit

EXAMPLE: Final = """\
example:
  confide import records/ --source old-ehr

PATH is a file or a folder: bundles (.json, .json.gz) and NDJSON (.ndjson, .ndjson.gz) of FHIR R4.

A bundle goes in whole or not at all; of NDJSON, each line by itself. What is refused is reported with file,
place and rule, and does not stop the rest. Interrupted, the same command resumes; repeated, it changes
nothing. Ids are replaced by ours and references rewritten; --source names the system that the ids come from,
so that a later delivery of the same system updates what it brought before.
"""
MOST_SHOWN: Final = 20


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("import", help="charts from another system (FHIR R4 bundles, NDJSON)")
    installation.describe(parser, "Import charts from another system.", EXAMPLE)
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="a file or a folder")
    parser.add_argument("--practice", metavar="ID", help="id or name (needed where there are several)")
    parser.add_argument(
        "--source",
        metavar="NAME",
        default="files",
        help="system that the ids come from (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        default=2,
        help="processes; 0 is none but this one (default: %(default)s)",
    )
    parser.add_argument(
        "--refused-to", metavar="FILE", type=Path, help="write all refusals to FILE, as NDJSON"
    )
    parser.set_defaults(run=run)


@dataclass
class Total:
    """What came of all units.

    Attributes:
        stopped: Why the import ended early, if it did; it can be resumed.
    """

    report: Report
    units: int = 0
    stopped: str = ""
    interrupted: bool = False
    count: int = 0


def run(args: argparse.Namespace) -> int:
    """Import everything; tell what came of it."""
    config = installation.ready(args)
    from confide.records import imports, statistics

    practice = installation.practice(args.practice)
    installation.build(config).vault.unlock(practice.pk)  # keys that do not open are found before any file
    missing = [path for path in args.paths if not path.exists()]
    if missing:
        raise Unknown(f"there is no {missing[0]} (is the path right?)")
    paths = imports.files(args.paths)
    if not paths:
        raise Unknown("nothing to import there (files end in .json, .json.gz, .ndjson or .ndjson.gz)")
    sink = _sink(args.refused_to)
    started = time.monotonic()
    total = Total(imports.Report())
    with _stopping(total), show.progress() as bar:
        desk: crew.Crew = crew.Here() if args.workers <= 0 else crew.Processes(args.workers)
        with desk.at_work(practice.pk, args.source):
            _bring_in(paths, desk, bar, total)
    if total.report.created or total.report.updated:
        statistics.renew()
    seconds = time.monotonic() - started
    order = {str(path): number for number, path in enumerate(paths)}
    total.report.refused.sort(key=lambda each: order[each.path])  # workers answer in any order
    lost = total.report.to_nothing + imports.to_nothing(practice.pk)
    _tell(total, len(paths), seconds, lost, args.refused_to)
    if sink is not None:
        sink.write_text(
            "".join(json.dumps(asdict(each)) + "\n" for each in total.report.refused), encoding="utf-8"
        )
    if total.interrupted:
        show.complain("interrupted (the same command resumes it)")
        return show.INTERRUPTED
    if total.stopped:
        show.complain(f"{total.stopped} (the same command resumes it)")
        return show.UNAVAILABLE
    return show.FAILED if total.report.refused else show.DONE


def _sink(path: Path | None) -> Path | None:
    """Find out now, not after an hour, whether the file can be written."""
    if path is not None:
        try:
            path.open("w").close()
        except OSError as problem:
            raise Misconfigured(f"{path} cannot be written ({problem.strerror})") from None
    return path


@contextmanager
def _stopping(total: Total) -> Iterator[None]:
    """Ctrl-C and SIGTERM let the units under way finish; a second Ctrl-C stops at once."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if total.interrupted:
            raise KeyboardInterrupt
        total.interrupted = True

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


# One file after the other, a few units under way at once


def _bring_in(paths: list[Path], desk: crew.Crew, bar: Progress, total: Total) -> None:
    sizes = {path: _size(path) for path in paths}
    task = bar.add_task("importing", total=sum(sizes.values()), count=0, unit="resources")
    for path in paths:
        left = sizes[path]
        try:
            for unit in _units(path):
                share = min(left, len(unit.data))
                left -= share
                while desk.full:
                    _take(desk, bar, task, total)
                if total.interrupted or total.stopped:
                    break
                desk.give(unit, share)
        except InvalidResource as problem:
            issue = problem.issues[0]
            total.report.refused.append(_refusal(path, issue.path, issue.text))
        bar.advance(task, left)
        if total.interrupted or total.stopped:
            break
    while desk.busy:
        _take(desk, bar, task, total)
        if total.interrupted or total.stopped:
            desk.drop()


def _units(path: Path) -> Iterator[Unit]:
    from confide.records import imports

    return imports.units(path)


def _take(desk: crew.Crew, bar: Progress, task: TaskID, total: Total) -> None:
    """Wait for an answer, and count it."""
    for answer, share in desk.take():
        total.report.add(answer.report)
        total.units += 1
        total.stopped = total.stopped or answer.stopped
        made = answer.report
        total.count += made.created + made.updated + made.unchanged
        bar.update(task, advance=share, count=total.count)


def _refusal(path: Path, place: str, reason: str) -> Refusal:
    from confide.records.imports import Refusal

    return Refusal(str(path), place, reason)


def _size(path: Path) -> int:
    """Bytes to read: of a compressed file, what its last four bytes say it unpacks to.

    Source:
        RFC 1952 section 2.3.1, ISIZE. Only for the progress bar: it is wrong beyond 4 GiB.
    """
    try:
        size = path.stat().st_size
        if path.name.endswith(".gz") and size > 18:
            with path.open("rb") as file:
                file.seek(-4, 2)
                return int(struct.unpack("<I", file.read(4))[0])
    except OSError:
        return 0
    return size


# The summary


def _tell(total: Total, files: int, seconds: float, lost: int, sink: Path | None) -> None:
    report = total.report
    took = f" in {show.duration(seconds)}"
    rate = f" ({total.count / seconds:,.0f} resources/s)" if total.count and seconds > 0.5 else ""
    show.line(f"read {show.many(files, 'file')}, {show.many(total.units, 'unit')}{took}{rate}", style="bold")
    rows = [
        ("created", report.created),
        ("updated", report.updated),
        ("unchanged", report.unchanged),
        ("units imported before", report.skipped_units),
        ("references to nothing", lost),
        ("refused", len(report.refused)),
    ]
    show.table(("", ""), [(f"  {name}", f"{figure:,}") for name, figure in rows], figures=[1])
    if not report.refused:
        return
    shown = report.refused[:MOST_SHOWN]
    folder = os.path.commonpath([Path(each.path).absolute().parent for each in shown])
    named = [(os.path.relpath(each.path, folder), each.place, each.reason) for each in shown]
    show.line(f"refused in {folder}", style="bold")
    show.table(("  file", "place", "why"), [(f"  {file}", place, why) for file, place, why in named])
    more = len(report.refused) - len(shown)
    if sink is not None:
        show.line(f"  all of them are in {sink}")
    elif more:
        show.line(f"  and {more:,} more (--refused-to FILE writes all of them)")
