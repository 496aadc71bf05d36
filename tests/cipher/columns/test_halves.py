"""The arithmetic of a round on numbers that AES hardly ever gives: zeros, ones, and those near a modulus."""

from itertools import count

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from confide.cipher.columns.halves import Halves
from confide.cipher.columns.limbs import Limbs, split
from confide.cipher.columns.prf import PRF

AES = Cipher(algorithms.AES(bytes(32)), modes.ECB())


def hard(bits, modulus, seed):
    """Numbers of so many bits, those near 0, near the top and near multiples of *modulus* among them."""
    rng = np.random.default_rng(seed)
    most = (1 << bits) - 1
    multiples = [most // modulus, most // modulus // 2, 1, 0]
    near = [k * modulus + delta for k in multiples for delta in (-1, 0, 1)]
    chance = [int.from_bytes(rng.bytes(bits // 8)) for _ in range(10)]
    return [y for y in [0, 1, most - 1, most, *near, *chance] if 0 <= y <= most]


def words(numbers, count):
    """By words of 32 bits, the most significant first."""
    return [np.array([x >> 32 * k & 0xFFFFFFFF for x in numbers], np.uint64) for k in reversed(range(count))]


def up_to(radix, most):
    """The greatest v with radix^v at most that."""
    return next(v for v in count(1) if radix ** (v + 1) > most)


@st.composite
def shapes(draw, above, most):
    """A radix, and how many numerals have from above so many bits to at most so many."""
    radix = draw(st.integers(2, 65536))
    return radix, draw(st.integers(up_to(radix, 1 << above) + 1 if above else 1, up_to(radix, 1 << most)))


@given(shapes(0, 56), st.integers(0, 2**32 - 1))
def test_y_modulo_a_half_of_one_number(shape, seed):
    radix, v = shape
    prf = PRF(AES, radix, v, v, 0)
    ys = hard(8 * prf.d, radix**v, seed)
    halves = Halves(prf, radix, v, v, len(ys))
    assert prf.d in {8, 12}
    by_words = words(ys, prf.d // 4)
    # As AES leaves it, and what follows y in R is not 0.
    R = halves._R[: len(ys)].view(">u4").reshape(len(ys), 4)
    R[:] = 0xFFFFFFFF
    for column, word in enumerate(by_words):
        R[:, column] = word
    halves._prf = Silent(prf)
    halves._round(0, np.zeros(len(ys), np.uint64))
    assert halves._y.tolist() == [y % radix**v for y in ys]


class Silent:
    """A PRF whose AES leaves R as it stands."""

    def __init__(self, prf):
        self.b, self.d = prf.b, prf.d

    def ciph(self, blocks, out):
        pass


@given(shapes(56, 600), st.integers(0, 2**32 - 1))
def test_limbs_add_and_subtract(shape, seed):
    radix, v = shape
    modulus = radix**v
    prf = PRF(AES, radix, v, v, 0)
    ys = hard(8 * prf.d, modulus, seed)
    halves = [y % modulus for y in reversed(ys)]
    halves[:3] = 0, modulus - 1, modulus - 1
    limbs = Limbs(prf, radix, v, v, len(ys))
    bases = [radix**g for g in split(radix, v)]

    def by_digits():
        left, digits = list(halves), []
        for base in bases:
            digits.append(np.array([x % base for x in left], np.uint64))
            left = [x // base for x in left]
        return digits

    def whole(digits):
        number = [0] * len(ys)
        for digit, base in zip(reversed(digits), reversed(bases), strict=True):
            number = [x * base + int(d) for x, d in zip(number, digit, strict=True)]
        return number

    limbs._to_words(by_digits(), 1)
    assert [sum(int(w[row]) << 32 * k for k, w in enumerate(limbs._half)) for row in range(len(ys))] == halves
    for work, expected in (
        (limbs._add, [(x + y) % modulus for x, y in zip(halves, ys, strict=True)]),
        (limbs._subtract, [(x - y) % modulus for x, y in zip(halves, ys, strict=True)]),
    ):
        digits = by_digits()
        for place, word in zip(limbs._y, words(ys, prf.d // 4), strict=True):
            place[:] = word
        work(digits, 1)
        assert whole(digits) == expected


@pytest.mark.parametrize("radix", [2, 3, 10, 26, 36, 62, 256, 1625, 1626, 65535, 65536])
def test_super_digits_are_as_large_as_32_bits_allow(radix):
    for m in range(1, 70):
        sizes = split(radix, m)
        assert sum(sizes) == m
        assert all(radix**g <= 1 << 32 < radix ** (g + 1) for g in sizes[:-1])
        assert 0 < sizes[-1] <= max(sizes)
