"""Enrolment codes at rest: sealed, because whoever has one can use it up. No patient's value."""

from __future__ import annotations

from confide.vault.door import Vault
from confide.vault.reasons import Reasons


class CodeSeals:
    """Seals and opens enrolment codes.

    Args:
        vault: Whose keys it uses.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._seals = Reasons(vault, "enrolment code")

    def digest(self, practice: str, code: str) -> bytes:
        """Return by what a code is found, 16 bytes."""
        return self._vault.digest(practice, "enrolment code", code)

    def seal(self, practice: str, incident: str, code: str) -> bytes:
        """Seal a code, bound to whose offer it belongs to."""
        return self._seals.seal(practice, incident, "code", code)

    def read(self, practice: str, incident: str, sealed: bytes) -> str:
        """Open what :meth:`seal` returned.

        Raises:
            SealBroken: It was sealed for another offer, or edited.
        """
        return self._seals.unseal(practice, incident, "code", sealed)
