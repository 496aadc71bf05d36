"""Patients are opened so that synthetic ones can be mixed from many of them; nobody is shown any.

An entry for indexing comes first, as for the identity index.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from confide.access.decide import system_grant
from confide.access.roles import Action
from confide.protect.elements import Element
from confide.vault.door import Document, Vault

OPENED: Final = frozenset({Element.NAME, Element.BIRTH_DATE, Element.ADDRESS, Element.PHONE, Element.EMAIL})
"""What is opened of them; their numbers stay stand-ins."""


def open_donors(
    vault: Vault, practice: str, documents: Sequence[Document], now: datetime
) -> list[dict[str, Any]]:
    """Return Patients with names, birth dates, addresses, phones and e-mail in clear; for no eye.

    Args:
        vault: Opens them.
        practice: The practice's id.
        documents: Patients.
        now: Aware UTC.

    Raises:
        JournalUnavailable: It cannot be written down; nothing was opened.
    """
    grant = system_grant(Action.INDEX, practice, "the identity index reads on", now)
    return [each.resource for each in vault.open_for_index(grant, documents, OPENED)]
