"""What is kept of an incident. What was said, counted and decided cannot be changed: triggers refuse.

No column holds a clear value: what people type is sealed, persons are ids, elements are codes. Only a
person's state of residence stands here in clear, as it does in the stored record.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from confide.access.models import new_id


def _nothing() -> dict[str, Any]:
    return {}


class Incident(models.Model):
    """One incident. Its course is in ``Happening``; this row is where it stands.

    Attributes:
        practice: The practice that leads it; its officers see it.
        breadth: A code of ``cases.Breadth``: that practice alone, or all of the host.
        state: A code of ``cases.State``.
        way: A code of ``facts.Way``.
        facts: What is known for the clocks: moments, encryption, statements (``cases.Known``).
        title_sealed: What people call it.
        source: What it came from, such as ``finding:...``; empty where a person saw it.
        subject: Whose findings the watch opened it for, as ``person:...``; empty where a person opened it.
        hold_at: Since when counsel asks that nothing of it be destroyed.
    """

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    practice = models.CharField(max_length=36, db_index=True)
    breadth = models.CharField(max_length=10)
    state = models.CharField(max_length=10)
    way = models.CharField(max_length=10)
    discovered = models.DateTimeField()
    facts = models.JSONField(default=_nothing)
    title_sealed = models.BinaryField()
    source = models.CharField(max_length=64, blank=True, default="")
    subject = models.CharField(max_length=50, blank=True, default="")
    opened_by = models.CharField(max_length=36)
    opened_at = models.DateTimeField()
    hold_by = models.CharField(max_length=36, blank=True, default="")
    hold_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["practice", "subject"],
                condition=~models.Q(subject="") & ~models.Q(state="closed"),
                name="one_open_incident_per_login",
            )
        ]

    def frozen_scope(self) -> Scope | None:
        """Return the newest version of the scope that is frozen."""
        found: Scope | None = self.scopes.filter(frozen_at__isnull=False).order_by("version").last()
        return found

    def latest_scope(self) -> Scope | None:
        """Return the newest version that is frozen, or else the newest."""
        newest: Scope | None = self.frozen_scope() or self.scopes.order_by("version").last()
        return newest

    def latest_assessment(self) -> Assessment | None:
        """Return the assessment that was signed last: the one that counts."""
        signed: Assessment | None = self.assessments.order_by("signed_at").last()
        return signed


class Happening(models.Model):
    """One line of the timeline; append-only.

    Attributes:
        id: A random id, part of the seal of its text.
        at: When it happened.
        noted_at: When it was written down.
        kind: A code of ``cases.Act``.
        by: The account's id.
        about: Codes and ids only.
        entry: The id of its entry in the journal.
    """

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="happenings")
    at = models.DateTimeField()
    noted_at = models.DateTimeField()
    kind = models.CharField(max_length=20)
    by = models.CharField(max_length=36)
    about = models.CharField(max_length=100, blank=True, default="")
    text_sealed = models.BinaryField(default=b"")
    entry = models.BigIntegerField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["incident", "at"], name="happening_by_time")]


class Member(models.Model):
    """Who works on it, as what (``cases.Part``)."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="members")
    account = models.CharField(max_length=36)
    part = models.CharField(max_length=20)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["incident", "account", "part"], name="one_part_per_member")
        ]


class Task(models.Model):
    """Something to be done; ``text_sealed`` says what."""

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="tasks")
    text_sealed = models.BinaryField()
    account = models.CharField(max_length=36, blank=True, default="")
    due = models.DateField(null=True, blank=True)
    made_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.CharField(max_length=36, blank=True, default="")


class Exhibit(models.Model):
    """A piece of evidence, by its hash; append-only.

    Attributes:
        name: Of the file, in clear.
        kind: A code of ``exhibits.Kind``.
        content: Sealed; see ``exhibits``.
        sha256: Of the content, 32 bytes.
    """

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="exhibits")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=20)
    content = models.BinaryField()
    sha256 = models.BinaryField(max_length=32)
    added_by = models.CharField(max_length=36)
    added_at = models.DateTimeField()


