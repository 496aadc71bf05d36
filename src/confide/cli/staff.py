"""`confide staff`: the people who sign in."""

from __future__ import annotations

import argparse
from getpass import getpass
from typing import TYPE_CHECKING, Final

from confide.access.passwords import make_words
from confide.access.roles import Role
from confide.cli import installation, login, person, raises, show, standing
from confide.errors import Invalid, Misconfigured

if TYPE_CHECKING:
    from confide.access.models import Account, Membership, Practice

EXAMPLE: Final = """\
example:
  confide staff add rbanerjee --role clinician --name "Rahul Banerjee, MD"

A password and an invitation are made and printed once; with both they add a passkey or a code app, without
which nobody signs in. For somebody who is there already, the role is added. A role that opens clear values
waits until a privacy officer approves it.
"""
LIST_EXAMPLE: Final = """\
example:
  confide staff list
"""
APPROVE_EXAMPLE: Final = """\
example:
  confide staff approve rbanerjee --by plindgren

A role that opens clear values works once a privacy officer of the practice has approved it, whose account is
older than 7 days, and nobody for themselves. The first privacy officer of a practice is approved by founding,
and approves roles from the first day.
"""
INVITE_EXAMPLE: Final = """\
example:
  confide staff invite rbanerjee

The invitation is shown once, is good once, and lapses after 72 hours. An earlier one is void.
"""
RESET_EXAMPLE: Final = """\
example:
  confide staff reset rbanerjee

For a lost telephone or a forgotten password: both are taken away at once, every session ends, and an
invitation opens new ones. Whoever was reset approves nothing for seven days.
"""
_NOT_PEOPLE: Final = {Role.SYSTEM, Role.INTEGRATOR}
ROLES: Final = tuple(role.value for role in Role if role not in _NOT_PEOPLE)
# By the code of ``memberships.Standing``.
_WAITS: Final = {
    "free": "",
    "approved": "",
    "founded": "   (the first: approved by founding)",
    "pending": "   (waits for the privacy officer: confide staff approve)",
}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser(
        "staff",
        help="people who sign in: add, invite, reset, approve, freeze, thaw, list",
        description=__doc__,
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = actions.add_parser("add", help="add a person, or a role to a person")
    installation.describe(parser, "Add a person to a practice.", EXAMPLE)
    parser.add_argument("username", metavar="USERNAME", help="what the person signs in with")
    parser.add_argument(
        "--role", required=True, choices=ROLES, help="what the person does there: %(choices)s", metavar="ROLE"
    )
    parser.add_argument("--practice", metavar="ID", help="id or name (needed where there are several)")
    parser.add_argument("--name", metavar="NAME", help="what others read (default: the username)")
    parser.add_argument(
        "--practitioner",
        metavar="ID",
        help="the Practitioner that they are in the records: care teams, visits and claims name people by it",
    )
    parser.add_argument(
        "--ask-password", action="store_true", help="type a password instead of having one made"
    )
    parser.set_defaults(run=add)
    parser = actions.add_parser("list", help="who may sign in, and as what")
    installation.describe(parser, "List the people of all practices.", LIST_EXAMPLE)
    parser.set_defaults(run=show_all)
    for name, words, example, run in (
        ("invite", "an invitation to a first passkey or code app", INVITE_EXAMPLE, invite),
        ("reset", "take password and factors away, and invite anew", RESET_EXAMPLE, reset),
    ):
        parser = actions.add_parser(name, help=words)
        installation.describe(parser, f"{words[:1].upper()}{words[1:]}.", example)
        parser.add_argument("username", metavar="USERNAME", help="who")
        parser.set_defaults(run=run)
    parser = actions.add_parser("approve", help="let a role that opens clear values work")
    installation.describe(parser, "Approve a role; a privacy officer of the practice does.", APPROVE_EXAMPLE)
    parser.add_argument("username", metavar="USERNAME", help="whose role it is")
    parser.add_argument("--role", choices=ROLES, help="which, where several wait", metavar="ROLE")
    person.describe(parser)
    parser.set_defaults(run=approve)
    raises.register_staff(actions)
    standing.register_staff(actions)
    login.register(actions)


def add(args: argparse.Namespace) -> int:
    """Add a person, or a role."""
    installation.ready(args)
    from confide.access.memberships import standing
    from confide.audit import people
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    practice = installation.practice(args.practice)
    who = _practitioner(practice, args.practitioner)
    there = _find(args.username)
    typed = ask_password() if args.ask_password and there is None else None
    one, made = (
        (there, None) if there else account(practice, args.username, args.name or args.username, typed)
    )
    show.step("kept" if there else "made", "account", f"{one.username}   ({one.display_name})")
    row, new = join(one, practice, Role(args.role))
    show.step("made" if new else "kept", "role", f"{args.role} in {practice.name}{_WAITS[standing(row)]}")
    if who and row.practitioner != who:
        people.name_practitioner(Journal(), row, who, utc_now())
        show.step("made", "practitioner", f"in the records they are Practitioner/{who}")
    if made and typed is None:
        show.step("made", "password", f"{made}   (shown this once)")
    if made:
        give_invitation(one.username)
    return show.DONE


def _practitioner(practice: Practice, given: str | None) -> str:
    """Return the id of a Practitioner of the practice's records; empty where none was given."""
    from confide.errors import Unknown
    from confide.records.rows import current

    if given is None:
        return ""
    try:
        return str(current(practice.pk, "Practitioner", given.removeprefix("Practitioner/")).pk)
    except Unknown:
        raise Misconfigured("there is no Practitioner of that id in this practice's records") from None


def invite(args: argparse.Namespace) -> int:
    """Invite a person who has no second factor yet."""
    installation.ready(args)
    give_invitation(args.username)
    return show.DONE


def give_invitation(username: str) -> None:
    """Invite a person who has no second factor yet, and show the words."""
    from confide.server import inviting
    from confide.wiring import utc_now

    one = _require(username)
    _say_invitation(inviting.invite(one, utc_now()))


def reset(args: argparse.Namespace) -> int:
    """Take a person's password and factors away, and invite them anew."""
    installation.ready(args)
    from confide.server import inviting
    from confide.wiring import utc_now

    one = _require(args.username)
    words = inviting.reset(one, utc_now())
    show.step("note", "reset", f"{one.username}: password, passkeys and code app are gone, sessions ended")
    _say_invitation(words)
    return show.DONE


def _say_invitation(words: str) -> None:
    show.step("made", "invitation", f"{words}   (shown this once; good once, for 72 hours)")
    show.step("note", "", "give it to them yourself: with it they add a passkey or a code app at /invitation")


def _require(username: str) -> Account:
    found = _find(username)
    if found is None:
        raise Misconfigured("there is no such person (see confide staff list)")
    return found


def show_all(args: argparse.Namespace) -> int:
    """List people and roles."""
    installation.ready(args)
    from confide.access.models import Membership

    rows = [
        (m.account.username, m.account.display_name, m.role, m.practice.name, _state(m))
        for m in Membership.objects.select_related("account", "practice").order_by(
            "account__username", "role"
        )
    ]
    show.table(("username", "name", "role", "practice", ""), rows)
    return show.DONE


def _state(member: Membership) -> str:
    from confide.access.memberships import Standing, standing

    if member.account.frozen_at is not None:
        return "frozen"
    if member.account.suspect_at is not None:
        return "suspect"
    if not member.active or not member.account.is_active:
        return "inactive"
    return "waits for approval" if standing(member) is Standing.PENDING else ""


def _find(username: str) -> Account | None:
    from confide.access.models import Account

    return Account.objects.filter(username=username.lower()).first()


def account(
    practice: Practice, username: str, name: str, password: str | None = None
) -> tuple[Account, str | None]:
    """Make an account, if there is none; return it with the password that was given or made for it."""
    from confide.audit import people
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    there = _find(username)
    if there is not None:
        return there, None
    if not username.strip() or len(username) > 150 or any(c.isspace() for c in username):
        raise Invalid("a username has 1 to 150 characters and no spaces")
    chosen = password or make_words()
    return people.make_account(Journal(), username, chosen, name, practice.pk, utc_now()), chosen


def join(account: Account, practice: Practice, role: Role) -> tuple[Membership, bool]:
    """Give a person a role in a practice; return it, and whether it is new."""
    from confide.audit import people
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    return people.join(Journal(), account, practice, role, utc_now())


def found(account: Account, practice: Practice, role: Role) -> None:
    """Give a person a role in a practice that is being founded: it needs nobody's approval."""
    from confide.audit import people
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    people.found(Journal(), account, practice, role, utc_now())


def approve(args: argparse.Namespace) -> int:
    """Approve a role that waits."""
    installation.ready(args)
    from confide.access import memberships
    from confide.audit import people
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    practice = installation.practice(args.practice)
    waiting = [
        row
        for row in memberships.pending(practice.pk)
        if row.account.username == args.username.lower() and args.role in (None, row.role)
    ]
    if len(waiting) != 1:
        raise Misconfigured("none of their roles waits here, or several do (name one with --role)")
    officer = person.identify(args.by)
    row = people.approve(Journal(), officer, practice.pk, waiting[0].pk, utc_now())
    show.step("made", "approval", f"{row.account.username} works as {row.role} in {practice.name}")
    return show.DONE


def ask_password() -> str:
    """Let a person type a password, by the same rules as the pages have."""
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    first = getpass("password (15 characters or more): ")
    if first != getpass("once more: "):
        raise Misconfigured("the two differ (nothing was changed)")
    try:
        validate_password(first)
    except ValidationError as problem:
        raise Invalid(" ".join(problem.messages)) from None
    return first
