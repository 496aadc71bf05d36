"""What ties patients to the people of a practice, and what patients want kept from them. Rows only.

At rest no day may be read: only the year stands in clear, as it does in the resource itself. The days are
sealed, bound to all the rest of the row (``relationships.Sealed``).
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Relationship(models.Model):
    """A reason why a patient is the business of the practice or of some of its people.

    The rows of a resource are written in the transaction that writes the resource, and go with it.

    Attributes:
        kind: A code of ``relationships.Kind``.
        type: Of the resource that says so; ``resource`` and ``version`` are its id and version.
        people: Ids of the Practitioners whom it names, sorted, separated by blanks.
        year: The last year of service; 9999 while it goes on.
        owner: Who made it what it is: ``person:...``, ``client:...`` or ``system:...``.
        made: When, in seconds since 1970, UTC.
        days: The first and the last day of service, sealed.
    """

    practice = models.CharField(max_length=36)
    patient = models.CharField(max_length=36)
    kind = models.CharField(max_length=12)
    type = models.CharField(max_length=40)
    resource = models.CharField(max_length=36, db_index=True)
    version = models.PositiveIntegerField()
    people = models.TextField(blank=True, default="")
    year = models.PositiveSmallIntegerField()
    owner = models.CharField(max_length=50)
    made = models.BigIntegerField()
    days = models.BinaryField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["practice", "patient", "year"], name="relationship_by_patient")
        ]


class Restriction(models.Model):
    """What a patient has asked to be kept from one purpose, as a Consent says it.

    Attributes:
        purpose: A code of ``roles.Purpose``.
        elements: Codes of elements, separated by blanks; empty is all of them.
        days: The first and the last day on which it holds, sealed; empty where it names none.
    """

    practice = models.CharField(max_length=36)
    patient = models.CharField(max_length=36)
    purpose = models.CharField(max_length=20)
    elements = models.TextField(blank=True, default="")
    resource = models.CharField(max_length=36, db_index=True)
    version = models.PositiveIntegerField()
    days = models.BinaryField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["practice", "purpose", "patient"], name="restriction_by_purpose")
        ]
