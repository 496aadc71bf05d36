"""Writes an approved mailing, batch by batch: each person once, whatever happens in between.

A batch's entries are committed before a seal is opened. Then its file is made in memory, encrypted to the
print house in memory, written under another name, made durable, and gets its name; only then is the batch
done. A process that was killed leaves whole encrypted files, and at most one batch that is opened and not
done: that one is made again, under the entries that it has, and takes the place of what may be there. Nothing
is on a disk in clear. The folder has its name when all of it is written: before that nothing of it is out,
and what a mailing that was taken back has left is removed by the next one.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from confide.audit.openings import read_ids, write_ids
from confide.errors import AccessDenied, Misconfigured
from confide.incidents import residences
from confide.incidents.notices import addressing, chronicle, crates, folders, letters, mailings, typeset
from confide.incidents.notices.addressing import Addressee, Why
from confide.incidents.notices.facts import Facts
from confide.incidents.notices.hands import Done, Hands, Here, Job
from confide.incidents.notices.letters import Reference, Templates
from confide.incidents.notices.models import Batch, Mailing, Unreached
from confide.incidents.notices.offers import Offers
from confide.incidents.notices.states import Channel, Round, State
from confide.incidents.notices.templates import Kind, Notice
from confide.incidents.notices.typeset import Sealed
from confide.records.models import Resource
from confide.records.rows import document, parse_id, some
from confide.vault.mailings import Mailings as Gate
from confide.vault.mandates import Mandate, unpack

Progress = Callable[[int, int], None]
"""Called with persons done and persons there are."""

MANIFEST: Final = "manifest.json.age"
_RUNS: Final = 8
"""Mailings whose templates and facts a process keeps read."""

_SUFFIX: Final = {Channel.LETTERS: ".pdf.age", Channel.RECORDS: ".ndjson.age"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One person's letter before it is set: clear values, which stay in memory.

    Attributes:
        notice: What it says; None for a record, of which the print house makes a letter.
    """

    to: Addressee
    shown: tuple[str, ...]
    reference: str
    notice: Notice | None
    code: str


class Run:
    """What one run of a mailing needs, read once."""

    def __init__(self, mailing: Mailing, account: str, gate: Gate, offers: Offers, now: datetime) -> None:
        self.mailing = mailing
        self.account = account
        self.mandate: Mandate = mailings.mandate_of(mailing)
        self.facts: Facts = mailings.facts_of(mailing)
        self.templates: Templates = mailings.templates_of(mailing)
        self.name = letters.name_mailing(mailing.pk)
        self.channel = Channel(mailing.channel)
        self.now = now
        self._gate = gate
        self._offers = offers
        self._pool = self.mandate.home  # whose enrolment codes they are

    @property
    def offers(self) -> bool:
        """Whether each person gets a code: with the notice, not with the second letter."""
        return self.facts.offer is not None and self.mailing.round == Round.NOTICE

    def template(self, to: Addressee) -> str:
        """Return which template an addressee's letter is of, such as ``parent.es``."""
        kind = Kind.FEDERAL if self.mailing.round == Round.FEDERAL else to.kind
        return f"{kind}.{letters.choose(self.templates, kind, to.language, self.facts).language}"

    def pieces(self, batch: Batch) -> tuple[list[Piece], list[tuple[str, Why]]]:
        """Open a batch and write its letters.

        Returns:
            The letters, and who cannot be written to.
        """
        mailing, practice = self.mailing, self.mailing.practice
        if not Mailing.objects.filter(pk=mailing.pk, state=State.RUNNING).exists():
            raise AccessDenied("the mailing was withdrawn")
        people = [patient for patient, _ in unpack(bytes(batch.packed))]
        rows = Resource.objects.filter(practice=practice, type="Patient", deleted=False)
        found = {str(row.pk): document(row) for row in some(rows, map(parse_id, people))}

        def store(ids: Any) -> None:
            if self.offers and self.facts.offer is not None:
                until = self.facts.offer.until
                self._offers.assign(self._pool, mailing.incident, people, self.now, until)
            changed = Batch.objects.filter(pk=batch.pk, entries="").update(entries=write_ids(ids))
            if not changed:
                raise AccessDenied("another process writes this mailing")

        entries = list(read_ids(batch.entries))
        opened = self._gate.open(
            self.account, self.mandate, batch.number, bytes(batch.packed), found, entries, store
        )
        codes = self._offers.codes(self._pool, mailing.incident, people) if self.offers else {}
        made: list[Piece] = []
        missed: list[tuple[str, Why]] = []
        for place, ((patient, shown), resource) in enumerate(opened):
            to = self._addressed(resource)
            if isinstance(to, Why):
                missed.append((patient, to))
                continue
            reference = str(Reference(self.name, batch.number, place))
            code = codes.get(patient, "")
            if self.channel is Channel.RECORDS:  # the print house sets its own letter
                made.append(Piece(to, tuple(sorted(shown)), reference, None, code))
                continue
            notice = letters.compose(
                self.templates, self.facts, to, shown, reference, code,
                second=mailing.round == Round.FEDERAL,
            )  # fmt: skip
            made.append(Piece(to, tuple(sorted(shown)), reference, notice, code))
        return made, missed

    def _addressed(self, resource: dict[str, Any] | None) -> Addressee | Why:
        if resource is None:
            return Why.GONE
        if self.channel is Channel.EMAIL:
            # An e-mail needs no address; the state of the kept one lies in clear in the record.
            return addressing.by_email(resource, self.now.date(), residences.state_of(resource))
        return addressing.by_post(resource, self.now.date())


