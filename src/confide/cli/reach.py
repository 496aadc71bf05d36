"""`confide client admit` and `dismiss`: a practice lets another's program in, or sends it away."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from confide.cli import installation, person, program, show

if TYPE_CHECKING:
    from confide.access.models import Account, Client, Practice

_ADMIT: Final = """\
example:
  confide client admit vendor --practice Riverbend --by plindgren

The program then acts in this practice too, by its one registration and within its one budget over all that it
reaches. A privacy officer or practice manager answers for it, whose account is older than 7 days. It stands
in the practice's journal.
"""
_DISMISS: Final = """\
example:
  confide client dismiss vendor --practice Riverbend --by plindgren

Its tokens for this practice are void at once. Other practices are not concerned. It stands in the journal.
"""


def register(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `confide client admit` and `confide client dismiss`."""
    parser = actions.add_parser("admit", help="let another practice's program into this one")
    installation.describe(parser, "Let a program into a practice.", _ADMIT)
    parser.add_argument("name", metavar="NAME", help="name or id of the program")
    person.describe(parser)
    parser.set_defaults(run=admit)
    parser = actions.add_parser("dismiss", help="send another practice's program away from this one")
    installation.describe(parser, "Send a program away from a practice.", _DISMISS)
    parser.add_argument("name", metavar="NAME", help="name or id of the program")
    person.describe(parser)
    parser.set_defaults(run=dismiss)


def admit(args: argparse.Namespace) -> int:
    """Let a program in."""
    client, practice, account = _who(args)
    from confide.audit import reach
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    reach.admit(Journal(), account, practice.pk, client, utc_now())
    show.step("ok", "admitted", f"{client.name} to {practice.name}")
    show.step("note", "its tokens", f"are asked for with resource=urn:uuid:{practice.pk}")
    return show.DONE


def dismiss(args: argparse.Namespace) -> int:
    """Send a program away."""
    client, practice, account = _who(args)
    from confide.audit import reach
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    reach.dismiss(Journal(), account, practice.pk, client, utc_now())
    show.step("ok", "dismissed", f"{client.name} from {practice.name}   (its tokens here are void)")
    return show.DONE


def _who(args: argparse.Namespace) -> tuple[Client, Practice, Account]:
    client = program.named(args)
    practice = installation.practice(args.practice)
    return client, practice, person.identify(args.by)
