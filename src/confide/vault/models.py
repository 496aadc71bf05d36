"""Wrapped keys, in a database of their own whose backups live 35 days at most; tokens; and exports."""

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


class Token(models.Model):
    """A token and the sealed value behind it. The store's own words are in ``protect.tokenstore``.

    Once a token is spent (its time ran out, or its value was forgotten) only practice, scope and token stay:
    a token that has meant one thing never comes to mean another.

    Attributes:
        digest: Keyed, of scope, element and value, 32 hexadecimal digits; None when the token is spent.
        subject: The patient's id, or nothing.
        expires: Microseconds since 1970, UTC; None is never.
        version: Of the practice's token key.
        sealed: The value.
    """

    practice = models.CharField(max_length=64)
    scope = models.CharField(max_length=63)
    token = models.CharField(max_length=256)
    digest = models.CharField(max_length=32, null=True)  # noqa: DJ001 - unique, but for the many that are spent
    element = models.CharField(max_length=20, blank=True)
    subject = models.CharField(max_length=64, blank=True)
    expires = models.BigIntegerField(null=True)
    version = models.PositiveIntegerField()
    sealed = models.BinaryField()

    class Meta:
        db_table = "vault_token"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["practice", "scope", "token"], name="vault_token_means_one"),
            models.UniqueConstraint(fields=["practice", "digest"], name="vault_token_made_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["practice", "expires"],
                name="vault_token_expires",
                condition=models.Q(expires__isnull=False),
            )
        ]


class Export(models.Model):
    """One export, from its request on. What was asked for never changes; what became of it does.

    Attributes:
        policy_text: The policy as it was approved, whole.
        cohort: How the patients were chosen, without what was asked for: ``Condition?code``.
        patients: Their ids, 16 bytes each, sorted; fixed when it was requested.
        people: How many they are.
        digest: SHA-256 over all that was asked for, so that what is approved is what is written.
        state: A code of ``exports.State``.
        root: The export's own key, wrapped under a key of the key store; empty before it first ran.
        manifest: What was written, JSON; empty until all of it is.
        imprint: Keyed digests of the stand-ins that left, by which a leaked piece is recognised.
        shapes: How many stand-ins there are of each shape.
    """

    id = models.CharField(primary_key=True, max_length=36)
    practice = models.CharField(max_length=36, db_index=True)
    destination = models.ForeignKey("access.Destination", on_delete=models.PROTECT, related_name="exports")
    policy = models.CharField(max_length=100)
    policy_sha256 = models.BinaryField(max_length=32)
    policy_text = models.TextField()
    format = models.CharField(max_length=10)
    cohort = models.CharField(max_length=200)
    patients = models.BinaryField()
    people = models.PositiveIntegerField()
    digest = models.BinaryField(max_length=32)
    state = models.CharField(max_length=10)
    requested_by = models.CharField(max_length=36)
    requested_at = models.DateTimeField()
    approved_by = models.CharField(max_length=36, blank=True, default="")
    approved_at = models.DateTimeField(null=True, blank=True)
    root = models.BinaryField(blank=True, default=b"")
    manifest = models.TextField(blank=True, default="")
    imprint = models.BinaryField(blank=True, default=b"")
    shapes = models.JSONField(blank=True, default=dict)
    written_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "vault_export"
