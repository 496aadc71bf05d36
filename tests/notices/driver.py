"""Run inside an installation: prepares a mailing, or writes it until it is killed.

``prepare FOLDER CHANNEL PEOPLE SIZE`` prints the mailing's id and the print house's key. ``run`` writes it
with two processes and prints how many are done. ``email PORT FOLDER`` sends instead. Moments stand still, so
that approvals do not lapse.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "confide.server.settings")
import django

django.setup()

from django.conf import settings  # noqa: E402

from confide import wiring  # noqa: E402
from confide.cli import scribes  # noqa: E402
from confide.server.apps import log_of  # noqa: E402
from tests.notices.post import Post  # noqa: E402
from tests.practice import Clock, Practice  # noqa: E402


def stage():
    clock = Clock()
    clock.advance(days=5)
    kms = wiring.open_file_kms(settings.CONFIG.keyring, None)
    return wiring.build(kms, log_of(settings.CONFIG), clock=clock), clock


def prepare(folder, channel, people, size):
    from confide.incidents.notices.models import Agreed

    system, clock = stage()
    clock.advance(days=-5)
    post = Post(Practice(system, clock, "Elm Street"), Path(folder))
    for n in range(people):
        changes = {} if n % 7 else {"address": [{"city": "Dallas"}]}
        id_ = post.expose(
            given=f"Given{n}", telecom=[{"system": "email", "value": f"p{n}@mail.example"}], **changes
        )
        Agreed.objects.create(practice=post.practice.id, patient=id_, at=clock(), noted_by=post.officer.id)
    mailing = post.approved(channel, size=size)
    print(mailing.pk, str(post.identity), flush=True)


def run():
    from confide.incidents.notices.models import Mailing

    mailing = Mailing.objects.get()
    system, _ = stage()
    with scribes.at_work(2, build) as hands:
        system.sender.run(mailing.requested_by, mailing, lambda done, _: print(done, flush=True), hands)


def build():
    return stage()[0]


def email(port, folder):
    from confide.incidents.notices.mail import Mailer, Server
    from confide.incidents.notices.models import Mailing
    from confide.incidents.notices.states import State

    mailing = Mailing.objects.get()
    if mailing.state == State.FINISHED:  # it was faster than the kill
        print("sent before", flush=True)
        return
    system, clock = stage()
    server = Server("127.0.0.1", port, "privacy@elm.example", tls="none")
    sent = Mailer(system.sender, clock).run(mailing.requested_by, mailing, server, Path(folder))
    print("sent", sent, flush=True)


def settle(log):
    """What an officer does: look for the Message-ID in the mail server's log, and say so."""
    from confide.incidents.notices import mail
    from confide.incidents.notices.models import Mailing

    mailing = Mailing.objects.get()
    for doubtful in mail.doubts(mailing):
        mail.resolve(mailing, went=doubtful in Path(log).read_text())


ACTIONS = {"prepare": prepare, "run": run, "email": email, "settle": settle}

if __name__ == "__main__":  # a process that writes letters imports this file, too
    action, *words = sys.argv[1:]
    ACTIONS[action](*(int(w) if w.isdigit() else w for w in words))
