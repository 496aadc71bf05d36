"""What is remembered of signing in: tries, alarms, known devices, sessions, invitations. Rows only.

Nothing here holds a typed name, a password, or a secret that opens anything: names and networks are keyed
hashes (see ``attempts``), the cookie of a device, a proof and an invitation
are kept as SHA-256.
"""

from __future__ import annotations

import uuid

from django.db import models


def _id() -> str:
    return str(uuid.uuid4())


class Attempt(models.Model):
    """A try to come in, or several that were turned away in the same way within ten minutes.

    Attributes:
        kind: What was presented, a code of ``attempts.Kind``.
        account: The keyed hash of the name that was typed; empty where none was read.
        network: The keyed hash of the network that it came from.
        device: The id of the known device that it came from; empty if the account does not know it.
        outcome: A code of ``attempts.Outcome``.
        tries: How many; above 1 only for what was turned away before a password was looked at.
        settled: A failure that its own network has made good since, by coming in.
    """

    at = models.DateTimeField(db_index=True)
    kind = models.CharField(max_length=10)
    account = models.CharField(max_length=32)
    network = models.CharField(max_length=32)
    device = models.CharField(max_length=36)
    outcome = models.CharField(max_length=12)
    tries = models.PositiveIntegerField(default=1)
    settled = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["account", "at"], name="attempts_by_account"),
            models.Index(fields=["network", "at"], name="attempts_by_network"),
        ]


class Proof(models.Model):
    """A ticket for one challenged try: good from a moment on, once, in the network that asked for it."""

    digest = models.CharField(max_length=64, unique=True)
    network = models.CharField(max_length=32, db_index=True)
    ready_at = models.DateTimeField()
    expires_at = models.DateTimeField()


class Alarm(models.Model):
    """When a practice's journal was last told that a rule stopped something; an hour's silence follows."""

    practice = models.CharField(max_length=36)
    rule = models.CharField(max_length=20)
    rung = models.CharField(max_length=12)
    subject = models.CharField(max_length=32)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["practice", "rule", "rung", "subject"], name="one_alarm_per_subject"
            ),
        ]


class Device(models.Model):
    """A browser in which a person has signed in: it holds a cookie of which this is the SHA-256.

    Attributes:
        digest: 64 hexadecimal digits; a browser that several people share has one cookie and a row for each.
        name: What a person reads, such as ``Firefox on Windows``.
        network: The keyed hash of the network it was last in.
        address: The network address at the first sign-in.
        confirmed_at: When the person said that it is theirs; the first device of an account needs no word.
    """

    id = models.CharField(primary_key=True, max_length=36, default=_id, editable=False)
    account = models.ForeignKey("access.Account", on_delete=models.CASCADE, related_name="devices")
    digest = models.CharField(max_length=64)
    name = models.CharField(max_length=60)
    network = models.CharField(max_length=32, db_index=True)
    address = models.CharField(max_length=64)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "digest"], name="one_device_per_browser_and_account"),
        ]


class Session(models.Model):
    """Somebody is signed in. Without this row the browser's session is worth nothing, whatever it holds.

    Attributes:
        began_on_new_device: The device was not known to the account when the session began.
        idle_minutes: After how long without a request the session ends.
        factor: The second factor that was last proved in it, a code of ``factors.Factor``.
        proved_at: When that was.
        frozen_at: Since when it is stopped. A frozen session never goes on; its owner signs in anew.
        suspect_at: Since when it is shown little, because something looks wrong.
    """

    id = models.CharField(primary_key=True, max_length=36, default=_id, editable=False)
    account = models.ForeignKey("access.Account", on_delete=models.CASCADE, related_name="sessions")
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="sessions")
    network = models.CharField(max_length=32)
    address = models.CharField(max_length=64)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    idle_minutes = models.PositiveSmallIntegerField()
    began_on_new_device = models.BooleanField(default=False)
    factor = models.CharField(max_length=12, blank=True, default="")
    proved_at = models.DateTimeField(null=True, blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    suspect_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["network", "began_at"], name="sessions_by_network")]


class Invitation(models.Model):
    """One person's leave to set a password or a first factor, given out of band.

    Attributes:
        digest: SHA-256 of its words, in 64 hexadecimal digits.
        opens: What it lets its owner set, a code of ``invitations.Opens``.
        made_by: Who gave it; None is the operator at the terminal.
        used_at: When it was used; it is of no use again.
    """

    id = models.CharField(primary_key=True, max_length=36, default=_id, editable=False)
    account = models.ForeignKey("access.Account", on_delete=models.CASCADE, related_name="invitations")
    digest = models.CharField(max_length=64, unique=True)
    opens = models.CharField(max_length=10)
    made_by = models.ForeignKey(
        "access.Account", on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
