"""A practice from which exports leave: two people who may agree to one, a place, and a recipient with a key.

Models are imported inside: this file may be read before Django is set up.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyrage
from pyrage import x25519

from tests.practice import Practice


class House:
    """A practice with two people who may export, and a recipient."""

    def __init__(self, practice: Practice, folder: Path) -> None:
        self.practice = practice
        self.system = practice.system
        self.folder = folder
        self.identity = x25519.Identity.generate()
        self.manager = practice.member("practice_manager")
        self.officer = practice.member("privacy_officer")

    def grant(self, actor=None):
        return self.practice.grant("export", actor or self.manager, "HOPERAT")

    def destination(self, name="University", *, approved=True, hours=72, use="export"):
        from confide.access.destinations import Use

        made = self.system.exports.register(
            self.grant(), name, str(self.identity.to_public()), str(self.folder), Use(use)
        )
        if approved:
            self.system.exports.agree(self.grant(self.officer), made)
        self.practice.clock.advance(hours=hours)
        return made

    def request(self, place, policy="limited-data-set", patients=None, format="ndjson"):
        from confide.protect.exports.policy import load
        from confide.records import cohorts
        from confide.vault.exports import Wanted

        chosen = cohorts.everybody(self.practice.id) if patients is None else patients
        wanted = Wanted(load(policy), format, cohorts.WHOLE, chosen)
        return self.system.exports.request(self.grant(), place, wanted)

    def approved(self, place=None, **more):
        made = self.request(place or self.destination(), **more)
        self.system.exports.approve(self.grant(self.officer), made)
        return made

    def run(self, export):
        return self.system.outgoing.run(self.grant(), export)

    def read(self, folder):
        """What the recipient gets: {type: resources}, and the manifest's bytes."""
        found = {}
        manifest = b""
        for path in sorted(folder.iterdir()):
            clear = pyrage.decrypt(path.read_bytes(), [self.identity])
            if path.name == "manifest.json.age":
                manifest = clear
            elif path.name.endswith(".ndjson.age"):
                found[path.name.split(".")[0]] = [json.loads(line) for line in clear.splitlines()]
        return found, manifest
