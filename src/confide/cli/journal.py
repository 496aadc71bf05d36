"""`confide journal`: is it as it was sealed? Exports and proofs that others can check."""

from __future__ import annotations

import argparse
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide.cli import archive, installation, person, show
from confide.errors import Invalid, Misconfigured, Unavailable, Unknown

if TYPE_CHECKING:
    from confide.access.models import Practice
    from confide.audit.notes import Head, PublicKey
    from confide.server.config import Config
    from confide.wiring import System

VERIFY_EXAMPLE: Final = """\
examples:
  confide journal verify --witness-checkpoint witness/history
  confide journal verify --since 2026-03-01
  confide journal verify journal.ndjson --log-key "$(cat log.vkey)" --witness-key "$(cat witness.vkey)" \\
      --witness-checkpoint witness/checkpoint

Computes everything again and says the first entry that is wrong: entries, running counts, roots, signatures,
the published tiles, the cosignatures, and the stored resources. A cut tail, an old copy that was put back, or
another tree signed with the log's own key is found by what a witness kept elsewhere: its file `checkpoint`,
or `history`, which also says between which two hours. With a file it needs neither database nor keyring.
"""
EXPORT_EXAMPLE: Final = """\
example:
  confide journal export journal.ndjson --by plindgren
  python standalone.py journal.ndjson --log-key "$(cat log.vkey)" --checkpoint witness/checkpoint

Whoever gets the file checks it with one short file, src/confide/audit/standalone.py, and no Confide. Entries
of other practices on the same host are in it as hashes.
"""
KEY_EXAMPLE: Final = """\
example:
  confide journal key > log.vkey

Public. Carry it by hand to the witness and to whoever will check the journal.
"""
RECEIPT_EXAMPLE: Final = """\
example:
  confide journal receipt "12-40,43 hTLpZZoJbIqdAfZ6sRVWaWfqbZxJmhtG7zKX8dGPx14="

A receipt is the header Confide-Receipt of a response that showed clear values; a proxy that keeps the headers
of responses keeps the receipts.
"""
INCLUSION_EXAMPLE: Final = """\
example:
  confide journal prove inclusion 4711 4712 --out proof.ndjson --by plindgren
  python proof.py proof.ndjson --log-key "$(cat log.vkey)"
"""
ABSENCE_EXAMPLE: Final = """\
example:
  confide journal prove absence --patient 0b0f7ad8-5a5e-4a3a-9b2c-1f2e3d4c5b6a --element ssn \\
      --credential 9wX... --from 2026-03-29 --to 2026-04-15 --out proof.ndjson --by plindgren
  python proof.py proof.ndjson --log-key "$(cat log.vkey)"

The file holds all entries about the patient and the proof of each; making it is itself the last of them.
"""
_PATIENCE: Final = 20.0


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser(
        "journal", help="who saw what: verify, export, prove, receipt, key", description=__doc__
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = actions.add_parser("verify", help="is it as it was sealed?")
    installation.describe(parser, "Check the journal, or an export of it.", VERIFY_EXAMPLE)
    parser.add_argument(
        "file", metavar="EXPORT", type=Path, nargs="?", help="an export (default: the database)"
    )
    parser.add_argument("--since", metavar="DATE", type=_moment, help="only from then on (UTC)")
    parser.add_argument(
        "--witness-checkpoint", metavar="FILE|URL", action="append", default=[],
        help="what a witness kept elsewhere",
    )  # fmt: skip
    parser.add_argument("--log-key", metavar="VKEY", help="the log's public key (default: from the keyring)")
    parser.add_argument(
        "--witness-key", metavar="VKEY", action="append", default=[],
        help="a witness's public key (default: journal.witnesses)",
    )  # fmt: skip
    parser.set_defaults(run=verify)
    parser = actions.add_parser("export", help="a file that can be checked elsewhere")
    installation.describe(parser, "Write the journal and its tree.", EXPORT_EXAMPLE)
    parser.add_argument("file", metavar="FILE", type=Path, help="a file that does not exist")
    parser.add_argument("--since", metavar="DATE", type=_moment, help="only from then on (UTC)")
    person.describe(parser)
    parser.set_defaults(run=export)
    parser = actions.add_parser("key", help="the public key of its checkpoints")
    installation.describe(parser, "Print the key that signs the journal's checkpoints.", KEY_EXAMPLE)
    parser.set_defaults(run=tell_key)
    parser = actions.add_parser("receipt", help="are the entries of a response in it?")
    installation.describe(parser, "Check the receipt of a response.", RECEIPT_EXAMPLE)
    parser.add_argument("receipt", metavar="RECEIPT", help="ids and a hash, in quotation marks")
    parser.set_defaults(run=check_receipt)
    _register_proofs(actions)
    archive.register(actions)


def _register_proofs(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = actions.add_parser("prove", help="proofs: inclusion, absence", description="Proofs for others.")
    kinds = group.add_subparsers(title="proofs", metavar="PROOF", required=True)
    parser = kinds.add_parser("inclusion", help="entries are in the tree")
    installation.describe(parser, "Prove that entries are in the tree.", INCLUSION_EXAMPLE)
    parser.add_argument("ids", metavar="ID", type=int, nargs="+", help="an entry's id")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="a file that does not exist")
    person.describe(parser)
    parser.set_defaults(run=prove_inclusion)
    parser = kinds.add_parser("absence", help="something was not shown to somebody")
    installation.describe(parser, "Prove that something was not shown.", ABSENCE_EXAMPLE)
    parser.add_argument("--patient", metavar="ID", required=True, help="whose")
    parser.add_argument("--element", metavar="CODE", required=True, help="which element, such as ssn")
    parser.add_argument("--credential", metavar="NAME", default="", help="to which session or token")
    parser.add_argument("--actor", metavar="ID", default="", help="to which account or program")
    parser.add_argument(
        "--from", metavar="DATE", dest="begin", type=_moment, default=datetime(1970, 1, 1, tzinfo=UTC),
        help="from when on (UTC; default: ever)",
    )  # fmt: skip
    parser.add_argument(
        "--to", metavar="DATE", dest="end", type=_moment, help="until when (UTC; default: now)"
    )
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="a file that does not exist")
    person.describe(parser)
    parser.set_defaults(run=prove_absence)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("a date or time is written 2026-03-01 or 2026-03-01T09:00") from None


