"""`confide keyring`: keys for columns and files, apart from the server's."""

from __future__ import annotations

import argparse
import os
import sys
from getpass import getpass
from pathlib import Path
from typing import Final

from confide.cli import columns, show
from confide.errors import Misconfigured

NEW_EXAMPLE: Final = """\
examples:
  confide keyring new research.keyring
  confide keyring new research.keyring --passphrase

Whoever has the file (and its passphrase) reveals whatever it protects. Without it nobody does: keep a
copy of it, apart from the files. The passphrase is asked for, or taken from CONFIDE_COLUMN_PASSPHRASE.
"""
SHOW_EXAMPLE: Final = """\
example:
  confide keyring show research.keyring
"""
ADD_EXAMPLE: Final = """\
example:
  confide keyring add-version research.keyring

What is protected from then on has other stand-ins. What was protected before is revealed under its old
version, which stays in the keyring: the recipe beside a protected file says which one it is.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser(
        "keyring", help="keys for columns and files: new, show, add-version", description=__doc__
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = actions.add_parser("new", help="make a keyring")
    columns.describe(parser, "Make a keyring for columns, mode 0600.", NEW_EXAMPLE)
    parser.add_argument("file", metavar="FILE", type=Path, help="a file that does not exist")
    parser.add_argument("--passphrase", action="store_true", help="the file alone is not enough")
    parser.set_defaults(run=new)
    parser = actions.add_parser("show", help="its id and versions")
    columns.describe(parser, "Show what a keyring is; never its keys.", SHOW_EXAMPLE)
    parser.add_argument("file", metavar="FILE", type=Path, help="a keyring")
    parser.set_defaults(run=tell)
    parser = actions.add_parser("add-version", help="new keys for new work")
    columns.describe(parser, "Give a keyring another version.", ADD_EXAMPLE)
    parser.add_argument("file", metavar="FILE", type=Path, help="a keyring")
    parser.set_defaults(run=add_version)


def new(args: argparse.Namespace) -> int:
    """Make a keyring."""
    from confide.protect.columns.keyring import ColumnKeyring

    columns.refuse_servers(args.file)
    made = ColumnKeyring.create(args.file, _ask_twice() if args.passphrase else None)
    show.step("made", "keyring", f"{args.file}   {made.id}")
    show.step("note", "keep a copy", "apart from the files: without it nothing can be revealed, by anyone")
    return show.DONE


def tell(args: argparse.Namespace) -> int:
    """Show what a keyring is."""
    from confide.protect.kms import keyfile

    columns.refuse_servers(args.file)
    content = keyfile.read(args.file, keyfile.COLUMN_KEYRING)
    versions = content.get("versions")
    if not isinstance(versions, dict) or not versions:
        raise keyfile.not_ours(args.file)
    show.step("ok", "keyring", str(content.get("id", "")))
    show.step("ok", "passphrase", "none" if "key" in content else "yes")
    newest = max(versions, key=int)
    for version, created in versions.items():
        show.step("ok", f"version {version}", f"{created}{'   for new work' if version == newest else ''}")
    return show.DONE


def add_version(args: argparse.Namespace) -> int:
    """Give a keyring another version."""
    from confide.protect.columns.keyring import ColumnKeyring

    made = ColumnKeyring.add_version(args.file, columns.passphrase_of(args.file))
    show.step("made", f"version {made.version}", f"{args.file}   for new work; older ones still reveal")
    return show.DONE


def _ask_twice() -> str:
    given = os.environ.get(columns.PASSPHRASE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise Misconfigured(f"nobody is there to type a passphrase (set {columns.PASSPHRASE})")
    first = getpass("passphrase of the keyring: ")
    if first != getpass("once more: "):
        raise Misconfigured("the two are not the same; no keyring was made")
    return first
