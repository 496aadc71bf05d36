"""Which elements were shown in which forms, as one number: a million persons are counted with few of them.

Three bits for each element, in the order of the catalogue: shown clear, shown masked, only asked by. The
numbers stand in frozen scopes, so the order never changes; what is added comes at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from confide.access.roles import Form
from confide.protect.elements import Element

FORMS: Final = (Form.CLEAR, Form.MASKED, Form.SEARCHED)
"""From the one that tells most to the one that tells least."""

ORDER: Final = (
    Element.NAME, Element.BIRTH_DATE, Element.PHONE, Element.EMAIL, Element.ADDRESS, Element.SSN, Element.MRN,
    Element.LICENCE, Element.PASSPORT, Element.MEMBER_ID, Element.ACCOUNT, Element.CARD, Element.IDENTIFIER,
    Element.CONTACT, Element.PHOTO, Element.DATE, Element.CLINICAL, Element.DOCUMENT,
)  # fmt: skip
_BITS: Final = {
    (element.value, form.value): 1 << (3 * i + j)
    for i, element in enumerate(ORDER)
    for j, form in enumerate(FORMS)
}
ALL: Final = sum(_BITS[element.value, Form.CLEAR.value] for element in ORDER)
"""Everything in clear: what is taken for granted of a copy that can be read."""


def pack(elements: Mapping[str, str]) -> int:
    """Return what an entry of the journal says was shown as a number; 0 if it was nothing."""
    found = 0
    for pair in elements.items():
        found |= _BITS.get(pair, 0)
    return found


def unpack(shown: int) -> dict[Element, Form]:
    """Return each element that was shown, in the form that told most."""
    found: dict[Element, Form] = {}
    for i, element in enumerate(ORDER):
        three = shown >> (3 * i) & 7
        if three:
            found[element] = FORMS[(three & -three).bit_length() - 1]
    return found