# Verifying


def verify(args: argparse.Namespace) -> int:
    """Check the database, or an export."""
    if args.file is not None:
        return _verify_export(args)
    config = installation.ready(args)
    from confide.audit import verdict
    from confide.audit.notes import PublicKey
    from confide.audit.tiles import Tiles
    from confide.records import bodies

    log = _key(args, config)
    witnesses = [PublicKey.parse(each) for each in args.witness_key or config.journal_witnesses]
    kept = _kept(args, log, witnesses)
    with show.progress() as bar:
        task = bar.add_task("entries", total=None, count=0, unit="entries")
        found = verdict.verify(
            log, witnesses, Tiles(config.journal), kept, datetime.now(UTC), since=args.since,
            tell=lambda done, total: bar.update(task, completed=done, total=total, count=done),
        )  # fmt: skip
        task = bar.add_task("resources", total=None, count=0, unit="entries")
        found.wrong += bodies.check(
            lambda done, total: bar.update(task, completed=done, total=total, count=done)
        )
    for each in found.wrong:
        show.step("wrong", each.where, each.what)
    for about, told in found.notes:
        show.step("note", about, told)
    if found.wrong:
        show.line(f"the first: {found.wrong[0].where}: {found.wrong[0].what}", style="bold")
        return show.FAILED
    checked = found.size - found.start
    show.step(
        "ok", "journal", f"{show.many(checked, 'entry', 'entries')} as they were sealed, and the resources"
    )
    if kept:
        show.step("ok", "witness", f"{max(head.size for head in kept):,} entries agree with what it kept")
    else:
        show.step("note", "witness", "nothing from elsewhere to compare with (--witness-checkpoint)")
    return show.DONE


def _verify_export(args: argparse.Namespace) -> int:
    from confide.audit import standalone

    if args.log_key is None or args.since is not None:
        raise Invalid("an export is checked with --log-key, and whole")
    try:
        keys = standalone.read_keys([args.log_key], 1), standalone.read_keys(args.witness_key, 4)
    except (ValueError, LookupError):
        raise Invalid("--log-key and --witness-key are public keys, name+id+base64") from None
    notes = [note for each in args.witness_checkpoint for note in _notes(each)]
    try:
        told = standalone.check_file(args.file, notes, keys)
    except standalone.Wrong as wrong:
        show.step("wrong", str(args.file), str(wrong))
        return show.FAILED
    show.step("ok", str(args.file), told)
    return show.DONE


def _key(args: argparse.Namespace, config: Config) -> PublicKey:
    from confide.audit.notes import PublicKey

    if args.log_key is not None:
        return PublicKey.parse(args.log_key.strip())
    return installation.build(config).sequencer.key


def _kept(args: argparse.Namespace, log: PublicKey, witnesses: list[PublicKey]) -> list[Head]:
    from confide.audit import verdict

    return verdict.read_heads(
        [note for each in args.witness_checkpoint for note in _notes(each)], log, witnesses
    )


