"""Run the benchmarks, print a table, write build/bench.json."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import platform
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks import LARGE, REGISTERED, Benchmark, Figure, LeftOut
from tools import installation
from tools.outside import ROOT

OUT = ROOT / "build" / "bench.json"


def main(words: list[str]) -> int:
    wanted = LARGE if "--large" in words else REGISTERED
    names = [word for word in words if word != "--large"]
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    with tempfile.TemporaryDirectory(prefix="confide-bench-") as folder:
        # A benchmark of the server finds an empty installation; it makes its database itself.
        os.environ |= installation.lay(Path(folder))
        found = pkgutil.iter_modules(benchmarks.__path__)
        files = [module.name for module in found if module.name != "__main__"]
        unknown = set(names) - set(files)
        if unknown:
            console.print(f"confide: no such benchmark: {', '.join(unknown)} (there are: {', '.join(files)})")
            return 2
        for name in files:
            if not names or name in names:
                importlib.import_module(f"benchmarks.{name}")
        figures = measure(console, wanted)
    out = OUT.with_name(f"bench-{'-'.join(names)}.json") if names else OUT
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps([figure.row() for figure in figures], indent=2) + "\n")
    console.print(table(figures))
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    console.print(f"{out.relative_to(ROOT)} has the same as JSON; {machine}")
    return 0 if figures else 1


def measure(console: Console, wanted: list[Benchmark]) -> list[Figure]:
    figures: list[Figure] = []
    for benchmark in wanted:
        with console.status(benchmark.__name__.replace("_", " ")):
            try:
                figures += benchmark()
            except LeftOut as missing:
                console.print(f"left out: {benchmark.__name__.replace('_', ' ')}: {missing}")
    return figures


def table(figures: list[Figure]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold")
    made.add_column("what")
    for heading in ("here", "asked", "peer", "ratio"):
        made.add_column(heading, justify="right")
    made.add_column("against")
    for figure in figures:
        peer, ratio = figure.peer, figure.ratio
        made.add_row(
            figure.name,
            f"{readable(figure.value)} {figure.unit}",
            asked(figure),
            readable(peer.value) if peer else "",
            f"{ratio:.2f} x" if ratio else "",
            f"{peer.name}, {peer.source}" if peer else "",
        )
    return made


def asked(figure: Figure) -> str:
    if figure.target is None:
        return ""
    sign = "≥" if figure.higher_is_better else "≤"
    colour = "green" if figure.on_target else "red"
    return f"[{colour}]{sign} {readable(figure.target)}[/]"


def readable(number: float) -> str:
    if number >= 100 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.3g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