class Scope(models.Model):
    """Who was seen, as it was counted once. Notices go by a frozen one; another count is a new version.

    Attributes:
        question: Of what it was asked (``scopes.Question``).
        checkpoint: How many entries the journal's signed tree had, which it was counted over.
        sound: The journal verified up to there.
        proof: What verifying said: ``{"size", "start", "cosigned", "wrong": [[where, what], ...]}``.
        records: How many records; one person may have several.
        persons: How many persons, where that was found out.
        practices: How many covered entities.
        states: Records by state; the empty one is not known.
        elements: For each element how many records in each form: ``{"ssn": {"clear": 3}}``.
        honey: Honey patients that were left out.
        digest: Over all that was frozen, 32 bytes; empty while it is not.
        difference: What a version changed against the one that was frozen before.
    """

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="scopes")
    version = models.PositiveIntegerField()
    question = models.JSONField()
    made_by = models.CharField(max_length=36)
    made_at = models.DateTimeField()
    checkpoint = models.BigIntegerField()
    sound = models.BooleanField()
    proof = models.JSONField(default=_nothing)
    records = models.PositiveIntegerField()
    persons = models.PositiveIntegerField(null=True, blank=True)
    practices = models.PositiveIntegerField()
    states = models.JSONField(default=_nothing)
    elements = models.JSONField(default=_nothing)
    honey = models.PositiveIntegerField(default=0)
    first = models.DateTimeField(null=True, blank=True)
    last = models.DateTimeField(null=True, blank=True)
    frozen_by = models.CharField(max_length=36, blank=True, default="")
    frozen_at = models.DateTimeField(null=True, blank=True)
    digest = models.BinaryField(max_length=32, default=b"")
    difference = models.JSONField(default=_nothing)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["incident", "version"], name="scope_version_once")
        ]


class Share(models.Model):
    """How many records of one covered entity a scope has in one state, and of which elements; append-only.

    Attributes:
        state: Two letters; empty where it is not known.
        elements: As in ``Scope``.
    """

    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="shares")
    practice = models.CharField(max_length=36)
    state = models.CharField(max_length=2, blank=True)
    records = models.PositiveIntegerField()
    elements = models.JSONField(default=_nothing)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["scope", "practice", "state"], name="share_once")
        ]


class Exposed(models.Model):
    """One record of a frozen scope: whose, what of it in which form, when first and last; append-only.

    Attributes:
        scope: The scope's id.
        shown: Elements and forms as one number (``forms``).
    """

    pk = models.CompositePrimaryKey("scope", "practice", "patient")
    scope = models.BigIntegerField()
    practice = models.CharField(max_length=36)
    patient = models.CharField(max_length=64)
    shown = models.BigIntegerField()
    state = models.CharField(max_length=2, blank=True)
    first = models.DateTimeField()
    last = models.DateTimeField()


class Match(models.Model):
    """Records of a scope that are one person's: those with the same number; append-only."""

    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="matches")
    practice = models.CharField(max_length=36)
    patient = models.CharField(max_length=64)
    person = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["scope", "practice", "patient"], name="match_once")
        ]


class Assessment(models.Model):
    """The four factors of 45 CFR 164.402(2), decided and signed by a person; append-only, kept six years.

    Attributes:
        id: A random id, part of the seals.
        factors: For each factor its finding, a code of ``assessments.Finding``.
        reasons_sealed: What was typed to it, JSON.
        outcome: A code of ``assessments.Outcome``.
        kept_until: Six years from its making (45 CFR 164.530(j)(2)).
    """

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="assessments")
    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="+")
    factors = models.JSONField()
    encryption = models.CharField(max_length=10)
    outcome = models.CharField(max_length=20)
    reasons_sealed = models.BinaryField()
    signed_by = models.CharField(max_length=36)
    signed_at = models.DateTimeField()
    kept_until = models.DateField()


class Remedy(models.Model):
    """Something that is done for a scope; what cannot be taken back waits for a second person.

    Attributes:
        kind: A code of ``remedies.Kind``.
        done: How many of what it was done to.
    """

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="remedies")
    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20)
    asked_by = models.CharField(max_length=36)
    asked_at = models.DateTimeField()
    approved_by = models.CharField(max_length=36, blank=True, default="")
    approved_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    done = models.JSONField(default=_nothing)


class Portion(models.Model):
    """Some persons of a remedy that is done portion by portion, so that it goes on where it was stopped.

    Attributes:
        people: How many they are.
        entries: Ids of their entries in the journal, as runs.
        keyed_at: When they had newer keys; what was begun is gone on with under the same.
        changed: Stand-ins or numbers that are others now.
    """

    remedy = models.ForeignKey(Remedy, on_delete=models.PROTECT, related_name="portions")
    number = models.PositiveIntegerField()
    practice = models.CharField(max_length=36)
    people = models.PositiveIntegerField()
    entries = models.TextField()
    keyed_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    resources = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["remedy", "number"], name="portion_once")]


class Residence(models.Model):
    """In which state a patient lives, as the stored record says in clear; a scope need not read that.

    Attributes:
        state: Two letters; empty where the record says none.
    """

    patient = models.CharField(primary_key=True, max_length=64)
    practice = models.CharField(max_length=36, db_index=True)
    state = models.CharField(max_length=2, blank=True)


class Progress(models.Model):
    """Up to which of a practice's changes of patients ``Residence`` has come."""

    practice = models.CharField(max_length=36, primary_key=True)
    number = models.BigIntegerField()
