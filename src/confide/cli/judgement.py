"""`confide incident facts`, `clocks`, `assess`: what is known, what the law asks, what a person decides."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from confide.cli import show
from confide.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from confide.incidents.facts import Statement

FACTS: Final = """\
example:
  confide incident facts 3f2a91c0 --notified 2026-11-20 --zone America/New_York --by plindgren

What is not said is read most strictly. The scope gives the rest: who is affected where, what was shown, when.
"""
CLOCKS: Final = """\
example:
  confide incident clocks 3f2a91c0 --ics clocks.ics --by plindgren
"""
ASSESS: Final = """\
examples:
  confide incident assess 3f2a91c0 --by plindgren
  confide incident assess 3f2a91c0 --outcome breach --by plindgren \\
      --factor nature=high "Names and Social Security numbers" --factor who=high "Unknown thieves" \\
      --factor acquired=high "The journal has each record" --factor mitigated=high "Nothing came back"

Without --outcome it shows what the scope says to each of the four factors of 45 CFR 164.402(2). What you
decide is signed with your password, sealed, and kept six years.
"""
REMEDY: Final = """\
examples:
  confide incident remedy 3f2a91c0 revoke --by plindgren
  confide incident remedy 3f2a91c0 retokenise --to Lab --by plindgren
  confide incident remedy 3f2a91c0 rekey --to Lab --by plindgren
  confide incident remedy 3f2a91c0 renumber --to Lab --patient 5c0f... --by plindgren

revoke takes password and sessions from the logins of the newest scope, and tokens from its programs, and
freezes these. retokenise gives exactly the persons of the frozen scope new tokens; the list of old and new
goes to a destination, encrypted. rekey seals exactly their records under fresh keys, and renumber gives them,
or those named by --patient, new record numbers; the old ones go on finding them. Both write lists of old and
new to the destination, and are done by renew, which goes on where it was stopped. Another person must agree
before anything is done (confide incident approve).
"""
APPROVE: Final = """\
example:
  confide incident approve 7d0e4c2b-1b5e-4f2a-9f0e-2a6f1c3d4e5f --by dokafor

Another privacy officer than the one who asked. revoke and retokenise are done at once; rekey and renumber are
done by `confide incident renew`.
"""
RENEW: Final = """\
example:
  confide incident renew 7d0e4c2b-1b5e-4f2a-9f0e-2a6f1c3d4e5f --by plindgren

Does a rekey or renumber that was agreed to, and shows how far it is. Stopped, the same command goes on where
it was; nobody is done twice or left out.
"""
EXPORT: Final = """\
examples:
  confide incident export 3f2a91c0 --veris incident.json --by plindgren
  confide incident export 3f2a91c0 --bundle evidence.zip.age --recipient age1... --by plindgren

VERIS: numbers and codes only. The bundle is encrypted to the recipient; whoever has its key unpacks it and
runs `python check.py --log-key ...`, without Confide.
"""
EVIDENCE: Final = """\
example:
  confide incident evidence 3f2a91c0 proof.ndjson --by plindgren

