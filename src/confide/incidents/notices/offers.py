"""Enrolment codes of a protection offer: one for each person, used once. Sealed at rest.

A provider's file is imported, or codes are made here. A code is given to a person in the transaction that
writes the entries of their batch, so that a batch which was cut off gives the same code to the same person.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

from django.db import IntegrityError, connections, router, transaction

from confide.errors import Invalid, Unavailable
from confide.incidents.notices.models import Code
from confide.vault.door import Vault
from confide.vault.enrolments import CodeSeals

SHORTEST: Final = 8
LONGEST: Final = 64

_LETTERS: Final = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_AT_ONCE: Final = 500


class Offers:
    """The codes of one installation.

    Args:
        vault: Whose keys seal them.
    """

    def __init__(self, vault: Vault) -> None:
        self._seals = CodeSeals(vault)

    def take(self, practice: str, incident: str, codes: Iterable[str], until: date) -> int:
        """Take a provider's codes.

        Args:
            practice: The practice's id.
            incident: The incident's id.
            codes: One each; empty lines are passed over.
            until: The last day on which they can be used.

        Returns:
            How many were taken. All, or none.

        Raises:
            Invalid: A line is no code, or one is there twice or was taken before; the message says in which
                line.
        """
        made: list[Code] = []
        seen: set[bytes] = set()
        for line, text in enumerate(codes, 1):
            code = text.strip().strip('"').strip()
            if not code:
                continue
            if (
                not SHORTEST <= len(code) <= LONGEST
                or not code.isascii()
                or not code.isprintable()
                or " " in code
            ):
                raise Invalid(f"line {line} is no code ({SHORTEST} to {LONGEST} characters without blanks)")
            row = self._row(practice, incident, code, until)
            if bytes(row.digest) in seen:
                raise Invalid(f"line {line} has a code that stands there before")
            seen.add(bytes(row.digest))
            made.append(row)
        self._store(made)
        return len(made)

    def make(self, practice: str, incident: str, count: int, until: date) -> int:
        """Make codes here: 14 letters and digits each, some 68 bits."""
        if not 0 < count <= 2_000_000:
            raise Invalid("1 to 2,000,000 codes are made at once")
        for start in range(0, count, 10_000):
            some = min(10_000, count - start)
            self._store([self._row(practice, incident, _draw(), until) for _ in range(some)])
        return count

    def assign(
        self, practice: str, incident: str, patients: Sequence[str], now: datetime, until: date
    ) -> None:
        """Give each of *patients* a code, in the caller's transaction; who has one keeps it.

        Args:
            practice: Whose codes.
            incident: For which.
            patients: Their ids.
            now: Aware UTC.
            until: The last day that their letters tell: a code that ends before is not given.

        Raises:
            Unavailable: There are not enough; nobody gets one.
        """
        theirs = self._of(practice, incident, patients)
        wanting = [patient for patient in patients if patient not in theirs]
        free = Code.objects.filter(
            practice=practice, incident=incident, patient__isnull=True, until__gte=max(now.date(), until)
        )
        connection = connections[router.db_for_write(Code)]
        # Another process gives out codes of the same offer at the same time: it has its own.
        beside = connection.features.has_select_for_update_skip_locked
        locked = free.select_for_update(skip_locked=beside).values_list("pk", flat=True)
        rows = list(locked[: len(wanting)])
        if len(rows) < len(wanting):
            raise Unavailable(
                f"there are not enough enrolment codes that are good until {until} (confide notice codes)"
            )
        # An update with a case for each row would take longer than the rest of a letter.
        at = connection.ops.adapt_datetimefield_value(now)
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(
                    "UPDATE notices_code SET patient = given.patient, assigned_at = %s"
                    " FROM unnest(%s::bigint[], %s::text[]) AS given (id, patient)"
                    " WHERE notices_code.id = given.id",
                    (at, rows, wanting),
                )
            else:
                cursor.executemany(
                    "UPDATE notices_code SET patient = %s, assigned_at = %s WHERE id = %s",
                    [(patient, at, pk) for pk, patient in zip(rows, wanting, strict=True)],
                )

    def codes(self, practice: str, incident: str, patients: Sequence[str]) -> dict[str, str]:
        """Return each person's code, opened."""
        return {
            patient: self._seals.read(practice, incident, sealed)
            for patient, sealed in self._of(practice, incident, patients).items()
        }

    def redeem(self, practice: str, codes: Iterable[str], now: datetime) -> tuple[int, list[int]]:
        """Note which codes were used, from a provider's report.

        Returns:
            How many are new, and the lines (from 1) with a code that is nobody's.
        """
        new, wrong = 0, []
        for line, text in enumerate(codes, 1):
            code = text.strip().strip('"').strip()
            if not code:
                continue
            row = Code.objects.filter(practice=practice, digest=self._digest(practice, code)).first()
            if row is None or row.patient is None:
                wrong.append(line)
            elif row.redeemed_at is None:
                row.redeemed_at = now
                row.save(update_fields=["redeemed_at"])
                new += 1
        return new, wrong

    def status(self, practice: str, incident: str, patient: str) -> tuple[date, datetime | None] | None:
        """Return until when a person's code can be used, and when it was; None where they have none."""
        row = Code.objects.filter(practice=practice, incident=incident, patient=patient).first()
        return None if row is None else (row.until, row.redeemed_at)

    def _of(self, practice: str, incident: str, patients: Sequence[str]) -> dict[str, bytes]:
        """Return the sealed codes of those who have one."""
        found: dict[str, bytes] = {}
        for start in range(0, len(patients), _AT_ONCE):
            some = patients[start : start + _AT_ONCE]
            rows = Code.objects.filter(practice=practice, incident=incident, patient__in=some)
            found.update((str(p), bytes(sealed)) for p, sealed in rows.values_list("patient", "sealed"))
        return found

    def _digest(self, practice: str, code: str) -> bytes:
        return self._seals.digest(practice, code)

    def _row(self, practice: str, incident: str, code: str, until: date) -> Code:
        sealed = self._seals.seal(practice, incident, code)
        return Code(
            practice=practice,
            incident=incident,
            digest=self._digest(practice, code),
            sealed=sealed,
            until=until,
        )

    @staticmethod
    def _store(made: Sequence[Code]) -> None:
        try:
            with transaction.atomic():
                Code.objects.bulk_create(made, batch_size=_AT_ONCE)
        except IntegrityError:
            raise Invalid("one of the codes was taken before, so none was taken") from None


def counts(practice: str, incident: str) -> tuple[int, int, int]:
    """Return how many codes there are, how many are somebody's, and how many were used."""
    rows = Code.objects.filter(practice=practice, incident=incident)
    theirs = rows.filter(patient__isnull=False)
    return rows.count(), theirs.count(), theirs.filter(redeemed_at__isnull=False).count()


def _draw() -> str:
    drawn = "".join(secrets.choice(_LETTERS) for _ in range(14))
    return f"{drawn[:5]}-{drawn[5:10]}-{drawn[10:]}"
