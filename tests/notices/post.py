"""A practice from which letters go out: people, a print house, what was shown of whom.

Models are imported inside: this file may be read before Django is set up.
"""

from __future__ import annotations

import copy
import hashlib
import json
from datetime import date
from pathlib import Path

import pyrage
from pyrage import x25519

from tests.practice import PATIENT, Practice

WORDS = {
    "en": {
        "description": "Someone used a stolen password to look into our records.",
        "steps": "We shut the login. We told the police.",
        "hours": "Monday to Friday, 8 am to 8 pm",
    },
    "es": {
        "description": "Alguien usó una clave robada para ver nuestros datos.",
        "steps": "Cerramos el acceso. Avisamos a la policía.",
        "hours": "de lunes a viernes, de 8 a 20 horas",
    },
}
OFFER = {
    "provider": "SafeName",
    "at": "safename.example",
    "phone": "1-800-555-0111",
    "until": date(2026, 12, 31),
}
FACTS = {
    "practice": "Elm Street Family Practice",
    "sender": ["12 Elm Street", "Springfield, IL 62701"],
    "phone": "1-800-555-0100",
    "email": "privacy@elm.example",
    "web": "elm.example/notice",
    "first": date(2026, 2, 1),
    "last": date(2026, 2, 14),
    "discovered": date(2026, 2, 2),
    "dated": date(2026, 3, 2),
    **WORDS,
}


def facts(**changes):
    from confide.incidents.notices.facts import read

    return read({**FACTS, **changes})


def person(given="Ana", state="TX", **changes):
    """A Patient with an address."""
    made = copy.deepcopy(PATIENT)
    made["name"] = [{"use": "official", "family": "Ortiz", "given": [given]}]
    made["address"] = [
        {"line": [f"{len(given)} Oak Road"], "city": "Dallas", "state": state, "postalCode": "75001"}
    ]
    return {**made, **changes}


class Post:
    """A practice with two people who may mail, and a print house."""

    def __init__(self, practice: Practice, folder: Path) -> None:
        self.practice = practice
        self.system = practice.system
        self.folder = folder
        self.identity = x25519.Identity.generate()
        self.manager = practice.member("practice_manager")
        self.officer = practice.member("privacy_officer")
        self.shown = {}
        self.incident = self._open("incident-1")

    def _open(self, id_):
        from confide.incidents.models import Incident

        now = self.practice.clock()
        made = Incident.objects.filter(pk=id_).first()
        if made is not None:
            return made
        made = Incident(
            pk=id_, practice=self.practice.id, breadth="practice", state="open", way="login",
            discovered=now, opened_by=self.officer.id, opened_at=now,
        )  # fmt: skip
        made.title_sealed = self.system.cases.seal(made, made.pk, "title", "A stolen login")
        made.save(force_insert=True)
        return made

    def lines(self):
        """What the timeline says of letters, with whether an entry of the journal stands behind it."""
        from confide.audit.models import JournalEntry

        rows = self.incident.happenings.order_by("at", "entry")
        assert JournalEntry.objects.filter(pk__in=rows.values("entry")).count() == len(
            set(rows.values_list("entry", flat=True))
        )
        return list(rows.values_list("about", flat=True))

    def grant(self, actor=None):
        return self.practice.grant("mail", actor or self.officer, "HOPERAT")

    def destination(self, name="Printers", *, use="mailing", hours=72):
        from confide.access.destinations import Use

        def agree(actor):
            return self.practice.grant("export", actor, "HOPERAT")

        made = self.system.exports.register(
            agree(self.manager), name, str(self.identity.to_public()), str(self.folder), Use(use)
        )
        self.system.exports.agree(agree(self.officer), made)
        self.practice.clock.advance(hours=hours)
        return made

    def expose(self, shown="name ssn", state="TX", **changes):
        """A patient of whom something was shown; the id."""
        from confide.protect.elements import Element

        id_ = self.practice.add(person(state=state, **changes))
        self.shown[id_] = (frozenset(map(Element, shown.split())), state)
        return id_

    def frozen(self, incident="incident-1", sound=True):
        from confide.incidents.notices.mailings import Frozen

        self._open(incident)
        listed = sorted(self.shown.items())
        digest = hashlib.sha256(repr(listed).encode()).digest()
        return Frozen(
            incident, "7", digest, sound, self.practice.id, lambda: ((p, e, s) for p, (e, s) in listed)
        )

    def wanted(self, channel="letters", place=None, size=50, round="notice", more=False, **changes):
        from confide.incidents.notices import templates
        from confide.incidents.notices.mailings import Wanted
        from confide.incidents.notices.states import Channel, Round

        return Wanted(
            facts(**changes), templates.built_in(), Channel(channel), Round(round), place, size, more
        )

    def request(self, channel="letters", place=None, **changes):
        if place is None and channel != "email":
            place = self.destination()
        return self.system.mailings.request(
            self.grant(), self.frozen(), self.wanted(channel, place, **changes)
        )

    def approved(self, *args, **changes):
        made = self.request(*args, **changes)
        self.system.mailings.approve(self.grant(self.manager), made)
        return made

    def run(self, mailing):
        return self.system.sender.run(self.officer.id, mailing)

    def read(self, folder):
        """What the print house gets: name to bytes."""
        return {
            path.name.removesuffix(".age"): pyrage.decrypt(path.read_bytes(), [self.identity])
            for path in sorted(folder.iterdir())
        }

    def records(self, folder):
        found = self.read(folder)
        return [
            json.loads(line)
            for name, content in found.items()
            if name.endswith(".ndjson")
            for line in content.splitlines()
        ]
