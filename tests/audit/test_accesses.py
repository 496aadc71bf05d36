"""Neighbouring entries become one line, and a line tells the most that was learned."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from confide.audit.accesses import TOGETHER, gather

from .conftest import NOW


def row(nth, **changes):
    told = {
        "at": NOW + timedelta(minutes=nth), "actor_kind": "person", "actor": "one", "role": "clinician",
        "action": "read", "purpose": "TREAT", "elements": {}, "resource_type": "Patient",
        "resource_id": "r", "outcome": "0", "relationship": "",
    }  # fmt: skip
    return tuple({**told, **changes}.values())


@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_line_tells_the_clearest_form_whatever_came_last(size):
    """A stand-in that was shown after a mask does not take back what was seen of the value."""
    order = ["stand-in", "masked", "searched", "clear"]
    for forms in permutations(order, size):
        [line] = gather([row(n, elements={"ssn": form}) for n, form in enumerate(forms)])
        assert line.elements == {"ssn": max(forms, key=order.index)}


def test_what_lies_apart_or_was_refused_is_another_line():
    apart = row(1 + TOGETHER.seconds // 60)
    assert len(gather([row(0), apart])) == 2
    assert len(gather([row(0), row(1, outcome="4")])) == 2
    assert len(gather([row(0), row(1, relationship="appointment own")])) == 1
