"""HKDF and HMAC against the RFCs; framing is injective."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.cipher.derive import Mac, digest, expand, extract, frame, hkdf
from confide.errors import Invalid

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.mark.parametrize("case", json.loads((VECTORS / "rfc5869.json").read_text()), ids=lambda c: c["case"])
def test_rfc_5869(case):
    key, salt, info = (bytes.fromhex(case[part]) for part in ("ikm", "salt", "info"))
    assert hkdf(key, info, case["length"], salt=salt).hex() == case["okm"]
    assert extract(key, salt).hex() == case["prk"]
    assert expand(bytes.fromhex(case["prk"]), info, case["length"]).hex() == case["okm"]


def test_rfc_4231_case_2():
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert digest(b"Jefe", b"what do ya want for nothing?").hex() == expected


@given(st.binary(min_size=1, max_size=80), st.binary(max_size=80), st.integers(1, 300))
def test_in_one_step_or_two(key, info, length):
    derived = hkdf(key, info, length)
    assert len(derived) == length
    assert derived == expand(extract(key), info, length)
    assert derived[:1] == hkdf(key, info)[:1]


@pytest.mark.parametrize("length", [0, -1, 255 * 32 + 1])
def test_length_out_of_range(length):
    with pytest.raises(Invalid):
        hkdf(b"key", b"", length)
    with pytest.raises(Invalid):
        expand(bytes(32), b"", length)


@given(st.binary(max_size=100), st.lists(st.binary(max_size=100), max_size=3))
def test_digest_is_hmac_each_time_that_a_key_is_used(key, several):
    mac = Mac(key)
    for data in several:
        assert digest(key, data) == mac.digest(data) == hmac.new(key, data, hashlib.sha256).digest()


@given(st.binary(max_size=80), st.binary(max_size=80), st.integers(1, 32))
def test_one_block_of_hkdf_of_a_kept_key(key, info, length):
    assert Mac(key).expand(info, length) == expand(key, info, length)
    for wrong in (0, 33):
        with pytest.raises(Invalid):
            Mac(key).expand(info, wrong)


@given(st.lists(st.text(max_size=5), max_size=5), st.lists(st.text(max_size=5), max_size=5))
def test_different_lists_are_framed_differently(one, other):
    assert (frame(*one) == frame(*other)) == (one == other)


def test_frame():
    assert frame() == b""
    assert frame("é", b"\0", 12) == b"\0\0\0\2\xc3\xa9\0\0\0\1\0\0\0\0\x0212"
    assert frame("\ud800")