def _notes(place: str) -> list[str]:
    """Read the checkpoints in a file, or at an address."""
    from confide.audit.sources import Folder, Web
    from confide.audit.standalone import NOTE

    if "://" in place:
        parent, _, name = place.rpartition("/")
        written = Web(parent).fetch(name, _LARGEST)
    else:
        path = Path(place).expanduser()
        written = Folder(path.parent).fetch(path.name, _LARGEST)
    notes = re.findall(NOTE, written.decode("utf-8", "replace"))
    if not notes:
        raise Invalid("there is no checkpoint in what the witness kept")
    return notes


_LARGEST: Final = 256 * 2**20


# For others


def export(args: argparse.Namespace) -> int:
    """Write an export; the reading is an entry itself, and in it."""
    system, practice, _ = _reader(args, "")
    from confide.audit import extract

    with show.progress() as bar:
        task = bar.add_task("writing", total=None, count=0, unit="entries")
        lines = extract.extract(
            practice.pk, args.since,
            lambda done, total: bar.update(task, completed=done, total=total, count=done),
        )  # fmt: skip
        _write(args.file, lines)
    show.step("made", "export", str(args.file))
    show.advice(
        (
            f'confide journal verify {args.file} --log-key "{system.sequencer.key}"',
            "check it, here or elsewhere",
        )
    )
    return show.DONE


def tell_key(args: argparse.Namespace) -> int:
    """Print the log's public key alone."""
    show.line(str(installation.build(installation.ready(args)).sequencer.key))
    return show.DONE


def check_receipt(args: argparse.Namespace) -> int:
    """Say whether the entries that a response named are there."""
    installation.ready(args)
    from confide.audit import proofs

    found = proofs.check_receipt(args.receipt)
    first, last = min(each.position for each in found), max(each.position for each in found)
    where = f"at {first}" if first == last else f"from {first} to {last}"
    show.step("ok", "receipt", f"{show.many(len(found), 'entry', 'entries')} in the tree, {where}")
    return show.DONE


def prove_inclusion(args: argparse.Namespace) -> int:
    """Write entries with their proofs."""
    system, practice, _ = _reader(args, "")
    from confide.audit import places, proofs

    found = places.find(args.ids)
    if any(each.require().entry.practice != practice.pk for each in found.values()):
        raise Unknown("an entry with such an id is not in the tree, or is another practice's")
    _write(args.out, proofs.prove_entries(args.ids, system.sequencer.tiles))
    show.step("made", "proof", str(args.out))
    return show.DONE


def prove_absence(args: argparse.Namespace) -> int:
    """Write all entries about a patient with their proofs."""
    from confide.protect.elements import Element

    try:
        element = Element(args.element)
    except ValueError:
        raise Invalid(f"--element is one of {', '.join(Element)}") from None
    system, practice, closing = _reader(args, args.patient)
    from confide.audit import places, proofs

    written = places.find([closing])[closing].require().entry
    end = args.end or written.at
    claim = proofs.Claim(practice.pk, args.patient, element, args.begin, end, args.credential, args.actor)
    _write(args.out, proofs.prove_absence(claim, closing, system.sequencer.tiles))
    show.step("made", "proof", str(args.out))
    show.advice((f'python proof.py {args.out} --log-key "{system.sequencer.key}"', "what it shows"))
    return show.DONE


def _reader(args: argparse.Namespace, patient: str) -> tuple[System, Practice, int]:
    """Whoever reads proves who they are; the reading is an entry, and sealed before anything is written."""
    config = installation.ready(args)
    from django.db import transaction

    from confide.access.roles import Action
    from confide.audit import places
    from confide.audit.journal import entry_for

    practice = installation.practice(args.practice)
    system = installation.build(config)
    grant = person.grant(args.by, practice, Action.JOURNAL_READ, system.clock())
    with transaction.atomic(durable=True):
        entry = entry_for(grant, system.clock(), patient=patient, resource_type="AuditEvent")
        (id_,) = system.journal.append([entry])
    until = time.monotonic() + _PATIENCE
    while True:
        system.sequencer.seal(system.clock())
        if places.find([id_]):
            return system, practice, id_
        if time.monotonic() > until:
            raise Unavailable("the journal is not sealed now (see confide doctor)")
        time.sleep(0.2)


def _write(path: Path, lines: Iterable[str] | Iterator[str]) -> None:
    """Write a file that is there whole or not at all, for its owner only."""
    if path.exists():
        raise Invalid("the file is there already (another name, or remove it)")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            with beside.open("x", encoding="utf-8") as file:
                file.writelines(lines)
            beside.rename(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as problem:
        raise Misconfigured(f"{path} cannot be written ({problem.strerror})") from None
