"""What is kept of containment: which credentials are suspect or frozen, since when, and why. Rows only.

What every decision reads stands in columns of its own (``frozen_at`` and ``suspect_at`` of accounts, programs
and sessions); ``standing`` alone writes both, in one transaction.
"""

from __future__ import annotations

import uuid

from django.db import models


def _id() -> str:
    return str(uuid.uuid4())


class Standing(models.Model):
    """One measure against one credential, from its beginning to its end.

    Attributes:
        kind: Whose: a code of ``standing.Kind``.
        subject: The id of the account, program or session.
        owner: Whose it is in the end, ``person:...`` or ``client:...``, as in ``Exposure``.
        practice: The practice whose person took it; empty where Confide did by itself.
        state: A code of ``standing.State``.
        reason: A code of ``standing.Reason``; nothing that somebody typed.
        by: The account that took it; empty where Confide or the operator did.
        lifted_by: The account that ended it; empty while it holds.
    """

    id = models.CharField(primary_key=True, max_length=36, default=_id, editable=False)
    kind = models.CharField(max_length=10)
    subject = models.CharField(max_length=36)
    owner = models.CharField(max_length=50)
    practice = models.CharField(max_length=36, blank=True, default="")
    state = models.CharField(max_length=10)
    reason = models.CharField(max_length=16)
    since = models.DateTimeField(db_index=True)
    by = models.CharField(max_length=36, blank=True, default="")
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=36, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject", "state"],
                condition=models.Q(lifted_at__isnull=True),
                name="one_measure_of_each_state",
            ),
        ]
        indexes = [models.Index(fields=["owner", "since"], name="standing_by_owner")]


class Outsider(models.Model):
    """Somebody outside a practice with one clinician, who may let that clinician in again.

    Attributes:
        effective_at: From when on their word counts: nobody names an accomplice and uses them at once.
        ended_at: When they were taken back; the row stays.
    """

    id = models.CharField(primary_key=True, max_length=36, default=_id, editable=False)
    practice = models.ForeignKey("access.Practice", on_delete=models.PROTECT, related_name="outsiders")
    account = models.ForeignKey("access.Account", on_delete=models.PROTECT, related_name="+")
    named_by = models.ForeignKey("access.Account", on_delete=models.PROTECT, related_name="+")
    named_at = models.DateTimeField()
    effective_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["practice"],
                condition=models.Q(ended_at__isnull=True),
                name="one_outsider_per_practice",
            ),
        ]


class Emergency(models.Model):
    """A glass that was broken, or is asked to be: one person, in one session, for one patient.

    Attributes:
        session: The id of the session in which alone it holds.
        degraded: The session was suspect, and a passkey was proved for this.
        reason_sealed: The typed reason, sealed under the practice's journal key.
        asked_at: When it was broken; or asked for, where a second person is needed.
        begins_at: From when it holds; None while a second person is waited for.
        expires_at: Until when; None as long.
        allowed_by: The second person, where one was needed.
        verdict: A code of ``glass.Verdict``; empty until it is reviewed.
        note_sealed: What the reviewer typed, sealed like the reason.
    """

    id = models.CharField(primary_key=True, max_length=36, default=_id, editable=False)
    practice = models.ForeignKey("access.Practice", on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey("access.Account", on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=20)
    session = models.CharField(max_length=36)
    patient = models.CharField(max_length=64)
    degraded = models.BooleanField(default=False)
    reason_sealed = models.BinaryField()
    asked_at = models.DateTimeField(db_index=True)
    begins_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    allowed_by = models.ForeignKey(
        "access.Account", on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    verdict = models.CharField(max_length=12, blank=True, default="")
    note_sealed = models.BinaryField(default=b"")
    reviewed_by = models.ForeignKey(
        "access.Account", on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["account", "session", "patient"], name="emergency_by_session"),
            models.Index(fields=["practice", "verdict", "asked_at"], name="emergency_to_review"),
        ]