class Sender:
    """Writes mailings for print houses.

    Args:
        gate: Two people's word, and the journal.
        offers: Enrolment codes.
        clock: Returns now, aware UTC.
    """

    def __init__(self, gate: Gate, offers: Offers, clock: Callable[[], datetime]) -> None:
        self._gate = gate
        self._offers = offers
        self._clock = clock
        self._runs: OrderedDict[tuple[str, str], Run] = OrderedDict()

    def run(
        self,
        account: str,
        mailing: Mailing,
        progress: Progress = lambda _done, _all: None,
        hands: Hands | None = None,
    ) -> Path:
        """Write a mailing, or go on where an interrupted run stopped.

        Args:
            account: Of the person who has it written.
            mailing: Approved, or under way, for a print house.
            progress: Told how far it is.
            hands: Who writes the batches, with :meth:`write`; None is this process.

        Returns:
            The folder with the files.

        Raises:
            AccessDenied: Two people do not answer for it now; it is finished, withdrawn or lapsed.
            Invalid: A letter says what a state forbids.
            JournalUnavailable: The journal cannot be written; nothing more was opened.
            Misconfigured: The destination's folder cannot be used.
            Unavailable: The disk is full, another process writes there, or codes are wanting.
        """
        mailing.refresh_from_db()
        if mailing.destination is None:
            self.begin(account, mailing)
            raise AccessDenied("the mailing goes by e-mail")
        place = Path(mailing.destination.folder)
        with crates.locked(place):
            folders.tidy(place)
            if mailing.state != State.FINISHED or not folders.hand_over(place, mailing.pk):
                self.run_all(account, [mailing], mailing.people, progress, hands or Here(self.write))
        return place / mailing.pk

    def run_all(
        self, account: str, wanted: Iterable[Mailing], everybody: int, progress: Progress, hands: Hands
    ) -> None:
        """Write several mailings to one destination, whose folder the caller has taken; see :meth:`run`."""
        done = 0
        open_: dict[str, _Open] = {}

        def take() -> None:
            nonlocal done
            for each in hands.take():
                done += each.people
                mine = open_[each.mailing]
                mine.left.discard(each.number)
                if not mine.left:
                    self._close(open_.pop(each.mailing))
            progress(done, everybody)

        for mailing in wanted:
            mine = self._open(account, mailing)
            done += mine.done
            progress(done, everybody)
            if not mine.left:
                self._close(mine)
                continue
            open_[mailing.pk] = mine
            for number in sorted(mine.left):
                while hands.full:
                    take()
                hands.give(Job(account, mailing.pk, number))
        while hands.busy:
            take()

    def write(self, job: Job) -> Done:
        """Write one batch of a mailing that is under way: for the process that has been given it.

        Raises:
            See :meth:`run`.
        """
        run = self._runs.get((job.mailing, job.account))
        if run is None:
            mailing = mailings.get(job.mailing)
            run = Run(mailing, job.account, self._gate, self._offers, self._clock())
            self._runs[job.mailing, job.account] = run
            if len(self._runs) > _RUNS:
                self._runs.popitem(last=False)
        batch = Batch.objects.get(mailing=job.mailing, number=job.number)
        with crates.shared(_part(run.mailing)) as folder:
            made, missed = run.pieces(batch)
            sealed = _seal(run, made) if made else None
            name = f"batch-{batch.number:05d}{_SUFFIX[run.channel]}" if sealed else ""
            if sealed is not None:
                with crates.writing():
                    crates.place(folder, name, sealed.content)
            try:
                with mailings.under_way(run.mailing):
                    note_missed(run.mailing, missed, self._clock())
                    Batch.objects.filter(pk=batch.pk, done_at__isnull=True).update(
                        file=name,
                        sha256=sealed.sha256 if sealed else "",
                        size=len(sealed.content) if sealed else 0,
                        letters=len(made),
                        done_at=self._clock(),
                    )
            except AccessDenied:
                if name:
                    (folder / name).unlink(missing_ok=True)
                raise
        return Done(job.mailing, job.number, batch.people)

    def _open(self, account: str, mailing: Mailing) -> _Open:
        """Begin a mailing, or go on with it; its folder is there, and nobody else writes into it."""
        run = self.begin(account, mailing)
        part = _part(mailing)
        if (part.parent / mailing.pk).is_dir():
            raise Misconfigured("the destination has a folder with the mailing's id already (move it away)")
        with crates.writing():
            part.mkdir(mode=crates.FOLDER_MODE, exist_ok=True)
            crates.settle(part)
            for hidden in part.glob(".*"):
                hidden.unlink()
        rows = mailing.batches.values_list("number", "people", "done_at")
        left = {number for number, _, at in rows if at is None}
        return _Open(run, left, sum(people for _, people, at in rows if at is not None))

    def _close(self, mine: _Open) -> None:
        """Write the manifest, record that all of it went, and give the folder its name."""
        run = mine.run
        manifest = self._manifest(run)
        with crates.writing():
            crates.place(_part(run.mailing), MANIFEST, typeset.seal(manifest, _recipient(run)).content)
        self.end(run, manifest)
        folders.hand_over(_part(run.mailing).parent, run.mailing.pk)

    def begin(self, account: str, mailing: Mailing) -> Run:
        """Check a mailing and mark it as under way."""
        now = self._clock()
        mailing.refresh_from_db()
        found = mailings.state(mailing, now)
        if found is State.REQUESTED:
            raise AccessDenied("the mailing is not approved yet (confide notice approve)")
        if found not in {State.APPROVED, State.RUNNING}:
            raise AccessDenied(f"the mailing is {found}, so it is not written")
        run = Run(mailing, account, self._gate, self._offers, now)
        if not run.mandate.lead:  # of all practices it was asked at once, and is again before each batch
            self._gate.check(account, run.mandate)
        if found is State.APPROVED:
            Mailing.objects.filter(pk=mailing.pk, state=State.APPROVED).update(
                state=State.RUNNING, begun_at=now
            )
            mailing.refresh_from_db()
        return run

    def end(self, run: Run, manifest: bytes) -> None:
        """Record that all of it went."""
        now = self._clock()

        def store(entry: int) -> None:
            changed = Mailing.objects.filter(pk=run.mailing.pk, state=State.RUNNING).update(
                state=State.FINISHED, finished_at=now, manifest=manifest.decode()
            )
            if not changed:
                raise AccessDenied("the mailing was withdrawn while it was written")
            if not run.mandate.lead:  # of those of all practices the last one tells (campaigns)
                chronicle.tell(run.mailing, "finished", run.account, entry, now)
                chronicle.arrive(run.mailing, run.account, entry, now)

        self._gate.finish(run.account, run.mandate, hashlib.sha256(manifest).digest(), store)
        run.mailing.refresh_from_db()

    def _manifest(self, run: Run) -> bytes:
        """What was written, for the journal and for the print house; the same bytes for both."""
        rows = run.mailing.batches.order_by("number").values("file", "letters", "size", "sha256")
        files = [row for row in rows.iterator(chunk_size=1000) if row["file"]]
        content = {
            "mailing": run.mailing.pk,
            "channel": run.mailing.channel,
            "written": self._clock().isoformat(timespec="seconds").replace("+00:00", "Z"),
            "people": run.mailing.people,
            "letters": sum(int(row["letters"]) for row in files),
            "files": files,
        }
        return json.dumps(content, indent=1).encode() + b"\n"


