"""`confide demo`: a synthetic practice to look at, on one machine."""

from __future__ import annotations

import argparse
import fcntl
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from confide.cli import init, installation, serve, show, stage
from confide.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from confide.access.models import Practice
    from confide.server.config import Config

EXAMPLE: Final = """\
example:
  confide demo --patients 2000 --data big-demo

Nobody in it exists. The first start makes keys, databases and sign-ins in the data folder, starts the server
and fills the practice through its FHIR API; later starts take seconds and keep everything, and an interrupted
filling goes on. Ctrl-C stops it. Remove the folder to begin anew.
"""
LOG: Final = "server.log"
LOCK: Final = "demo.lock"
_PATIENCE: Final = 60.0  # seconds until the server answers
_GRACE: Final = 30.0  # seconds for it to stop


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("demo", help="a synthetic practice to look at, on this machine")
    installation.describe(parser, "Serve a synthetic practice on this machine.", EXAMPLE)
    parser.set_defaults(data=Path("demo-data"), run=run)
    parser.add_argument(
        "--patients", metavar="N", type=_count, default=200, help="how many (default: %(default)s)"
    )
    parser.add_argument(
        "--port", metavar="PORT", type=int, default=8100, help="port on localhost (default: %(default)s)"
    )
    parser.add_argument(
        "--code", metavar="USERNAME", help="print the code of the moment for somebody's second step, and end"
    )
    parser.add_argument("--fill-only", action="store_true", help="stop when the practice is filled")


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000:
        raise argparse.ArgumentTypeError("a number from 1 to 100000 is wanted")
    return number


class Stop:
    """Ctrl-C and SIGTERM: bundles under way are let finish; a second one does not wait."""

    def __init__(self) -> None:
        self.wanted = False
        self.gentle = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        patient = self.gentle and not self.wanted
        self.wanted = True
        if not patient:
            raise KeyboardInterrupt


def run(args: argparse.Namespace) -> int:
    """Set up what is missing, serve, fill, and wait for Ctrl-C."""
    if args.code is not None:
        return _say_code(args)
    stop = Stop()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
    try:
        _environment(args)
        with _alone(args.data):
            return _perform(args, stop)
    except KeyboardInterrupt:
        if sys.stdout.isatty():
            show.line()  # after the terminal's ^C
        show.line("stopped")
        return show.DONE


def _say_code(args: argparse.Namespace) -> int:
    """Print what the code app of somebody in the demo would show now."""
    folder = args.data.expanduser().absolute()
    if not (folder / stage.FILE).exists():
        raise Misconfigured(f"there is no demo in {folder} (start it first, or say where with --data)")
    found = [each for each in stage.load(folder, 0).sign_ins if each.username == args.code.lower()]
    if not found:
        raise Misconfigured("nobody of that name works in the demo (it says who does when it starts)")
    code, left = stage.code_of(found[0].secret, datetime.now(UTC))
    show.line(code)
    show.line(f"good once, for {left} seconds and a little more", style="dim")
    return show.DONE


def _perform(args: argparse.Namespace, stop: Stop) -> int:
    folder: Path = args.data
    serve.refuse_taken("127.0.0.1", args.port)
    scene = stage.load(folder, args.patients)
    config = _set_up(args, scene)
    url = f"http://localhost:{args.port}"
    with _server(folder, args.port) as server:
        _welcome(scene, folder, url, args.patients)
        if not scene.done:
            _fill(scene, folder, url, stop)
        if stop.wanted:
            raise KeyboardInterrupt
        if args.fill_only:
            return show.DONE
        show.line("Ctrl-C stops it; the next start keeps everything", style="dim")
        sys.stdout.flush()
        while server.poll() is None:
            time.sleep(0.2)
    raise Unavailable(f"the server stopped by itself (see {config.data / LOG})")


# Before


