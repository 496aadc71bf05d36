"""A form, a filing sheet or a public notice as a PDF file."""

from __future__ import annotations

from datetime import datetime

from confide.incidents.notices.facts import spell
from confide.incidents.notices.filings import Filing
from confide.incidents.notices.templates import Notice, Part
from confide.server import paper
from confide.server.paper import Paper, Section

_OPEN = "— to be filled in by a person —"


def filing(filing: Filing, practice: str, now: datetime) -> bytes:
    """Return a form or sheet as a PDF: each field with what is known of it.

    Args:
        filing: Filled.
        practice: Who files.
        now: Aware UTC.
    """
    rows = [
        (answer.field.id if answer.field.id != answer.field.label else "", answer.field.label, told)
        for answer in filing.answers
        for told in [answer.told or (_OPEN if answer.field.required is not False else "")]
    ]
    numbered = any(row[0] for row in rows)
    columns, widths = (("No.", "Field", "Answer"), (2, 6, 7)) if numbered else (("Field", "Answer"), (5, 7))
    made = Paper(
        title=filing.title,
        practice=practice,
        day=spell(now.date(), "en"),
        about=[("Fields left for a person", str(filing.open))],
        lead=[filing.warning] if filing.warning else [],
        sections=[Section("Fields", columns, widths, [row if numbered else row[1:] for row in rows], "")],
        end=[f"Source: {filing.source}. Facts compiled from public sources, not legal advice."],
    )
    return paper.typeset(made, now)


def notice(notice: Notice, practice: str, now: datetime) -> bytes:
    """Return a notice as a PDF to look at, or to hand to the press."""
    texts = [("• " if part is Part.ITEM else "") + text for part, text in notice.blocks[1:]]
    made = Paper(notice.title, practice, spell(now.date(), "en"), [], texts, [])
    return paper.typeset(made, now)
