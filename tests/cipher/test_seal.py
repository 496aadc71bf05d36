"""Sealing against RFC 8452; whatever is tampered with, it is SealBroken and nothing else."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from math import floor, log2
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from hypothesis import given
from hypothesis import strategies as st

from confide.cipher.seal import MIN_PADDED, OVERHEAD, RepeatableSealingKey, SealingKey, pad, padme, unpad
from confide.errors import Invalid, SealBroken

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/rfc8452-c2.json").read_text())
KEY = SealingKey(bytes(range(32)))


@pytest.mark.asvs("11.2.1", "11.3.2")
@pytest.mark.parametrize("case", VECTORS, ids=lambda c: f"{len(c['plaintext']) // 2}-{len(c['aad']) // 2}")
def test_rfc_8452_in_the_library(case):
    key, nonce, aad, plaintext, result = map(bytes.fromhex, case.values())
    assert AESGCMSIV(key).encrypt(nonce, plaintext, aad) == result
    assert AESGCMSIV(key).decrypt(nonce, result, aad) == plaintext


def test_rfc_8452_through_open():
    """Our associated data begins with the format byte 01, and so do those of seven published cases."""
    ours = [case for case in VECTORS if case["aad"].startswith("01")]
    assert len(ours) == 7
    for case in ours:
        key, nonce, aad, plaintext, result = map(bytes.fromhex, case.values())
        assert SealingKey(key).open(b"\x01" + nonce + result, aad[1:]) == plaintext


@given(st.binary(max_size=300), st.binary(max_size=100))
def test_open_inverts_seal(plaintext, aad):
    sealed = KEY.seal(plaintext, aad)
    assert len(sealed) == len(plaintext) + OVERHEAD
    assert sealed[0] == 1
    assert KEY.open(sealed, aad) == plaintext
    assert KEY.unwrap(KEY.wrap(plaintext, aad), aad) == plaintext


def test_two_seals_of_the_same_differ():
    assert len({KEY.seal(b"x", b"") for _ in range(1000)}) == 1000


@pytest.mark.asvs("11.3.3")
@given(st.binary(max_size=100), st.binary(max_size=20), st.data())
def test_any_flipped_bit(plaintext, aad, data):
    sealed = bytearray(KEY.seal(plaintext, aad))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    for opening in (KEY.open, KEY.unwrap):
        with pytest.raises(SealBroken):
            opening(bytes(sealed), aad)


@given(st.binary(max_size=100), st.data())
def test_any_truncation_or_addition(plaintext, data):
    sealed = KEY.seal(plaintext, b"aad")
    cut = data.draw(st.integers(0, len(sealed) - 1))
    more = data.draw(st.binary(min_size=1, max_size=20))
    for broken in (sealed[:cut], sealed[cut + 1 :], sealed + more, more + sealed):
        with pytest.raises(SealBroken):
            KEY.open(broken, b"aad")


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_other_associated_data(one, other):
    sealed = KEY.seal(b"value", one)
    if one == other:
        assert KEY.open(sealed, other) == b"value"
    else:
        with pytest.raises(SealBroken):
            KEY.open(sealed, other)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_do_not_open(junk):
    for form in (b"", b"\x01", b"\x02"):
        for opening in (KEY.open, KEY.unwrap):
            with pytest.raises(SealBroken):
                opening(form + junk, b"")


def test_other_key():
    with pytest.raises(SealBroken) as broken:
        SealingKey(os.urandom(32)).open(KEY.seal(b"value", b""), b"")
    assert broken.value.__suppress_context__


def test_a_wrapped_key_is_not_a_sealed_value():
    sealed, wrapped = KEY.seal(b"k" * 32, b"a"), KEY.wrap(b"k" * 32, b"a")
    for opening, of_the_other_kind in ((KEY.unwrap, sealed), (KEY.open, wrapped)):
        with pytest.raises(SealBroken):
            opening(of_the_other_kind, b"a")
    with pytest.raises(SealBroken):  # not even with the format byte exchanged
        KEY.unwrap(b"\x02" + sealed[1:], b"a")


def test_a_database_may_give_a_memoryview():
    sealed = memoryview(KEY.seal(b"value", b"aad"))
    assert KEY.open(sealed, b"aad") == b"value"


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_key_of_another_length(size):
    with pytest.raises(Invalid):
        SealingKey(bytes(size))


def test_threads_share_one():
    def there_and_back(number):
        value = str(number).encode() * 50
        return KEY.open(KEY.seal(value, b"a"), b"a") == value

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(there_and_back, range(4000)))


def test_repr_shows_no_key():
    assert repr(KEY) == "SealingKey()"


def padme_as_published(length):
    """Algorithm 1 with the paper's floating logarithms; right for small lengths."""
    E = floor(log2(length))
    S = floor(log2(E)) + 1
    mask = 2 ** (E - S) - 1
    return (length + mask) & ~mask


def test_padme_is_the_paper_s():
    assert all(padme(length) == padme_as_published(length) for length in range(2, 20_000))
    # Worked by hand: 9 = 1001b, E=3, S=2, so one low bit is cleared upwards; and 1000: E=9, S=4, five bits.
    assert [padme(n) for n in (0, 1, 2, 8, 9, 100, 1000, 1024, 1025)] == [
        0,
        1,
        2,
        8,
        10,
        104,
        1024,
        1024,
        1088,
    ]


@given(st.integers(2, 2**40))
def test_padme_costs_at_most_12_percent(length):
    padded = padme(length)
    assert length <= padded <= length * 1.12
    assert padme(padded) == padded


def test_few_lengths_are_left():
    assert len({len(pad(bytes(n))) for n in range(61)}) == 1
    lengths = {len(pad(bytes(n))) for n in range(100_000)}
    assert len(lengths) <= 11 * 16  # at most 16 in each doubling from 64 to 2^17


@given(st.binary(max_size=600))
def test_unpad_inverts_pad(data):
    padded = pad(data)
    assert len(padded) >= MIN_PADDED
    assert padme(len(padded)) == len(padded)
    assert unpad(padded) == data


@given(st.binary(max_size=200))
def test_unpad_takes_only_what_pad_gives(junk):
    try:
        data = unpad(junk)
    except SealBroken:
        return
    assert pad(data) == junk


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\0\0\0",
        b"\0" * 63,
        b"\0" * 65,
        b"\xff" * 64,
        b"\0" * 63 + b"\1",
        pad(b"x" * 100) + b"\0",
        pad(b"")[:-1],
    ],
)
def test_broken_padding(broken):
    with pytest.raises(SealBroken):
        unpad(broken)


@given(st.lists(st.binary(max_size=80), max_size=12), st.binary(max_size=20), st.data())
def test_the_same_work_done_again_gives_the_same_seals(values, aad, data):
    def run(nonces, values):
        key = RepeatableSealingKey(bytes(range(32)), nonces)
        at = data.draw(st.integers(0, len(values)))  # in however many calls
        return key.seal_all(values[:at], aad) + [key.seal(value, aad) for value in values[at:]]

    made = run(b"n" * 32, values)
    assert run(b"n" * 32, values) == made
    assert [KEY.open(each, aad) for each in made] == values
    # Nothing but that shares a nonce: equal values in it do not, nor another run, nor other values.
    others = made + run(b"m" * 32, values) + run(b"n" * 32, [each + b"x" for each in values])
    assert len({each[1:13] for each in others}) == len(others)
    assert "n" * 32 not in repr(RepeatableSealingKey(bytes(range(32)), b"n" * 32))
