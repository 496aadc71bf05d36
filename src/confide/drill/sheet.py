"""The report of a drill on one page: HTML and PDF, with the incident beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from importlib import resources

from confide.drill import anchor
from confide.drill.outcome import Outcome
from confide.server.paper import Paper, Section, typeset

_TITLE = "Drill: what would have got out"


def write_html(
    outcomes: Sequence[Outcome], persons: int, practices: int, seconds: float, now: datetime
) -> str:
    """Return a page that needs nothing but itself."""
    style = (resources.files("confide.drill") / "sheet.css").read_text("utf-8")
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<title>{_TITLE}</title><style>{style}</style></head><body><main>",
        f"<header><h1>{_TITLE}</h1><p>{escape(_subtitle(persons, practices, seconds, now))}</p></header>",
        "<div class=beside>",
        *(_article(each) for each in outcomes[:1]),
        "<aside><h2>The incident of 2023</h2>",
        _pairs(anchor.FACTS),
        f"<p class=source>{escape(anchor.SOURCE)}</p></aside></div>",
        *(_article(each) for each in outcomes[1:]),
        "</main></body></html>\n",
    ]
    return "\n".join(parts)


def _subtitle(persons: int, practices: int, seconds: float, now: datetime) -> str:
    took = f"{seconds // 60:.0f} min {seconds % 60:.0f} s" if seconds >= 120 else f"{seconds:.0f} s"
    return (
        f"{now:%d %B %Y %H:%M} UTC. {persons:,} made-up persons in {practices:,} practices; {took} in all. "
        "Nobody in it exists."
    )


def _article(outcome: Outcome) -> str:
    verdict = "<b class=holds>holds</b>" if outcome.holds else "<b class=fails>does not hold</b>"
    parts = [f"<article><h2>{escape(outcome.title)} {verdict}</h2><p class=how>{escape(outcome.method)}</p>"]
    rows = [
        (check.what, check.found, check.wanted, "yes" if check.holds else "no") for check in outcome.checks
    ]
    parts.append(_table(("what must hold", "found", "wanted", "holds"), rows))
    if outcome.exposed:
        exposed = [(e.element, f"{e.clear:,}", f"{e.masked:,}", f"{e.asked:,}") for e in outcome.exposed]
        parts.append(_table(("persons, by element", "clear", "masked", "learned by asking"), exposed))
    if outcome.figures:
        parts.append(_pairs(outcome.figures))
    parts += [f"<p class=note>{escape(note)}</p>" for note in outcome.notes]
    return "\n".join([*parts, "</article>"])


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(a)}</dt><dd>{escape(b)}</dd>' for a, b in pairs)}</dl>"


def write_pdf(
    outcomes: Sequence[Outcome], persons: int, practices: int, seconds: float, now: datetime
) -> bytes:
    """Return the same as a PDF; one page for one scenario.

    Raises:
        Unavailable: Typst is not installed, or cannot set it.
    """
    sections = []
    for each in outcomes:
        rows = [(c.what, c.found, c.wanted, "holds" if c.holds else "FAILS") for c in each.checks]
        heading = ("What must hold", "Found", "Wanted", "")
        sections.append(Section(f"{each.title}: what must hold", heading, (5, 2, 2, 1), rows, "Nothing."))
        if each.exposed:
            exposed = [(e.element, f"{e.clear:,}", f"{e.masked:,}", f"{e.asked:,}") for e in each.exposed]
            columns = ("Persons, by element", "Clear", "Masked", "Learned by asking")
            sections.append(Section("What got out", columns, (4, 1, 1, 2), exposed, "Nothing."))
    if len(outcomes) == 1:
        drill = dict(outcomes[0].figures)
        sections.append(Section("Measured", ("What", "Here"), (3, 3), list(drill.items()), "Nothing."))
    sections.append(
        Section("The incident of 2023", ("What", "As published"), (3, 3), list(anchor.FACTS), "Nothing.")
    )
    paper = Paper(
        _TITLE,
        "Confide",
        f"{now:%d %B %Y}",
        [("People", f"{persons:,}, made up"), ("Practices", f"{practices:,}"), ("Took", f"{seconds:,.0f} s")],
        [],
        sections,
        end=[*(note for each in outcomes for note in each.notes), anchor.SOURCE],
    )
    return typeset(paper, now)
