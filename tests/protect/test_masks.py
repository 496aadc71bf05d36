"""A mask shows the last four of a number, and nothing of anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.protect.elements import Element
from confide.protect.masks import mask


@pytest.mark.parametrize(
    ("element", "value", "masked"),
    [
        (Element.SSN, "078-05-1120", "***-**-1120"),
        (Element.SSN, "078051120", "*****1120"),
        (Element.PHONE, "(555) 010-4477", "(***) ***-4477"),
        (Element.CARD, "4111 1111 1111 1111", "**** **** **** 1111"),
        (Element.MRN, "A-00012345", "*-****2345"),
        (Element.ACCOUNT, "1234567", None),
        (Element.SSN, "", None),
        (Element.SSN, {"value": "078-05-1120"}, None),
        (Element.BIRTH_DATE, "1963-05-04", None),
        (Element.NAME, "Featherstonehaugh", None),
        (Element.ADDRESS, "12 Elm Street, Springfield", None),
        (Element.EMAIL, "zoe@example.org", None),
        (Element.CLINICAL, "metastatic", None),
        (Element.DOCUMENT, "transaction", None),
    ],
)
def test_masks(element, value, masked):
    assert mask(element, value) == masked


@given(st.sampled_from(Element), st.text(max_size=40))
def test_at_most_four_characters_show(element, value):
    masked = mask(element, value)
    if masked is not None:
        assert len(masked) == len(value)
        assert sum(c.isalnum() for c in masked) <= 4
        assert sum(c.isalnum() for c in value) >= 8
