"""`confide staff|client freeze|thaw`, `confide practice outsider`: stop a credential, and let it in again."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from confide.cli import installation, person, show
from confide.errors import Misconfigured

if TYPE_CHECKING:
    from confide.access.models import Account
    from confide.access.standing import Subject

_REASONS: Final = ("misuse", "lost", "left")
_FREEZE: Final = """\
examples:
  confide {group} freeze {name}
  confide {group} freeze {name} --reason lost --by plindgren

It is refused everywhere at once, with its sessions and tokens. Without --by it is the operator's doing. It
stands in the journal.
"""
_THAW: Final = """\
example:
  confide {group} thaw {name} --by plindgren

Also ends that it is suspect. A privacy officer or practice manager answers for it, whose account is older
than 7 days, and nobody for themselves; in a practice with one clinician also the person outside whom it has
named (confide practice outsider). It stands in the journal.
"""
_OUTSIDER: Final = """\
example:
  confide practice outsider mwinter --by plindgren

For a practice with one clinician: somebody outside, with a login on this server, who may let its people in
again. Their word counts from a week on. Naming somebody else ends it.
"""


def register_staff(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `confide staff freeze` and `confide staff thaw`."""
    _register(actions, "staff", "jreyes", ("USERNAME", "what the person signs in with"), _person)


def register_client(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `confide client freeze` and `confide client thaw`."""
    _register(actions, "client", "lab", ("NAME", "name or id of the program"), _program)


def register_practice(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `confide practice outsider`."""
    parser = actions.add_parser("outsider", help="name who may let a practice's only clinician in again")
    installation.describe(parser, "Name a person outside the practice.", _OUTSIDER)
    parser.add_argument("name", metavar="USERNAME", help="what the person outside signs in with")
    person.describe(parser)
    parser.set_defaults(run=name_outsider)


def _register(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    group: str,
    example: str,
    name: tuple[str, str],
    find: Callable[[argparse.Namespace], Subject],
) -> None:
    metavar, words = name
    parser = actions.add_parser("freeze", help="stop it at once")
    words_of = {"group": group, "name": example}
    installation.describe(parser, "Stop a login or program at once.", _FREEZE.format(**words_of))
    parser.add_argument("name", metavar=metavar, help=words)
    parser.add_argument(
        "--reason",
        choices=_REASONS,
        default="misuse",
        help="%(choices)s (default: %(default)s)",
        metavar="CODE",
    )
    person.describe(parser, required=False)
    parser.set_defaults(run=lambda args: freeze(args, find))
    parser = actions.add_parser("thaw", help="let it in again, by a second person's word")
    installation.describe(parser, "Let a login or program in again.", _THAW.format(**words_of))
    parser.add_argument("name", metavar=metavar, help=words)
    person.describe(parser)
    parser.set_defaults(run=lambda args: thaw(args, find))


def freeze(args: argparse.Namespace, find: Callable[[argparse.Namespace], Subject]) -> int:
    """Stop a login or program."""
    installation.ready(args)
    from confide.access import terminal
    from confide.access.standing import Reason
    from confide.audit import standing
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    subject, words = find(args), args.name
    if args.by is None:
        measure = standing.stop(Journal(), subject, utc_now())
    else:
        practice = installation.practice(args.practice)
        by = person.identify(args.by)
        measure = standing.freeze(
            Journal(), subject, Reason(args.reason), utc_now(), by=by, practice=practice.pk,
            credential=terminal.CREDENTIAL,
        )  # fmt: skip
    show.step("ok" if measure.new else "kept", "frozen", f"{words}   (its sessions and tokens are void)")
    return show.DONE


def thaw(args: argparse.Namespace, find: Callable[[argparse.Namespace], Subject]) -> int:
    """Let a login or program in again."""
    installation.ready(args)
    from confide.access import terminal
    from confide.audit import standing
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    practice = installation.practice(args.practice)
    by = person.identify(args.by)
    standing.lift(Journal(), find(args), by, practice.pk, utc_now(), terminal.CREDENTIAL)
    show.step("ok", "thawed", f"{args.name}   (with new sessions and tokens)")
    return show.DONE


def name_outsider(args: argparse.Namespace) -> int:
    """Name the person outside."""
    installation.ready(args)
    from confide.access import terminal
    from confide.audit import standing
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    practice = installation.practice(args.practice)
    outside = _person(args)
    by = person.identify(args.by)
    named = standing.name_outsider(Journal(), outside, practice.pk, by, utc_now(), terminal.CREDENTIAL)
    show.step("made", "outsider", f"{outside.display_name} ({outside.username}) for {practice.name}")
    show.step("note", "from", f"{named.effective_at:%Y-%m-%d %H:%M} UTC")
    return show.DONE


def _person(args: argparse.Namespace) -> Account:
    from confide.access.models import Account

    found = Account.objects.filter(username=args.name.lower()).first()
    if found is None:
        raise Misconfigured("there is no such person (see confide staff list)")
    return found


def _program(args: argparse.Namespace) -> Subject:
    from confide.cli import program

    return program.named(args)
