"""`confide init`: data folder, keyring, databases, the first practice and its administrator."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide.cli import installation, show, staff
from confide.errors import Damaged, Misconfigured, SealBroken

if TYPE_CHECKING:
    from confide.access.models import Account, Practice
    from confide.server.config import Config
    from confide.wiring import System

EXAMPLE: Final = """\
example:
  confide init --practice "Riverbend Family Medicine" --admin mlopez

with PostgreSQL (two empty databases; the wrapped keys are kept apart from the records):
  confide init --database-url postgresql://confide@db/records \\
               --keys-database-url postgresql://confide@db/keys

The keyring lies beside the data folder, never in it. Back it up, apart from the data: without it nobody
can open anything. A second run says what is there already, and changes nothing.
"""
PRACTICE: Final = "My practice"
ADMINISTRATOR: Final = "admin"
# What may be said on the command line, and the variable through which the configuration reads it.
_OPTIONS: Final = {
    "keyring": "CONFIDE_KEYRING",
    "database_url": "DATABASE_URL",
    "keys_database_url": "KEYS_DATABASE_URL",
}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("init", help="make an installation: data folder, keyring, databases")
    installation.describe(
        parser,
        "Make an installation: data folder, keyring, databases, first practice, administrator.",
        EXAMPLE,
    )
    parser.add_argument(
        "--keyring", metavar="FILE", help="key file (default: a folder beside the data folder)"
    )
    parser.add_argument("--database-url", metavar="URL", help="records (default: SQLite in the data folder)")
    parser.add_argument(
        "--keys-database-url", metavar="URL", help="wrapped keys (default: SQLite, a file of its own)"
    )
    parser.add_argument(
        "--practice", metavar="NAME", help=f"name of the first practice (default: {PRACTICE!r})"
    )
    parser.add_argument("--admin", metavar="USERNAME", help=f"first administrator (default: {ADMINISTRATOR})")
    parser.add_argument(
        "--ask-password",
        action="store_true",
        help="type the administrator's password instead of having one made",
    )
    opening = parser.add_mutually_exclusive_group()
    opening.add_argument(
        "--passphrase-file",
        metavar="FILE",
        type=Path,
        help="protect the key file with this file's first line",
    )
    opening.add_argument(
        "--ask-passphrase", action="store_true", help="protect the key file with a passphrase that you type"
    )
    parser.add_argument(
        "--plain-http", action="store_true", help="for one machine: no TLS; serves on loopback only"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make what is missing; say what is there."""
    from confide.server.config import read

    _passphrase(args, _configure(args))
    config = read()
    show.line(f"Confide in {config.data}", style="bold")
    lay_folder(config)
    installation.start(config)
    migrate()
    system = keys(config)
    practice = _practice(args, system)
    made, account = _administrator(args, practice)
    if made is None:
        show.step("kept", "administrator", account)
        show.line("nothing is missing")
    else:
        show.step("made", "administrator", account)
        if made:
            show.step("made", "password", f"{made}   (shown this once: keep it in a password manager)")
        staff.give_invitation(args.admin or ADMINISTRATOR)
    _advise(args, config)
    return show.DONE


def _configure(args: argparse.Namespace) -> Config:
    """Let the command line speak through the environment, but never against what is written already."""
    from confide.server import config

    before = installation.locate(args)
    for option, variable in _OPTIONS.items():
        said = getattr(args, option)
        if said is not None:
            os.environ[variable] = str(Path(said).expanduser().absolute()) if option == "keyring" else said
    if args.plain_http:
        os.environ["CONFIDE_PLAIN_HTTP"] = "true"
    now = config.read()
    changed = [name for name in (*_OPTIONS, "plain_http") if getattr(before, name) != getattr(now, name)]
    if changed and (now.data / config.FILE).exists():
        option = changed[0].replace("_", "-")
        raise Misconfigured(f"{config.FILE} says otherwise (edit it there, or leave --{option} out)")
    if now.keyring.is_relative_to(now.data) and not now.demo:
        raise Misconfigured("the keyring would lie in the data folder (choose another place with --keyring)")
    return now


def _passphrase(args: argparse.Namespace, config: Config) -> None:
    if args.passphrase_file is not None:
        try:
            lines = args.passphrase_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as problem:
            kind = type(problem).__name__
            raise Misconfigured(f"{args.passphrase_file} cannot be read ({kind})") from None
        os.environ["CONFIDE_PASSPHRASE"] = lines[0] if lines else ""
    elif args.ask_passphrase and not config.keyring.exists():
        first = getpass("passphrase of the new keyring: ")
        if first != getpass("once more: "):
            raise Misconfigured("the two differ (nothing was made)")
        os.environ["CONFIDE_PASSPHRASE"] = first


# Each step, also for the demo

Tell = Callable[[bool, str, str], None]


def tell(made: bool, what: str, text: str) -> None:
    """Say whether something was made now or was there."""
    show.step("made" if made else "kept", what, text)


