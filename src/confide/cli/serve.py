"""`confide serve`: the server, after a look at what it stands on."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

from confide.cli import installation, show
from confide.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from confide.server.config import Config

EXAMPLE: Final = """\
example:
  confide serve --port 8100

Listens for plain HTTP; TLS is the business of the proxy in front, unless server.plain_http is set, which is
for one machine. Host, port and the rest are settings of confide.toml; what is said here goes first.
Ctrl-C or SIGTERM stops it; requests under way are finished.
"""
_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG, <linux/prctl.h>


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("serve", help="the server")
    installation.describe(parser, "Serve the pages and the FHIR API.", EXAMPLE)
    parser.add_argument("--host", metavar="ADDRESS", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", metavar="PORT", help="port to listen on (default: 8100)")
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        default=2,
        help="processes, each with an index of its own (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", metavar="N", type=int, default=4, help="requests at once in each (default: %(default)s)"
    )
    parser.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check, then serve until told to stop."""
    if args.with_parent:
        end_with_parent()
    for option, variable in (("host", "CONFIDE_HOST"), ("port", "CONFIDE_PORT")):
        if getattr(args, option) is not None:
            os.environ[variable] = getattr(args, option)
    config = installation.ready(args, chatty=True)
    config.check()
    installation.unlock(config)
    refuse_taken(config.host, config.port)
    from confide.server import serving

    show.line(f"serving {address(config)}   (Ctrl-C stops)")
    sys.stdout.flush()
    serving.serve(config, args.workers, args.threads)
    return show.DONE


def refuse_taken(host: str, port: int) -> None:
    """Say it in one line if another program listens there.

    Raises:
        Misconfigured: There is no such address.
        Unavailable: The port is taken.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise Misconfigured(f"{host} is no address of this machine (see server.host)") from None
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
        except OSError as problem:
            raise Unavailable(
                f"port {port} cannot be used: {problem.strerror}"
                " (stop what listens there, or choose another with --port)"
            ) from None


def address(config: Config) -> str:
    """Return where a browser finds the server."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    if config.plain_http:
        return f"http://{'localhost' if config.host == '127.0.0.1' else host}:{config.port}"
    return f"{host}:{config.port}, for a proxy that does TLS"


def end_with_parent() -> None:
    """Let the kernel stop this process when the one that started it is gone, however it went."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
    if os.getppid() != parent:
        raise Unavailable("the process that started this one is gone")
