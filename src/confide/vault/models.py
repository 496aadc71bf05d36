"""The key store's rows. They live in a database of their own, whose backups live 35 days at most."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class PracticeKey(models.Model):
    """A practice's key, wrapped by the KMS."""

    database: ClassVar[str] = "keys"

    practice = models.CharField(max_length=64, primary_key=True)
    wrapped = models.BinaryField()

    class Meta:
        db_table = "vault_practice_key"

    def __str__(self) -> str:
        return self.practice


class PurposeKey(models.Model):
    """One of a practice's keys for one use (FF1, index, ...), wrapped under the practice key."""

    database: ClassVar[str] = "keys"

    practice = models.CharField(max_length=64)
    use = models.CharField(max_length=16)
    version = models.PositiveIntegerField()
    wrapped = models.BinaryField()

    class Meta:
        db_table = "vault_purpose_key"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["practice", "use", "version"], name="vault_purpose_key_once")
        ]

    def __str__(self) -> str:
        return f"{self.practice} {self.use} {self.version}"


class DataKey(models.Model):
    """A subject's data key, wrapped under the practice key or under a patient's data key."""

    database: ClassVar[str] = "keys"

    practice = models.CharField(max_length=64)
    subject = models.CharField(max_length=64)
    under = models.CharField(max_length=64, blank=True)
    version = models.PositiveIntegerField()
    wrapped = models.BinaryField()

    class Meta:
        db_table = "vault_data_key"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["practice", "subject", "under", "version"], name="vault_data_key_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.practice} {self.subject}"
