"""``--by``: the person who answers for a command, and proves who they are with their password."""

from __future__ import annotations

import argparse
import os
import sys
from getpass import getpass
from typing import TYPE_CHECKING, Final

from confide.errors import Misconfigured

if TYPE_CHECKING:
    from datetime import datetime

    from confide.access.decide import Grant
    from confide.access.models import Account, Practice
    from confide.access.roles import Action

PASSWORD: Final = "CONFIDE_PASSWORD"  # noqa: S105 - the name of a variable


def describe(parser: argparse.ArgumentParser, *, required: bool = True, default: str | None = None) -> None:
    """Give a command the options ``--by`` and ``--practice``."""
    parser.add_argument(
        "--by",
        metavar="WHO",
        required=required,
        default=default,
        help=f"who you are: username or e-mail; the password is asked for, or taken from {PASSWORD}",
    )
    parser.add_argument(
        "--practice", metavar="ID", default=default, help="id or name (needed where there are several)"
    )


def identify(name: str) -> Account:
    """Return the account of whoever types its password.

    Raises:
        AccessDenied: It is not theirs.
        Misconfigured: There is nobody to ask.
    """
    from confide.access import terminal

    given = os.environ.get(PASSWORD)
    if given is None:
        if not sys.stdin.isatty():
            raise Misconfigured(f"nobody is there to type a password (a script sets {PASSWORD})")
        given = getpass(f"password of {name}: ")
    return terminal.identify(name, given)


def grant(name: str, practice: Practice, action: Action, now: datetime) -> Grant:
    """Ask for the password, and decide what its owner may do in this practice.

    Raises:
        AccessDenied: Not their password, or none of their roles allows it.
    """
    from confide.access import terminal
    from confide.vault.exports import PURPOSE

    return terminal.grant(identify(name).pk, practice.pk, action, PURPOSE, now)


def names(ids: set[str]) -> dict[str, str]:
    """Return what others read for the owners of accounts."""
    from confide.access.models import Account

    listed = Account.objects.filter(pk__in=ids).values_list("pk", "display_name", "username")
    return {pk: f"{display} ({username})" for pk, display, username in listed}
