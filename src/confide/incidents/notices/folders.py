"""The folder of a mailing for a print house: hidden while it is written, named when all of it is there."""

from __future__ import annotations

from pathlib import Path

from confide.incidents.notices import crates
from confide.incidents.notices.models import Mailing
from confide.incidents.notices.states import State


def part(place: Path, mailing: str) -> Path:
    """Return the folder of a mailing that is not finished."""
    return place / f".{mailing}.part"


def hand_over(place: Path, mailing: str) -> bool:
    """Give the folder of a finished mailing its name; tell whether it had it not yet.

    Raises:
        Unavailable: It cannot be renamed.
    """
    hidden = part(place, mailing)
    if not hidden.is_dir():
        return False
    with crates.writing():
        hidden.rename(place / mailing)
        crates.sync(place)
    return True


def tidy(place: Path) -> None:
    """Remove what mailings that were taken back have left in a place, which the caller has taken.

    Raises:
        Unavailable: Somebody still writes there, or it cannot be removed.
    """
    for hidden in sorted(place.glob(".*.part")):
        mailing = hidden.name.removeprefix(".").removesuffix(".part")
        if Mailing.objects.filter(pk=mailing, state=State.WITHDRAWN).exists():
            crates.settle(hidden)
            with crates.writing():
                for each in hidden.iterdir():
                    each.unlink()
                hidden.rmdir()
