"""What `confide doctor` says of one thing."""

from __future__ import annotations

from dataclasses import dataclass

from confide.cli.show import Mark


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        mark: ``ok``, ``note`` (works, but look at it) or ``wrong``.
        text: What was found; never a value.
        advice: What to do.
    """

    mark: Mark
    what: str
    text: str
    advice: str = ""


def ok(what: str, text: str) -> Finding:
    """As it should be."""
    return Finding("ok", what, text)


def note(what: str, text: str, advice: str = "") -> Finding:
    """Works, but look at it."""
    return Finding("note", what, text, advice)


def wrong(what: str, text: str, advice: str = "") -> Finding:
    """Must be mended."""
    return Finding("wrong", what, text, advice)
