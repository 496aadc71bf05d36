"""FF1 over columns: arrays as they come, and chunks and threads, which change nothing."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from confide.cipher.alphabet import Alphabet
from confide.cipher.columns.chunks import CHUNK, LEAST
from confide.cipher.ff1 import FF1
from confide.cipher.ff1_columns import FF1Columns
from confide.errors import Invalid

KEY = bytes(range(32))
DIGITS = Alphabet("0123456789")


def column(radix, n, rows, seed=0):
    return np.random.default_rng(seed).integers(0, radix, (rows, n))


VIEWS = {
    "columns first": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "big-endian": lambda x: x.astype(">i4"),
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
}


@pytest.mark.parametrize("n", [9, 45])
@pytest.mark.parametrize("view", VIEWS)
def test_any_layout_of_memory(view, n):
    ff1, numerals = FF1Columns(KEY, 10), column(10, n, 30)
    tweaks = np.random.default_rng(0).integers(0, 256, (30, 16), np.uint8)
    strange, strange_tweaks = VIEWS[view](numerals), VIEWS[view](tweaks).astype(np.uint8, copy=False)
    before = strange.copy()
    secret = ff1.encrypt(strange, strange_tweaks)
    assert np.array_equal(secret, ff1.encrypt(numerals, tweaks))
    assert secret.dtype == strange.dtype
    assert secret.flags.c_contiguous
    assert secret.flags.writeable
    assert np.array_equal(strange, before)
    assert np.array_equal(tweaks, strange_tweaks)


def test_text_and_numbers_of_any_layout():
    ff1 = FF1Columns(KEY, 10)
    codes = (column(10, 9, 30) + 48).astype(np.uint8)
    numbers = np.arange(30, dtype=np.uint64)
    for view in (np.asfortranarray, lambda x: np.repeat(x, 2, axis=0)[::2], lambda x: x[::-1].copy()[::-1]):
        secret = ff1.encrypt_text(codes, DIGITS)
        assert np.array_equal(ff1.encrypt_text(view(codes), DIGITS), secret)
        assert np.array_equal(ff1.encrypt_numbers(view(numbers), 9), ff1.encrypt_numbers(numbers, 9))
    assert np.array_equal(ff1.encrypt_text(np.broadcast_to(codes[:1], (30, 9)), DIGITS), secret[[0] * 30])


@pytest.mark.parametrize("n", [0, 1, 9, 45])
def test_column_without_rows(n):
    ff1, none = FF1Columns(KEY, 10), np.empty((0, n), np.uint8)
    tweaks = np.empty((0, 16), np.uint8)
    for way in (ff1.encrypt, ff1.decrypt):
        assert way(none).shape == way(none, tweaks).shape == (0, n)
    for way in (ff1.encrypt_text, ff1.decrypt_text):
        assert way(none, DIGITS, tweaks, threads=2).shape == (0, n)
        assert way(none, DIGITS).dtype == np.uint8
    assert ff1.encrypt_numbers(np.empty(0, np.uint64), 9).shape == (0,)


@pytest.mark.parametrize("form", ["numerals", "text", "numbers", "limbs", "tweaks"])
@pytest.mark.parametrize("rows", [LEAST, LEAST + 1, 3 * LEAST + 7, CHUNK + 1, 2 * CHUNK + 12345])
def test_threads_and_chunks_change_nothing(form, rows):
    ff1 = FF1Columns(KEY, 10)
    numerals = column(10, 45 if form == "limbs" else 9, rows)
    tweak = b"tweak"
    if form == "tweaks":
        tweak = np.random.default_rng(1).integers(0, 256, (rows, 16), np.uint8)
    if form == "numbers":
        numbers = numerals @ 10 ** np.arange(8, -1, -1)
        alone, together = (ff1.encrypt_numbers(numbers, 9, tweak, threads=k) for k in (1, 2))
        back = ff1.decrypt_numbers(together, 9, tweak, threads=3)
        expected = ff1.encrypt(numerals, tweak) @ 10 ** np.arange(8, -1, -1)
        assert np.array_equal(back, numbers)
    elif form == "text":
        codes = (numerals + 48).astype(np.uint8)
        alone, together = (ff1.encrypt_text(codes, DIGITS, tweak, threads=k) for k in (1, 2))
        assert np.array_equal(ff1.decrypt_text(together, DIGITS, tweak, threads=3), codes)
        expected = ff1.encrypt(numerals, tweak) + 48
    else:
        alone, together = (ff1.encrypt(numerals, tweak, threads=k) for k in (1, 2))
        assert np.array_equal(ff1.decrypt(together, tweak, threads=3), numerals)
        # Row by row where a chunk may end
        some = [0, 1, LEAST - 1, rows // 2, rows - 2, rows - 1]
        for row in some:
            own = tweak[row].tobytes() if form == "tweaks" else tweak
            assert alone[row].tolist() == FF1(KEY, 10).encrypt(numerals[row], own)
        expected = alone
    assert np.array_equal(alone, together)
    assert np.array_equal(alone, expected)


def test_threads_share_one():
    ff1 = FF1Columns(KEY, 10)
    columns = [(column(10, n, 300, n) + 48).astype(np.uint8) for n in (6, 9, 16, 20, 45)]
    alone = [ff1.encrypt_text(codes, DIGITS, b"tweak") for codes in columns]
    shared = FF1Columns(KEY, 10)
    alphabet = Alphabet(DIGITS.characters)
    with ThreadPoolExecutor(8) as threads:
        together = list(
            threads.map(lambda codes: shared.encrypt_text(codes, alphabet, b"tweak"), columns * 8)
        )
    assert all(np.array_equal(one, other) for one, other in zip(together, alone * 8, strict=True))


def test_numbers_of_numpy_for_radix_and_length():
    """They would overflow where powers are formed."""
    numerals, numbers = column(10, 45, 30), np.arange(30)
    plain, ff1 = FF1Columns(KEY, 10), FF1Columns(KEY, np.int64(10))
    assert np.array_equal(ff1.encrypt(numerals), plain.encrypt(numerals))
    assert np.array_equal(ff1.encrypt(numerals[:1]), plain.encrypt(numerals[:1]))
    assert np.array_equal(ff1.encrypt_numbers(numbers, np.int8(19)), plain.encrypt_numbers(numbers, 19))
    with pytest.raises(Invalid):
        ff1.encrypt_numbers(numbers, np.int64(20))
