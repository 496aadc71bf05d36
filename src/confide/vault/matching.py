"""Which records of several practices are one person's: compared by digests under a key for one run.

Identities are opened inside this process, under an entry in each practice's journal; what comes out are
digests that nobody can compare with anything else, because the key is random and dropped. No value leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_bytes
from typing import Any, Final

from confide.access.decide import system_grant
from confide.access.roles import Action
from confide.cipher.derive import digest, frame
from confide.protect.elements import Element
from confide.protect.identifiers import element_of, normalise
from confide.protect.policy import Policy
from confide.vault.door import Clock, Document, Vault
from confide.vault.index import words

COMPARED: Final = frozenset({Element.NAME, Element.BIRTH_DATE, Element.SSN})
_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Digests:
    """One record, as it is compared.

    Attributes:
        number: Of the Social Security number; empty if there is none.
        name: Of names and birth date; empty if one of them is missing.
    """

    patient: str
    number: bytes
    name: bytes


class Matching:
    """One run. Its key is made with it and goes with it.

    Args:
        vault: Opens identities.
        clock: Returns now, aware UTC.
    """

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock
        self._key = token_bytes(32)

    def read(self, practice: str, documents: Sequence[Document]) -> Iterator[Digests]:
        """Return the digests of some patients of one practice.

        Args:
            practice: The practice's id.
            documents: Patients.

        Raises:
            JournalUnavailable: The entry cannot be written; nothing was opened.
        """
        grant = system_grant(Action.INDEX, practice, "records are matched for an incident", self._clock())
        opened = self._vault.open_for_index(grant, documents, COMPARED)
        policy = self._vault.plan.policy
        for document, revealed in zip(documents, opened, strict=True):
            yield self._compare(document.place.id, revealed.resource, policy)

    def _compare(self, patient: str, resource: Mapping[str, Any], policy: Policy) -> Digests:
        numbers = sorted(
            normalise(identifier["value"])
            for identifier in resource.get("identifier", ())
            if isinstance(identifier.get("value"), str)
            and element_of(identifier, policy, Element.IDENTIFIER) is Element.SSN
        )
        named = sorted(
            {
                word
                for name in resource.get("name", ())
                for part in (name.get("family"), *name.get("given", ()))
                if isinstance(part, str)
                for word in words(part)
            }
        )
        born = resource.get("birthDate")
        whole = bool(named) and isinstance(born, str) and len(born) == len("1963-05-04")
        return Digests(
            patient,
            self._digest("number", numbers[0]) if numbers else b"",
            self._digest("name", str(born), *named) if whole else b"",
        )

    def _digest(self, *parts: str) -> bytes:
        return digest(self._key, frame(*parts))[:_BYTES]
