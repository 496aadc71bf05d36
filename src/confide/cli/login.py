"""`confide staff connect` and `disconnect`: logins of a practice's own identity provider."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from confide.cli import installation, show
from confide.errors import Misconfigured

if TYPE_CHECKING:
    from confide.access.models import Account
    from confide.server.config import Config
    from confide.server.issuers import Issuer

CONNECT_EXAMPLE: Final = """\
example:
  confide staff connect rbanerjee --at elm --subject 8f1c2e54-6d1b-4c39-9f0e-2b7a5d3c1e10

The subject is the person's `sub` at the identity provider, which stands as [oidc.elm] in confide.toml. Better
the person connects it, under Passkeys and code app. Done here it counts as a reset: for seven days the person
approves nothing.
"""
DISCONNECT_EXAMPLE: Final = """\
example:
  confide staff disconnect rbanerjee --at elm

The person's sessions end.
"""


def register(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the actions to `confide staff`."""
    parser = actions.add_parser("connect", help="let a login of the practice's identity provider sign in")
    installation.describe(parser, "Connect a person with a login elsewhere.", CONNECT_EXAMPLE)
    _describe(parser)
    parser.add_argument("--subject", metavar="SUB", required=True, help="the person's `sub` there")
    parser.set_defaults(run=connect)
    parser = actions.add_parser("disconnect", help="let it sign nobody in any more")
    installation.describe(parser, "Disconnect a person from a login elsewhere.", DISCONNECT_EXAMPLE)
    _describe(parser)
    parser.set_defaults(run=disconnect)


def _describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("username", metavar="USERNAME", help="what the person signs in with")
    parser.add_argument("--at", metavar="NAME", required=True, help="the provider, as confide.toml calls it")


def connect(args: argparse.Namespace) -> int:
    """Connect a login elsewhere."""
    account, issuer = _find(args, installation.ready(args))
    from confide.audit.journal import Journal
    from confide.server import connections
    from confide.wiring import utc_now

    new = connections.connect_at_terminal(Journal(), account, issuer, args.subject, utc_now())
    show.step("made" if new else "kept", "connection", f"{account.username} with a login of {issuer.name}")
    return show.DONE


def disconnect(args: argparse.Namespace) -> int:
    """Disconnect a login elsewhere."""
    account, issuer = _find(args, installation.ready(args))
    from confide.access import terminal
    from confide.audit.journal import Journal
    from confide.server import connections
    from confide.wiring import utc_now

    if not connections.disconnect(Journal(), account, issuer, utc_now(), credential=terminal.CREDENTIAL):
        raise Misconfigured("the person has no login there")
    show.step("ok", "disconnected", f"{account.username} from the login of {issuer.name}")
    return show.DONE


def _find(args: argparse.Namespace, config: Config) -> tuple[Account, Issuer]:
    from confide.access.models import Account

    account = Account.objects.filter(username=args.username.lower()).first()
    if account is None:
        raise Misconfigured("there is no such person (see confide staff list)")
    issuer = next((each for each in config.issuers if each.id == args.at), None)
    if issuer is None:
        raise Misconfigured("confide.toml names no such identity provider (see docs/operations.md)")
    return account, issuer
