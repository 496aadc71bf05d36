"""`confide staff raise` and `confide client raise`: a second person allows more, for some hours."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from confide.cli import installation, person, show
from confide.errors import Misconfigured

if TYPE_CHECKING:
    from confide.access.models import Account, Client

_EXAMPLE: Final = """\
example:
  confide {group} raise {name} --times 2 --hours 8 --by {by}

Threefold at most, for 24 hours at most, and within the practice's ceiling. A privacy officer or practice
manager answers for it, whose account is older than 7 days{other}. It stands in the journal.
"""


def register_staff(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `confide staff raise`."""
    parser = actions.add_parser("raise", help="let a person see more for some hours")
    example = _EXAMPLE.format(
        group="staff", name="jreyes", by="plindgren", other=", and nobody for themselves"
    )
    _describe(parser, "Raise a person's exposure budget.", example, raise_person)
    parser.add_argument("name", metavar="USERNAME", help="what the person signs in with")


def register_client(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `confide client raise`."""
    parser = actions.add_parser("raise", help="let a program see more for some hours")
    example = _EXAMPLE.format(group="client", name="lab", by="plindgren", other="")
    _describe(parser, "Raise a program's exposure budget.", example, raise_program)
    parser.add_argument("name", metavar="NAME", help="name or id of the program")


def _describe(
    parser: argparse.ArgumentParser,
    description: str,
    example: str,
    run: Callable[[argparse.Namespace], int],
) -> None:
    installation.describe(parser, description, example)
    parser.add_argument(
        "--times", metavar="N", type=int, default=2, help="2 or 3 times as much (default: %(default)s)"
    )
    parser.add_argument(
        "--hours", metavar="N", type=int, default=8, help="for 1 to 24 hours (default: %(default)s)"
    )
    person.describe(parser)
    parser.set_defaults(run=run)


def raise_person(args: argparse.Namespace) -> int:
    """Raise a person's budget."""
    installation.ready(args)
    from confide.access.models import Account

    found = Account.objects.filter(username=args.name.lower()).first()
    if found is None:
        raise Misconfigured("there is no such person (see confide staff list)")
    return _raise(args, found, f"{found.display_name} ({found.username})")


def raise_program(args: argparse.Namespace) -> int:
    """Raise a program's budget."""
    installation.ready(args)
    from confide.access.models import Client

    found = list(Client.objects.filter(name=args.name)[:2]) or list(Client.objects.filter(pk=args.name))
    if len(found) != 1:
        raise Misconfigured("there is no such program, or several of that name (see confide client list)")
    return _raise(args, found[0], found[0].name)


def _raise(args: argparse.Namespace, subject: Account | Client, words: str) -> int:
    from confide.audit.journal import Journal
    from confide.audit.raises import grant_raise
    from confide.wiring import utc_now

    practice = installation.practice(args.practice)
    account = person.identify(args.by)
    made = grant_raise(Journal(), account, practice.pk, subject, args.times, args.hours, utc_now())
    show.step("made", "raise", f"{words}: {made.times} times the budget in {practice.name}")
    show.step("note", "until", f"{made.expires_at:%Y-%m-%d %H:%M} UTC")
    return show.DONE
