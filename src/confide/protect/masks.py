"""Masks: lossy writings for people, such as ``***-**-1120``."""

from __future__ import annotations

from typing import Any

from confide.protect.elements import Element

_SHOWN = 4
_LONG_ENOUGH = 8
_SEPARATORS = frozenset(" -./()+")
# Of these the last characters tell a person which one it is; of a name or a street they tell something else.
_NUMBERS = frozenset(
    {
        Element.PHONE,
        Element.SSN,
        Element.MRN,
        Element.LICENCE,
        Element.PASSPORT,
        Element.MEMBER_ID,
        Element.ACCOUNT,
        Element.CARD,
        Element.IDENTIFIER,
    }
)


def mask(element: Element, value: Any) -> Any:
    """Mask *value*; None where nothing of it may be shown.

    Numbers of at least eight letters and digits keep their last four; every other value has no
    mask and stays hidden.
    """
    if not isinstance(value, str) or element not in _NUMBERS:
        return None
    if sum(c.isalnum() for c in value) < _LONG_ENOUGH:
        return None
    left = sum(c.isalnum() for c in value) - _SHOWN
    masked = []
    for c in value:
        if c.isalnum():
            masked.append("*" if left > 0 else c)
            left -= 1
        else:
            masked.append(c if c in _SEPARATORS else "*")
    return "".join(masked)
