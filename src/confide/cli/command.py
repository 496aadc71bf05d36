"""All commands as one: each is a module beside this one, with ``register`` and ``run``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from confide import errors
from confide.cli import (
    client,
    clocks,
    demo,
    destination,
    doctor,
    downtime,
    drill,
    export,
    honey,
    incidents,
    init,
    inspect,
    intake,
    journal,
    keyring,
    notices,
    passwords,
    population,
    practice,
    protect,
    reveal,
    serve,
    show,
    staff,
    trace,
    watch,
    witness,
)  # fmt: skip

COMMANDS = (
    init,
    practice,
    staff,
    client,
    passwords,
    intake,
    serve,
    destination,
    export,
    downtime,
    trace,
    journal,
    honey,
    watch,
    clocks,
    incidents,
    notices,
    keyring,
    inspect,
    protect,
    reveal,
    witness,
    doctor,
    demo,
    population,
    drill,
)
EPILOG = """\
first steps:
  confide demo                 a synthetic practice to look at, on http://localhost:8100
  confide init                 an installation of your own
  confide import records/      charts from another system (FHIR R4)
  confide serve                the server

Each command explains itself: confide COMMAND --help
"""


class Parser(argparse.ArgumentParser):
    """Speaks of wrong usage as of everything else: one line, and what to do."""

    def error(self, message: str) -> NoReturn:
        show.complain(f"{message} (see {self.prog} --help)")
        self.exit(show.WRONG_USAGE)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = Parser(
        prog="confide",
        description="Patient records in which a stolen password or database does not become a breach.",
        epilog=f"{EPILOG}\n{show.EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.register(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    args = parser().parse_args(argv)
    os.umask(0o077)  # what a command makes, nobody else reads
    before = _commits()
    try:
        done = int(args.run(args))
        if _commits() > before:
            _seal()
        return done
    except errors.ConfideError as problem:
        show.complain(str(problem))
        return _code(problem)
    except KeyboardInterrupt:
        show.complain("interrupted (what was finished is kept)")
        return show.INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return show.FAILED
    except Exception as problem:  # noqa: BLE001 - the border: a traceback could show values
        return _unexpected(problem)


def _commits() -> int:
    """Grows when this process writes into the journal; a command that does not load it does not."""
    receipts = sys.modules.get("confide.audit.receipts")
    return receipts.commits() if receipts else 0


def _seal() -> None:
    """Seal what the command wrote into the journal; where the keyring stays locked, the server does it."""
    from confide import wiring
    from confide.audit import openings
    from confide.server import config as configuration
    from confide.server.apps import log_of

    config = configuration.read()
    try:
        kms = wiring.open_file_kms(config.keyring, config.passphrase)
    except errors.KeyUnavailable:
        return
    try:
        system = wiring.build(kms, log_of(config))
        system.sequencer.seal(system.clock())
        openings.flush(system.clock())
    except errors.ConfideError as problem:
        show.complain(f"the journal is not sealed: {problem}")


def _code(problem: errors.ConfideError) -> int:
    if isinstance(problem, errors.Misconfigured):
        return show.MISCONFIGURED
    if isinstance(problem, errors.Unavailable):
        return show.UNAVAILABLE
    if isinstance(problem, errors.Invalid):
        return show.WRONG_USAGE
    return show.FAILED


def _unexpected(problem: Exception) -> int:
    from confide.server import logging as log

    if os.environ.get("CONFIDE_LOG_LEVEL", "").upper() == "DEBUG":
        show.complain("\n".join(["stopped here", *log.frames(problem)]))
    if show.is_database(problem):
        show.complain(f"the database does not answer: {type(problem).__name__} (see confide doctor)")
        return show.UNAVAILABLE
    hint = "set CONFIDE_LOG_LEVEL=DEBUG to see where"
    show.complain(f"stopped by {log.name(problem)}, which should not happen ({hint})")
    return show.FAILED
