"""PDF files for people: set by Typst in this process, without network, from a template and data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Final

from confide.errors import Unavailable

MEDIA: Final = "application/pdf"


@dataclass(frozen=True, slots=True)
class Section:
    """A table with a heading.

    Attributes:
        widths: How wide each column is, relative to the others.
        empty: What stands there where there are no rows.
    """

    title: str
    columns: Sequence[str]
    widths: Sequence[int]
    rows: Sequence[Sequence[str]]
    empty: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A report as it is printed.

    Attributes:
        day: Of what day it is, as people read it.
        about: Whom or what it is about: pairs of a label and a text.
        lead: Paragraphs before the tables.
        notes: A list after them.
        end: Paragraphs at its end.
    """

    title: str
    practice: str
    day: str
    about: Sequence[tuple[str, str]]
    lead: Sequence[str]
    sections: Sequence[Section]
    notes_title: str = ""
    notes: Sequence[str] = field(default_factory=tuple)
    end: Sequence[str] = field(default_factory=tuple)


def typeset(paper: Paper, now: datetime) -> bytes:
    """Return *paper* as a tagged PDF. Whatever it holds is set as text; nothing is fetched, nothing is kept.

    Args:
        paper: What it says.
        now: Aware UTC; the file's date.

    Raises:
        Unavailable: Typst is not installed, or cannot set it.
    """
    try:
        import typst
    except ModuleNotFoundError:
        raise Unavailable("PDF files are not installed (pip install 'confide[server]')") from None
    try:
        made = typst.compile(
            _template(),
            sys_inputs={"paper": json.dumps(asdict(paper))},
            ignore_system_fonts=True,  # the same on every machine
            timestamp=int(now.timestamp()),
        )
    except RuntimeError:  # its message could repeat what is in the paper
        raise Unavailable("the PDF file cannot be made") from None
    if not isinstance(made, bytes):
        raise Unavailable("the PDF file cannot be made")
    return made


@cache
def _template() -> bytes:
    return (resources.files("confide.server") / "templates" / "papers" / "report.typ").read_bytes()
