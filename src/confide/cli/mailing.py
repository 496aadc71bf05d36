"""What `confide notice` does with mailings, codes and what comes back."""

from __future__ import annotations

import argparse
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confide.cli import installation, person, scribes, show
from confide.errors import Invalid

if TYPE_CHECKING:
    from confide.access.decide import Grant
    from confide.access.models import Practice
    from confide.incidents.clocks import Clocks
    from confide.incidents.models import Incident, Scope
    from confide.incidents.notices.campaigns import Campaign
    from confide.incidents.notices.facts import Facts
    from confide.incidents.notices.letters import Templates
    from confide.incidents.notices.models import Mailing
    from confide.server.config import Config
    from confide.wiring import System


def mail(args: argparse.Namespace) -> int:
    """Ask for a mailing."""
    system, practice, grant, _ = _begin(args)
    from confide.access import destinations
    from confide.incidents.notices import facts, letters, mailings, scoped, templates, wording
    from confide.incidents.notices.mailings import Wanted
    from confide.incidents.notices.states import Channel, Round

    scope = _incident(practice, args.id).latest_scope()
    if scope is None:
        raise Invalid("the incident has no scope yet (confide incident scope)")
    place = destinations.find(practice.pk, args.to) if args.to else None
    told = facts.load(args.facts)
    wanted = Wanted(
        told,
        templates.load(args.templates),
        Channel(args.channel),
        Round.FEDERAL if args.second else Round.NOTICE,
        place,
        args.size,
        args.more,
    )
    if scope.frozen_at is not None and not wanted.more:
        _tell_grown(args, scope, practice, wanted.round, system.clock())
    if args.all_practices:
        whole = system.campaigns.request(grant, scope, wanted)
        name = f"{scope.incident_id[:8]} --all-practices"
        _tell_whole(whole)
        _tell(mailings.get(whole.ids[0]), alone=False)
    else:
        made = system.mailings.request(grant, scoped.of(scope, practice.pk), wanted)
        name = made.pk[:8]
        show.step("made", "mailing", made.pk)
        _tell(made)
    for state in sorted(scope.states):
        for said in wording.rule(state).told:
            show.step("note", state, said)
    for said in sorted(letters.lacking(wanted.templates, told, scope.states)):
        show.step("note", "template", said)
    show.advice((f"confide notice approve {name} --by SOMEBODY_ELSE", "the second person's word"))
    return show.DONE


def _tell_grown(
    args: argparse.Namespace, scope: Scope, practice: Practice, round_: str, now: datetime
) -> None:
    """Say of how many more is known than their letters say."""
    from confide.incidents.notices import campaigns, scoped

    if args.all_practices:
        number = campaigns.grown(scope, round_, now)
    else:
        number = scoped.grown(scope, practice.pk, round_, now)
    if number:
        who = show.many(number, "person who has", "persons who have")
        show.step("note", "more is known", f"of {who} a letter that says less: --more writes to them")


def approve(args: argparse.Namespace) -> int:
    """Approve a mailing that somebody else asked for."""
    system, practice, grant, _ = _begin(args)
    if args.all_practices:
        _tell_whole(system.campaigns.approve(grant, _incident(practice, args.id)))
        show.step("made", "approval", "good for thirty days")
        show.advice((f"confide notice letters {args.id} --all-practices --by {args.by}", "write them"))
        return show.DONE
    mailing = _mailing(practice, args.id)
    _tell(mailing)
    system.mailings.approve(grant, mailing)
    show.step("made", "approval", "good for thirty days")
    show.advice((f"confide notice letters {mailing.pk[:8]} --by {args.by}", "write it"))
    return show.DONE


def withdraw(args: argparse.Namespace) -> int:
    """Take a mailing back."""
    system, practice, grant, _ = _begin(args)
    if args.all_practices:
        _tell_whole(system.campaigns.withdraw(grant, _incident(practice, args.id)))
        return show.DONE
    mailing = _mailing(practice, args.id)
    system.mailings.withdraw(grant, mailing)
    show.step("made", "withdrawn", mailing.pk)
    return show.DONE


