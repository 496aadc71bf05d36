"""`confide destination`: where exports may go."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from confide.cli import installation, person, show
from confide.errors import Invalid, Misconfigured

ADD_EXAMPLE: Final = """\
example:
  confide destination add "State University" --to /srv/outgoing/university --by mlopez \\
      --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p

The recipient makes the key pair (age-keygen) and gives you the public key; compare it by telephone. A second
person approves the destination; it can be used 72 hours after this. Another key is another destination.
"""
APPROVE_EXAMPLE: Final = """\
example:
  confide destination approve "State University" --by plindgren

Whoever registered it cannot be the second person.
"""
LIST_EXAMPLE: Final = """\
example:
  confide destination list
"""
RETIRE_EXAMPLE: Final = """\
example:
  confide destination retire "State University" --by mlopez

At once and for good; what was written already stays where it is. One person is enough.
"""

USES: Final = ("export", "downtime", "mailing")
"""Codes of ``destinations.Use``; the parser starts without Django."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser(
        "destination", help="where exports may go: add, approve, list, retire", description=__doc__
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = actions.add_parser("add", help="register a recipient's key and a folder")
    installation.describe(parser, "Register a destination.", ADD_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="what people call it")
    parser.add_argument(
        "--recipient", metavar="KEY", required=True, help="its age public key, which begins with age1"
    )
    parser.add_argument(
        "--to", metavar="DIR", type=Path, required=True, help="the folder into which exports are written"
    )
    parser.add_argument(
        "--for",
        dest="use",
        choices=USES,
        default=USES[0],
        help="what may go there: %(choices)s (default: %(default)s)",
    )
    person.describe(parser)
    parser.set_defaults(run=add)
    parser = actions.add_parser("approve", help="the second person's word")
    installation.describe(parser, "Approve a destination that somebody else registered.", APPROVE_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="name or id")
    person.describe(parser)
    parser.set_defaults(run=approve)
    parser = actions.add_parser("list", help="names, keys, and from when they can be used")
    installation.describe(parser, "List the destinations of a practice.", LIST_EXAMPLE)
    parser.add_argument("--practice", metavar="ID", help="id or name (needed where there are several)")
    parser.set_defaults(run=show_all)
    parser = actions.add_parser("retire", help="take it out of use")
    installation.describe(parser, "Take a destination out of use.", RETIRE_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="name or id")
    person.describe(parser)
    parser.set_defaults(run=retire)


def add(args: argparse.Namespace) -> int:
    """Register a destination."""
    config = installation.ready(args)
    from confide.access import destinations
    from confide.access.roles import Action

    practice = installation.practice(args.practice)
    folder = _folder(args.to, config.data)
    recipient = destinations.parse_recipient(args.recipient)
    system = installation.build(config)
    grant = person.grant(args.by, practice, Action.EXPORT, system.clock())
    made = system.exports.register(
        grant, args.name.strip(), recipient, str(folder), destinations.Use(args.use)
    )
    show.step("made", "destination", f"{made.name}   {made.pk}")
    show.step("made", "key", f"{made.recipient}   ({destinations.fingerprint(made.recipient)})")
    usable = destinations.state(made, system.clock()).usable_from
    show.step("note", "usable", f"from {usable:%Y-%m-%d %H:%M} UTC, when a second person has approved it")
    show.advice((f'confide destination approve "{made.name}" --by SOMEBODY_ELSE', "the second person's word"))
    return show.DONE


def _folder(path: Path, data: Path) -> Path:
    folder = path.expanduser().resolve()
    if not folder.is_dir():
        raise Misconfigured(f"there is no folder {folder} (make it first, for its owner alone)")
    if folder.is_relative_to(data.resolve()):
        raise Invalid("exports do not go into the data folder (choose another with --to)")
    return folder


def approve(args: argparse.Namespace) -> int:
    """Give the second person's word."""
    config = installation.ready(args)
    from confide.access import destinations
    from confide.access.roles import Action

    practice = installation.practice(args.practice)
    found = destinations.find(practice.pk, args.name)
    registrar = person.names({found.registered_by_id})[found.registered_by_id]
    show.step("note", "destination", f"{found.name}   {found.pk}")
    show.step("note", "key", f"{found.recipient}   ({destinations.fingerprint(found.recipient)})")
    show.step("note", "for", found.use)
    show.step("note", "folder", found.folder)
    show.step("note", "registered", f"{found.registered_at:%Y-%m-%d %H:%M} UTC by {registrar}")
    system = installation.build(config)
    system.exports.agree(person.grant(args.by, practice, Action.EXPORT, system.clock()), found)
    usable = destinations.state(found, system.clock()).usable_from
    show.step("made", "approval", f"it can be used from {usable:%Y-%m-%d %H:%M} UTC")
    return show.DONE


def show_all(args: argparse.Namespace) -> int:
    """List a practice's destinations."""
    installation.ready(args)
    from confide.access import destinations
    from confide.access.models import Destination
    from confide.wiring import utc_now

    practice = installation.practice(args.practice)
    now, rows = utc_now(), []
    for each in Destination.objects.filter(practice=practice).order_by("registered_at"):
        found = destinations.state(each, now)
        if found.retired:
            state = "retired"
        elif len(found.approved_by) < destinations.APPROVALS:
            state = "waits for a second person"
        else:
            state = "usable" if found.usable else f"from {found.usable_from:%Y-%m-%d %H:%M} UTC"
        rows.append(
            (each.name, each.use, state, destinations.fingerprint(each.recipient), each.folder, each.pk)
        )
    show.table(("name", "for", "", "key", "folder", "id"), rows)
    return show.DONE


def retire(args: argparse.Namespace) -> int:
    """Take a destination out of use."""
    config = installation.ready(args)
    from confide.access import destinations
    from confide.access.roles import Action

    practice = installation.practice(args.practice)
    found = destinations.find(practice.pk, args.name)
    system = installation.build(config)
    system.exports.retire(person.grant(args.by, practice, Action.EXPORT, system.clock()), found)
    show.step("made", "retired", found.name)
    return show.DONE
