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
