"""Run inside an installation: prepares a remedy that takes long, or does it until it is killed.

``prepare FOLDER KIND PEOPLE`` prints the destination's key. ``run`` does it and prints how many persons are
done. ``check`` prints what is wrong with what is stored. Moments stand still.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from functools import partial

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "confide.server.settings")
import django

django.setup()

from django.conf import settings  # noqa: E402
from pyrage import x25519  # noqa: E402

from confide import wiring  # noqa: E402
from confide.server.apps import log_of  # noqa: E402
from tests.practice import NOW, PATIENT, Clock, Practice  # noqa: E402

PORTION = 10


def stage():
    from confide.incidents import renewals

    renewals.AT_ONCE = PORTION  # so that a few people are many portions
    clock = Clock()
    kms = wiring.open_file_kms(settings.CONFIG.keyring, None)
    return wiring.build(kms, log_of(settings.CONFIG), clock=clock), clock


def patient(n):
    identifier = [dict(each) for each in PATIENT["identifier"]]
    identifier[0]["value"], identifier[1]["value"] = f"078-05-{n:04}", f"E-{n:07}"
    return {"identifier": identifier}


def prepare(folder, kind, people):
    from confide.access.models import Account, Destination
    from confide.incidents.facts import Way
    from confide.incidents.remedies import Kind
    from confide.protect.elements import Element
    from tests.incidents.test_scopes import question, verify

    elm = Practice(*stage(), "Elm Street")
    officer, thief = elm.member("privacy_officer"), elm.client("TREAT", day_patients=10**6)
    grant = partial(elm.grant, "journal-read", officer, "HOPERAT", elements=())
    for n in range(people):
        id_ = elm.patient(**patient(n))
        if n % 4:  # every fourth is spared
            elm.read("Patient", id_, elm.grant("read", thief, "TREAT", elements=[Element.NAME]))
    second = [Account.objects.get(pk=elm.member(role).id) for role in ("privacy_officer", "practice_manager")]
    owner = x25519.Identity.generate()
    place = Destination.objects.create(
        practice=elm.row, name="Lab", recipient=str(owner.to_public()), folder=folder,
        registered_by=second[0], registered_at=NOW - timedelta(days=9),
    )  # fmt: skip
    for person in second:
        place.approvals.create(account=person, at=NOW - timedelta(days=5))
    made = elm.system.cases.open(grant(), "A stolen key", NOW, way=Way.LOGIN)
    scope = elm.system.scopes.measure(grant(), made, question(actors=(thief.id,)))
    elm.system.scopes.prove(grant(), scope, verify(elm))
    elm.system.scopes.freeze(grant(), scope)
    asked = elm.system.remedies.ask(grant(), made, scope, Kind(kind), "Lab")
    actor = elm.member("privacy_officer")
    elm.system.remedies.approve(
        elm.grant("journal-read", actor, "HOPERAT", elements=()), asked, Account.objects.get(pk=actor.id)
    )
    print(str(owner), flush=True)


def run():
    from confide.access import terminal
    from confide.access.roles import Action, Purpose
    from confide.incidents.models import Remedy

    system, clock = stage()
    remedy = Remedy.objects.get()
    if remedy.done_at is not None:  # it was faster than the kill
        return
    by = remedy.asked_by, remedy.incident.practice
    print("begun", flush=True)
    system.renewals.run(
        lambda: terminal.grant(*by, Action.JOURNAL_READ, Purpose.HOPERAT, clock()),
        remedy,
        lambda done, _: print(done, flush=True),
    )


def check():
    from confide.records import bodies

    stage()
    print(*[str(each) for each in bodies.check()], sep="\n", flush=True)


ACTIONS = {"prepare": prepare, "run": run, "check": check}

if __name__ == "__main__":
    action, *words = sys.argv[1:]
    ACTIONS[action](*(int(w) if w.isdigit() else w for w in words))
