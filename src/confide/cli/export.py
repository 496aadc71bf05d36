"""`confide export`: a cohort for a recipient, asked for by one person, approved by another, written once."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide.cli import installation, person, show
from confide.errors import Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from confide.access.decide import Grant
    from confide.access.models import Practice
    from confide.protect.exports.policy import ExportPolicy
    from confide.server.config import Config
    from confide.vault.models import Export
    from confide.wiring import System

EXAMPLE: Final = """\
example:
  confide export --to "State University" --policy limited-data-set --by mlopez
  confide export --to "State University" --policy research.toml --format parquet --by mlopez \\
      --cohort 'Condition?code=http://snomed.info/sct|44054006'
  confide export approve 3f2a --by plindgren
  confide export run 3f2a --by mlopez

Nothing leaves before a second person has approved it. Files are encrypted to the destination's key (age), and
are there whole or not at all. An approval is good for seven days, and for one writing.
"""
APPROVE_EXAMPLE: Final = """\
example:
  confide export approve 3f2a --by plindgren --run

Shows what would leave, then asks for the password. ID is the export's id, or how it begins.
"""
RUN_EXAMPLE: Final = """\
example:
  confide export run 3f2a --by mlopez

Interrupted, it leaves nothing, and the same command does it again.
"""
LIST_EXAMPLE: Final = """\
example:
  confide export list
"""
SHOW_EXAMPLE: Final = """\
example:
  confide export show 3f2a
"""
WITHDRAW_EXAMPLE: Final = """\
example:
  confide export withdraw 3f2a --by plindgren
"""
FORMATS: Final = ("ndjson", "parquet")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    parser = commands.add_parser("export", help="a cohort for a recipient: ask, approve, run, list")
    installation.describe(parser, "Ask for an export, or approve and write one.", EXAMPLE)
    parser.add_argument("--to", metavar="NAME", help="a registered destination (see confide destination)")
    parser.add_argument(
        "--policy",
        metavar="POLICY",
        help="limited-data-set, safe-harbor, or a file such as research.toml",
    )
    parser.add_argument(
        "--cohort",
        metavar="SEARCH|FILE",
        help="a FHIR search such as Patient?gender=female, or a file of patient ids (default: everybody)",
    )
    parser.add_argument(
        "--format", choices=FORMATS, default=FORMATS[0], help="%(choices)s (default: %(default)s)"
    )
    person.describe(parser, required=False)
    parser.set_defaults(run=request)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=False)
    described = (
        (actions.add_parser("approve", help="the second person's word"), approve, APPROVE_EXAMPLE),
        (actions.add_parser("run", help="write it"), run, RUN_EXAMPLE),
        (actions.add_parser("list", help="exports and how far they are"), show_all, LIST_EXAMPLE),
        (actions.add_parser("show", help="one export: what leaves, who agreed"), show_one, SHOW_EXAMPLE),
        (actions.add_parser("withdraw", help="take a request back"), withdraw, WITHDRAW_EXAMPLE),
    )
    for each, command, example in described:
        # What stands before the action holds, unless it is said again after it.
        installation.describe(each, command.__doc__ or "", example, argparse.SUPPRESS)
        if command is not show_all:
            each.add_argument("id", metavar="ID", help="the export's id, or how it begins")
        person.describe(each, required=False, default=argparse.SUPPRESS)
        each.set_defaults(run=command)
        if command is approve:
            each.add_argument("--run", action="store_true", dest="at_once", help="write it at once")


def request(args: argparse.Namespace) -> int:
    """Ask for an export."""
    if not args.to or not args.policy:
        raise Invalid("an export needs --to and --policy (see confide export --help)")
    by = _by(args)
    config = installation.ready(args)
    from confide.access import destinations
    from confide.protect.exports import policy as policies
    from confide.records.exports import writer
    from confide.vault.exports import Wanted

    practice = installation.practice(args.practice)
    destination = destinations.find(practice.pk, args.to)
    policy = policies.load(args.policy)
    writer(args.format)  # found out now, not when it is approved
    system = installation.build(config)
    grant = _grant(system, practice, by)
    from confide.records.cohorts import leave_out

    cohort, chosen = _cohort(system, grant, args.cohort)
    patients = leave_out(chosen, system.baits.of(practice.pk))
    made = system.exports.request(grant, destination, Wanted(policy, args.format, cohort, patients))
    show.step("made", "request", made.id)
    _tell(made, policy)
    show.advice((f"confide export approve {made.id[:8]} --by SOMEBODY_ELSE", "the second person's word"))
    return show.DONE


def _by(args: argparse.Namespace) -> str:
    if not args.by:
        raise Invalid("who are you? (--by, your username or e-mail)")
    return str(args.by)


def _grant(system: System, practice: Practice, name: str) -> Grant:
    from confide.access.roles import Action

    return person.grant(name, practice, Action.EXPORT, system.clock())


def _cohort(system: System, grant: Grant, wanted: str | None) -> tuple[str, list[UUID]]:
    from confide.access import terminal
    from confide.access.roles import Action
    from confide.fhir import tables
    from confide.records import cohorts
    from confide.vault.exports import PURPOSE

    if wanted is None:
        return cohorts.WHOLE, cohorts.everybody(grant.practice)
    if "?" not in wanted and wanted not in tables.RESOURCES:
        return cohorts.listed(grant.practice, Path(wanted))
    asking = terminal.grant(grant.actor.id, grant.practice, Action.SEARCH, PURPOSE, system.clock())
    return cohorts.found(system.search, asking, wanted)


def approve(args: argparse.Namespace) -> int:
    """Approve an export that somebody else asked for."""
    by = _by(args)
    config, practice, export, policy = _find(args)
    _tell(export, policy)
    system = installation.build(config)
    grant = _grant(system, practice, by)
    system.exports.approve(grant, export)
    show.step("made", "approval", "good for seven days")
    if args.at_once:
        return _write(system, grant, export)
    show.advice((f"confide export run {export.id[:8]} --by {by}", "write it"))
    return show.DONE


def run(args: argparse.Namespace) -> int:
    """Write an approved export."""
    by = _by(args)
    config, practice, export, _ = _find(args)
    system = installation.build(config)
    return _write(system, _grant(system, practice, by), export)


def _write(system: System, grant: Grant, export: Export) -> int:
    with show.progress() as bar:
        task = bar.add_task("writing", total=None, count=0, unit="resources")
        path = system.outgoing.run(
            grant, export, lambda done, total: bar.update(task, completed=done, total=total, count=done)
        )
    export.refresh_from_db()
    manifest = json.loads(export.manifest)
    for file in manifest["files"]:
        show.step("made", file["type"], f"{file['rows']:>9,}   {file['name']}")
    show.step("made", "folder", f"{path}   ({show.many(manifest['patients'], 'patient')})")
    if manifest["patients"] < export.people:
        absent = show.many(export.people - manifest["patients"], "patient")
        show.step("note", "left out", f"{absent} who are gone, or have asked to be kept from it")
    return show.DONE


def show_all(args: argparse.Namespace) -> int:
    """List a practice's exports."""
    installation.ready(args)
    from confide.vault import exports
    from confide.wiring import utc_now

    practice = installation.practice(args.practice)
    now = utc_now()
    rows = [
        (
            each.id[:8],
            exports.state(each, now).value,
            each.destination.name,
            each.policy,
            f"{each.people:,}",
            f"{each.requested_at:%Y-%m-%d %H:%M}",
        )
        for each in exports.listed(practice.pk)
    ]
    show.table(("id", "", "to", "policy", "patients", "asked for (UTC)"), rows, figures=[4])
    return show.DONE


