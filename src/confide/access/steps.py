"""What each step of a decision leaves of a row of forms. None of them gives back what another one took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from confide.access.relationships import Relation
from confide.access.roles import Action, Form
from confide.protect.elements import CATALOGUE, Element

Forms = Mapping[Element, Form]

UNRELATED: Final[Mapping[Action, frozenset[Element]]] = {
    Action.SEARCH: frozenset({Element.NAME, Element.BIRTH_DATE}),
    Action.WRITE: frozenset({Element.DATE}),
}
"""What needs no relationship: a finder that shows whom it found, and booking, by which one begins."""
ALL: Final = frozenset(Element)
_LIGHT: Final = frozenset(element for element, kind in CATALOGUE.items() if kind.weight == 1)
_HEAVY: Final = frozenset(element for element, kind in CATALOGUE.items() if kind.step_up)
_STRENGTH: Final = {Form.REFUSED: 0, Form.STAND_IN: 1, Form.MASKED: 2, Form.CLEAR: 3}


def strength(form: Form) -> int:
    """Order forms by how much they tell."""
    return _STRENGTH[form]


def reach(table: Forms, action: Action, relation: Relation) -> Forms:
    """Leave what a relationship opens: all, elements of weight 1, or what needs no relationship."""
    if relation.full:
        return table
    light = _LIGHT if relation.own else frozenset()
    return withhold(table, ALL - light - UNRELATED.get(action, frozenset()))


def is_heavy(forms: Forms) -> bool:
    """Tell whether an element that needs a fresh proof is clear."""
    return any(form is Form.CLEAR and element in _HEAVY for element, form in forms.items())


def mask(forms: Forms) -> Forms:
    """Leave a mask of what needs a fresh proof."""
    if not is_heavy(forms):
        return forms
    return {
        element: Form.MASKED if form is Form.CLEAR and element in _HEAVY else form
        for element, form in forms.items()
    }


def withhold(forms: Forms, elements: frozenset[Element]) -> Forms:
    """Make stand-ins of *elements*; what is refused stays so."""
    return {
        element: Form.STAND_IN if element in elements and form is not Form.REFUSED else form
        for element, form in forms.items()
    }


def weakest(rows: Iterable[Forms]) -> Forms:
    """Of each element the form that all of *rows* allow."""
    first, *rest = rows
    if not rest:
        return first
    forms = dict(first)
    for row in rest:
        for element, form in row.items():
            forms[element] = min(forms[element], form, key=strength)
    return forms
