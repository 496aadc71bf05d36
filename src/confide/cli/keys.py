"""`confide client key`: a program's public keys, one of which takes over from another without a pause."""

from __future__ import annotations

import argparse
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from confide.cli import installation, program, show
from confide.errors import Invalid, Misconfigured

if TYPE_CHECKING:
    from confide.access.keys import Key, Method

_ADD_EXAMPLE: Final = """\
examples:
  confide client key add lab --key-out lab-key-2027.json
  confide client key add lab --jwks lab-public.json --days 90

The new key holds at once, beside the others. Give it to the program, see that it uses it, and retire the old
one: at no time is the program without a key.
"""
_RETIRE_EXAMPLE: Final = """\
example:
  confide client key list lab
  confide client key retire lab 5f0c6be1d2a94e07

The key is refused at once, and so are the tokens that were got with it. Tokens of the other keys stay good.
"""
_LIST_EXAMPLE: Final = """\
example:
  confide client key list lab
"""


def register(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `confide client key`."""
    group = actions.add_parser("key", help="its public keys: add, retire, list", description=__doc__)
    own = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = own.add_parser("add", help="one more, beside those that it has")
    installation.describe(parser, "Register one more key of a program.", _ADD_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="name or id of the program")
    describe(parser)
    parser.set_defaults(run=add)
    parser = own.add_parser("retire", help="take one out of use at once")
    installation.describe(parser, "Take a key of a program out of use.", _RETIRE_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="name or id of the program")
    parser.add_argument("kid", metavar="KEY", help="the key's id, as the list has it")
    parser.set_defaults(run=retire)
    parser = own.add_parser("list", help="its keys, from when and until when they hold")
    installation.describe(parser, "List the keys of a program.", _LIST_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="name or id of the program")
    parser.set_defaults(run=show_all)


def describe(parser: argparse.ArgumentParser) -> None:
    """Give a command the options that name a key."""
    options = parser.add_mutually_exclusive_group(required=True)
    options.add_argument(
        "--key-out", metavar="FILE", type=Path, help="make a key pair; the private one goes here"
    )
    options.add_argument("--jwks", metavar="FILE", type=Path, help="public keys that the program has made")
    options.add_argument(
        "--certificate", metavar="FILE", type=Path, help="the program's own certificate, PEM (mutual TLS)"
    )
    options.add_argument(
        "--authority", metavar="FILE", type=Path, help="who issues its certificates, PEM (mutual TLS)"
    )
    parser.add_argument(
        "--days",
        metavar="N",
        type=int,
        default=366,
        help="for how long the key holds: 1 to 366 (default: %(default)s)",
    )


def obtain(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keys that the options name, with their terms."""
    from confide.access import keys
    from confide.wiring import utc_now

    now = utc_now()
    keys.stamp({"keys": []}, args.days, now)  # before a file is made
    return keys.stamp(_read(args), args.days, now)


def _read(args: argparse.Namespace) -> dict[str, Any]:
    from confide.server import certificates, credentials
    from confide.wiring import utc_now

    if args.certificate or args.authority:
        return certificates.read_certificates(program.read(args.certificate or args.authority), utc_now())
    return credentials.read_keys(program.read_json(args.jwks)) if args.jwks else make(args.key_out)


def make(path: Path) -> dict[str, Any]:
    """Make a key pair, write the private key for its owner only, and return the public key set."""
    from joserfc.jwk import ECKey

    key = ECKey.generate_key(
        "P-384", {"kid": secrets.token_hex(8), "alg": "ES384", "use": "sig"}, private=True
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as problem:
        raise Misconfigured(
            f"{path} cannot be made ({type(problem).__name__}; an existing key is kept)"
        ) from None
    with os.fdopen(descriptor, "w") as file:
        json.dump(key.as_dict(private=True), file, indent=1)
        file.write("\n")
    return {"keys": [key.as_dict(private=False)]}


def add(args: argparse.Namespace) -> int:
    """Register one more key."""
    client = program.named(args)
    from confide.audit import clients
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    require_method(client.method, args)
    _table(clients.add_keys(Journal(), client, obtain(args), args.days, utc_now()))
    if args.key_out:
        show.step("made", "private key", f"{args.key_out}   (hand it to the program; there is no other copy)")
    return show.DONE


def method(args: argparse.Namespace) -> Method:
    """Return how a program proves itself with what the options name."""
    from confide.access.keys import Method

    if args.certificate:
        return Method.CERTIFICATE
    return Method.AUTHORITY if args.authority else Method.SIGNATURE


def require_method(registered: str, args: argparse.Namespace) -> None:
    """Refuse a key of another kind than the program was registered with.

    Raises:
        Invalid: It is of another kind.
    """
    if method(args) != registered:
        raise Invalid(f"the program proves itself by {registered}: add a key of that kind")


def retire(args: argparse.Namespace) -> int:
    """Take a key out of use."""
    client = program.named(args)
    from confide.audit import clients
    from confide.audit.journal import Journal
    from confide.wiring import utc_now

    _table(clients.retire_key(Journal(), client, args.kid, utc_now()))
    show.step("ok", "retired", f"{args.kid}   (and the tokens that were got with it)")
    return show.DONE


def show_all(args: argparse.Namespace) -> int:
    """List keys."""
    client = program.named(args)
    from confide.access import keys

    _table(keys.keys_of(client))
    return show.DONE


def _table(listed: Iterable[Key]) -> None:
    from confide.wiring import utc_now

    now = utc_now()
    rows = [
        (
            key.id,
            key.kind,
            f"{key.since:%Y-%m-%d}",
            f"{key.until:%Y-%m-%d}",
            "" if key.holds(now) else "ended",
        )
        for key in listed
    ]
    show.table(("key", "", "from", "until", ""), rows)
