"""Patients are opened so that synthetic ones can be mixed from many of them; nobody is shown any.

An entry for indexing comes first, as for the identity index.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from confide.access.decide import system_grant
from confide.access.roles import Action
from confide.fhir.json import parse
from confide.protect.elements import Element
from confide.vault.door import Document, Vault

OPENED: Final = frozenset(Element) - {Element.SSN, Element.PHOTO}
"""What is opened of them: the parts of one, and how its numbers are written, are those of a synthetic one."""


def open_donors(
    vault: Vault, practice: str, documents: Sequence[Document], now: datetime
) -> list[dict[str, Any]]:
    """Return Patients in clear, but for numbers of social security; for no eye.

    Args:
        vault: Opens them.
        practice: The practice's id.
        documents: Patients.
        now: Aware UTC.

    Raises:
        JournalUnavailable: It cannot be written down; nothing was opened.
    """
    grant = system_grant(Action.INDEX, practice, "the identity index reads on", now)
    opened = vault.open_for_index(grant, documents, OPENED)
    return [_in_order(each.resource, parse(d.body)) for d, each in zip(documents, opened, strict=True)]


def _in_order(opened: Any, stored: Any) -> Any:
    """Put fields where they are stored: those that had been sealed come last when they are opened."""
    if isinstance(opened, dict) and isinstance(stored, dict):
        names = dict.fromkeys([key if key in opened else key.removeprefix("_") for key in stored])
        order = [*(key for key in names if key in opened), *(key for key in opened if key not in names)]
        return {key: _in_order(opened[key], stored.get(key)) for key in order}
    if isinstance(opened, list) and isinstance(stored, list) and len(opened) == len(stored):
        return [_in_order(each, place) for each, place in zip(opened, stored, strict=True)]
    return opened
