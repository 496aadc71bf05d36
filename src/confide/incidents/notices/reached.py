"""Whom letters have reached and what they said: nobody twice for the same, and who is missing is counted.

Source:
    45 CFR 164.404(d)(2): substitute notice, for 10 or more persons on a home page or in print.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from confide.errors import Invalid, Unknown
from confide.incidents.notices import letters, states
from confide.incidents.notices.addressing import Why
from confide.incidents.notices.models import Agreed, Batch, Mailing, Unreached
from confide.incidents.notices.states import Channel, State
from confide.protect.elements import Element
from confide.records.rows import known_patients
from confide.vault.mandates import unpack

MANY: Final = 10
"""So many persons without a good address need substitute notice on a home page or in print."""


def told(incident: str, practice: str, round_: str, now: datetime) -> dict[str, frozenset[Element]]:
    """Return who has a letter of this incident and round, or gets one, and was not missed by it.

    Each with all that such letters name as shown.

    A mailing that lapsed goes to nobody. Of one that was taken back, e-mails that were sent stay sent, and
    one of which nobody knows may be; its files were never handed over.
    """
    found: dict[str, frozenset[Element]] = {}
    for mailing in Mailing.objects.filter(incident=incident, practice=practice, round=round_):
        stands = states.at(mailing.state, mailing.approved_at or mailing.requested_at, now)
        back = stands is State.WITHDRAWN
        if stands is State.LAPSED or (back and mailing.channel != Channel.EMAIL):
            continue
        missed = Unreached.objects.filter(mailing=mailing).exclude(why=Why.DOUBTFUL)
        lost = set(missed.values_list("patient", flat=True))
        rows = mailing.batches.only("packed", "sent", "trying", "people")
        for batch in rows.iterator(chunk_size=100):
            people = unpack(bytes(batch.packed))
            tried = batch.sent if batch.trying is None else batch.trying + 1
            for patient, shown in people[: tried if back else None]:
                if patient not in lost:
                    found[patient] = found.get(patient, frozenset()) | shown
    return found


def owed(
    written: Mapping[str, frozenset[Element]], patient: str, shown: frozenset[Element], *, more: bool
) -> bool:
    """Tell whether a person gets a letter.

    Args:
        written: What :func:`told` found.
        patient: The person's id.
        shown: What a frozen scope says was shown of them.
        more: The mailing is for those whose letters name less than that; otherwise for those without one.
    """
    if patient not in written:
        return bool(shown) and not more
    return more and not shown <= written[patient]


def agreed(practice: str) -> frozenset[str]:
    """Return who agrees to e-mail now."""
    rows = Agreed.objects.filter(practice=practice, withdrawn_at__isnull=True)
    return frozenset(rows.values_list("patient", flat=True))


def find_person(practice: str, text: str) -> tuple[Mailing, str, frozenset[Element]]:
    """Return whose letter a reference is of, with what it says was shown.

    Raises:
        Invalid: It is no reference.
        Unknown: There is no such letter.
    """
    reference = letters.read_reference(text)
    for mailing in Mailing.objects.filter(practice=practice).order_by("-requested_at"):
        if letters.name_mailing(mailing.pk) == reference.mailing:
            batch = Batch.objects.filter(mailing=mailing, number=reference.batch).first()
            people = unpack(bytes(batch.packed)) if batch is not None else []
            if reference.place < len(people):
                return mailing, *people[reference.place]
    raise Unknown("there is no letter of that number")


def note_returned(
    practice: str, references: Iterable[str], now: datetime
) -> tuple[list[tuple[Mailing, str]], list[int]]:
    """Note letters that came back; in the transaction of ``clerk``, which writes the entries.

    Args:
        practice: The practice's id.
        references: As they stand on the letters, one each.
        now: Aware UTC.

    Returns:
        The mailings with the persons that this adds, and the lines (from 1) that are no letter of the
        practice.
    """
    added: list[tuple[Mailing, str]] = []
    wrong = []
    for line, text in enumerate(references, 1):
        if not text.strip():
            continue
        try:
            mailing, patient, _ = find_person(practice, text)
        except (Invalid, Unknown):
            wrong.append(line)
            continue
        _, new = Unreached.objects.get_or_create(
            mailing=mailing, patient=patient, defaults={"why": Why.RETURNED, "at": now}
        )
        if new:
            added.append((mailing, patient))
    return added, wrong


def unreachable(incident: str, practice: str) -> int:
    """Return how many persons a letter missed that no later one has reached.

    10 or more need substitute notice at large.

    Source:
        45 CFR 164.404(d)(2).
    """
    counting = [why for why in Why if why.counts]
    missed = Unreached.objects.filter(
        mailing__incident=incident, mailing__practice=practice, why__in=counting
    )
    people = dict(  # the last time, where it was more than once
        missed.order_by("mailing__requested_at").values_list("patient", "mailing__requested_at")
    )
    later: set[str] = set()
    for mailing in Mailing.objects.filter(incident=incident, practice=practice, state=State.FINISHED):
        at = mailing.requested_at
        for batch in mailing.batches.only("packed").iterator():
            later.update(p for p, _ in unpack(bytes(batch.packed)) if p in people and at > people[p])
    return len(people.keys() - later)


def note_agreed(
    practice: str, patients: Iterable[str], account: str, now: datetime, *, withdrawn: bool
) -> tuple[list[str], list[int]]:
    """Note who agrees to be told by e-mail, or does so no more; in the transaction of ``clerk``.

    Args:
        practice: The practice's id.
        patients: Their ids, one each.
        account: Who notes it.
        now: Aware UTC.
        withdrawn: They have taken it back.

    Returns:
        Who is noted, and the lines (from 1) that are no patient of the practice.

    Source:
        45 CFR 164.404(d)(1)(i): if the individual agrees, and the agreement has not been withdrawn.
    """
    noted: list[str] = []
    wrong = []
    for line, text in enumerate(patients, 1):
        patient = text.strip()
        if not patient:
            continue
        if patient not in known_patients(practice, [patient]):
            wrong.append(line)
            continue
        noted.append(patient)
        Agreed.objects.update_or_create(
            practice=practice,
            patient=patient,
            defaults={"at": now, "noted_by": account, "withdrawn_at": now if withdrawn else None},
        )
    return noted, wrong
