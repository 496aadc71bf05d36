"""FF1 over columns refuses what the scalar FF1 refuses, and arrays that are no columns."""

import numpy as np
import pytest

from confide.cipher.alphabet import Alphabet
from confide.cipher.columns.chunks import LEAST
from confide.cipher.ff1_columns import FF1Columns
from confide.errors import AlphabetMismatch, Invalid

KEY = bytes(range(32))
DIGITS = Alphabet("0123456789")


@pytest.mark.parametrize("n", [7, 45])
@pytest.mark.parametrize("bad", [10, -1, 77, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("way", ["encrypt", "decrypt"])
def test_numeral_out_of_range(bad, way, n):
    numerals = np.random.default_rng(0).integers(0, 10, (40, n))
    numerals[31, 4] = bad
    for some in (numerals, numerals[31:32], numerals.astype(np.int32)):
        with pytest.raises(AlphabetMismatch) as refused:
            getattr(FF1Columns(KEY, 10), way)(some)
        assert str(refused.value) == "a numeral is outside 0 to 9"


@pytest.mark.parametrize("dtype", [float, bool, object, "U1", "S1", complex, "M8[s]", "m8[s]", "V4"])
def test_what_is_no_integer(dtype):
    ff1 = FF1Columns(KEY, 10)
    with pytest.raises(AlphabetMismatch):
        ff1.encrypt(np.zeros((3, 9), dtype))
    with pytest.raises(AlphabetMismatch):
        ff1.decrypt_numbers(np.zeros(3, dtype), 9)
    with pytest.raises(Invalid):
        ff1.encrypt_text(np.zeros((3, 9), dtype), DIGITS)


@pytest.mark.parametrize("bad", ["a", "/", ":", "é", "\0", "٣"])
def test_character_outside_the_alphabet(bad):
    codes = np.full((3 * LEAST, 9), ord("5"), np.uint32)
    codes[-1, 3] = ord(bad)
    ff1 = FF1Columns(KEY, 10)
    for some in (codes, codes[-1:]):
        for threads in (1, 2):
            with pytest.raises(AlphabetMismatch) as refused:
                ff1.encrypt_text(some, DIGITS, threads=threads)
            assert str(refused.value) == "a character is outside the alphabet"
    with pytest.raises(AlphabetMismatch):
        ff1.decrypt_text(codes[-2:], Alphabet("5432109876"))


def test_number_out_of_range():
    ff1 = FF1Columns(KEY, 10)
    assert ff1.encrypt_numbers(np.array([10**9 - 1]), 9).shape == (1,)
    for bad in (10**9, 2**63 - 1, -1):
        with pytest.raises(AlphabetMismatch) as refused:
            ff1.encrypt_numbers(np.array([1, bad, 2]), 9)
        assert str(refused.value) == "a number is outside 0 to 999999999"
    most = np.array([2**64 - 1, 0, 1], np.uint64)
    binary = FF1Columns(KEY, 2)
    assert np.array_equal(binary.decrypt_numbers(binary.encrypt_numbers(most, 64), 64), most)
    with pytest.raises(AlphabetMismatch):
        binary.encrypt_numbers(most, 63)
    for length in (65, 10**9, -1):
        with pytest.raises(Invalid):
            binary.encrypt_numbers(most, length)
    with pytest.raises(Invalid):
        ff1.encrypt_numbers(most, 20)


def test_a_wrong_numeral_is_told_before_a_small_domain():
    ff1 = FF1Columns(KEY, 10)
    with pytest.raises(AlphabetMismatch):
        ff1.encrypt(np.array([[1, 2, 10]]))
    with pytest.raises(AlphabetMismatch):
        ff1.encrypt_text(np.array([[48, 47]], np.uint8), DIGITS)
    with pytest.raises(AlphabetMismatch):
        ff1.encrypt_numbers(np.array([10]), 1)


@pytest.mark.parametrize("shape", [(), (9,), (3, 9, 1)])
def test_shape_that_is_no_column(shape):
    ff1 = FF1Columns(KEY, 10)
    with pytest.raises(Invalid):
        ff1.encrypt(np.zeros(shape, np.uint8))
    with pytest.raises(Invalid):
        ff1.encrypt_text(np.full(shape, 48, np.uint8), DIGITS)
    if shape != (9,):
        with pytest.raises(Invalid):
            ff1.encrypt_numbers(np.zeros(shape, np.uint64), 9)


def test_type_that_cannot_hold_the_result():
    with pytest.raises(Invalid):
        FF1Columns(KEY, 129).encrypt(np.zeros((3, 9), np.int8))
    assert FF1Columns(KEY, 128).encrypt(np.zeros((3, 9), np.int8)).dtype == np.int8
    with pytest.raises(Invalid):
        FF1Columns(KEY, 2).encrypt_text(np.full((3, 30), ord("0"), np.uint8), Alphabet("0€"))


@pytest.mark.parametrize(
    "tweak",
    [
        np.zeros((3, 16), np.int8),
        np.zeros((2, 16), np.uint8),
        np.zeros((4, 16), np.uint8),
        np.zeros((1, 16), np.uint8),
        np.zeros(16, np.uint8),
        np.zeros((3, 16, 1), np.uint8),
        "tweak",
        None,
        5,
        [b"a", b"b", b"c"],
    ],
    ids=["int8", "2 rows", "4 rows", "1 row", "flat", "deep", "text", "none", "number", "list"],
)
def test_tweak_that_does_not_fit(tweak):
    ff1 = FF1Columns(KEY, 10)
    with pytest.raises(Invalid):
        ff1.encrypt(np.zeros((3, 9), np.uint8), tweak)
    with pytest.raises(Invalid):
        ff1.decrypt_numbers(np.zeros(3, np.uint64), 9, tweak)


def test_bytes_of_any_kind_are_a_tweak():
    ff1, numerals = FF1Columns(KEY, 10), np.zeros((3, 9), np.uint8)
    expected = ff1.encrypt(numerals, b"tweak")
    assert np.array_equal(ff1.encrypt(numerals, bytearray(b"tweak")), expected)
    assert np.array_equal(ff1.encrypt(numerals, memoryview(b"t_w_e_a_k")[::2]), expected)


def test_other_refusals():
    with pytest.raises(Invalid):
        FF1Columns(KEY, 10).encrypt(np.zeros((3, 9), np.uint8), threads=0)
    with pytest.raises(Invalid):
        FF1Columns(KEY, 11).encrypt_text(np.full((3, 9), 48, np.uint8), DIGITS)
    endless = np.broadcast_to(np.uint8(1), (1, 2**32))
    with pytest.raises(Invalid):
        FF1Columns(KEY, 10).encrypt(endless)
    with pytest.raises(Invalid):
        FF1Columns(KEY, 10).encrypt(np.zeros((1, 9), np.uint8), endless)


@pytest.mark.parametrize("radix", [-1, 0, 1, 65537])
def test_radix_out_of_range(radix):
    with pytest.raises(Invalid):
        FF1Columns(KEY, radix)


@pytest.mark.parametrize("size", [0, 15, 17, 31, 33, 64])
def test_key_of_another_length(size):
    with pytest.raises(Invalid):
        FF1Columns(bytes(size), 10)


def test_repr_shows_no_key():
    assert repr(FF1Columns(KEY, 10)) == "FF1Columns(radix=10)"
