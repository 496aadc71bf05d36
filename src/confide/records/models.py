"""What is stored of a chart: protected resources, their versions, and what finds them again.

No column holds a clear value. ``Term`` keys are hashes of public codes and random ids; digests of
identifiers are keyed.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Stored(models.Model):
    """One version of a resource.

    Attributes:
        id: The FHIR id: a random UUID.
        subject: Whose data key seals it; empty where nothing had to be sealed.
        patients: Ids of the patients in whose compartments it lies, separated by blanks.
        elements: A bit for each data element in the seal, in the order of the catalogue.
        body: The protected resource, exact bytes; empty where it was deleted.
    """

    practice = models.CharField(max_length=36)
    type = models.CharField(max_length=40)
    version = models.PositiveIntegerField()
    subject = models.CharField(max_length=36, blank=True)
    patients = models.TextField(blank=True)
    elements = models.BigIntegerField()
    body = models.BinaryField()
    seal = models.BinaryField()
    updated = models.DateTimeField()
    deleted = models.BooleanField(default=False)

    class Meta:
        abstract = True


class Resource(Stored):
    """The current version."""

    id = models.UUIDField(primary_key=True)

    class Meta:
        db_table = "records_resource"
        indexes: ClassVar = [models.Index(fields=["practice", "type", "id"], name="records_resource_type")]

    def __str__(self) -> str:
        return f"{self.type}/{self.id}"


class Superseded(Stored):
    """A version that another one has replaced."""

    number = models.BigAutoField(primary_key=True)
    id = models.UUIDField()

    class Meta:
        db_table = "records_superseded"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["id", "version"], name="records_superseded_once")
        ]

    def __str__(self) -> str:
        return f"{self.type}/{self.id}/_history/{self.version}"


class Term(models.Model):
    """A public code or a random id by which a resource is found.

    Attributes:
        key: 64 bits of BLAKE2b over practice, type, parameter and value; a hit is checked again.
    """

    pk = models.CompositePrimaryKey("key", "resource")
    key = models.BigIntegerField()
    resource = models.UUIDField(db_index=True)

    class Meta:
        db_table = "records_term"

    def __str__(self) -> str:
        return str(self.key)


class IdentifierDigest(models.Model):
    """An identifier that one person has, as HMAC under the practice's index key."""

    practice = models.CharField(max_length=36)
    digest = models.BinaryField(max_length=16)
    patient = models.UUIDField(db_index=True)

    class Meta:
        db_table = "records_identifier"
        indexes: ClassVar = [models.Index(fields=["practice", "digest"], name="records_identifier_digest")]

    def __str__(self) -> str:
        return str(self.patient)


class PatientChange(models.Model):
    """A practice's patients in the order of their last change; the identity index reads on from it."""

    practice = models.CharField(max_length=36)
    number = models.BigIntegerField()
    patient = models.UUIDField()

    class Meta:
        db_table = "records_patient_change"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["practice", "number"], name="records_patient_change_once")
        ]

    def __str__(self) -> str:
        return str(self.number)


class ChangeCounter(models.Model):
    """The last number of a practice's ``PatientChange``."""

    practice = models.CharField(max_length=36, primary_key=True)
    number = models.BigIntegerField(default=0)

    class Meta:
        db_table = "records_change_counter"

    def __str__(self) -> str:
        return str(self.number)


class SourceId(models.Model):
    """Which of our ids an imported resource got.

    Attributes:
        digest: HMAC, under the practice's index key, of source, type and the source's id.
        content: HMAC of what was imported last; empty while the resource was only referred to.
    """

    practice = models.CharField(max_length=36)
    digest = models.BinaryField(max_length=16)
    id = models.UUIDField()
    row = models.BigAutoField(primary_key=True)
    content = models.BinaryField(max_length=16, blank=True)

    class Meta:
        db_table = "records_source_id"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["practice", "digest"], name="records_source_id_once")
        ]

    def __str__(self) -> str:
        return str(self.id)


class ImportedUnit(models.Model):
    """A bundle, or a block of lines, that was imported whole; it is not imported again.

    Attributes:
        digest: HMAC, under the practice's index key, of source and bytes.
    """

    practice = models.CharField(max_length=36)
    digest = models.BinaryField(max_length=16)

    class Meta:
        db_table = "records_imported_unit"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["practice", "digest"], name="records_imported_unit_once")
        ]

    def __str__(self) -> str:
        return self.practice


class Cursor(models.Model):
    """The rest of a search's result, so that a page's address holds nothing that was asked for."""

    id = models.CharField(max_length=43, primary_key=True)
    practice = models.CharField(max_length=36)
    owner = models.CharField(max_length=64)
    type = models.CharField(max_length=40)
    ids = models.JSONField()
    total = models.IntegerField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "records_cursor"

    def __str__(self) -> str:
        return self.id
