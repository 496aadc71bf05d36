"""`confide watch`: whether notices of the watch arrive, and how a receiver knows them for real."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from confide.cli import installation, show

TRY_EXAMPLE: Final = """\
example:
  confide watch try

Sends one notice by each way that confide.toml names under [watch], and says which were taken. It is marked as
a test, names nobody, and is not sent again.
"""
SIGNATURE_EXAMPLE: Final = """\
example:
  confide watch secret > receiver/confide-webhook.key

For whoever receives the webhook: its header Confide-Signature is sha256= and the hexadecimal HMAC-SHA-256
of the body under these bytes (written here in hexadecimal). Without it anybody could send the receiver a
notice. It is derived from the installation's keyring, so it changes when the keyring does.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("watch", help="notices of the watch: try, secret", description=__doc__)
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = actions.add_parser("try", help="send a test notice by each way")
    installation.describe(parser, "Send a test notice by each way.", TRY_EXAMPLE)
    parser.set_defaults(run=try_out)
    parser = actions.add_parser("secret", help="what the webhook is signed with")
    installation.describe(parser, "Print what the webhook is signed with.", SIGNATURE_EXAMPLE)
    parser.set_defaults(run=secret)


def try_out(args: argparse.Namespace) -> int:
    """Send a test notice by each way; say which were taken."""
    config = installation.ready(args)
    system = installation.build(config)
    from confide.watch import notices  # needs the settings that are there now

    tried = notices.try_out(config.watch.ways, lambda: system.keepsakes.secret("webhook"), system.clock())
    for way, taken in tried.items():
        show.step("ok" if taken else "wrong", way, "taken" if taken else "nobody took it")
    if not tried:
        show.line("no way is configured: see [watch] in confide.toml")
    return show.DONE if tried and all(tried.values()) else show.FAILED


def secret(args: argparse.Namespace) -> int:
    """Print what the webhook is signed with."""
    system = installation.build(installation.ready(args))
    sys.stdout.write(system.keepsakes.secret("webhook").hex() + "\n")
    return show.DONE