def show_one(args: argparse.Namespace) -> int:
    """Show one export: what leaves, who agreed, what was written."""
    _, _, export, policy = _find(args)
    from confide.vault import exports
    from confide.wiring import utc_now

    show.step("note", exports.state(export, utc_now()).value, export.id)
    _tell(export, policy)
    if export.manifest:
        manifest = json.loads(export.manifest)
        rows = [
            (f"  {file['name']}", f"{file['rows']:,}", f"{file['size']:,}", file["sha256"])
            for file in manifest["files"]
        ]
        show.table(("  file", "rows", "bytes", "SHA-256 of the encrypted file"), rows, figures=[1, 2])
    return show.DONE


def withdraw(args: argparse.Namespace) -> int:
    """Take a request back, approved or not."""
    by = _by(args)
    config, practice, export, _ = _find(args)
    system = installation.build(config)
    system.exports.withdraw(_grant(system, practice, by), export)
    show.step("made", "withdrawn", export.id)
    return show.DONE


def _find(args: argparse.Namespace) -> tuple[Config, Practice, Export, ExportPolicy]:
    config = installation.ready(args)
    from confide.vault import exports

    practice = installation.practice(args.practice)
    export = exports.find(practice.pk, args.id)
    return config, practice, export, exports.policy_of(export)


def _tell(export: Export, policy: ExportPolicy) -> None:
    """Say what leaves, where to, and whose word there is."""
    from confide.access import destinations
    from confide.protect.exports.policy import Method

    place = export.destination
    people = person.names({export.requested_by, export.approved_by})
    show.step("note", "to", f"{place.name}   {place.recipient} ({destinations.fingerprint(place.recipient)})")
    show.step("note", "folder", place.folder)
    show.step("note", "policy", f"{policy.name}   {policy.title}   SHA-256 {policy.sha256.hex()[:16]}")
    show.step("note", "patients", f"{export.people:,}   {export.cohort}")
    show.step("note", "format", export.format)
    asked = f"{export.requested_at:%Y-%m-%d %H:%M} UTC by {people.get(export.requested_by, 'nobody')}"
    show.step("note", "asked for", asked)
    if export.approved_at is not None:
        agreed = f"{export.approved_at:%Y-%m-%d %H:%M} UTC by {people.get(export.approved_by, 'nobody')}"
        show.step("note", "approved", agreed)
    rows = [
        (f"  {rule.element}", rule.method.value, rule.source)
        for rule in policy.rules
        if rule.method is not Method.REMOVE
    ]
    show.table(("  leaves", "how", "by which rule"), rows)
    show.line("  everything else that identifies is removed", style="dim")
