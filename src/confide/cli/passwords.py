"""`confide passwords`: lists of breached passwords."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

from confide.cli import installation, show
from confide.errors import Misconfigured

BUILD_EXAMPLE: Final = """\
example:
  confide passwords build pwned-passwords-sha1-ordered-by-hash.txt --out breached.filter

Lists are those of Have I Been Pwned (SHA-1 or NTLM, with or without counts) or plain, one password a line;
.gz too. The filter takes 2.5 bytes a password. Name it as passwords.filter in confide.toml: every new
password and every sign-in is then checked against it.
"""
AUDIT_EXAMPLE: Final = """\
example:
  confide passwords audit

Passwords are stored as Argon2id hashes, so each is checked when its owner signs in; who is counted here must
change it before anything else. Exit code 1 if there is anyone.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser(
        "passwords", help="lists of breached passwords: build, audit", description=__doc__
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = actions.add_parser(
        "build",
        help="make a filter from lists",
        description="Make a filter of breached passwords, small enough to keep on the server.",
        epilog=f"{BUILD_EXAMPLE}\n{show.EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("lists", metavar="FILE", nargs="+", type=Path, help="a list of breached passwords")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="where the filter goes")
    parser.set_defaults(run=build)
    parser = actions.add_parser("audit", help="how many people have a breached password")
    installation.describe(
        parser, "Count the people whose password was found in a list; never which password.", AUDIT_EXAMPLE
    )
    parser.set_defaults(run=audit)


def build(args: argparse.Namespace) -> int:
    """Make a filter."""
    try:
        from confide.access import corpus
    except ModuleNotFoundError:
        raise Misconfigured("NumPy is not installed (pip install 'confide[columns]')") from None
    started = time.monotonic()
    missing = next((path for path in args.lists if not path.is_file()), None)
    if missing is not None:
        raise Misconfigured(f"{missing} is not a file")
    with show.progress() as bar:
        task = bar.add_task(
            "reading", total=sum(path.stat().st_size for path in args.lists), unit="MB", count=0
        )

        def report(read: int) -> None:
            bar.update(task, advance=read)
            bar.update(task, count=int(bar.tasks[task].completed) >> 20)

        made = corpus.build(args.lists, args.out, report)
    size, took = args.out.stat().st_size, show.duration(time.monotonic() - started)
    show.step("made", "filter", f"{args.out}   {size:,} bytes in {took}")
    show.step(
        "ok", "passwords", f"{made.passwords:,}   ({made.kind.value}, {size / made.passwords:.2f} bytes each)"
    )
    show.step("ok", "mistaken for one", f"1 in {1 / max(made.false_positives, 1e-12):,.0f} other passwords")
    return show.DONE


def audit(args: argparse.Namespace) -> int:
    """Count."""
    installation.ready(args)
    from confide.access.models import Account

    people = Account.objects.filter(is_active=True)
    found = people.filter(password_found_at__isnull=False).count()
    unchecked = people.filter(last_login__isnull=True).count()
    show.step("ok", "people", f"{people.count():,}")
    show.step("wrong" if found else "ok", "breached", f"{found:,}   (must change it at their next sign-in)")
    show.step(
        "note" if unchecked else "ok", "never signed in", f"{unchecked:,}   (not checked since it was set)"
    )
    return show.FAILED if found else show.DONE