def lay_folder(config: Config, tell: Tell = tell) -> None:
    """Make data folder, configuration file and session key."""
    from confide.server import config as configuration

    tell(folder(config.data), "data folder", str(config.data))
    path = config.data / configuration.FILE
    written = not path.exists()
    if written:
        _write(path, configuration.format(config))
    tell(written, "configuration", str(path))
    folder(config.keyring.parent)
    fresh = not config.secret.exists()
    configuration.create_secret(config.secret)
    tell(fresh, "session key", str(config.secret))


def migrate(tell: Tell = tell) -> None:
    """Bring both databases up to this version."""
    from django.core.management import call_command

    from confide.server.databases import settlers

    for alias, what in (("default", "records"), ("keys", "key store")):
        count = installation.pending()[alias]
        if count:
            with show.waiting(f"preparing the database of the {what} ..."):
                for app in settlers(alias):
                    call_command("migrate", app_label=app, database=alias, verbosity=0, interactive=False)
        tell(bool(count), what, _where(alias))


def keys(config: Config, tell: Tell = tell) -> System:
    """Make the keyring, or open the one that is there and try it on the keys of each practice."""
    from confide.access.models import Practice
    from confide.protect.kms.file import FileKms
    from confide.vault.models import PracticeKey

    there = config.keyring.exists()
    if not there:
        if PracticeKey.objects.exists():
            raise Misconfigured(
                "the databases belong to a keyring that is not there (put it back at its place)"
            )
        FileKms.create(config.keyring, os.environ.get("CONFIDE_PASSPHRASE") or None)
    advice = "" if there or config.demo else "   (back it up, apart from the data)"
    tell(not there, "keyring", f"{config.keyring}{advice}")
    system = installation.build(config)
    for practice in Practice.objects.all():
        found(system, practice)
    return system


def found(system: System, practice: Practice) -> None:
    """Make a practice's keys, or see that the keyring opens them.

    Raises:
        Misconfigured: The keys are gone and there are records, or they belong to another keyring.
    """
    from confide.records.models import Resource
    from confide.vault.models import PracticeKey

    if not PracticeKey.objects.filter(practice=practice.pk).exists():
        if Resource.objects.filter(practice=practice.pk).exists():
            msg = "a practice has records but no keys (restore the key database from its backup)"
            raise Misconfigured(msg)
        system.vault.found(practice.pk)
    try:
        system.vault.unlock(practice.pk)
    except SealBroken:
        msg = "the keyring is not the one of this database (put the right key file in its place)"
        raise Damaged(msg) from None


def _practice(args: argparse.Namespace, system: System) -> Practice:
    from confide.access.models import Practice

    first = Practice.objects.order_by("created_at").first()
    if first is not None:
        more = "" if args.practice in (None, first.name) else "   (for another one: confide practice add)"
        show.step("kept", "practice", f"{first.name}   {first.pk}{more}")
        return first
    made = establish(system, args.practice or PRACTICE)
    show.step("made", "practice", f"{made.name}   {made.pk}")
    return made


def establish(system: System, name: str) -> Practice:
    """Make a practice and its keys; its journal begins with that."""
    from django.db import transaction

    from confide.audit.terminal import Event, entry_at

    with transaction.atomic():
        made = system.found_practice(name)
        system.journal.append(
            [entry_at(Event.PRACTICE, "Practice", made.pk, system.clock(), practice=made.pk)]
        )
    return made


def _administrator(args: argparse.Namespace, practice: Practice) -> tuple[str | None, str]:
    """Return the password that was made ("" if it was typed, None if nobody was), and who it is."""
    from confide.access.models import Membership
    from confide.access.roles import Role

    there = Membership.objects.filter(role=Role.OPERATOR).select_related("account").first()
    if there is not None:
        return None, there.account.username
    username = args.admin or ADMINISTRATOR
    typed = staff.ask_password() if args.ask_password else None
    account: Account
    account, made = staff.account(practice, username, "Administrator", typed)
    staff.found(account, practice, Role.OPERATOR)
    staff.found(account, practice, Role.PRACTICE_MANAGER)
    return ("" if typed else made), f"{account.username}   (operator, practice manager)"


def _advise(args: argparse.Namespace, config: Config) -> None:
    data = "" if args.data is None else f" --data {args.data}"
    serving = (
        "the server, by plain HTTP on this machine" if config.plain_http else "the server; TLS is the proxy's"
    )
    show.advice(
        (f"confide staff add{data} USERNAME --role clinician", "a person who works there"),
        (f"confide import{data} PATH...", "charts from another system"),
        (f"confide serve{data}", serving),
    )


def folder(path: Path) -> bool:
    """Make a folder for its owner alone; return whether it had to be made."""
    try:
        path.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if not path.is_dir():
            raise Misconfigured(f"{path} is a file (a folder is wanted there)") from None
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Misconfigured(f"others can look into {path} (run: chmod 700 {path})") from None
        return False
    except OSError as problem:
        raise Misconfigured(f"{path} cannot be made ({problem.strerror})") from None
    return True


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _where(alias: str) -> str:
    """Where a database is, without user and password."""
    from django.db import connections

    settings = connections[alias].settings_dict
    if connections[alias].vendor == "sqlite":
        return f"SQLite, {settings['NAME']}"
    return f"PostgreSQL, {settings['NAME']} on {settings['HOST'] or 'this machine'}"
