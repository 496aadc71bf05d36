"""FF1 over columns against NIST's vectors and against the scalar FF1, which is its judge."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confide.cipher.alphabet import Alphabet
from confide.cipher.ff1 import FF1, NUM
from confide.cipher.ff1_columns import FEWEST, FF1Columns
from confide.errors import DomainTooSmall

VECTORS = Path(__file__).parents[1] / "vectors"
KEY = bytes(range(32))
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def least_length(radix):
    return next(n for n in range(1, 21) if radix**n >= 1_000_000)


def one_by_one(key, radix, numerals, tweak):
    """The oracle."""
    scalar = FF1(key, radix)
    own = [tweak] * len(numerals) if isinstance(tweak, bytes) else [row.tobytes() for row in tweak]
    return np.array([scalar.encrypt(row, t) for row, t in zip(numerals.tolist(), own, strict=True)])


def column(radix, n, rows, seed=0):
    """Random numerals, and first the least and the greatest string."""
    numerals = np.random.default_rng(seed).integers(0, radix, (rows, n))
    numerals[:1] = 0
    numerals[1:2] = radix - 1
    return numerals


# What NIST publishes. One string is repeated to a column, so that none is short enough to go one by one.


@pytest.mark.parametrize(
    "case", json.loads((VECTORS / "nist-ff1-samples.json").read_text()), ids=lambda c: c["n"]
)
def test_nist_sample(case):
    ff1 = FF1Columns(bytes.fromhex(case["key"]), case["radix"])
    tweak = bytes.fromhex(case["tweak"])
    alphabet = Alphabet(BASE36[: case["radix"]])
    clear, secret = (
        np.frombuffer(case[side].encode() * FEWEST, np.uint8).reshape(FEWEST, -1) for side in ("pt", "ct")
    )
    assert np.array_equal(ff1.encrypt_text(clear, alphabet, tweak), secret)
    assert np.array_equal(ff1.decrypt_text(secret, alphabet, tweak), clear)


@pytest.mark.parametrize("number", range(1, 31))
def test_acvp_group_both_ways(acvp, number):
    group = acvp[number]
    alphabet = Alphabet(group["alphabet"])
    assert len(group["tests"]) == 25
    for case in group["tests"]:
        ff1 = FF1Columns(bytes.fromhex(case["key"]), group["radix"])
        tweak = bytes.fromhex(case["tweak"])
        tweaks = np.tile(np.frombuffer(tweak, np.uint8), (FEWEST, 1))
        clear, secret = (
            np.array([[ord(character) for character in case[side]]] * FEWEST, np.uint32)
            for side in ("pt", "ct")
        )
        assert np.array_equal(ff1.encrypt_text(clear, alphabet, tweak), secret), case["tcId"]
        assert np.array_equal(ff1.decrypt_text(secret, alphabet, tweak), clear), case["tcId"]
        assert np.array_equal(ff1.encrypt_text(clear, alphabet, tweaks), secret), case["tcId"]
        assert np.array_equal(ff1.encrypt_text(clear[:1], alphabet, tweak), secret[:1]), case["tcId"]


# Equal to the scalar FF1


@st.composite
def columns(draw):
    radix = draw(
        st.sampled_from([2, 3, 10, 16, 17, 26, 36, 62, 255, 256, 257, 65535, 65536]) | st.integers(2, 65536)
    )
    n = draw(st.integers(2, 60) | st.integers(61, 200))
    n = max(n, least_length(radix))
    rows = draw(st.sampled_from([1, 2, FEWEST - 1, FEWEST, 33]))
    numerals = column(radix, n, rows, draw(st.integers(0, 2**32 - 1)))
    fitting = [t for t in "bBhHiIlLqQ" if np.iinfo(t).max >= radix - 1]
    return radix, numerals.astype(draw(st.sampled_from(fitting)))


@given(
    columns(),
    st.integers(0, 64) | st.integers(65, 300),
    st.booleans(),
    st.sampled_from([16, 24, 32]),
    st.data(),
)
@settings(max_examples=300)
def test_columns_are_the_scalar(made, t, a_tweak_per_row, size, data):
    radix, numerals = made
    rows = len(numerals)
    tweak = data.draw(st.binary(min_size=t, max_size=t))
    if a_tweak_per_row:
        seed = data.draw(st.integers(0, 2**32 - 1))
        tweak = np.random.default_rng(seed).integers(0, 256, (rows, t), np.uint8)
    ff1 = FF1Columns(KEY[:size], radix)
    before = numerals.copy()
    secret = ff1.encrypt(numerals, tweak)
    assert secret.dtype == numerals.dtype
    assert np.array_equal(secret, one_by_one(KEY[:size], radix, numerals, tweak))
    assert np.array_equal(ff1.decrypt(secret, tweak), numerals)
    assert np.array_equal(numerals, before)


NEAR = [
    31,
    32,
    33,
    55,
    56,
    57,
    63,
    64,
    65,
    95,
    96,
    97,
    119,
    120,
    127,
    128,
    129,
    247,
    248,
    255,
    257,
    511,
    512,
    513,
]
"""Bits of a half where something else begins: another type, word or block, and the way one by one."""


@pytest.mark.parametrize("odd", [0, 1], ids=["even", "odd"])
@pytest.mark.parametrize("bits", NEAR)
@pytest.mark.parametrize("radix", [2, 10, 26, 36, 62, 256, 257, 65536])
def test_at_the_edges_of_words(radix, bits, odd):
    """A half of the most numerals that fit in so many bits, and one of one numeral more."""
    fits = next(v for v in range(600) if radix ** (v + 1) > 1 << bits)
    tweaks = np.random.default_rng(bits).integers(0, 256, (20, 16), np.uint8)
    ff1 = FF1Columns(KEY, radix)
    for v in {max(1, fits), fits + 1}:
        n = max(2 * v - odd, least_length(radix))
        numerals = column(radix, n, 20, bits)
        for tweak in (b"", tweaks):
            secret = ff1.encrypt(numerals, tweak)
            assert np.array_equal(secret, one_by_one(KEY, radix, numerals, tweak))
            assert np.array_equal(ff1.decrypt(secret, tweak), numerals)


@pytest.mark.parametrize("radix", [2, 3, 4, 10, 26, 36, 62, 100, 256, 999, 1000, 1001, 65536])
def test_smallest_domain(radix):
    """radix^n >= 10^6: the least length passes, one less does not; a column without rows is not refused."""
    n = least_length(radix)
    ff1, alphabet = FF1Columns(KEY, radix), Alphabet("".join(map(chr, range(0x10000, 0x10000 + radix))))
    numerals = column(radix, n, 50)
    assert np.array_equal(ff1.encrypt(numerals), one_by_one(KEY, radix, numerals, b""))
    for fewer in {n - 1, 0}:
        short = numerals[:, :fewer]
        for way in (ff1.encrypt, ff1.decrypt):
            with pytest.raises(DomainTooSmall):
                way(short)
        for way in (ff1.encrypt_text, ff1.decrypt_text):
            with pytest.raises(DomainTooSmall):
                way((short + 0x10000).astype(np.uint32), alphabet)
        for way in (ff1.encrypt_numbers, ff1.decrypt_numbers):
            with pytest.raises(DomainTooSmall):
                way(np.zeros(3, np.uint64), fewer)
        assert ff1.encrypt(short[:0]).shape == (0, fewer)


def test_the_whole_of_the_smallest_domain():
    """All million strings of six digits: each comes out once, and goes back."""
    ff1, numbers = FF1Columns(KEY, 10), np.arange(1_000_000, dtype=np.uint64)
    secret = ff1.encrypt_numbers(numbers, 6, b"tweak")
    assert np.array_equal(np.sort(secret), numbers)
    assert np.array_equal(ff1.decrypt_numbers(secret, 6, b"tweak"), numbers)


@given(st.integers(2, 65536), st.integers(1, 64), st.sampled_from("iIqQ"), st.integers(0, 2**32 - 1))
def test_numbers_are_strings(radix, n, dtype, seed):
    n = max(n, least_length(radix))
    while radix**n > 1 << 64:
        n -= 1
    if radix**n < 1_000_000:
        return
    top = min(radix**n - 1, np.iinfo(dtype).max)
    numbers = np.random.default_rng(seed).integers(0, top, 20, np.uint64, endpoint=True).astype(dtype)
    numbers[:2] = 0, top
    ff1 = FF1Columns(KEY, radix)
    secret = ff1.encrypt_numbers(numbers, n, b"tweak")
    scalar = FF1(KEY, radix)
    strings = [[int(x) // radix ** (n - 1 - j) % radix for j in range(n)] for x in numbers]
    assert secret.dtype == np.uint64
    assert secret.tolist() == [NUM(scalar.encrypt(string, b"tweak"), radix) for string in strings]
    assert np.array_equal(ff1.decrypt_numbers(secret, n, b"tweak"), numbers.astype(np.uint64))


@given(
    st.integers(2, 400), st.integers(0, 2**32 - 1), st.sampled_from(["run", "runs", "mixed"]), st.booleans()
)
def test_text_is_numerals(radix, seed, kind, narrow):
    """Any characters: neighbours in Unicode, a few stretches of them, or none beside another."""
    rng = np.random.default_rng(seed)
    points = np.arange(radix) + (rng.integers(0, 257 - radix) if narrow and radix <= 256 else 0x1F600)
    if kind == "runs":
        points = np.roll(points, radix // 3)
    if kind == "mixed":
        rng.shuffle(points)
    alphabet = Alphabet("".join(map(chr, points)))
    numerals = column(radix, least_length(radix) + seed % 12, FEWEST, seed)
    codes = points[numerals].astype(np.uint8 if points.max() < 256 else np.uint32)
    ff1 = FF1Columns(KEY, radix)
    secret = ff1.encrypt_text(codes, alphabet, b"tweak")
    assert secret.dtype == codes.dtype
    assert np.array_equal(secret, points[ff1.encrypt(numerals, b"tweak")])
    assert np.array_equal(ff1.decrypt_text(secret, alphabet, b"tweak"), codes)
    wide = ff1.encrypt_text(codes.astype(np.uint32), alphabet, b"tweak")
    assert wide.dtype == np.uint32
    assert np.array_equal(wide, secret)
