"""E-mails to those who agreed to them, one by one: nobody twice, and where it is not known it is said.

Before an e-mail is handed to the server it is marked, durably, as being tried; after the server has taken it,
as sent. A process that is killed between the two leaves one e-mail of which nobody knows. It is not sent
again: the officer looks for its Message-ID in the mail server's log and says which it was. Until then the
mailing does not go on.

Source:
    45 CFR 164.404(d)(1)(i): by electronic mail if the individual agrees to it.
"""

from __future__ import annotations

import json
import smtplib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parseaddr
from pathlib import Path
from typing import Final

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from confide.errors import AccessDenied, Invalid, Unavailable
from confide.incidents.notices import crates, letters, mailings, sending
from confide.incidents.notices.addressing import Why
from confide.incidents.notices.letters import Reference
from confide.incidents.notices.models import Batch, Mailing
from confide.incidents.notices.sending import Piece, Progress, Run, Sender
from confide.incidents.notices.states import Channel
from confide.vault.mandates import unpack

_BACKEND: Final = "django.core.mail.backends.smtp.EmailBackend"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PATIENCE: Final = 30


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server. Without TLS only one on this machine is spoken to.

    Attributes:
        sender: The address that e-mails come from.
        tls: ``starttls``, ``tls``, or ``none``.
    """

    host: str
    port: int
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)
    tls: str = "starttls"

    def __post_init__(self) -> None:
        if self.tls not in {"starttls", "tls", "none"}:
            raise Invalid("the mail server is spoken to with starttls, tls or none")
        if self.tls == "none" and self.host not in _LOOPBACK:
            raise Invalid("e-mails about patients go to another machine with TLS only")
        if "@" not in parseaddr(self.sender)[1]:
            raise Invalid("the sender of e-mails is an e-mail address")

    @property
    def domain(self) -> str:
        return parseaddr(self.sender)[1].rpartition("@")[2]

    def connect(self) -> BaseEmailBackend:
        """Return a connection that is not open yet."""
        return get_connection(
            _BACKEND,
            host=self.host,
            port=self.port,
            username=self.user,
            password=self.password,
            use_tls=self.tls == "starttls",
            use_ssl=self.tls == "tls",
            timeout=_PATIENCE,
        )


class Mailer:
    """Sends mailings by e-mail.

    Args:
        sender: Begins and ends a mailing.
        clock: Returns now, aware UTC.
    """

    def __init__(self, sender: Sender, clock: Callable[[], datetime]) -> None:
        self._sender = sender
        self._clock = clock

    def run(
        self,
        account: str,
        mailing: Mailing,
        server: Server,
        place: Path,
        progress: Progress = lambda _done, _all: None,
    ) -> int:
        """Send a mailing, or go on where an interrupted run stopped.

        Args:
            account: Of the person who has it sent.
            mailing: Approved, or under way, by e-mail.
            server: Through which.
            place: A folder that says which process sends.
            progress: Told how far it is.

        Returns:
            How many e-mails the server took in all.

        Raises:
            AccessDenied: Two people do not answer for it now; or of one e-mail nobody knows whether it went.
            Unavailable: The server does not answer, or another process sends.
        """
        if mailing.channel != Channel.EMAIL:
            raise AccessDenied("the mailing goes on paper")
        with crates.locked(place):
            run = self._sender.begin(account, mailing)
            doubtful = doubts(mailing)
            if doubtful:
                raise AccessDenied(
                    "whether one e-mail went is not known: look in the mail server's log for its Message-ID"
                    f" {doubtful[0]}@{server.domain}, and say so (confide notice doubt)"
                )
            connection = server.connect()
            try:
                _open(connection)
                for batch in mailing.batches.filter(done_at__isnull=True).order_by("number"):
                    self._batch(run, batch, server, connection, progress)
            finally:
                with suppress(smtplib.SMTPException, OSError):
                    connection.close()
            manifest = self._manifest(run)
            self._sender.end(run, manifest)
        return int(json.loads(manifest)["letters"])

    def _batch(
        self, run: Run, batch: Batch, server: Server, connection: BaseEmailBackend, progress: Progress
    ) -> None:
        made, missed = run.pieces(batch)
        patients = [patient for patient, _ in unpack(bytes(batch.packed))]
        lost = dict(missed)
        # Who is done stays done, also if the address was taken away since.
        left = [(patient, lost[patient]) for patient in patients[batch.sent :] if patient in lost]
        sending.note_missed(run.mailing, left, self._clock())
        pieces = iter(made)
        for place, patient in enumerate(patients):
            piece = None if patient in lost else next(pieces)
            if place < batch.sent:
                continue
            if piece is not None:
                with mailings.under_way(run.mailing):
                    Batch.objects.filter(pk=batch.pk).update(trying=place)
                if not _hand_over(piece, server, connection):
                    sending.note_missed(run.mailing, [(patient, Why.REFUSED)], self._clock())
            Batch.objects.filter(pk=batch.pk).update(sent=place + 1, trying=None)
        refused = run.mailing.unreached.filter(patient__in=patients, why=Why.REFUSED).count()
        Batch.objects.filter(pk=batch.pk).update(letters=len(made) - refused, done_at=self._clock())
        progress(batch.number + 1, run.mailing.batches.count())

    def _manifest(self, run: Run) -> bytes:
        taken = sum(run.mailing.batches.values_list("letters", flat=True))
        content = {
            "mailing": run.mailing.pk,
            "channel": run.mailing.channel,
            "sent": self._clock().isoformat(timespec="seconds").replace("+00:00", "Z"),
            "people": run.mailing.people,
            "letters": taken,
        }
        return json.dumps(content, indent=1).encode() + b"\n"


def doubts(mailing: Mailing) -> list[str]:
    """Return the references of e-mails of which nobody knows whether they went."""
    rows = mailing.batches.filter(trying__isnull=False).order_by("number")
    name = letters.name_mailing(mailing.pk)
    return [str(Reference(name, row.number, row.trying or 0)) for row in rows]


def resolve(mailing: Mailing, *, went: bool) -> int:
    """Say of the e-mails in doubt whether they went, as the mail server's log has it.

    Args:
        mailing: Under way.
        went: They stand in the log. Otherwise they are sent by the next run.

    Returns:
        Of how many that was said.
    """
    rows = list(mailing.batches.filter(trying__isnull=False))
    for row in rows:
        sent = (row.trying or 0) + 1 if went else row.trying or 0
        Batch.objects.filter(pk=row.pk, trying=row.trying).update(sent=sent, trying=None)
    return len(rows)


def _open(connection: BaseEmailBackend) -> None:
    try:
        connection.open()
    except (smtplib.SMTPException, OSError):
        raise Unavailable("the mail server does not answer, or does not let us in") from None


def _hand_over(piece: Piece, server: Server, connection: BaseEmailBackend) -> bool:
    """Give one e-mail to the server; tell whether it took it.

    Raises:
        Unavailable: The connection broke, so that it is not known. Its own message could name the person.
    """
    if piece.notice is None:
        raise Invalid("an e-mail says something")
    message = EmailMessage(
        subject=piece.notice.title,
        body=piece.notice.written(),
        from_email=server.sender,
        to=[piece.to.email],
        headers={"Message-ID": f"<{piece.reference}@{server.domain}>", "Auto-Submitted": "auto-generated"},
        connection=connection,
    )
    try:
        return message.send() == 1
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError, smtplib.SMTPSenderRefused, ValueError):
        return False
    except (smtplib.SMTPException, OSError):
        raise Unavailable("the mail server broke off; whether the last e-mail went is not known") from None
