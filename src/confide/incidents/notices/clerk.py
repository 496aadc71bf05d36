"""What people write down about letters: what came back, who agrees, which e-mail went, which codes there are.

Each has an entry in the journal, in the transaction of what it changes: what cannot be journalled is not
noted. What belongs to an incident is a line of its timeline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from enum import StrEnum

from confide.access import pulse
from confide.access.decide import Grant
from confide.access.roles import Action
from confide.audit.journal import Journal, entry_for
from confide.errors import AccessDenied, Unknown
from confide.incidents.cases import storing
from confide.incidents.models import Incident
from confide.incidents.notices import chronicle, mail, reached
from confide.incidents.notices.models import Mailing
from confide.incidents.notices.offers import Offers
from confide.vault.door import Clock
from confide.vault.mailings import Act


class Noted(StrEnum):
    """What was written down: the action of its entry."""

    RETURNED = "notice-returned"
    AGREED = "notice-agreed"
    TAKEN_BACK = "notice-disagreed"
    DOUBT = "notice-doubt"
    CODES = "notice-codes"


class Clerk:
    """Notes what comes back to one installation.

    Args:
        journal: Where each is written.
        offers: Enrolment codes.
        clock: Returns now, aware UTC.
    """

    def __init__(self, journal: Journal, offers: Offers, clock: Clock) -> None:
        self._journal = journal
        self._offers = offers
        self._clock = clock

    def note_returned(self, grant: Grant, references: Iterable[str]) -> tuple[int, list[int]]:
        """Note letters that came back; an entry for each person.

        Args:
            grant: For ``MAIL``, a person's.
            references: As they stand on the letters, one each.

        Returns:
            How many persons that adds, and the lines (from 1) that are no letter of the practice.
        """
        self._require(grant)
        now = self._clock()
        with storing():
            added, wrong = reached.note_returned(grant.practice, references, now)
            ids = self._write(
                grant, Noted.RETURNED, Act.LETTER, [(mailing.pk, patient) for mailing, patient in added]
            )
            firsts = dict(
                zip((mailing.incident for mailing, _ in reversed(added)), reversed(ids), strict=True)
            )
            for incident, count in Counter(mailing.incident for mailing, _ in added).items():
                about = f"{count:,} letters came back"
                chronicle.follow(incident, about, grant.actor.id, firsts[incident], now)
        return len(added), wrong

    def note_agreed(self, grant: Grant, patients: Iterable[str], *, withdrawn: bool) -> tuple[int, list[int]]:
        """Note who agrees to be told by e-mail, or does so no more; an entry for each person.

        Args:
            grant: For ``MAIL``, a person's.
            patients: Their ids, one each.
            withdrawn: They have taken it back.

        Returns:
            How many are noted, and the lines (from 1) that are no patient of the practice.
        """
        self._require(grant)
        kind = Noted.TAKEN_BACK if withdrawn else Noted.AGREED
        with storing():
            noted, wrong = reached.note_agreed(
                grant.practice, patients, grant.actor.id, self._clock(), withdrawn=withdrawn
            )
            self._write(grant, kind, "Patient", [(patient, patient) for patient in noted])
        return len(noted), wrong

    def settle(self, grant: Grant, mailing: Mailing, *, went: bool) -> int:
        """Say of the e-mails in doubt whether they went; see ``mail.resolve``."""
        self._require(grant)
        now, word = self._clock(), "went" if went else "did not go"
        with storing():
            said = mail.resolve(mailing, went=went)
            if said:
                about = f"{mailing.pk}:{'went' if went else 'again'}"
                (entry,) = self._write(grant, Noted.DOUBT, "Mailing", [(about, "")])
                line = f"{said:,} e-mails in doubt {word} ({mailing.pk[:8]})"
                chronicle.follow(mailing.incident, line, grant.actor.id, entry, now)
        return said

    def take(self, grant: Grant, incident: Incident, codes: Iterable[str], until: date) -> int:
        """Take a provider's enrolment codes; see ``Offers.take``."""
        self._require(grant)
        with storing():
            count = self._offers.take(grant.practice, incident.pk, codes, until)
            self._tell_codes(grant, incident, f"{count:,} enrolment codes taken, good until {until}")
        return count

    def make(self, grant: Grant, incident: Incident, count: int, until: date) -> int:
        """Make enrolment codes here; see ``Offers.make``."""
        self._require(grant)
        with storing():
            self._offers.make(grant.practice, incident.pk, count, until)
            self._tell_codes(grant, incident, f"{count:,} enrolment codes made, good until {until}")
        return count

    def redeem(self, grant: Grant, incident: Incident, codes: Iterable[str]) -> tuple[int, list[int]]:
        """Note which codes were used; see ``Offers.redeem``."""
        self._require(grant)
        with storing():
            new, wrong = self._offers.redeem(grant.practice, codes, self._clock())
            self._tell_codes(grant, incident, f"{new:,} enrolment codes were used")
        return new, wrong

    def _tell_codes(self, grant: Grant, incident: Incident, line: str) -> None:
        (entry,) = self._write(grant, Noted.CODES, "EnrolmentCodes", [(incident.pk, "")])
        chronicle.follow(incident.pk, line, grant.actor.id, entry, self._clock())

    def _write(self, grant: Grant, kind: Noted, resource: str, about: list[tuple[str, str]]) -> list[int]:
        """Write entries: each of a resource's id and a patient's, or of no patient."""
        now = self._clock()
        entries = [
            replace(
                entry_for(grant, now, patient=patient, resource_type=resource, resource_id=id_),
                action=kind.value,
            )
            for id_, patient in about
        ]
        return list(self._journal.append(entries)) if entries else []

    def _require(self, grant: Grant) -> None:
        grant.require(Action.MAIL, None, self._clock())
        if grant.actor.kind != "person":
            raise AccessDenied("what comes back is for people to write down")
        pulse.recheck(grant)


def find_incident(practice: str, name: str) -> Incident:
    """Return the incident of that id, or of an id that begins so: the practice's, or one of all the host's.

    Raises:
        Unknown: There is none, or more than one.
    """
    found = list(Incident.objects.filter(id__startswith=name)[:2])
    if not name or len(found) != 1 or (found[0].practice != practice and found[0].breadth != "host"):
        raise Unknown("there is no such incident (see confide incident list)")
    return found[0]
