"""What every Kms does. An implementation joins by a line in KMS: how to make one in an empty folder."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from confide.errors import SealBroken
from confide.protect.kms.file import FileKms

KMS = {
    "file": lambda folder: FileKms.create(folder / "root.key"),
    "file with passphrase": lambda folder: FileKms.create(folder / "root.key", "correct horse"),
}

same_kms = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=KMS.values(), ids=KMS.keys())
def make(request, tmp_path):
    def make(name="kms"):
        folder = tmp_path / name
        folder.mkdir()
        return request.param(folder)

    return make


@pytest.fixture
def kms(make):
    return make()


def test_unwrap_inverts_wrap(kms):
    key = os.urandom(32)
    wrapped = kms.wrap(key, b"practice")
    assert isinstance(wrapped, bytes)
    assert key not in wrapped
    assert kms.unwrap(wrapped, b"practice") == key


def test_other_bytes_each_time(kms):
    assert kms.wrap(b"k" * 32, b"a") != kms.wrap(b"k" * 32, b"a")


def test_bound_to_the_context(kms):
    wrapped = kms.wrap(b"k" * 32, b"practice one")
    for other in (b"practice two", b"", b"practice one\0"):
        with pytest.raises(SealBroken):
            kms.unwrap(wrapped, other)


def test_bound_to_the_root_key(make):
    with pytest.raises(SealBroken):
        make("one").unwrap(make("other").wrap(b"k" * 32, b"a"), b"a")


def test_edited_bytes(kms):
    @same_kms
    @given(st.data())
    def edited(data):
        wrapped = bytearray(kms.wrap(b"k" * 32, b"a"))
        wrapped[data.draw(st.integers(0, len(wrapped) - 1))] ^= data.draw(st.integers(1, 255))
        with pytest.raises(SealBroken):
            kms.unwrap(bytes(wrapped), b"a")

    @same_kms
    @given(st.binary(max_size=100))
    def never_wrapped(junk):
        with pytest.raises(SealBroken):
            kms.unwrap(junk, b"a")

    edited()
    never_wrapped()


def test_it_says_its_name_and_no_key(kms):
    assert kms.name
    assert "key=" not in repr(kms)
    assert "0x" not in repr(kms)
