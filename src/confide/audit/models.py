"""The journal's one table. Its rows cannot be changed or removed: triggers refuse (migrations)."""

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
    leaf = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(fields=["practice", "patient", "id"], name="journal_by_patient"),
            models.Index(fields=["practice", "actor", "id"], name="journal_by_actor"),
        ]
