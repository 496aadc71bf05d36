"""Identifiers keep their shape and lose their value; the small ones are sealed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.errors import ConfideError, Damaged
from confide.protect.elements import Element
from confide.protect.identifiers import ALPHABETS, StandIns, element_of, normalise
from confide.protect.policy import load

STAND_INS = StandIns(bytes(range(32)))
TWEAK = b"sixteen bytes of"
SEPARATORS = " -./()+_:#*^|,"


@pytest.mark.parametrize(
    ("value", "alphabet"),
    [
        ("078-05-1120", "10"),
        ("0000001", "10"),
        ("(555) 010-4477", "10"),
        ("+1 555.010.4477", "10"),
        ("A1B2-C3D4", "36U"),
        ("a1b2-c3d4", "36L"),
        ("aB12c", "62"),
        ("6b1f0c1e-8a57-4c58-9a3f-0d6b8f5f2f11", "36L"),
        ("9" * 128, "10"),
    ],
)
def test_the_shape_stays(value, alphabet):
    stand_in, used = STAND_INS.protect(value, TWEAK)
    assert used == alphabet
    assert stand_in != value
    assert len(stand_in) == len(value)
    for ours, theirs in zip(stand_in, value, strict=True):
        assert (ours in SEPARATORS) == (theirs in SEPARATORS)
        assert ours in ALPHABETS[alphabet] or ours == theirs
    assert STAND_INS.reveal(stand_in, used, TWEAK) == value


@pytest.mark.parametrize(
    "value", ["", "---", "12345", "999-99", "AB1", "aB1", "é1234567", "1" * 129, "12345\n7", "१२३४५६७"]
)
def test_small_or_odd_ones_are_sealed(value):
    assert STAND_INS.protect(value, TWEAK) is None


@given(st.text(alphabet=ALPHABETS["62"] + SEPARATORS, max_size=60))
def test_there_and_back(value):
    made = STAND_INS.protect(value, TWEAK)
    if made is not None:
        assert STAND_INS.reveal(*made, TWEAK) == value


@given(st.text(max_size=40))
def test_any_text_is_protected_or_refused(value):
    made = STAND_INS.protect(value, TWEAK)
    assert made is None or STAND_INS.reveal(*made, TWEAK) == value


def test_another_tweak_or_key_gives_another_stand_in():
    others = [
        STAND_INS.protect("078-05-1120", TWEAK),
        STAND_INS.protect("078-05-1120", TWEAK[::-1]),
        StandIns(bytes(32)).protect("078-05-1120", TWEAK),
    ]
    assert len({stand_in for stand_in, _ in others}) == 3


@pytest.mark.parametrize(
    ("stand_in", "alphabet"), [("07x-05-1120", "10"), ("a1b2c3", "36U"), ("é234567", "62")]
)
def test_what_is_no_stand_in_is_damage(stand_in, alphabet):
    with pytest.raises(Damaged):
        STAND_INS.reveal(stand_in, alphabet, TWEAK)


def test_an_edited_short_stand_in_gives_an_error_of_ours():
    with pytest.raises(ConfideError):
        STAND_INS.reveal("12", "10", TWEAK)


V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"


@pytest.mark.parametrize(
    ("identifier", "element"),
    [
        ({"system": "http://hl7.org/fhir/sid/us-ssn"}, Element.SSN),
        ({"system": "http://hl7.org/fhir/sid/us-npi"}, None),
        ({"system": "http://x", "type": {"coding": [{"system": V2, "code": "MR"}]}}, Element.MRN),
        ({"type": {"coding": [{"code": "??"}, {"system": V2, "code": "PPN"}]}}, Element.PASSPORT),
        ({"type": {"text": "SSN"}}, Element.IDENTIFIER),
        ({"type": {"coding": "MR"}}, Element.IDENTIFIER),
        ({"type": "MR", "system": 7}, Element.IDENTIFIER),
        ({}, Element.IDENTIFIER),
    ],
)
def test_which_element_it_is(identifier, element):
    assert element_of(identifier, load(), Element.IDENTIFIER) is element


@pytest.mark.parametrize("written", ["078-05-1120", "078051120", "078 05 1120", "078.05.1120"])
def test_one_number_in_many_writings(written):
    assert normalise(written) == "078051120"
    assert normalise("ab-1") == normalise("AB1")
