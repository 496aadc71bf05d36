"""Practices, staff, OAuth clients, and what each of them has seen."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

import confide.access.containment
import confide.access.entrances
import confide.access.reach
import confide.access.ties  # noqa: F401 - rows of this app, too
from confide.access.roles import Purpose


def new_id() -> str:
    """Return a random identifier: nothing can be learned from it, not even an order."""
    return str(uuid.uuid4())


class Practice(models.Model):
    """A tenant: one covered entity."""

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)


class Accounts(BaseUserManager["Account"]):
    """How accounts are made and found; logins are compared in lower case."""

    def create_user(
        self, username: str, password: str | None = None, *, display_name: str = "", email: str = ""
    ) -> Account:
        """Make an account. Without a password nobody can sign in to it yet."""
        account = self.model(
            username=self.model.normalize_username(username).lower(),
            display_name=display_name or username,
            email=self.normalize_email(email).lower(),
        )
        account.set_password(password)
        account.save(using=self._db)
        return account

    def get_by_natural_key(self, username: str | None) -> Account:
        return self.get(username=(username or "").lower())


class Account(AbstractBaseUser):
    """A person who signs in. What they may do is said by their memberships.

    Attributes:
        frozen_at: Since when the account is stopped; ``standing`` says why.
        suspect_at: Since when it is shown little, because something looks wrong.
        password_found_at: When its password was found in a list of breached ones; it must be changed first.
        reset_at: When its password or factors were last made anew by an invitation after a reset.
    """

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    username = models.CharField(max_length=150, unique=True)
    email = models.EmailField(blank=True, default="")
    display_name = models.CharField(max_length=200)
    is_active = models.BooleanField(default=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    suspect_at = models.DateTimeField(null=True, blank=True)
    password_found_at = models.DateTimeField(null=True, blank=True)
    reset_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["display_name"]

    objects = Accounts()

    def get_full_name(self) -> str:
        return self.display_name

    def get_short_name(self) -> str:
        return self.display_name


class Membership(models.Model):
    """One role of one person in one practice; ``role`` is a code of ``roles.Role``.

    Attributes:
        approved_by: The privacy officer who approved it; None with a date is approved by founding.
        approved_at: Since when a role that opens clear values works (``memberships``); None waits.
        practitioner: The id of the Practitioner that they are in the practice's records; empty if none. Care
            teams, claims and encounters name people by it.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="memberships")
    practice = models.ForeignKey(Practice, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20)
    active = models.BooleanField(default=True)
    approved_by = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    practitioner = models.CharField(max_length=36, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "practice", "role"], name="one_membership_per_role"),
        ]


def _no_keys() -> dict[str, list[Any]]:
    return {"keys": []}


class Client(models.Model):
    """A registered program: an OAuth2 client, by SMART Backend Services.

    Attributes:
        practice: Which registered it, and whose it is; ``reach`` says in which others it acts.
        jwks: Its public keys, a JSON Web Key Set (RFC 7517); ``keys`` says which of them hold.
        method: How it proves who it is, a code of ``keys.Method``.
        subject: With ``tls_client_auth``: the name that its certificate bears, like ``san_dns:lab.example``.
        bound: Its tokens are bound to the certificate of the connection, also where a signature proves it.
        scopes: SMART scopes that it may ask for, separated by spaces.
        elements: Codes of the elements that it may have otherwise than as stand-ins.
        purpose: The one purpose that it was registered for, a code of ``roles.Purpose``.
        day_patients: Distinct patients in 24 hours; None is the default.
        day_units: Weighted units in 24 hours; None is the default.
        token_scopes: Recipients whose tokens it may turn back into values; none unless registered.
        networks: Addresses and networks that it may come from (``networks``); none is anywhere.
    """

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    practice = models.ForeignKey(Practice, on_delete=models.PROTECT, related_name="clients")
    name = models.CharField(max_length=200)
    jwks = models.JSONField(default=_no_keys)
    method = models.CharField(max_length=30, default="private_key_jwt")
    subject = models.CharField(max_length=320, blank=True, default="")
    bound = models.BooleanField(default=False)
    scopes = models.TextField(blank=True, default="")
    elements = models.JSONField(default=list, blank=True)
    purpose = models.CharField(max_length=20, default=Purpose.TREAT.value)
    active = models.BooleanField(default=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    suspect_at = models.DateTimeField(null=True, blank=True)
    day_patients = models.PositiveIntegerField(null=True, blank=True)
    day_units = models.PositiveIntegerField(null=True, blank=True)
    token_scopes = models.JSONField(default=list, blank=True)
    networks = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)


