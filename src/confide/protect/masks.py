"""Masks: lossy writings for people, such as ``***-**-1120``."""

from __future__ import annotations

from typing import Any

from confide.protect.elements import Element

_SHOWN = 4
_LONG_ENOUGH = 8
_SEPARATORS = frozenset(" -./()+")


def mask(element: Element, value: Any) -> Any:
    """Mask *value*; None where nothing of it may be shown.

    Numbers of at least eight letters and digits keep their last four; every other value has no
    mask and stays hidden.
    """
    if not isinstance(value, str) or element in {Element.DATE, Element.BIRTH_DATE, Element.CLINICAL}:
        return None
    if sum(c.isalnum() for c in value) < _LONG_ENOUGH:
        return None
    left = sum(c.isalnum() for c in value) - _SHOWN
    masked = []
    for c in value:
        if c in _SEPARATORS:
            masked.append(c)
        else:
            masked.append("*" if left > 0 else c)
            left -= 1
    return "".join(masked)
