"""Which characters belong to an alphabet, and the numeral of each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.cipher.alphabet import Alphabet
from confide.errors import AlphabetMismatch, Invalid

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ALPHABETS = {
    "digits": "0123456789",
    "digits turned": "9876543210",
    "base 36": "0123456789" + LETTERS,
    "base 62": "0123456789" + LETTERS + LETTERS.lower(),
    "five stretches": "0123" + "ABC" + "abc" + "XYZ" + "xyz",
    "accents": "aeiouäéîõù",
    "Greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "CJK": "一二三四五六七八九十",
    "emoji": "😀😁😂🤣😃",
    "beside the first plane": "\uffff\U00010000\U0010ffff",
    "zero": "\x00\x01\x02",
    "255": "".join(map(chr, range(1, 256))),
    "256": "".join(map(chr, range(256))),
    "256 turned": "".join(map(chr, range(255, -1, -1))),
    "across 255": "".join(map(chr, range(100, 300))),
    "two stretches across 255": "".join(map(chr, [*range(250, 270), *range(48, 58)])),
    "65,536": "".join(map(chr, range(0x20000, 0x30000))),
}


@pytest.mark.parametrize("characters", ALPHABETS.values(), ids=ALPHABETS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint32])
def test_every_code_point_near_by(characters, dtype):
    """Against Python's own strings: which are contained, and what each is worth."""
    alphabet = Alphabet(characters)
    assert alphabet.radix == len(characters)
    assert alphabet.characters == characters
    points = sorted(map(ord, characters))
    near = {*range(300), *points, points[0] - 1, points[-1] + 1, points[-1] + 2, 0x10FFFF, 2**31, 2**32 - 1}
    codes = np.array([point for point in near if 0 <= point <= np.iinfo(dtype).max], dtype)
    held = {ord(character): numeral for numeral, character in enumerate(characters)}
    expected = [int(code) in held for code in codes]
    assert alphabet.contains(codes).tolist() == expected
    inside = codes[expected]
    numerals = np.empty(inside.shape, np.uint32)
    alphabet.read(inside, numerals)
    assert numerals.tolist() == [held[int(code)] for code in inside]
    for outside in codes[~np.array(expected)]:
        with pytest.raises(AlphabetMismatch):
            alphabet.read(np.append(inside, outside).astype(dtype), np.empty(len(inside) + 1, np.uint32))


@given(st.sets(st.characters(), min_size=2, max_size=60), st.text())
def test_any_characters(characters, text):
    alphabet = Alphabet("".join(characters))
    codes = np.array([ord(character) for character in text], np.uint32)
    assert alphabet.contains(codes).tolist() == [character in characters for character in text]


@pytest.mark.parametrize("shape", [(0,), (3,), (2, 3), (2, 0), (2, 3, 4)])
def test_any_shape(shape):
    for characters in ("0123456789", ALPHABETS["base 36"], ALPHABETS["Greek"]):
        codes = np.full(shape, ord(characters[1]), np.uint32)
        assert Alphabet(characters).contains(codes).shape == shape
        assert Alphabet(characters).contains(codes).all()
        numerals = np.empty(shape, np.uint8)
        Alphabet(characters).read(codes, numerals)
        assert np.array_equal(numerals, np.ones(shape))


@pytest.mark.parametrize("characters", ["", "0", "00", "0120", "".join(map(chr, range(0x10000, 0x20001)))])
def test_what_is_no_alphabet(characters):
    with pytest.raises(Invalid):
        Alphabet(characters)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, float, "U1", "S1", object])
def test_what_are_no_code_points(dtype):
    codes = np.zeros((2, 3), dtype)
    with pytest.raises(Invalid):
        Alphabet("01").contains(codes)
    with pytest.raises(Invalid):
        Alphabet("01").read(codes, np.empty((2, 3), np.uint8))
    with pytest.raises(Invalid):
        Alphabet("01").writer(codes.dtype)


def test_type_that_cannot_hold_every_character():
    assert Alphabet("0é").writer(np.dtype(np.uint8)).codes.tolist() == [48, 233]
    with pytest.raises(Invalid):
        Alphabet("0€").writer(np.dtype(np.uint8))
    assert Alphabet("0€").writer(np.dtype(np.uint32)).codes.tolist() == [48, 8364]


def test_repr_is_short():
    assert repr(Alphabet("0123456789")) == "Alphabet(radix=10)"
