"""Mailings, their batches, who was not reached, who agreed to e-mail, and enrolment codes. No name, no
address.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from confide.access.models import new_id


class Mailing(models.Model):
    """Letters to the persons of a frozen scope, from their request on. What was asked for never changes.

    Attributes:
        incident: The incident's id.
        scope: The frozen scope's id.
        scope_sha256: What it was frozen as.
        sound: Whether the journal under the scope verified.
        channel: A code of ``mailings.Channel``.
        round: A code of ``mailings.Round``: the notice itself, or the second letter under federal law.
        facts: What the letters say, as it was approved (``facts.Facts``), JSON.
        templates: The templates as they were approved, JSON.
        size: How many persons a batch has at most.
        sheets: The SHA-256 of each batch's persons, one after the other.
        digest: Over all that was asked for.
        requested_in: The id of the journal's entry.
        approved_in: The id of the journal's entry.
        state: A code of ``mailings.State``.
        manifest: What went, JSON; empty until all of it did.
    """

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    practice = models.CharField(max_length=36, db_index=True)
    incident = models.CharField(max_length=36, db_index=True)
    scope = models.CharField(max_length=36)
    scope_sha256 = models.BinaryField(max_length=32)
    sound = models.BooleanField()
    channel = models.CharField(max_length=10)
    round = models.CharField(max_length=10)
    destination = models.ForeignKey(
        "access.Destination", null=True, on_delete=models.PROTECT, related_name="mailings"
    )
    facts = models.TextField()
    templates = models.TextField()
    people = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    sheets = models.BinaryField()
    digest = models.BinaryField(max_length=32)
    state = models.CharField(max_length=10)
    requested_by = models.CharField(max_length=36)
    requested_at = models.DateTimeField()
    requested_in = models.BigIntegerField(default=0)
    approved_by = models.CharField(max_length=36, blank=True, default="")
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_in = models.BigIntegerField(default=0)
    begun_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    manifest = models.TextField(blank=True, default="")


class Batch(models.Model):
    """Some persons of a mailing, who go out together.

    Attributes:
        number: From 0.
        packed: Whom it holds and what was shown of each (``vault.mailings.pack``).
        entries: Ids of their entries in the journal; empty until they were written.
        letters: How many letters are in it; the others could not be addressed.
        file: The file's name; empty for e-mail.
        sha256: Of the encrypted file, 64 hexadecimal digits.
        sent: For e-mail: how many persons of it are done, in order.
        trying: For e-mail: the person being sent to, from 0; None where nothing is in doubt.
        done_at: When the file was whole and durable, or the last e-mail taken.
    """

    mailing = models.ForeignKey(Mailing, on_delete=models.PROTECT, related_name="batches")
    number = models.PositiveIntegerField()
    packed = models.BinaryField()
    people = models.PositiveIntegerField()
    entries = models.TextField(blank=True, default="")
    letters = models.PositiveIntegerField(default=0)
    file = models.CharField(max_length=60, blank=True, default="")
    sha256 = models.CharField(max_length=64, blank=True, default="")
    size = models.BigIntegerField(default=0)
    sent = models.PositiveIntegerField(default=0)
    trying = models.PositiveIntegerField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mailing", "number"], name="notices_batch_once")
        ]


class Unreached(models.Model):
    """A person whom a mailing did not reach, once: what substitute notice is counted from.

    Attributes:
        why: A code of ``mailings.Why``.
    """

    mailing = models.ForeignKey(Mailing, on_delete=models.PROTECT, related_name="unreached")
    patient = models.CharField(max_length=36)
    why = models.CharField(max_length=20)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mailing", "patient"], name="notices_unreached_once")
        ]


class Agreed(models.Model):
    """A person who agreed to be told by e-mail (45 CFR 164.404(d)(1)(i)), until they took it back."""

    practice = models.CharField(max_length=36)
    patient = models.CharField(max_length=36)
    at = models.DateTimeField()
    noted_by = models.CharField(max_length=36)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["practice", "patient"], name="notices_agreed_once")
        ]


class Code(models.Model):
    """A single-use enrolment code of a protection offer.

    Attributes:
        incident: Whose offer it belongs to.
        digest: Keyed, of the code: the same code is not taken twice, and a redeemed one is found.
        sealed: The code.
        patient: Whose it is; None while it is nobody's.
        until: The last day on which it can be used.
    """

    practice = models.CharField(max_length=36)
    incident = models.CharField(max_length=36)
    digest = models.BinaryField(max_length=16)
    sealed = models.BinaryField()
    until = models.DateField()
    patient = models.CharField(max_length=36, null=True)  # noqa: DJ001 - unique, but for those that are nobody's
    assigned_at = models.DateTimeField(null=True, blank=True)
    redeemed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["practice", "digest"], name="notices_code_once"),
            models.UniqueConstraint(fields=["practice", "incident", "patient"], name="notices_one_code_each"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["practice", "incident"],
                condition=models.Q(patient__isnull=True),
                name="notices_code_free",
            )
        ]


class Draft(models.Model):
    """What the notices of an incident say, before a mailing says it: written by the officer who leads it.

    Attributes:
        facts: ``facts.Facts``, JSON.
    """

    incident = models.CharField(max_length=36, primary_key=True)
    facts = models.TextField()
    noted_by = models.CharField(max_length=36)
    noted_at = models.DateTimeField()

    class Meta:
        db_table = "notices_draft"


class Publication(models.Model):
    """A notice to nobody in person that was given out: its words as they were, and the proof.

    Attributes:
        id: A random id, part of the seal.
        incident: The incident's id.
        scope: The frozen scope whose figures it has.
        name: Which notice (``announcements.Owed``).
        text: Its words; they name nobody.
        sent_on: The day on which it went.
        to_sealed: To whom, as it was typed.
        exhibit: The piece of evidence that proves it.
    """

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    incident = models.CharField(max_length=36)
    scope = models.CharField(max_length=36)
    name = models.CharField(max_length=64)
    text = models.TextField()
    sent_on = models.DateField()
    to_sealed = models.BinaryField()
    exhibit = models.BigIntegerField()
    noted_by = models.CharField(max_length=36)
    noted_at = models.DateTimeField()

    class Meta:
        db_table = "notices_publication"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["incident", "scope", "name"], name="publication_once")
        ]
