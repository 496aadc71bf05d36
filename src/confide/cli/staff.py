"""`confide staff`: the people who sign in."""

from __future__ import annotations

import argparse
import secrets
from getpass import getpass
from typing import TYPE_CHECKING, Final

from confide.access.roles import Role
from confide.cli import installation, raises, show, standing
from confide.errors import Invalid, Misconfigured

if TYPE_CHECKING:
    from confide.access.models import Account, Practice

EXAMPLE: Final = """\
example:
  confide staff add rbanerjee --role clinician --name "Rahul Banerjee, MD"

A password is made and printed once. For somebody who is there already, the role is added.
"""
LIST_EXAMPLE: Final = """\
example:
  confide staff list
"""
_NOT_PEOPLE: Final = {Role.SYSTEM, Role.INTEGRATOR}
ROLES: Final = tuple(role.value for role in Role if role not in _NOT_PEOPLE)
_ONSETS, _VOWELS = "bdfgklmnprstvz", "aeiou"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser(
        "staff", help="people who sign in: add, list, raise, freeze, thaw", description=__doc__
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
        "--ask-password", action="store_true", help="type a password instead of having one made"
    )
    parser.set_defaults(run=add)
    parser = actions.add_parser("list", help="who may sign in, and as what")
    installation.describe(parser, "List the people of all practices.", LIST_EXAMPLE)
    parser.set_defaults(run=show_all)
    raises.register_staff(actions)
    standing.register_staff(actions)


def add(args: argparse.Namespace) -> int:
    """Add a person, or a role."""
    installation.ready(args)
    practice = installation.practice(args.practice)
    there = _find(args.username)
    typed = ask_password() if args.ask_password and there is None else None
    person, made = (there, None) if there else account(args.username, args.name or args.username, typed)
    show.step("kept" if there else "made", "account", f"{person.username}   ({person.display_name})")
    new = join(person, practice, Role(args.role))
    show.step("made" if new else "kept", "role", f"{args.role} in {practice.name}")
    if made:
        show.step("made", "password", f"{made}   (shown this once)")
    return show.DONE


def show_all(args: argparse.Namespace) -> int:
    """List people and roles."""
    installation.ready(args)
    from confide.access.models import Membership

    rows = [
        (m.account.username, m.account.display_name, m.role, m.practice.name, _state(m.account, m.active))
        for m in Membership.objects.select_related("account", "practice").order_by(
            "account__username", "role"
        )
    ]
    show.table(("username", "name", "role", "practice", ""), rows)
    return show.DONE


def _state(person: Account, active: bool) -> str:
    if person.frozen_at is not None:
        return "frozen"
    if person.suspect_at is not None:
        return "suspect"
    return "" if active and person.is_active else "inactive"


def _find(username: str) -> Account | None:
    from confide.access.models import Account

    return Account.objects.filter(username=username.lower()).first()


def account(username: str, name: str, password: str | None = None) -> tuple[Account, str | None]:
    """Make an account, if there is none; return it with the password that was given or made for it."""
    from confide.access.models import Account

    there = _find(username)
    if there is not None:
        return there, None
    if not username.strip() or len(username) > 150 or any(c.isspace() for c in username):
        raise Invalid("a username has 1 to 150 characters and no spaces")
    chosen = password or passphrase()
    return Account.objects.create_user(username, chosen, display_name=name), chosen


def join(person: Account, practice: Practice, role: Role) -> bool:
    """Give a person a role in a practice; return whether it is new."""
    from confide.access.models import Membership

    _, new = Membership.objects.get_or_create(account=person, practice=practice, role=role.value)
    return new


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


def passphrase(words: int = 4) -> str:
    """Make a password that can be read out: words of three syllables, 18 bits each."""
    return "-".join(
        "".join(secrets.choice(_ONSETS) + secrets.choice(_VOWELS) for _ in range(3)) for _ in range(words)
    )
