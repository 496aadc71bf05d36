"""The column keyring: a file of its own, never mistaken for a key of the server."""

import copy
import json
import pickle
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.columns import ColumnKeyring, protect, reveal
from confide.errors import ConfideError, Damaged, Invalid, KeyUnavailable, Misconfigured, SealBroken
from confide.protect.keystore import FileDataKeys
from confide.protect.kms.file import FileKms

SSN = ["078-05-1120", None]


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_create_and_open(tmp_path, passphrase):
    path = tmp_path / "columns.keyring"
    made = ColumnKeyring.create(path, passphrase, datetime(2026, 1, 2, tzinfo=UTC))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = json.loads(path.read_text())
    assert content["format"] == "confide column keyring, version 1"
    assert content["versions"] == {"1": "2026-01-02T00:00:00+00:00"}
    assert ("key" in content) == (passphrase is None)
    opened = ColumnKeyring.open(path, passphrase)
    assert (opened.id, opened.version, opened.versions) == (made.id, 1, (1,))
    assert protect(SSN, "ssn", opened) == protect(SSN, "ssn", made)
    assert reveal(protect(["Ann"], "name", made), "name", opened) == ["Ann"]


def test_two_keyrings_share_nothing(tmp_path):
    one, other = ColumnKeyring.create(tmp_path / "1"), ColumnKeyring.random()
    assert one.id != other.id
    assert one.ff1() != other.ff1()
    assert one.tweak("ssn") != other.tweak("ssn")


def test_every_use_has_a_key_of_its_own():
    keyring = ColumnKeyring.random()
    keys = [keyring.ff1(), keyring.pseudonym(), keyring.row_tweaks("ssn"), keyring.row_tweaks("mrn")]
    keys += [keyring.tweak("ssn"), keyring.tweak("mrn")]
    assert len({key[:16] for key in keys}) == len(keys)
    assert list(map(len, keys)) == [32, 32, 32, 32, 16, 16]


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_versions(tmp_path, passphrase):
    path = tmp_path / "columns.keyring"
    first = ColumnKeyring.create(path, passphrase)
    old, sealed = protect(SSN, "ssn", first), protect(["Ann"], "name", first)
    later = ColumnKeyring.add_version(path, passphrase, datetime(2026, 5, 6, tzinfo=UTC))
    assert (later.version, later.versions, later.id) == (2, (1, 2), first.id)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    opened = ColumnKeyring.open(path, passphrase)
    assert protect(SSN, "ssn", opened) == protect(SSN, "ssn", later) != old
    assert protect(SSN, "ssn", opened, version=1) == old
    assert reveal(old, "ssn", opened, version=1) == SSN
    assert reveal(sealed, "name", opened) == reveal(sealed, "name", opened, version=1) == ["Ann"]
    with pytest.raises(SealBroken):
        reveal(sealed, "name", opened, version=2)
    with pytest.raises(SealBroken):
        reveal(protect(["Ann"], "name", opened), "name", first)  # a version that it does not have
    for wrong in (0, 3, -1):
        with pytest.raises(KeyUnavailable):
            protect(SSN, "ssn", opened, version=wrong)


def test_versions_added_at_the_same_time_are_all_kept(tmp_path):
    path = tmp_path / "columns.keyring"
    ColumnKeyring.create(path)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ColumnKeyring.add_version(path), range(8)))
    assert sorted(keyring.version for keyring in made) == list(range(2, 10))
    opened = ColumnKeyring.open(path)
    assert opened.versions == tuple(range(1, 10))
    assert all(opened.ff1(keyring.version) == keyring.ff1() for keyring in made)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    ColumnKeyring.create(tmp_path / "real" / "columns.keyring")
    link = tmp_path / "link"
    link.symlink_to("real/columns.keyring")
    ColumnKeyring.add_version(link)
    assert link.is_symlink()
    assert ColumnKeyring.open(tmp_path / "real" / "columns.keyring").version == 2


def test_at_most_256_versions(tmp_path):
    path = tmp_path / "columns.keyring"
    ColumnKeyring.create(path)
    for _ in range(255):
        keyring = ColumnKeyring.add_version(path)
    assert ColumnKeyring.open(path).versions == keyring.versions == tuple(range(1, 257))
    with pytest.raises(Invalid):
        ColumnKeyring.add_version(path)


# Never the server's


def test_the_servers_keys_are_refused(tmp_path):
    FileKms.create(tmp_path / "root.key")
    FileKms.create(tmp_path / "locked.key", "correct horse")
    FileDataKeys(tmp_path / "keys.sqlite3").close()
    for name, passphrase in (("root.key", None), ("locked.key", "correct horse"), ("keys.sqlite3", None)):
        before = (tmp_path / name).read_bytes()
        for way in (ColumnKeyring.open, ColumnKeyring.add_version):
            with pytest.raises(Misconfigured, match="columns have a keyring of their own"):
                way(tmp_path / name, passphrase)
        assert (tmp_path / name).read_bytes() == before


def test_the_server_refuses_a_column_keyring(tmp_path):
    ColumnKeyring.create(tmp_path / "columns.keyring")
    with pytest.raises(Misconfigured, match="is a column keyring; the server has a root key of its own"):
        FileKms.open(tmp_path / "columns.keyring")


# The file