class AssertionId(models.Model):
    """The ``jti`` of a client assertion that has been used: a second use is a replay (RFC 7523 section 3)."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    jti = models.CharField(max_length=200)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "jti"], name="assertion_used_once")]


class AccessToken(models.Model):
    """A bearer token that a client holds.

    Attributes:
        digest: Its SHA-256 in 64 hexadecimal digits.
        practice: The one practice in which it acts.
        key: The id of the client's key that it was got with; it is good as long as that one.
        thumbprint: SHA-256 (``x5t#S256``, 43 characters) of the certificate without which it is no good;
            empty if it is not bound to any.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True)
    practice = models.ForeignKey(Practice, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=200)
    thumbprint = models.CharField(max_length=43, blank=True, default="")
    scopes = models.TextField(blank=True, default="")
    expires_at = models.DateTimeField(db_index=True)


class Exposure(models.Model):
    """In which slot the owner of a credential last saw one element of one patient in one form.

    The owner is a person or a client (``person:...``, ``client:...``), whatever session, token or practice
    was used; which session it was is in the journal. Slots are those of ``exposure``.
    """

    owner = models.CharField(max_length=50)
    practice = models.CharField(max_length=36)
    patient = models.CharField(max_length=64)
    element = models.CharField(max_length=20)
    form = models.CharField(max_length=10)
    weight = models.PositiveSmallIntegerField()
    slot = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "practice", "patient", "element", "form"], name="exposure_counts_once"
            ),
        ]
        indexes = [models.Index(fields=["slot"], name="exposure_by_slot")]


class ExposureTotal(models.Model):
    """The patients that an owner last saw in one slot, and the units that they last saw in it.

    Beside owners stand the lanes of a practice and of the host (``ceilings``).

    Attributes:
        span: Of how many slots of five minutes this one consists.
    """

    owner = models.CharField(max_length=50)
    span = models.PositiveSmallIntegerField(default=1)
    slot = models.PositiveIntegerField()
    # Signed, because PostgreSQL checks a loss as if it were a row before it adds it to the one that is there.
    patients = models.IntegerField()
    units = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "span", "slot"], name="one_total_per_slot")]


class BudgetRaise(models.Model):
    """A second person's word for more: so many times the budget of one owner, in one practice, for a while.

    Attributes:
        owner: ``person:...`` or ``client:...``, as in ``Exposure``.
    """

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    practice = models.ForeignKey(Practice, on_delete=models.PROTECT, related_name="+")
    owner = models.CharField(max_length=50)
    times = models.PositiveSmallIntegerField()
    approved_by = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(times__gte=2, times__lte=3), name="raised_threefold_at_most"
            ),
        ]
        indexes = [models.Index(fields=["owner", "expires_at"], name="raise_by_owner")]


class Destination(models.Model):
    """Where exports may go: a name, a key, a folder. Nothing of it changes; another key is another row.

    Attributes:
        name: What people call it; one of that name is in use at a time.
        use: What goes there, a code of ``destinations.Use``.
        recipient: The age public key (``age1...``) to which everything that goes there is encrypted.
        folder: Absolute path of the folder into which files are laid.
        retired_at: When it was taken out of use; the row stays.
    """

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    practice = models.ForeignKey(Practice, on_delete=models.PROTECT, related_name="destinations")
    name = models.CharField(max_length=100)
    use = models.CharField(max_length=10, default="export")
    recipient = models.CharField(max_length=100)
    folder = models.CharField(max_length=1000)
    registered_by = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    registered_at = models.DateTimeField()
    retired_by = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["practice", "name"],
                condition=models.Q(retired_at__isnull=True),
                name="one_destination_in_use_per_name",
            ),
        ]


class Approval(models.Model):
    """A person's word for a destination; whoever registered it has given theirs."""

    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="approvals")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["destination", "account"], name="one_approval_per_person"),
        ]