def _environment(args: argparse.Namespace) -> None:
    """Point everything at the demo's folder; what the environment says of a real one is not heard."""
    from confide.server import config

    args.data = args.data.expanduser().absolute()
    for name in list(os.environ):
        if name.startswith(("CONFIDE_", "DATABASE_URL", "KEYS_DATABASE_URL")) and name != "CONFIDE_LOG_LEVEL":
            del os.environ[name]
    if args.data.exists() and any(args.data.iterdir()):
        before = config.read({"CONFIDE_DATA": str(args.data)})
        if not before.demo and not (args.data / LOCK).exists():
            raise Misconfigured(f"{args.data} is not a demo's folder (choose another one with --data)")
    os.environ |= {
        "CONFIDE_DATA": str(args.data),
        "CONFIDE_KEYRING": str(args.data / "keys" / "keyring.json"),
        "CONFIDE_DEMO": "true",
        "CONFIDE_PLAIN_HTTP": "true",
    }


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One demo at a time in one folder."""
    init.folder(folder)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(
                f"a demo runs in {folder} already (stop it, or choose another folder)"
            ) from None
        yield


def _set_up(args: argparse.Namespace, scene: stage.Stage) -> Config:
    """Make or find installation, practice, accounts and the program that fills it."""
    from confide.drill.practice import NAME
    from confide.server import config as configuration

    config = configuration.read()
    first = not (args.data / stage.FILE).exists()
    if first:
        show.line(f"Setting up the demo in {args.data}", style="bold")
        (args.data / ".gitignore").write_text("*\n")
    init.lay_folder(config, _tell)
    installation.start(config)
    from django.db import connections

    from confide.access.models import Practice

    init.migrate(_tell)
    system = init.keys(config, _tell)
    practice: Practice = Practice.objects.first() or init.establish(system, NAME)
    stage.cast(scene, practice)
    if not scene.done:
        stage.hire(scene, args.data, practice)
    scene.save(args.data)
    connections.close_all()
    return config


def _tell(made: bool, what: str, text: str) -> None:
    if made:
        show.step("made", what, text)


@contextmanager
def _server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server in a session of its own: Ctrl-C is ours to pass on."""
    # -P: what lies in the folder that the demo is started in is not imported.
    command = [sys.executable, "-P", "-m", "confide.cli", "serve", "--with-parent", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "CONFIDE_LOG_LEVEL"}
    with (folder / LOG).open("wb") as log:
        server = subprocess.Popen(  # noqa: S603 - ourselves
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        try:
            with show.waiting("starting the server ..."):
                _await(server, port, folder)
            yield server
        finally:
            _end(server)


def _await(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        connection = http.client.HTTPConnection("localhost", port, timeout=5)
        try:
            connection.request("GET", "/fhir/R4/metadata")
            if connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise Unavailable(f"the server did not start (see {folder / LOG})")


def _end(server: subprocess.Popen[bytes]) -> None:
    """Stop the server: asked, then made to, with all processes of its session."""
    server.terminate()
    try:
        server.wait(_GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


# On the stage


def _welcome(scene: stage.Stage, folder: Path, url: str, asked: int) -> None:
    from confide.drill.practice import NAME

    show.line()
    show.line(f"{NAME}: {show.many(scene.patients, 'synthetic patient')}", style="bold")
    if asked != scene.patients:
        show.line(f"(the folder holds {scene.patients:,}; remove it to have {asked:,})", style="dim")
    show.line()
    show.line(f"  {url}", style="bold cyan")
    show.line()
    show.table(
        ("  sign in as", "username", "passphrase"),
        [(f"  {each.title}", each.username, each.passphrase) for each in scene.sign_ins],
    )
    show.line()
    where = "" if folder == Path("demo-data").absolute() else f" --data {folder}"
    ours = sys.argv[0] if Path(sys.argv[0]).name == "confide" else "confide"
    show.line(f"  the code of the second step:  {ours} demo{where} --code USERNAME")
    show.line()
    show.line(f"  search for  {stage.somebody(scene)}")
    show.line()
    sys.stdout.flush()


def _fill(scene: stage.Stage, folder: Path, url: str, stop: Stop) -> None:
    """Send what is missing; each acknowledged bundle is noted, so that a later start goes on from there."""
    from confide.drill import loader

    before = scene.filled
    calls = 0
    stop.gentle = True
    try:
        with show.progress() as bar:
            task = bar.add_task(
                "filling", total=scene.patients, completed=before, count=before, first=before, unit="patients"
            )

            def acknowledged(patients: int, _total: int) -> None:
                nonlocal calls
                scene.bundles += calls > 0  # the first call says that the practice itself is there
                calls += 1
                scene.filled = before + patients
                scene.save(folder)
                bar.update(task, completed=scene.filled, count=scene.filled)

            rest = stage.Rest(scene, folder, lambda: stop.wanted)
            summary = loader.fill(
                url, stage.tokens(scene, folder, url), rest, acknowledged, connections=1, ids=scene.ids
            )
    finally:
        stop.gentle = False
    if stop.wanted:
        return
    scene.done = True
    scene.save(folder)
    stage.introduce(scene)
    stage.dismiss(scene, folder)
    rate = summary.resources / summary.seconds
    done = f"{show.many(summary.resources, 'resource')} in {show.duration(summary.seconds)}"
    show.line(f"filled: {show.many(scene.filled, 'patient')}, {done} ({rate:,.0f} resources/s)")