Kept by its hash, and in each bundle. Give proofs and exports of the journal, which hold no clear value.
"""
_MOMENTS: Final = ("aware", "determined", "scoped", "notified", "secretary", "informed")


def describe_facts(parser: argparse.ArgumentParser) -> None:
    """Give the options that say what is known."""
    words = {
        "aware": "reasonably certain of it (GDPR)",
        "determined": "determined that it is a breach",
        "scoped": "known whose data they are",
        "notified": "the letters went",
        "secretary": "the Secretary of HHS was told",
        "informed": "the vendor told the covered entities",
    }
    for name in _MOMENTS:
        parser.add_argument(f"--{name}", metavar="MOMENT", help=words[name])
    parser.add_argument(
        "--gdpr", metavar="N", type=int, help="data subjects under GDPR (1 if there may be some)"
    )
    parser.add_argument("--vendor", choices=("yes", "no"), help="a business associate had the breach")
    parser.add_argument("--part2", choices=("yes", "no"), help="substance use treatment (42 CFR part 2)")
    parser.add_argument("--california-facility", choices=("yes", "no"), help="a licensed facility there")
    parser.add_argument("--zone", metavar="ZONE", help="the entity's time zone, such as America/Chicago")
    parser.add_argument("--delay", metavar="DAY[..UNTIL]", action="append",
        help="law enforcement asked for delay: by word of mouth, or in writing until a day")  # fmt: skip


def describe_assess(parser: argparse.ArgumentParser) -> None:
    """Give the options of an assessment."""
    parser.add_argument("--outcome", choices=("breach", "unlikely", "secured"), help="what you decide")
    parser.add_argument("--factor", nargs=2, metavar=("NAME=HIGH|MEDIUM|LOW", "REASON"), action="append",
        default=[], help="nature, who, acquired, mitigated: all four")  # fmt: skip
    parser.add_argument("--encrypted", choices=("no", "key-safe", "key-taken"), default="no",
        help="the stolen medium itself (default: %(default)s)")  # fmt: skip


def facts(args: argparse.Namespace, begin: Callable[..., Any]) -> int:
    """Write down what is known."""
    system, grant, incident = begin(args)
    from confide.cli.scoping import moment

    changes: dict[str, Any] = {
        name: moment(f"--{name}", getattr(args, name)) for name in _MOMENTS if getattr(args, name)
    }
    for name, option in (("vendor", "vendor"), ("part2", "part2"), ("facility", "california_facility")):
        if getattr(args, option):
            changes[name] = getattr(args, option) == "yes"
    if args.gdpr is not None:
        changes["europeans"] = args.gdpr
    if args.zone:
        changes["zone"] = args.zone
    if args.delay:
        changes["statements"] = tuple(_statement(each) for each in args.delay)
    if not changes:
        raise Invalid("nothing is said (see --help)")
    system.deadlines.tell(grant, incident, **changes)
    show.step("ok", "written", " ".join(sorted(changes)))
    return show.DONE


def _statement(said: str) -> Statement:
    from confide.incidents.facts import Statement

    made, _, until = said.partition("..")
    try:
        return Statement(date.fromisoformat(made), date.fromisoformat(until) if until else None)
    except ValueError:
        raise Invalid("--delay takes days: 2026-11-05, or 2026-11-05..2026-12-20") from None


def clocks(args: argparse.Namespace, begin: Callable[..., Any]) -> int:
    """Show the clocks of an incident; write them as a calendar."""
    system, _, incident = begin(args)
    from confide.cli.clocks import tell
    from confide.incidents import reading

    found = system.deadlines.reckon(incident)
    if found is None:
        raise Invalid(
            "nobody is known to be affected yet (confide incident scope; facts --gdpr for GDPR's hours)"
        )
    tell(found, reading.held(), system.clock(), why=args.why, every=args.all)
    if args.ics is not None:
        try:
            Path(args.ics).write_bytes(system.deadlines.feed(incident))
        except OSError:
            raise Invalid(f"{args.ics} cannot be written") from None
        show.step("made", "calendar", str(args.ics))
    return show.DONE


def assess(args: argparse.Namespace, begin: Callable[..., Any]) -> int:
    """Show what the scope says to the four factors, or sign what a person decides."""
    system, grant, incident = begin(args)
    from confide.incidents import assessments
    from confide.incidents.assessments import Factor, Finding, Outcome
    from confide.incidents.facts import Encryption

    counted = incident.latest_scope()
    if counted is None:
        raise Invalid("nothing is counted yet (confide incident scope)")
    if args.outcome is None:
        prepared = assessments.draft(incident, counted)
        rows = [(f"  {f}", prepared.findings[f], f.label, prepared.words[f]) for f in Factor]
        show.table(("  factor", "prefilled", "", ""), rows)
        show.line(f"safe harbour: {prepared.harbour}", style="dim")
        return show.DONE
    findings, reasons = {}, {}
    for said, reason in args.factor:
        name, _, weight = said.partition("=")
        if name not in set(Factor) or weight not in set(Finding):
            raise Invalid("--factor is nature, who, acquired or mitigated, then =high, =medium or =low")
        findings[Factor(name)], reasons[Factor(name)] = Finding(weight), reason
    made = system.assessments.sign(
        grant, incident, counted, findings, reasons, Outcome(args.outcome), Encryption(args.encrypted),
        system.clock(),  # the password was typed for this command
    )  # fmt: skip
    show.step("ok", "signed", f"{made.outcome}   (kept until {made.kept_until})")
    return show.DONE


def export(args: argparse.Namespace, begin: Callable[..., Any]) -> int:
    """Write an incident as VERIS, or its sealed evidence."""
    system, grant, incident = begin(args)
    import json

    from confide.incidents import veris

    counted = incident.latest_scope()
    if counted is None:
        raise Invalid("nothing is counted yet (confide incident scope)")
    if not args.veris and not args.bundle:
        raise Invalid("say --veris FILE or --bundle FILE")
    if args.veris:
        try:
            with args.veris.open("x", encoding="utf-8") as file:
                file.write(json.dumps(veris.describe(incident, counted), indent=1) + "\n")
        except OSError:
            raise Invalid(f"{args.veris} is there already, or cannot be written") from None
        show.step("made", "VERIS", str(args.veris))
    if args.bundle:
        if not args.recipient:
            raise Invalid("a bundle is encrypted to somebody: --recipient age1...")
        key = str(system.sequencer.key)
        with show.waiting("sealing ..."):
            system.sequencer.seal(system.clock())
            written = system.evidence.write(
                grant, incident, counted, args.bundle, args.recipient, key, system.scopes.honey(incident)
            )
        show.step("made", "bundle", str(args.bundle))
        show.step("note", "hash", written)
    return show.DONE


def evidence(args: argparse.Namespace, begin: Callable[..., Any]) -> int:
    """Keep a piece of evidence."""
    system, grant, incident = begin(args)
    from confide.incidents.exhibits import Kind

    try:
        content = args.file.read_bytes()
    except OSError:
        raise Invalid(f"{args.file} cannot be read") from None
    kept = system.evidence.add(grant, incident, args.file.name, Kind(args.kind), content)
    show.step("ok", "kept", f"{args.file.name}   {bytes(kept.sha256).hex()}")
    return show.DONE


def remedy(args: argparse.Namespace, begin: Callable[..., Any]) -> int:
    """Ask for a remedy."""
    system, grant, incident = begin(args)
    from confide.incidents.remedies import LONG, Kind

    counted = incident.latest_scope()
    if counted is None:
        raise Invalid("nothing is counted yet (confide incident scope)")
    kind = Kind(args.kind)
    asked = system.remedies.ask(grant, incident, counted, kind, args.to, args.patient)
    show.step("made", "request", asked.pk)
    then = "another person's word" if kind in LONG else "another person's word; it is done then"
    show.advice((f"confide incident approve {asked.pk} --by NAME", then))
    return show.DONE


def approve(args: argparse.Namespace, begin: Callable[..., Any]) -> int:
    """Give the second person's word."""
    system, grant, _ = begin(args)
    from confide.access.models import Account

    waiting = system.remedies.find(grant.practice, args.id)
    account = Account.objects.get(pk=grant.actor.id)
    done = system.remedies.approve(grant, waiting, account)
    if done.done_at is None:
        show.step("ok", "agreed", waiting.kind)
        show.advice(
            (f"confide incident renew {done.pk} --by NAME", "does it, and goes on where it was stopped")
        )
        return show.DONE
    show.step("ok", waiting.kind, _figures(done))
    return show.DONE


def renew(args: argparse.Namespace, begin: Callable[..., Any]) -> int:
    """Do a long remedy that was agreed to, from where it stands."""
    system, grant, _ = begin(args)
    from confide.access import terminal
    from confide.access.roles import Action
    from confide.vault.exports import PURPOSE

    found = system.remedies.find(grant.practice, args.id)
    with show.progress() as bar:
        task = bar.add_task("renewing", total=None, count=0, unit="persons")

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, count=done)

        def fresh() -> Any:
            by, now = grant.actor, system.clock()
            return terminal.grant(by.id, by.practice, Action.JOURNAL_READ, PURPOSE, now)

        done = system.renewals.run(fresh, found, tell)
    show.step("ok", done.kind, _figures(done))
    if done.kind == "rekey":
        show.step("note", "older keys", "the server destroys them in an hour, once nobody writes under them")
    return show.DONE


def _figures(remedy: Any) -> str:
    return "   ".join(f"{name} {n:,}" for name, n in remedy.done.items() if isinstance(n, int))
