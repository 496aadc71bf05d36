"""`confide incident`: open one, say who was seen, freeze that, and lead it to its end."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from confide.cli import installation, judgement, person, scoping, show
from confide.errors import Invalid, Unknown

if TYPE_CHECKING:
    from confide.access.decide import Grant
    from confide.audit.walk import Verdict
    from confide.incidents.models import Incident
    from confide.server.config import Config
    from confide.wiring import System

_OPEN: Final = """\
examples:
  confide incident open "A stolen login" --discovered 2026-11-02T16:40-05:00 --way login --by plindgren
  confide incident open "The vendor's key" --discovered 2023-03-30 --way login --all-practices --by plindgren

The title is sealed. Clocks run from the discovery. --all-practices is a vendor's incident: scopes reach over
all practices of this host, and each that is concerned reads so in its journal.
"""
_SCOPE: Final = """\
examples:
  confide incident scope 3f2a91c0 --login jreyes --from 2023-03-29 --to 2023-04-15 --by plindgren
  confide incident scope 3f2a91c0 --client vendor --address 203.0.113.9 \\
      --from 2023-03-29 --to 2023-04-15 --by plindgren
  confide incident scope 3f2a91c0 --copy backup --keys safe --from 2023-04-01 --to 2023-04-02 --by plindgren

Counts whose record was shown, which elements, in which form, by practice and by state of residence; then
verifies the journal from before the window on. --to is the first day that does not count. Each count is a new
version.
"""
_MATCH: Final = """\
example:
  confide incident match 3f2a91c0 --by plindgren

One person may have records at several practices. They are compared inside the vault, by digests under a key
that is made for this and dropped, with an entry in each practice's journal. Before the scope is frozen.
"""
_FREEZE: Final = """\
example:
  confide incident freeze 3f2a91c0 --by plindgren

The newest version of the scope, written down record by record with a hash over all. It cannot change any
more.
"""
_SHOW: Final = """\
example:
  confide incident show 3f2a91c0 --by plindgren
"""
_LIST: Final = """\
example:
  confide incident list --by plindgren
"""
_MOVE: Final = """\
example:
  confide incident move 3f2a91c0 contained --by plindgren

