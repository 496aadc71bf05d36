"""Which practices a program reaches: the one that it was registered in, and those that have let it in.

A vendor's program has one registration, one budget and many practices. Each practice lets it in by itself,
and may send it away; a token acts in one of them.
"""

from __future__ import annotations

from datetime import datetime

from django.db import DatabaseError, IntegrityError, models, transaction
from django.db.models import Exists, OuterRef, Q

from confide.errors import Invalid, Unavailable, Unknown


class Reach(models.Model):
    """A practice's word that a program of another practice may act in it, up to the program's registration.

    Attributes:
        approved_by: Who let it in, for the practice.
        ended_at: When it was sent away; the row stays.
    """

    client = models.ForeignKey("Client", on_delete=models.PROTECT, related_name="reaches")
    practice = models.ForeignKey("Practice", on_delete=models.PROTECT, related_name="+")
    approved_by = models.ForeignKey("Account", on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["client", "practice"],
                condition=models.Q(ended_at__isnull=True),
                name="one_reach_in_use_per_practice",
            ),
        ]


def inside(practice: str) -> Q:
    """Return what is true of the programs that act in a practice, for a query of clients."""
    let_in = Reach.objects.filter(client=OuterRef("pk"), practice_id=practice, ended_at__isnull=True)
    return Q(practice_id=practice) | Q(Exists(let_in))


def practices_of(client: str) -> tuple[str, ...]:
    """Return the practices that a program reaches, its own first."""
    from confide.access.models import Client

    own = Client.objects.filter(pk=client).values_list("practice_id", flat=True)
    rows = Reach.objects.filter(client_id=client, ended_at__isnull=True).order_by("approved_at", "pk")
    return tuple(dict.fromkeys([*own, *rows.values_list("practice_id", flat=True)]))


def reaches(client: str, practice: str) -> bool:
    """Tell whether a program acts in a practice."""
    from confide.access.models import Client

    return Client.objects.filter(inside(practice), pk=client).exists()


def open_to(client: str, practice: str, account: str, now: datetime) -> Reach:
    """Let a program into a practice. Call it in the transaction that journals it.

    Args:
        client: The program's id.
        practice: The practice's id.
        account: The id of who answers for it there; whether they may is asked before.
        now: Aware UTC.

    Raises:
        Invalid: It acts there already.
        Unavailable: It cannot be stored.
    """
    try:
        if reaches(client, practice):
            raise Invalid("the program acts in this practice already")
        with transaction.atomic():
            return Reach.objects.create(
                client_id=client, practice_id=practice, approved_by_id=account, approved_at=now
            )
    except IntegrityError:
        raise Invalid("the program acts in this practice already") from None
    except DatabaseError as problem:
        raise Unavailable(f"the approval cannot be stored ({type(problem).__name__})") from None


def close_to(client: str, practice: str, now: datetime) -> Reach:
    """Send a program away from a practice, with its tokens there. Call it where it is journalled.

    Raises:
        Unknown: No practice's word lets it in there; out of its own it is only frozen.
        Unavailable: It cannot be stored.
    """
    from confide.access.models import AccessToken

    try:
        row = Reach.objects.filter(client_id=client, practice_id=practice, ended_at__isnull=True).first()
        if row is None:
            raise Unknown("no word of this practice lets the program in (confide client freeze stops it)")
        row.ended_at = now
        row.save(update_fields=["ended_at"])
        AccessToken.objects.filter(client_id=client, practice_id=practice).delete()
    except DatabaseError as problem:
        raise Unavailable(f"this cannot be stored ({type(problem).__name__})") from None
    return row
