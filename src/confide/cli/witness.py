"""`confide witness`: a process elsewhere that remembers the journal, cosigns it, and shouts."""

from __future__ import annotations

import argparse
import re
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from confide.cli import show
from confide.errors import Unavailable

if TYPE_CHECKING:
    from confide.audit.alarms import Ways
    from confide.audit.sources import Source
    from confide.audit.witness import Seen, Witness

INIT_EXAMPLE: Final = """\
example:
  confide witness init --state /var/lib/confide-witness --name witness.elm.example/1

Run it on another machine, as another user. The key that it prints is public: put it into the server's setting
journal.witnesses, and give it to whoever will check the journal. It needs no Confide database and no keyring.
"""
KEY_EXAMPLE: Final = """\
example:
  confide witness key --state /var/lib/confide-witness
"""
RUN_EXAMPLE: Final = """\
examples:
  confide witness run --log https://records.elm.example/journal --log-key "$(cat log.vkey)" \\
      --state /var/lib/confide-witness --alarm "mail -s 'Confide journal' officer@elm.example"
  confide witness run --log /mnt/copy/journal --log-key "$(cat log.vkey)" --state ~/witness --once

The log's key is what `confide journal key` prints; carry it over by hand. When the tree forks, shrinks, is
damaged or falls silent, the witness says so on standard error, to the syslog, to --alarm (on standard input)
and to --webhook, at once and every hour until it is over, and cosigns nothing. It ends with code 1 if there
is trouble when it is stopped.
"""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_SHOUT_AGAIN: Final = timedelta(hours=1)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser(
        "witness", help="watch a server's journal from elsewhere: init, key, run", description=__doc__
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = _add(actions, "init", "make a witness's key", "Make a witness's folder and key.", INIT_EXAMPLE)
    parser.add_argument(
        "--name", metavar="NAME", required=True, help="the key's name, such as witness.elm.example/1"
    )
    parser.set_defaults(run=init)
    parser = _add(actions, "key", "its public key", "Print a witness's public key.", KEY_EXAMPLE)
    parser.set_defaults(run=tell_key)
    parser = _add(actions, "run", "watch, cosign, shout", "Watch a server's journal.", RUN_EXAMPLE)
    parser.add_argument("--log", metavar="URL|FOLDER", required=True, help="where the journal's tree is")
    parser.add_argument("--log-key", metavar="VKEY", required=True, help="the journal's public key")
    parser.add_argument(
        "--every", metavar="TIME", type=_time, default=timedelta(seconds=5), help="how often (default: 5s)"
    )
    parser.add_argument("--once", action="store_true", help="look once, and end")
    parser.add_argument(
        "--silence", metavar="TIME", type=_time, default=timedelta(minutes=10),
        help="how long nothing may come (default: 10m)",
    )  # fmt: skip
    parser.add_argument(
        "--still", metavar="TIME", type=_time, default=None,
        help="how long nothing new may come (default: for ever, for nights are quiet)",
    )  # fmt: skip
    parser.add_argument("--alarm", metavar="COMMAND", default="", help="is run with the alarm as its input")
    parser.add_argument("--webhook", metavar="URL", default="", help="gets the alarm as JSON")
    parser.add_argument(
        "--syslog",
        metavar="SOCKET|HOST:PORT",
        default="",
        help="where alarms go, too (default: this machine's /dev/log, if any)",
    )
    parser.add_argument("--authorities", metavar="FILE", type=Path, help="who vouches for the log's server")
    parser.set_defaults(run=run)


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    help_: str,
    description: str,
    example: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=help_, description=description)
    parser.epilog = f"{example.rstrip()}\n\n{show.EXIT_CODES}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--state", metavar="FOLDER", type=Path, required=True, help="the witness's folder")
    return parser


def _time(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smh])", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError("a time is written 5s, 10m or 2h")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def init(args: argparse.Namespace) -> int:
    """Make a witness's folder and key, and print the public key."""
    from confide.audit.witness import State

    state = State.create(args.state.expanduser(), args.name)
    show.step("made", "witness", str(args.state))
    show.line(str(state.key().public))
    return show.DONE


def tell_key(args: argparse.Namespace) -> int:
    """Print the public key alone."""
    from confide.audit.witness import State

    show.line(str(State(args.state.expanduser()).key().public))
    return show.DONE


def run(args: argparse.Namespace) -> int:
    """Watch until stopped, or once."""
    from confide.audit.notes import PublicKey
    from confide.audit.witness import State, Witness

    log = PublicKey.parse(args.log_key.strip())
    state, ways = State(args.state.expanduser()), _ways(args)
    stop = threading.Event()
    for number in () if args.once else (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with state.held():
        now = datetime.now(UTC)
        witness = Witness(_source(args), log, state, now, silence=args.silence, still=args.still)
        seen = _watch(witness, log.name, ways, stop, args.every, once=args.once)
    if seen.trouble is not None:
        return show.FAILED
    if args.once and seen.text:
        raise Unavailable(seen.text)
    return show.DONE


def _watch(
    witness: Witness, log: str, ways: Ways, stop: threading.Event, every: timedelta, *, once: bool
) -> Seen:
    from confide.audit.alarms import shout

    last: Any = None
    shouted = datetime.min.replace(tzinfo=UTC)
    said = ""
    while True:
        now = datetime.now(UTC)
        seen = witness.look(now)
        if seen.trouble is None:
            if last is not None:
                show.line(f"{now:%Y-%m-%dT%H:%M:%SZ} the trouble is over")
            if seen.grown:
                show.line(f"{now:%Y-%m-%dT%H:%M:%SZ} cosigned {seen.size} entries, {seen.grown} more")
            if seen.text and seen.text != said and not once:
                show.complain(seen.text)
        elif seen.trouble is not last or now - shouted >= _SHOUT_AGAIN:
            shouted = now
            for way in shout(ways, log, seen.trouble, seen.text, now):
                show.complain(f"the {way} did not take the alarm")
        last, said = seen.trouble, seen.text
        if once or stop.wait(every.total_seconds()):
            return seen


def _source(args: argparse.Namespace) -> Source:
    from confide.audit.sources import Folder, Web

    if "://" in args.log:
        return Web(args.log, args.authorities)
    return Folder(Path(args.log).expanduser())


def _ways(args: argparse.Namespace) -> Ways:
    from confide.audit import alarms

    syslog = alarms.parse_syslog(args.syslog) if args.syslog else alarms.find_syslog()
    return alarms.Ways(syslog, args.alarm, args.webhook)