open, contained, assessed, notifying, closed: in this order, and back to open when more is found. Assessed
needs a signed assessment, notifying a frozen scope.
"""
_NOTE: Final = """\
example:
  confide incident note 3f2a91c0 "The vendor called back" --at 2026-11-03T09:15-05:00 --by plindgren
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser(
        "incident", help="a breach: who was seen, what the law asks, what was decided", description=__doc__
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = actions.add_parser("open", help="open an incident")
    installation.describe(parser, "Open an incident.", _OPEN)
    parser.add_argument("title", metavar="TITLE", help="what people will call it")
    parser.add_argument(
        "--discovered", metavar="MOMENT", required=True, help="known, or could have been known"
    )
    parser.add_argument("--way", choices=("login", "medium", "other"), default="other",
        help="a valid login, a stolen or lost medium, or something else")  # fmt: skip
    parser.add_argument("--all-practices", action="store_true", help="all practices of this host")
    parser.add_argument("--finding", metavar="ID", default="", help="what it came from")
    _finish(parser, open_)
    parser = actions.add_parser("list", help="the incidents of a practice")
    installation.describe(parser, "List the incidents of a practice.", _LIST)
    _finish(parser, list_)
    parser = _one(actions, "show", "one as it stands", "Show an incident as it stands.", _SHOW, show_)
    parser = _one(
        actions, "scope", "who was seen", "Count who was seen, and verify the journal.", _SCOPE, scope
    )
    scoping.describe(parser)
    _one(actions, "match", "records to persons", "Find out how many persons they are.", _MATCH, match)
    _one(actions, "freeze", "freeze the scope", "Freeze the newest version of the scope.", _FREEZE, freeze)
    parser = _one(actions, "facts", "what is known", "Write down what is known.", judgement.FACTS, _facts)
    judgement.describe_facts(parser)
    parser = _one(actions, "clocks", "what the law asks", "Count the clocks.", judgement.CLOCKS, _clocks)
    parser.add_argument("--why", action="store_true", help="with the reasons, and what is open")
    parser.add_argument("--all", action="store_true", help="also what does not apply, and why not")
    parser.add_argument("--ics", metavar="FILE", help="write them as an iCalendar file")
    parser = _one(
        actions, "assess", "the four factors", "Assess the risk, and sign.", judgement.ASSESS, _assess
    )
    judgement.describe_assess(parser)
    _register_remedies(actions)
    parser = _one(actions, "export", "VERIS, or the sealed evidence", "Write an incident for others.",
        judgement.EXPORT, lambda args: judgement.export(args, _begin_at))  # fmt: skip
    parser.add_argument("--veris", metavar="FILE", type=Path, help="a file that does not exist")
    parser.add_argument("--bundle", metavar="FILE", type=Path, help="a file that does not exist")
    parser.add_argument("--recipient", metavar="AGE1...", help="the age key that the bundle is for")
    parser = _one(actions, "evidence", "keep a file", "Keep a piece of evidence.",
        judgement.EVIDENCE, lambda args: judgement.evidence(args, _begin_at))  # fmt: skip
    parser.add_argument("file", metavar="FILE", type=Path, help="the piece, such as proof.ndjson")
    parser.add_argument("--kind", choices=("proof", "journal-export", "other"), default="proof",
        help="what it is (default: %(default)s)")  # fmt: skip
    parser = _one(actions, "move", "to another state", "Bring an incident to another state.", _MOVE, move)
    parser.add_argument("state", metavar="STATE", help="open, contained, assessed, notifying, closed")
    parser.add_argument("--text", metavar="TEXT", default="", help="why; sealed")
    parser = _one(actions, "note", "a line of the timeline", "Write a line into the timeline.", _NOTE, note)
    parser.add_argument("text", metavar="TEXT", help="what happened; sealed")
    parser.add_argument("--at", metavar="MOMENT", help="when (default: now)")


def _register_remedies(actions: Any) -> None:
    parser = _one(actions, "remedy", "make it worth less", "Ask for a remedy.", judgement.REMEDY,
        lambda args: judgement.remedy(args, _begin_at))  # fmt: skip
    parser.add_argument(
        "kind", choices=("revoke", "retokenise", "rekey", "renumber"), help="what is to be done"
    )
    parser.add_argument("--to", metavar="NAME", default="", help="the destination of the list of old and new")
    parser.add_argument("--patient", metavar="ID", action="append", default=[],
        help="new numbers for this person of the scope only; repeatable")  # fmt: skip
    parser = actions.add_parser("approve", help="a remedy: the second person's word")
    installation.describe(parser, "Agree to a remedy; it is done at once, or by renew.", judgement.APPROVE)
    parser.add_argument("id", metavar="REQUEST", help="the request's id")
    _finish(parser, lambda args: judgement.approve(args, _begin))
    parser = actions.add_parser("renew", help="a remedy that takes long: do it, or go on with it")
    installation.describe(parser, "Do a remedy that was agreed to, from where it stands.", judgement.RENEW)
    parser.add_argument("id", metavar="REQUEST", help="the request's id")
    _finish(parser, lambda args: judgement.renew(args, _begin))


def _one(
    actions: Any, name: str, brief: str, description: str, example: str, run: Any
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=brief)
    installation.describe(parser, description, example)
    parser.add_argument("id", metavar="ID", help="the incident's id, or its first eight letters")
    _finish(parser, run)
    return parser


def _finish(parser: argparse.ArgumentParser, run: Any) -> None:
    person.describe(parser)
    parser.set_defaults(run=run)


# Steps


def open_(args: argparse.Namespace) -> int:
    """Open an incident."""
    system, grant, _ = _begin(args)
    from confide.incidents.course import Breadth
    from confide.incidents.facts import Way

    breadth = Breadth.HOST if args.all_practices else Breadth.PRACTICE
    source = f"finding:{args.finding}" if args.finding else ""
    made = system.cases.open(
        grant,
        args.title,
        scoping.moment("--discovered", args.discovered),
        way=Way(args.way),
        breadth=breadth,
        source=source,
    )
    show.step("made", "incident", made.pk)
    show.advice((f"confide incident scope {made.pk[:8]} --help", "who was seen"))
    return show.DONE


def list_(args: argparse.Namespace) -> int:
    """List the incidents of a practice."""
    system, grant, _ = _begin(args)
    rows = [
        (each.pk[:8], each.state, f"{each.discovered:%Y-%m-%d}", system.cases.title(each), _reach(each))
        for each in system.cases.listed(grant)
    ]
    if rows:
        show.table(("  id", "state", "discovered", "title", ""), [(f"  {row[0]}", *row[1:]) for row in rows])
    else:
        show.line("there is no incident")
    return show.DONE


def show_(args: argparse.Namespace) -> int:
    """Show an incident."""
    system, _, incident = _begin_at(args)

    show.line(f"{system.cases.title(incident)}   {incident.state}", style="bold")
    show.line(
        f"{incident.pk}   discovered {incident.discovered:%Y-%m-%d %H:%M} UTC   {_reach(incident)}".rstrip()
    )
    if incident.hold_at is not None:
        show.line(f"counsel's hold since {incident.hold_at:%Y-%m-%d %H:%M} UTC", style="bold")
    counted = incident.latest_scope()
    if counted is not None:
        show.line()
        scoping.tell(counted)
    show.line()
    people = person.names({row.by for row in incident.happenings.all()})
    rows = [
        (f"  {each.at:%Y-%m-%d %H:%M}", each.kind.removeprefix("incident-"), each.about, each.text,
         people.get(each.by, each.by))
        for each in system.cases.timeline(incident)
    ]  # fmt: skip
    show.table(("  when (UTC)", "what", "", "", "by"), rows)
    return show.DONE


def scope(args: argparse.Namespace) -> int:
    """Count who was seen, and verify the journal."""
    system, grant, incident = _begin_at(args)
    config = installation.locate(args)
    counted = system.scopes.measure(grant, incident, scoping.question(args))
    show.step("ok", "counted", f"version {counted.version}: {show.many(counted.records, 'record')}")
    with show.progress() as bar:
        task = bar.add_task("verifying", total=None, count=0, unit="entries")
        counted = system.scopes.prove(
            grant, counted, verifier(system, config, lambda done, total: bar.update(
                task, completed=done, total=total, count=done)),
        )  # fmt: skip
    scoping.tell(counted)
    show.advice(
        (f"confide incident match {incident.pk[:8]}", "how many persons these records are"),
        (f"confide incident freeze {incident.pk[:8]}", "before a notice goes by it"),
    )
    return show.DONE if counted.sound else show.FAILED


def match(args: argparse.Namespace) -> int:
    """Find out how many persons the records are."""
    system, grant, incident = _begin_at(args)
    newest = incident.scopes.order_by("version").last()
    if newest is None:
        raise Unknown("nothing is counted yet (confide incident scope)")
    with show.waiting("comparing ..."):
        found = system.persons.match(grant, newest, system.scopes.honey(incident))
    records = show.many(found.records, "record")
    show.step("ok", "matched", f"{records} of {show.many(found.persons or 0, 'person', 'persons')}")
    return show.DONE


def freeze(args: argparse.Namespace) -> int:
    """Freeze the newest version of the scope."""
    system, grant, incident = _begin_at(args)
    newest = incident.scopes.order_by("version").last()
    if newest is None:
        raise Unknown("nothing is counted yet (confide incident scope)")
    with show.waiting("writing each record down ..."):
        frozen = system.scopes.freeze(grant, newest)
    show.step("ok", "frozen", f"version {frozen.version}: {show.many(frozen.records, 'record')}")
    show.step("note", "hash", bytes(frozen.digest).hex())
    if frozen.difference:
        difference = frozen.difference
        show.step(
            "note", "difference",
            f"against version {difference['against']}: {difference['added']:,} came,"
            f" {difference['left']:,} went, {difference['changed']:,} changed",
        )  # fmt: skip
    return show.DONE


def move(args: argparse.Namespace) -> int:
    """Bring an incident to another state."""
    system, grant, incident = _begin_at(args)
    from confide.incidents.course import State

    if args.state not in set(State):
        raise Invalid(f"a state is one of {', '.join(State)}")
    system.cases.move(grant, incident, State(args.state), args.text)
    show.step("ok", "incident", f"{incident.state} -> {args.state}")
    return show.DONE


def _facts(args: argparse.Namespace) -> int:
    return judgement.facts(args, _begin_at)


def _clocks(args: argparse.Namespace) -> int:
    return judgement.clocks(args, _begin_at)


def _assess(args: argparse.Namespace) -> int:
    return judgement.assess(args, _begin_at)


def note(args: argparse.Namespace) -> int:
    """Write a line into the timeline."""
    system, grant, incident = _begin_at(args)
    system.cases.note(grant, incident, args.text, scoping.moment("--at", args.at) if args.at else None)
    show.step("ok", "written", "into the timeline")
    return show.DONE


# Parts


def _begin(args: argparse.Namespace) -> tuple[System, Grant, Config]:
    config = installation.ready(args)
    from confide.access.roles import Action

    practice = installation.practice(args.practice)
    system = installation.build(config)
    return system, person.grant(args.by, practice, Action.JOURNAL_READ, system.clock()), config


def _begin_at(args: argparse.Namespace) -> tuple[System, Grant, Incident]:
    system, grant, _ = _begin(args)
    return system, grant, system.cases.find(grant, args.id)


def verifier(system: System, config: Config, tell: Any) -> Any:
    """Return what verifies this installation's journal since a moment, up to what is written now."""
    from confide.audit import verdict
    from confide.audit.notes import PublicKey

    def verify(since: datetime) -> Verdict:
        system.sequencer.seal(system.clock())
        witnesses = [PublicKey.parse(each) for each in config.journal_witnesses]
        return verdict.verify(
            system.sequencer.key,
            witnesses,
            system.sequencer.tiles,
            [],
            system.clock(),
            since=since,
            tell=tell,
        )

    return verify


def _reach(incident: Incident) -> str:
    return "all practices" if incident.breadth == "host" else ""
