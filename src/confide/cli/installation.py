"""The installation that a command works on: found, started, unlocked."""

from __future__ import annotations

import argparse
import os
import sys
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide.cli import show
from confide.errors import KeyUnavailable, Misconfigured

if TYPE_CHECKING:
    from confide.access.models import Practice
    from confide.protect.kms import Kms
    from confide.server.config import Config
    from confide.wiring import System

DATABASES: Final = ("default", "keys")


def describe(
    parser: argparse.ArgumentParser, description: str, example: str, default: str | None = None
) -> None:
    """Give a command what all have: ``--data``, an example, and the exit codes.

    An action of a command that has ``--data`` itself passes ``argparse.SUPPRESS``: what stands before holds.
    """
    parser.description = description
    parser.epilog = f"{example.rstrip()}\n\n{show.EXIT_CODES}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=default,
        help="data folder (default: $CONFIDE_DATA, or ~/.confide)",
    )


def locate(args: argparse.Namespace) -> Config:
    """Return the configuration of the installation that *args* mean."""
    from confide.server import config

    if args.data is not None:
        os.environ["CONFIDE_DATA"] = str(args.data.expanduser().absolute())
    return config.read()


def start(config: Config, *, chatty: bool = False) -> None:
    """Start Django on this installation; unless *chatty*, with logs that leave the progress bar alone."""
    if not chatty and "CONFIDE_LOG_LEVEL" not in os.environ and config.log_level == "INFO":
        os.environ["CONFIDE_LOG_LEVEL"] = "WARNING"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "confide.server.settings")
    try:
        import django
        from django.core.exceptions import ImproperlyConfigured
    except ModuleNotFoundError:
        msg = "the server's packages are not installed (pip install 'confide[server]')"
        raise Misconfigured(msg) from None
    try:
        django.setup()
        from django.db import connections

        for alias in DATABASES:
            _ = connections[alias].vendor  # loads the driver
    except ImproperlyConfigured:
        msg = "the database's driver is not installed (pip install 'confide[postgres]')"
        raise Misconfigured(msg) from None


def pending() -> dict[str, int]:
    """Return how many migrations each database still wants, of the apps that are migrated in it."""
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    from confide.server.databases import settlers

    found = {}
    for alias in DATABASES:
        executor = MigrationExecutor(connections[alias])
        graph = executor.loader.graph
        targets = [leaf for app in settlers(alias) for leaf in graph.leaf_nodes(app)]
        found[alias] = len(executor.migration_plan(targets))
    return found


def ready(args: argparse.Namespace, *, chatty: bool = False) -> Config:
    """Find and start an installation that is complete.

    Raises:
        Misconfigured: There is none, or its databases are of another version.
    """
    config = locate(args)
    if not config.data.is_dir():
        raise Misconfigured(f"there is no installation in {config.data} (run confide init)")
    start(config, chatty=chatty)
    if any(pending().values()):
        msg = "the databases are not prepared for this version (run confide init; it keeps what is there)"
        raise Misconfigured(msg)
    return config


def unlock(config: Config) -> Kms:
    """Open the keyring; a person at a terminal is asked for its passphrase."""
    from confide.wiring import open_file_kms

    try:
        return open_file_kms(config.keyring, config.passphrase)
    except KeyUnavailable:
        if config.passphrase is not None or not config.keyring.is_file() or not sys.stdin.isatty():
            raise
    os.environ["CONFIDE_PASSPHRASE"] = getpass("passphrase of the keyring: ")
    return open_file_kms(config.keyring, os.environ["CONFIDE_PASSPHRASE"])


def build(config: Config) -> System:
    """Unlock the keyring and put the parts together."""
    from confide import wiring
    from confide.server.apps import log_of

    return wiring.build(unlock(config), log_of(config), frozenset(config.code_systems))


def practice(wanted: str | None) -> Practice:
    """Return the practice that *wanted* means: its id, its name, or None where there is only one.

    Raises:
        Misconfigured: There is none such, or more than one.
    """
    from confide.access.models import Practice

    listed = list(Practice.objects.order_by("created_at"))
    if wanted is None:
        if len(listed) == 1:
            return listed[0]
        if not listed:
            raise Misconfigured("there is no practice yet (run confide init, or confide practice add)")
        raise Misconfigured(
            "there are several practices (name one with --practice; see confide practice list)"
        )
    found = [each for each in listed if wanted in (each.pk, each.name)]
    if not found:
        raise Misconfigured("there is no such practice (see confide practice list)")
    if len(found) > 1:
        raise Misconfigured("several practices have that name (give the id; see confide practice list)")
    return found[0]