def write(args: argparse.Namespace) -> int:
    """Write or send an approved mailing."""
    system, practice, grant, config = _begin(args)
    from confide.incidents.notices.states import Channel

    mailing = None if args.all_practices else _mailing(practice, args.id)
    with show.progress() as bar:
        task = bar.add_task("writing", total=None, count=0, unit="persons")

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, count=done)

        if mailing is None:
            incident = _incident(practice, args.id)
            with scribes.at_work(args.workers, scribes.begin) as hands:
                said = ("manifest", str(system.campaigns.run(grant.actor.id, incident, tell, hands)))
        elif mailing.channel == Channel.EMAIL:
            from confide.incidents.notices.mail import Mailer

            taken = Mailer(system.sender, system.clock).run(
                grant.actor.id, mailing, _server(args), config.data, tell
            )
            said = ("sent", show.many(taken, "e-mail"))
        else:
            with scribes.at_work(args.workers, scribes.begin) as hands:
                said = ("folder", str(system.sender.run(grant.actor.id, mailing, tell, hands)))
    show.step("made", *said)
    missed = _missed(practice, mailing, args.id)
    if missed:
        show.step("note", "not reached", show.many(missed, "person"))
    return show.DONE


def _incident(practice: Practice, name: str) -> Incident:
    from confide.incidents.notices import clerk

    return clerk.find_incident(practice.pk, name)


def _missed(practice: Practice, mailing: Mailing | None, incident: str) -> int:
    """How many persons were not reached."""
    from confide.incidents.notices import campaigns
    from confide.incidents.notices.models import Unreached

    ids = [mailing.pk] if mailing is not None else campaigns.latest(_incident(practice, incident)).ids
    return Unreached.objects.filter(mailing__in=ids).count()


def _server(args: argparse.Namespace) -> Any:
    from confide.incidents.notices.mail import Server

    host, _, port = args.smtp.rpartition(":")
    if not host or not port.isdecimal() or not args.sender:
        raise Invalid("an e-mail needs --smtp HOST:PORT and --from ADDRESS")
    secret = os.environ.get("CONFIDE_SMTP_PASSWORD", "")
    return Server(host, int(port), args.sender, args.smtp_user, secret, args.smtp_tls)


def doubt(args: argparse.Namespace) -> int:
    """Say whether an e-mail went of which nobody knows."""
    system, practice, grant, _ = _begin(args)
    said = system.clerk.settle(grant, _mailing(practice, args.id), went=args.what == "went")
    show.step("made", "settled", show.many(said, "e-mail"))
    return show.DONE


def returned(args: argparse.Namespace) -> int:
    """Note letters that came back."""
    system, _, grant, _ = _begin(args)
    added, wrong = system.clerk.note_returned(grant, _lines(args.file))
    show.step("made", "returned", show.many(added, "letter"))
    return _wrong(wrong, "no letter of this practice")


def agreed(args: argparse.Namespace) -> int:
    """Note who agrees to e-mail, or does no more."""
    system, _, grant, _ = _begin(args)
    noted, wrong = system.clerk.note_agreed(grant, _lines(args.file), withdrawn=args.withdrawn)
    show.step("made", "noted", show.many(noted, "person"))
    return _wrong(wrong, "no patient of this practice")


def codes(args: argparse.Namespace) -> int:
    """Take, make or count enrolment codes."""
    system, practice, grant, _ = _begin(args)
    from datetime import date

    from confide.incidents.notices import offers

    incident = _incident(practice, args.id)
    wrong: list[int] = []
    if args.take is not None or args.make is not None:
        try:
            until = date.fromisoformat(args.until or "")
        except ValueError:
            raise Invalid("codes need --until, the last day on which they can be used (2026-12-31)") from None
        if args.take is not None:
            system.clerk.take(grant, incident, _lines(args.take), until)
        if args.make is not None:
            system.clerk.make(grant, incident, args.make, until)
    if args.redeemed is not None:
        _, wrong = system.clerk.redeem(grant, incident, _lines(args.redeemed))
    there, given, used = offers.counts(practice.pk, incident.pk)
    show.step("note", "codes", f"{there:,}   given to persons: {given:,}   used: {used:,}")
    return _wrong(wrong, "nobody's code")


