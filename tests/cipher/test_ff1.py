"""FF1 against everything NIST publishes, and its refusals."""

import hashlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.cipher.ff1 import FF1, MAX_RADIX, NUM, STR
from confide.errors import AlphabetMismatch, ConfideError, DomainTooSmall, Invalid

VECTORS = Path(__file__).parents[1] / "vectors"
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
KEY = bytes(range(32))


@pytest.mark.parametrize(
    "case", json.loads((VECTORS / "nist-ff1-samples.json").read_text()), ids=lambda c: c["n"]
)
def test_nist_sample(case):
    ff1 = FF1(bytes.fromhex(case["key"]), case["radix"])
    tweak = bytes.fromhex(case["tweak"])
    clear, secret = ([DIGITS.index(c) for c in case[side]] for side in ("pt", "ct"))
    assert ff1.encrypt(clear, tweak) == secret
    assert ff1.decrypt(secret, tweak) == clear


@pytest.mark.parametrize("number", range(1, 31))
def test_acvp_group_both_ways(acvp, number):
    """25 cases each. None is below 10^6 values (the least is 4^10), so all go the public way."""
    group = acvp[number]
    numeral = {character: value for value, character in enumerate(group["alphabet"])}
    assert len(group["tests"]) == 25
    for case in group["tests"]:
        ff1 = FF1(bytes.fromhex(case["key"]), group["radix"])
        tweak = bytes.fromhex(case["tweak"])
        clear, secret = ([numeral[c] for c in case[side]] for side in ("pt", "ct"))
        assert ff1.encrypt(clear, tweak) == secret, case["tcId"]
        assert ff1.decrypt(secret, tweak) == clear, case["tcId"]


def test_acvp_is_complete(acvp):
    assert sorted(acvp) == list(range(1, 31))
    assert sum(len(group["tests"]) for group in acvp.values()) == 750


@st.composite
def strings(draw):
    radix = draw(st.sampled_from([2, 3, 10, 16, 26, 36, 62, 255, 256, 257, 1000, 65535, 65536]))
    least = next(n for n in range(1, 21) if radix**n >= 1_000_000)
    numerals = draw(st.lists(st.integers(0, radix - 1), min_size=least, max_size=least + 40))
    return radix, numerals


@given(strings(), st.binary(max_size=70), st.sampled_from([16, 24, 32]))
def test_decrypt_inverts_encrypt(string, tweak, size):
    radix, numerals = string
    ff1 = FF1(KEY[:size], radix)
    secret = ff1.encrypt(numerals, tweak)
    assert len(secret) == len(numerals)
    assert all(type(x) is int and 0 <= x < radix for x in secret)
    assert ff1.decrypt(secret, tweak) == numerals
    assert ff1.encrypt(ff1.decrypt(numerals, tweak), tweak) == numerals


def test_long_strings_and_tweaks():
    """b above 16 bytes: S takes more than one block (step 6.iii), and i and B span several."""
    for radix, n, t in product((2, 10, 65536), (63, 300, 1001), (0, 1, 15, 16, 17, 5000)):
        ff1, tweak = FF1(KEY, radix), os.urandom(t)
        numerals = [i * 7919 % radix for i in range(n)]
        assert ff1.decrypt(ff1.encrypt(numerals, tweak), tweak) == numerals


def test_it_is_a_permutation_and_depends_on_everything():
    """10^6 values are too many for a quick test; a stretch of them shows collisions of a wrong round."""
    ff1 = FF1(KEY, 10)
    out = {tuple(ff1.encrypt(STR(x, 6, 10), b"t")) for x in range(2000)}
    assert len(out) == 2000
    numerals = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    others = [
        ff1.encrypt(numerals, b"a"),
        ff1.encrypt(numerals, b"b"),
        ff1.encrypt(numerals, b"a\0"),
        FF1(KEY[::-1], 10).encrypt(numerals, b"a"),
        FF1(KEY, 11).encrypt(numerals, b"a"),
    ]
    assert len({tuple(other) for other in others}) == len(others)


@pytest.mark.parametrize("radix", [2, 3, 4, 7, 9, 10, 16, 31, 36, 64, 100, 1000, 1024, 46341, 65535, 65536])
def test_byte_length_is_exact(radix):
    """b is the least number of bytes for radix^v values; a floating logarithm fails at exact powers."""
    for v in [*range(1, 70), 127, 128, 129, 500]:
        bits = (radix**v - 1).bit_length()
        assert 2 ** (bits - 1) < radix**v <= 2**bits
        b = (bits + 7) // 8
        assert 256 ** (b - 1) < radix**v <= 256**b


@pytest.mark.parametrize("bad", [10, -1, 2**70, -(2**70), 1.0, "1", None])
@pytest.mark.parametrize("way", ["encrypt", "decrypt"])
def test_numeral_out_of_range(bad, way):
    with pytest.raises(AlphabetMismatch) as refused:
        getattr(FF1(KEY, 10), way)([1, 2, 3, bad, 5, 6, 7])
    assert str(bad) not in str(refused.value).replace("0 to 9", "")


@pytest.mark.parametrize("way", ["encrypt", "decrypt"])
@pytest.mark.parametrize(
    ("radix", "n"), [(10, 6), (2, 20), (36, 4), (1000, 2), (65536, 2), (999, 3), (3, 13)]
)
def test_smallest_domain(radix, n, way):
    """radix^n >= 10^6: the least length passes, one less does not."""
    run = getattr(FF1(KEY, radix), way)
    assert len(run([1] * n)) == n
    for fewer in {n - 1, 1, 0}:
        with pytest.raises(DomainTooSmall):
            run([1] * fewer)
    assert radix ** (n - 1) < 1_000_000 <= radix**n


@pytest.mark.parametrize("radix", [-1, 0, 1, MAX_RADIX + 1])
def test_radix_out_of_range(radix):
    with pytest.raises(Invalid):
        FF1(KEY, radix)


@pytest.mark.parametrize("size", [0, 15, 17, 31, 33, 64])
def test_key_of_another_length(size):
    with pytest.raises(Invalid):
        FF1(bytes(size), 10)


@given(
    st.lists(st.integers() | st.floats() | st.text(max_size=2) | st.none(), max_size=30),
    st.binary(max_size=40),
)
def test_anything_in_gives_an_error_of_ours_or_a_result(numerals, tweak):
    with suppress(ConfideError):
        assert FF1(KEY, 10).decrypt(FF1(KEY, 10).encrypt(numerals, tweak), tweak) == numerals


@given(st.integers(2, 65536), st.lists(st.integers(0, 65535), max_size=30))
def test_num_and_str_are_inverse(radix, raw):
    numerals = [x % radix for x in raw]
    assert STR(NUM(numerals, radix), len(numerals), radix) == numerals


def test_threads_share_one():
    ff1 = FF1(KEY, 10)
    values = [STR(x * 999_983 % 10**9, 9, 10) for x in range(500)]
    alone = [ff1.encrypt(value, b"tweak") for value in values]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda value: ff1.encrypt(value, b"tweak"), values * 8))
    assert together == alone * 8


def test_repr_shows_no_key():
    assert repr(FF1(KEY, 10)) == "FF1(radix=10)"


def test_vectors_are_those_of_sources():
    rows = re.findall(
        r"^\| `([\w.-]+)` .*`([0-9a-f]{64})` \|$", (VECTORS / "SOURCES.md").read_text(), re.MULTILINE
    )
    ours = dict(rows)
    for name in ("nist-ff1-samples.json", "rfc8452-c2.json", "rfc5869.json"):
        assert hashlib.sha256((VECTORS / name).read_bytes()).hexdigest() == ours[name]
