"""The scope of an incident at the terminal: the options that ask for it, and how it is shown."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from confide.cli import show
from confide.errors import Invalid, Unknown

if TYPE_CHECKING:
    from confide.incidents.models import Scope
    from confide.incidents.questions import Question


def describe(parser: argparse.ArgumentParser) -> None:
    """Give the options by which a scope is asked."""
    whom = parser.add_argument_group("by whom, and what was taken (several may be given)")
    whom.add_argument(
        "--login", metavar="NAME", action="append", default=[], help="a person: username or e-mail"
    )
    whom.add_argument("--client", metavar="NAME", action="append", default=[], help="a program: name or id")
    whom.add_argument("--credential", metavar="NAME", action="append", default=[],
        help="a session or token, by its public name in the journal")  # fmt: skip
    whom.add_argument("--address", metavar="IP", action="append", default=[], help="a network address")
    whom.add_argument("--export", metavar="ID", action="append", default=[], help="an export that was taken")
    whom.add_argument("--copy", choices=("database", "backup"), default="", help="a copy of the store")
    whom.add_argument("--keys", choices=("safe", "taken"), default="taken",
        help="of that copy (default: %(default)s)")  # fmt: skip
    parser.add_argument("--from", dest="since", metavar="MOMENT", required=True, help="UTC, or with a zone")
    parser.add_argument(
        "--to", dest="until", metavar="MOMENT", required=True, help="the first that does not count"
    )


def moment(option: str, said: str) -> datetime:
    """Read a moment; a day begins at midnight UTC, and an hour without a zone is UTC.

    Raises:
        Invalid: It is none.
    """
    try:
        found = datetime.fromisoformat(said)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{option} is neither a day (2023-03-30) nor a moment (2023-03-30T09:15Z)") from None


def question(args: argparse.Namespace) -> Question:
    """Return what the options ask."""
    from confide.incidents.questions import Copy, Keys, Question

    return Question(
        since=moment("--from", args.since),
        until=moment("--to", args.until),
        actors=(*map(_person, args.login), *map(_program, args.client)),
        credentials=tuple(args.credential),
        addresses=tuple(args.address),
        exports=tuple(args.export),
        copy=Copy(args.copy),
        keys=Keys(args.keys),
    )


def _person(name: str) -> str:
    from confide.access import terminal

    found = terminal.find(name)
    if found is None:
        raise Unknown("there is no such login (see confide staff list)")
    return found.pk


def _program(name: str) -> str:
    from django.db.models import Q

    from confide.access.models import Client

    found = list(Client.objects.filter(Q(pk=name) | Q(name=name))[:2])
    if len(found) != 1:
        raise Unknown("there is no such program, or several of that name (see confide client list)")
    return found[0].pk


def tell(counted: Scope) -> None:
    """Show a scope: how many, where, what."""
    from confide.protect.elements import CATALOGUE, Element

    frozen = f"frozen {counted.frozen_at:%Y-%m-%d %H:%M} UTC" if counted.frozen_at else "not frozen"
    persons = "" if counted.persons is None else f", {show.many(counted.persons, 'person', 'persons')}"
    show.line(
        f"scope, version {counted.version} ({frozen}): {show.many(counted.records, 'record')}{persons}"
        f" of {show.many(counted.practices, 'practice')}",
        style="bold",
    )
    if not counted.sound:
        show.step("wrong", "journal", unsound(counted))
    states = sorted(counted.states.items(), key=lambda each: (-each[1], each[0]))
    show.table(("  state", "records"), [(f"  {s or 'unknown'}", f"{n:,}") for s, n in states], figures=[1])
    rows = [
        (f"  {CATALOGUE[Element(element)].label}", *(f"{forms.get(form, 0):,}" for form in _FORMS))
        for element, forms in counted.elements.items()
    ]
    if rows:
        show.table(("  element", *_FORMS), rows, figures=[1, 2, 3])
    if counted.honey:
        show.line(f"honey patients left out: {counted.honey:,}", style="dim")


_FORMS: Final = ("clear", "masked", "searched")


def unsound(counted: Scope) -> str:
    """Say in one sentence that a scope stands over a journal that is not verified."""
    wrong = counted.proof.get("wrong")
    if wrong:
        return f"it does not verify ({wrong[0][0]}: {wrong[0][1]}); this count may be short"
    return "it is not verified yet; this count is not proved"
