"""Numerals to numbers and back, at every width, against Python's integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.cipher.columns.digits import Reader, Writer, numeral_type
from confide.cipher.ff1 import NUM, STR

RADICES = [2, 3, 4, 5, 9, 10, 15, 16, 17, 26, 36, 62, 64, 100, 254, 255, 256, 257, 1000, 65535, 65536]


def scratch():
    return [np.full(7, 2**64 - 1, np.uint64) for _ in range(3)]


def most_numerals(radix):
    return max(m for m in range(1, 65) if radix**m <= 1 << 64)


@pytest.mark.parametrize("radix", RADICES)
@pytest.mark.parametrize("seed", [0, 1])
def test_reading_any_stretch(radix, seed):
    most = most_numerals(radix)
    numerals = np.random.default_rng(seed).integers(0, radix, (7, most + 3))
    numerals[0], numerals[1] = radix - 1, 0
    reader = Reader(radix, *numerals.shape, scratch())
    reader.numerals[:] = numerals
    for start in range(4):
        for stop in range(start + 1, start + most + 1):
            number = np.empty(7, np.uint64)
            reader.number(start, stop, number)
            assert number.tolist() == [NUM(row[start:stop].tolist(), radix) for row in numerals]
    assert np.array_equal(reader.numerals, numerals)


@pytest.mark.parametrize("radix", RADICES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_writing_any_stretch(radix, dtype):
    if np.iinfo(dtype).max < radix - 1:
        dtype = np.uint32
    codes = np.arange(radix, dtype=dtype)[::-1].copy()
    writer = Writer(codes)
    for width in range(1, most_numerals(radix) + 1):
        numbers = np.random.default_rng(width).integers(0, radix**width - 1, 7, np.uint64, endpoint=True)
        numbers[:2] = 0, radix**width - 1
        matrix = np.full((7, width + 2), 77, dtype)
        writer.write(numbers.copy(), matrix, 1, width + 1, scratch())
        expected = [[int(codes[x]) for x in STR(number, width, radix)] for number in numbers.tolist()]
        assert matrix[:, 1:-1].tolist() == expected
        assert (matrix[:, [0, -1]] == min(77, np.iinfo(dtype).max)).all()


@given(st.integers(2, 65536))
def test_the_type_holds_one_value_more(radix):
    assert np.iinfo(numeral_type(radix)).max >= radix
