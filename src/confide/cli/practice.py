"""`confide practice`: the practices of this installation."""

from __future__ import annotations

import argparse
from typing import Final

from confide.cli import init, installation, show, standing
from confide.errors import Invalid

ADD_EXAMPLE: Final = """\
example:
  confide practice add "Riverbend Family Medicine"

Each practice has keys of its own; nothing of one can be seen from another.
"""
LIST_EXAMPLE: Final = """\
example:
  confide practice list
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("practice", help="practices: add, list, outsider", description=__doc__)
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = actions.add_parser("add", help="found a practice, with keys of its own")
    installation.describe(parser, "Found a practice, with keys of its own.", ADD_EXAMPLE)
    parser.add_argument("name", metavar="NAME", help="what people call it")
    parser.set_defaults(run=add)
    parser = actions.add_parser("list", help="ids, names and numbers of staff")
    installation.describe(parser, "List the practices.", LIST_EXAMPLE)
    parser.set_defaults(run=show_all)
    standing.register_practice(actions)


def add(args: argparse.Namespace) -> int:
    """Found a practice."""
    config = installation.ready(args)
    from confide.access.models import Practice

    name = args.name.strip()
    if not 0 < len(name) <= 200:
        raise Invalid("a practice's name has 1 to 200 characters")
    there = Practice.objects.filter(name=name).first()
    system = installation.build(config)
    if there is None:
        made = init.establish(system, name)
        show.step("made", "practice", f"{made.name}   {made.pk}")
    else:
        init.found(system, there)  # its keys, if an earlier run was interrupted before it made them
        show.step("kept", "practice", f"{there.name}   {there.pk}")
    return show.DONE


def show_all(args: argparse.Namespace) -> int:
    """List the practices."""
    installation.ready(args)
    from django.db.models import Count

    from confide.access.models import Practice

    rows = [
        (each.pk, each.name, f"{each.created_at:%Y-%m-%d}", f"{each.people:,}")
        for each in Practice.objects.annotate(people=Count("memberships__account", distinct=True)).order_by(
            "created_at"
        )
    ]
    show.table(("id", "name", "since", "staff"), rows, figures=[3])
    return show.DONE
