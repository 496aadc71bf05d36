"""What the watch keeps: how far it has read, what it remembers, found, and has to tell. Rows only."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models


def _id() -> str:
    return str(uuid.uuid4())


class Cursor(models.Model):
    """How far the journal was read: one row, written in the transaction of what came of it.

    Attributes:
        position: Of the first leaf that was not read yet.
    """

    id = models.PositiveSmallIntegerField(primary_key=True)
    position = models.BigIntegerField(default=0)


class Remembered(models.Model):
    """What is remembered of one login, or of one role in one practice.

    Attributes:
        name: ``person:...`` or ``client:...``; ``norm:PRACTICE:ROLE``.
        version: Grows with every change, so that each process knows whether what it holds is the newest.
        sealed: The memory, sealed under a key of the host: places in an order are told by nobody else.
    """

    name = models.CharField(primary_key=True, max_length=100)
    version = models.PositiveIntegerField()
    sealed = models.BinaryField()


class Found(models.Model):
    """A finding, as ``findings.Finding`` describes it, and what became of it.

    Attributes:
        evidence: Ids of journal entries; ``credentials`` public names. Lists.
        answer: A code of ``answers.Answer``; empty while nobody has looked at it.
        note_sealed: What was typed with the answer, sealed.
        closed_at: Since when it does not grow any more; None while it is open, or somebody was asked.
    """

    id = models.CharField(primary_key=True, max_length=36, default=_id, editable=False)
    practice = models.CharField(max_length=36)
    owner = models.CharField(max_length=50)
    code = models.CharField(max_length=20)
    credentials = models.JSONField(default=list)
    weight = models.PositiveSmallIntegerField()
    sentence = models.CharField(max_length=300)
    evidence = models.JSONField(default=list)
    signals = models.PositiveIntegerField()
    since = models.DateTimeField()
    at = models.DateTimeField()
    answer = models.CharField(max_length=12, blank=True, default="")
    answered_by = models.CharField(max_length=36, blank=True, default="")
    answered_at = models.DateTimeField(null=True, blank=True)
    note_sealed = models.BinaryField(default=b"")
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["practice", "owner", "code"],
                condition=models.Q(closed_at__isnull=True),
                name="one_open_finding_of_each_code",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["practice", "-at"], name="finding_by_practice"),
            models.Index(fields=["owner", "closed_at"], name="finding_by_owner"),
        ]


class Notice(models.Model):
    """Something that has still to be told outside, or was: codes and figures, never a value.

    Attributes:
        way: A code of ``notices.Way``.
        topic: What it is about, where that is told once for each way; None where each is told.
        body: What is told, JSON.
        next_at: When it is tried next.
        sent_at: When it was taken; None as long as it was not.
        given_up_at: When nobody tried any more.
    """

    id = models.CharField(primary_key=True, max_length=36, default=_id, editable=False)
    way = models.CharField(max_length=10)
    topic = models.CharField(max_length=120, null=True)  # noqa: DJ001 - unique, but for those without one
    body = models.JSONField()
    made_at = models.DateTimeField()
    next_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["topic", "way"], name="notice_told_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_at"],
                name="notice_waiting",
                condition=models.Q(sent_at__isnull=True, given_up_at__isnull=True),
            )
        ]


class Bait(models.Model):
    """Which of a practice's patients are synthetic: one sealed list, padded; in a dump it is bytes."""

    practice = models.CharField(primary_key=True, max_length=36)
    sealed = models.BinaryField()
    version = models.PositiveIntegerField(default=1)