def owners(args: argparse.Namespace) -> int:
    """Write a vendor's notice to each covered entity."""
    scope, found, templates, facts = _counted(args)
    from confide.incidents.notices import owners

    count = 0
    for entity, _, made in owners.write(scope, found, templates, facts):
        _write(args.out / f"owner-{entity}.txt", made.written())
        count += 1
    show.step("made", "notices", f"{show.many(count, 'covered entity', 'covered entities')}   {args.out}")
    return _doubted(scope)


def public(args: argparse.Namespace) -> int:
    """Write what is owed to the media, home pages and agencies, for all practices of a scope."""
    scope, found, templates, facts = _counted(args)
    from confide.incidents.notices import announcements

    counts = {"media": 0, "substitute": 0, "agencies": 0}
    for name, made in announcements.write(scope, found, templates, facts, args.language):
        _write(args.out / f"{name}.txt", made.written())
        counts[name.partition("-")[0]] += 1
    for kind, count in counts.items():
        show.step("made" if count else "note", kind, f"{show.many(count, 'notice')}   {args.out}")
    return _doubted(scope)


def _counted(args: argparse.Namespace) -> tuple[Scope, Clocks, Templates, Facts]:
    """What notices without a name are written from, and whether there is a folder for them."""
    system, practice, _, _ = _begin(args)
    from confide.incidents.notices import facts, templates

    incident = _incident(practice, args.id)
    scope = incident.latest_scope()
    found = system.deadlines.reckon(incident, scope) if scope is not None else None
    if scope is None or found is None:
        raise Invalid("nobody has counted who was reached (confide incident scope)")
    told, known = facts.load(args.facts), templates.load(args.templates)
    if not args.out.is_dir():
        raise Invalid("--out is a folder that is there")
    return scope, found, known, told


def _doubted(scope: Scope) -> int:
    if not scope.sound:
        show.step("note", "journal", "it does not verify under this scope: these numbers may not be all")
    return show.DONE


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:
        raise Invalid(f"{path} cannot be written") from None


def show_all(args: argparse.Namespace) -> int:
    """List a practice's mailings."""
    system, practice, _, _ = _begin(args)
    from confide.incidents.notices import progress

    rows = [
        (each.id[:8], each.state, each.channel, f"{each.done:,}", f"{each.people:,}", f"{each.missed:,}")
        for each in progress.of(practice.pk, system.clock())
    ]
    show.table(("id", "", "as", "done", "persons", "not reached"), rows, figures=[3, 4, 5])
    return show.DONE


def _begin(args: argparse.Namespace) -> tuple[System, Practice, Grant, Config]:
    config = installation.ready(args)
    from confide.access.roles import Action

    practice = installation.practice(args.practice)
    system = installation.build(config)
    return system, practice, person.grant(args.by, practice, Action.MAIL, system.clock()), config


def _tell_whole(whole: Campaign) -> None:
    show.step("made", "mailings", f"{len(whole.ids):,} of as many practices: {whole.state}")
    show.step("note", "persons", f"{whole.people:,}")


def _mailing(practice: Practice, name: str) -> Mailing:
    from confide.incidents.notices import mailings

    return mailings.find(practice.pk, name)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise Invalid(f"{path} cannot be read as UTF-8") from None


def _wrong(lines: list[int], what: str) -> int:
    if not lines:
        return show.DONE
    listed = ", ".join(map(str, lines[:20]))
    show.step("note", "passed over", f"{what}: line {listed}{' ...' if len(lines) > 20 else ''}")
    return show.FAILED


def _tell(mailing: Mailing, *, alone: bool = True) -> None:
    """Say what leaves, and where to."""
    if alone:
        show.step("note", "persons", f"{mailing.people:,}")
    show.step("note", "as", f"{mailing.channel}   ({mailing.round})")
    if mailing.destination is not None:
        from confide.access import destinations

        place = mailing.destination
        show.step("note", "to", f"{place.name}   ({destinations.fingerprint(place.recipient)})")
    if not mailing.sound:
        show.step("note", "journal", "it does not verify under this scope: these persons may not be all")
