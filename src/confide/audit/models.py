"""The journal's tables. Their rows cannot be changed or removed, but for the tally: triggers refuse."""

from __future__ import annotations

from django.db import models


class JournalEntry(models.Model):
    """One line of the journal, as ``journal.Entry`` describes it.

    No foreign keys: nothing that happens to a person, a practice or a patient may reach a line about them.
    """

    at = models.DateTimeField()
    practice = models.CharField(max_length=36)
    actor_kind = models.CharField(max_length=10)
    actor = models.CharField(max_length=64)
    credential = models.CharField(max_length=100)
    role = models.CharField(max_length=20)
    action = models.CharField(max_length=20)
    purpose = models.CharField(max_length=20)
    patient = models.CharField(max_length=64)
    elements = models.JSONField()
    resource_type = models.CharField(max_length=64)
    resource_id = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    body_sha256 = models.BinaryField()
    outcome = models.CharField(max_length=40)
    address = models.CharField(max_length=64)
    reason_sealed = models.BinaryField()
    device = models.CharField(max_length=64, default="", db_default="")
    relationship = models.CharField(max_length=64, default="", db_default="")
    leaf = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(fields=["practice", "patient", "id"], name="journal_by_patient"),
            models.Index(fields=["practice", "actor", "id"], name="journal_by_actor"),
            models.Index(fields=["practice", "at"], name="journal_by_time"),
            models.Index(fields=["credential", "at"], name="journal_by_credential"),
            models.Index(
                fields=["actor", "at"],
                include=["practice", "credential", "patient", "action", "outcome", "elements"],
                name="journal_scope",
            ),
        ]


class Leaf(models.Model):
    """An entry's place in the tree, given after its commit. With the entry's hash this is its leaf.

    Attributes:
        position: Counted from 0, without gaps.
        entry: The entry's id.
        of_patient: That the entry is the n-th about this practice's patient; 0 if it is about none.
        of_credential: That the entry is the n-th of this credential; 0 if there was none.
    """

    position = models.BigIntegerField(primary_key=True)
    entry = models.BigIntegerField(unique=True)
    of_patient = models.BigIntegerField()
    of_credential = models.BigIntegerField()


class Tally(models.Model):
    """How many entries in the tree are about a patient, or of a credential; what the next one counts on from.

    Attributes:
        kind: ``p`` or ``c``.
        key: ``practice/patient``, or the credential.
    """

    pk = models.CompositePrimaryKey("kind", "key")
    kind = models.CharField(max_length=1)
    key = models.CharField(max_length=128)
    count = models.BigIntegerField()


class Checkpoint(models.Model):
    """The tree as it was when a round of the sequencer ended.

    Attributes:
        size: Leaves in the tree.
        at: When it was signed.
        root: Of the tree, 32 bytes.
        frontier: As ``cipher.tree.Frontier`` writes it.
        floor: Every entry that there will ever be with an id up to this one is in the tree.
        note: The checkpoint, signed by the log.
    """

    size = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    root = models.BinaryField()
    frontier = models.BinaryField()
    floor = models.BigIntegerField()
    note = models.TextField()


class Cosignature(models.Model):
    """A witness's line under a checkpoint.

    Attributes:
        size: Of the checkpoint.
        name: Of the witness's key.
        at: When the witness signed.
        line: The signature line, with its newline.
    """

    size = models.BigIntegerField()
    name = models.CharField(max_length=200)
    at = models.DateTimeField()
    line = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["size", "name"], name="cosignature_by_size")]


class Opened(models.Model):
    """What one process used its keys for, between two rounds of the sequencer.

    Attributes:
        at: When it was written down.
        process: A random name of the process.
        kind: A code of ``protect.uses.Kind``.
        seals: How many were opened.
        entries: Ids of the entries under which they were, as runs: ``12-40,43``.
    """

    at = models.DateTimeField()
    process = models.CharField(max_length=16)
    kind = models.CharField(max_length=10)
    seals = models.BigIntegerField()
    entries = models.TextField()