@dataclass(slots=True)
class _Open:
    """A mailing under way: which batches nobody has written yet, and how many persons the others hold."""

    run: Run
    left: set[int]
    done: int


def _part(mailing: Mailing) -> Path:
    """Return the folder of a mailing that is not finished."""
    if mailing.destination is None:
        raise AccessDenied("the mailing goes by e-mail")
    return folders.part(Path(mailing.destination.folder), mailing.pk)


def _recipient(run: Run) -> str:
    return run.mandate.destination.recipient if run.mandate.destination is not None else ""


def _seal(run: Run, made: list[Piece]) -> Sealed:
    content = _content(run, made)
    if run.channel is Channel.LETTERS:
        return typeset.finish(content, int(run.now.timestamp()), _recipient(run))
    return typeset.seal(content, _recipient(run))


def _content(run: Run, made: list[Piece]) -> bytes:
    """Return what a batch's file holds, before it is set or encrypted."""
    if run.channel is Channel.LETTERS:
        printed = [
            letters.printed(each.to, each.notice, run.facts, each.reference)
            for each in made
            if each.notice is not None
        ]
        return json.dumps({"title": f"Letters {run.name}", "letters": printed}).encode()
    lines = (
        json.dumps(
            {
                "reference": each.reference,
                "to": each.to.lines,
                "greeting": each.to.name,
                "about": each.to.patient,
                "template": run.template(each.to),
                "state": each.to.state,
                "elements": each.shown,
                "code": each.code,
            },
            ensure_ascii=False,
        ).encode()
        for each in made
    )
    return b"".join(line + b"\n" for line in lines)


def note_missed(mailing: Mailing, missed: list[tuple[str, Why]], now: datetime) -> None:
    """Note whom a mailing did not reach; a batch that is made again says it again."""
    rows = [Unreached(mailing=mailing, patient=patient, why=why, at=now) for patient, why in missed]
    Unreached.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