def test_passphrase_wrong_missing_or_too_many(tmp_path):
    plain, locked = tmp_path / "plain", tmp_path / "locked"
    ColumnKeyring.create(plain)
    ColumnKeyring.create(locked, "correct horse")
    for passphrase in ("battery staple", "", None):
        for way in (ColumnKeyring.open, ColumnKeyring.add_version):
            with pytest.raises(KeyUnavailable) as refused:
                way(locked, passphrase)
            assert "staple" not in str(refused.value)
    with pytest.raises(Misconfigured):
        ColumnKeyring.open(plain, "correct horse")
    with pytest.raises(Misconfigured):
        ColumnKeyring.create(tmp_path / "third", "")
    assert not (tmp_path / "third").exists()


def test_missing_existing_readable_by_others_or_nowhere(tmp_path):
    path = tmp_path / "columns.keyring"
    for way in (ColumnKeyring.open, ColumnKeyring.add_version):
        with pytest.raises(KeyUnavailable):
            way(path)
        with pytest.raises(KeyUnavailable):
            way(tmp_path / "no folder" / "columns.keyring")
    ColumnKeyring.create(path)
    before = path.read_bytes()
    for where in (path, tmp_path / "no folder" / "columns.keyring"):
        with pytest.raises(Misconfigured):
            ColumnKeyring.create(where)
    assert path.read_bytes() == before
    path.chmod(0o640)
    for way in (ColumnKeyring.open, ColumnKeyring.add_version):
        with pytest.raises(Misconfigured, match="chmod 600"):
            way(path)


def test_what_a_passphrase_protects_from_editing(tmp_path):
    path = tmp_path / "columns.keyring"
    ColumnKeyring.create(path, "correct horse")
    content = json.loads(path.read_text())
    for change in (
        {"id": "another"},
        {"versions": {"2": content["created"]}},
        {"versions": {"1": "yesterday"}},
    ):
        path.write_text(json.dumps(content | change))
        with pytest.raises(KeyUnavailable):
            ColumnKeyring.open(path, "correct horse")


@pytest.mark.parametrize("part", ["id", "versions", "key"])
@pytest.mark.parametrize(
    "value",
    [None, 7, "", "!!!", "AAAA", [], {}, {"x": ""}, {"0": ""}, {"65536": ""}, {"1": "", "2": ""}, {"1": {}}],
    ids=str,
)
def test_broken_parts(tmp_path, part, value):
    path = tmp_path / "columns.keyring"
    ColumnKeyring.create(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: value}))
    if (part, str(value)) in {("id", "!!!"), ("id", "AAAA"), ("versions", "{'1': {}}")}:
        ColumnKeyring.open(path)  # without a passphrase the file has no more than its format
        return
    with pytest.raises(Damaged):
        ColumnKeyring.open(path)


@given(st.binary(max_size=80) | st.sampled_from([b"{}", b"[]", b"null", b"[" * 100_000, b'{"format": 1}']))
def test_any_bytes_in_the_file(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("k") / "columns.keyring"
    path.touch(0o600)
    path.write_bytes(junk)
    with pytest.raises((Damaged, Misconfigured)):
        ColumnKeyring.open(path)


# Sent to workers


@pytest.fixture
def kms(tmp_path):
    return FileKms.create(tmp_path / "root.key")


def test_wrap_and_unwrap(tmp_path, kms):
    path = tmp_path / "columns.keyring"
    ColumnKeyring.create(path)
    keyring = ColumnKeyring.add_version(path)
    wrapped = keyring.wrap(kms)
    assert wrapped != keyring.wrap(kms)
    there = ColumnKeyring.unwrap(kms, wrapped)
    assert (there.id, there.versions) == (keyring.id, keyring.versions)
    for version in there.versions:
        assert there.ff1(version) == keyring.ff1(version)
    assert reveal(protect(["Ann"], "name", keyring), "name", there) == ["Ann"]
    assert ColumnKeyring.unwrap(kms, there.wrap(kms)).ff1() == keyring.ff1()


def test_only_that_kms_unwraps(tmp_path, kms):
    wrapped = ColumnKeyring.random().wrap(kms)
    with pytest.raises(SealBroken):
        ColumnKeyring.unwrap(FileKms.create(tmp_path / "other.key"), wrapped)
    content = json.loads(wrapped)
    another = json.loads(ColumnKeyring.random().wrap(kms))
    for part in ("id", "key", "sealed"):
        with pytest.raises(SealBroken):
            ColumnKeyring.unwrap(kms, json.dumps(content | {part: another[part]}).encode())


@given(st.binary(max_size=80) | st.sampled_from([b"{}", b"[]", b"null", b"7", b"[" * 100_000]))
def test_any_bytes_to_unwrap(tmp_path_factory, junk):
    kms = FileKms.create(tmp_path_factory.mktemp("k") / "root.key")
    with pytest.raises(SealBroken):
        ColumnKeyring.unwrap(kms, junk)


@pytest.mark.parametrize("part", ["format", "id", "key", "sealed"])
@pytest.mark.parametrize("value", [None, 7, "", "!!!", "AAAA", [], {}], ids=str)
def test_broken_parts_to_unwrap(kms, part, value):
    content = json.loads(ColumnKeyring.random().wrap(kms))
    with pytest.raises(SealBroken):
        ColumnKeyring.unwrap(kms, json.dumps(content | {part: value}).encode())


def test_keys_do_not_slip_out(kms):
    keyring = ColumnKeyring.random()
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(Invalid, match="wrap it under a Kms"):
            way(keyring)
    told = repr(keyring) + str(keyring) + keyring.wrap(kms).decode()
    assert keyring.id in told
    for key in (keyring.ff1(), keyring.pseudonym(), keyring._pseudorandom[1]):
        assert key.hex() not in told
        assert repr(key)[2:-1] not in told
    with pytest.raises(ConfideError):
        pickle.dumps({"options": [keyring]})
