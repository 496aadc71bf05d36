from __future__ import annotations

import gzip
import hashlib
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confide.access import corpus, passwords
from confide.access.breached import BITS_PER_PASSWORD, Corpus, Kind
from confide.errors import Damaged, Invalid, Misconfigured, WeakPassword

PLAIN = ["correct horse battery staple", "Grüße aus Köln", "密码密码密码密码", "tr0ub4dor&3", "a" * 300]


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode()).hexdigest().upper()


def build(folder: Path, *contents: bytes) -> Corpus:
    lists = []
    for i, content in enumerate(contents):
        lists.append(folder / f"list-{i}.txt")
        lists[-1].write_bytes(content)
    return corpus.build(lists, folder / "made.filter")


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("count", ["", ":37"], ids=["bare", "counted"])
def test_a_list_of_digests_is_found_again(tmp_path: Path, end: str, count: str) -> None:
    made = build(tmp_path, end.join(sha1(p) + count for p in PLAIN).encode())
    assert made.passwords == len(PLAIN)
    assert all(p in made for p in PLAIN)
    assert "not in the list" not in made


def test_a_plain_list_is_found_again(tmp_path: Path) -> None:
    made = build(tmp_path, "\n".join([*PLAIN, "", PLAIN[0]]).encode(), b"caf\xe9 in latin-1\r\n")
    assert made.passwords == len(PLAIN) + 1
    assert all(p in made for p in [*PLAIN, "café in latin-1"])


def test_a_packed_list_is_read(tmp_path: Path) -> None:
    (tmp_path / "list.txt.gz").write_bytes(gzip.compress("\n".join(PLAIN).encode()))
    assert all(p in corpus.build([tmp_path / "list.txt.gz"], tmp_path / "f") for p in PLAIN)


def test_ntlm_digests_are_told_from_sha1(tmp_path: Path) -> None:
    known = "8846F7EAEE8FB117AD06BDD830B7586C"  # NTLM of "password", in every description of it
    made = build(tmp_path, f"{known}:9\n".encode())
    assert made.kind is Kind.NTLM
    assert made.holds(bytes.fromhex(known))
    with pytest.raises(Invalid, match="another kind"):
        build(tmp_path, f"{known}:9\n".encode(), f"{sha1('x')}:9\n".encode())


def test_no_password_of_a_long_list_is_lost_and_few_others_are_taken_for_one(tmp_path: Path) -> None:
    chance = random.Random(7)
    digests = [chance.randbytes(20) for _ in range(200_000)]
    made = build(tmp_path, b"\n".join(d.hex().encode() for d in digests))
    assert made.passwords == len(digests)
    assert all(made.holds(d[:16]) for d in digests)
    assert (tmp_path / "made.filter").stat().st_size / len(digests) <= 2.5
    assert BITS_PER_PASSWORD <= 20
    wrong = sum(made.holds(chance.randbytes(16)) for _ in range(200_000)) / 200_000
    assert made.false_positives < 2e-4
    assert wrong < 3 * made.false_positives + 5e-5


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=50))
def test_whatever_is_put_in_is_found(tmp_path_factory: pytest.TempPathFactory, digests: list[bytes]) -> None:
    made = build(tmp_path_factory.mktemp("lists"), b"\r\n".join(d.hex().encode() + b":1" for d in digests))
    assert all(made.holds(d[:16]) for d in digests)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\n\n",
        f"{sha1('x')}:1\nnot a digest at all\n".encode(),
        f"{sha1('x')}\n{sha1('y')[:-2]}".encode(),
    ],
    ids=["empty", "only line feeds", "another line", "cut off"],
)
def test_a_broken_list_leaves_nothing_behind(tmp_path: Path, broken: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        build(tmp_path, broken)
    assert "digest at all" not in str(refusal.value)
    assert [p.name for p in tmp_path.iterdir()] == ["list-0.txt"]


def test_a_missing_list_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="No such file"):
        corpus.build([tmp_path / "nowhere"], tmp_path / "made.filter")


def test_a_damaged_filter_is_refused(tmp_path: Path) -> None:
    build(tmp_path, b"some password")
    whole = (tmp_path / "made.filter").read_bytes()
    for name, content in {"empty": b"", "other": b"x" * 9000, "cut": whole[:-1]}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Damaged):
            Corpus(tmp_path / name)


def test_the_filter_holds_no_password(tmp_path: Path) -> None:
    build(tmp_path, b"Very-Secret-Sentence")
    content = (tmp_path / "made.filter").read_bytes()
    assert b"Secret" not in content
    assert hashlib.sha1(b"Very-Secret-Sentence").digest()[:8] not in content


@pytest.mark.asvs("6.2.4")
def test_common_passwords_are_known_on_day_one() -> None:
    for known in ("password", "123456", "Password1", "iloveyou", "qwertyuiop"):
        assert passwords.is_breached(known, [passwords.popular()]), known
    assert not passwords.is_breached("otter-lamp-fable-winter", [passwords.popular()])


@pytest.mark.asvs("6.2.11")
@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short one", "at least 15"),
        ("x" * 257, "at most 256"),
        ("abababababababab", "few different"),
        ("Riverside-clinic-2026", "your own name"),
        ("rahul.banerjee.1970", "your own name"),
        ("confideconfideconfide", "your own name"),
    ],
)
def test_a_weak_password_is_refused_with_its_reason(password: str, why: str) -> None:
    about = ["rbanerjee", "Rahul Banerjee, MD", "Riverside Clinic"]
    with pytest.raises(WeakPassword, match=why) as refusal:
        passwords.require_strong(password, [passwords.popular()], about)
    assert password not in str(refusal.value)


@pytest.mark.asvs("6.2.12")
def test_a_breached_password_is_refused_also_where_a_second_factor_allows_short_ones(tmp_path: Path) -> None:
    made = build(tmp_path, b"otter-lamp-fable-winter\nq8#kLw2z")
    with pytest.raises(WeakPassword, match="stolen elsewhere"):
        passwords.require_strong("otter-lamp-fable-winter", [made])
    with pytest.raises(WeakPassword, match="stolen elsewhere"):
        passwords.require_strong("q8#kLw2z", [made], shortest=passwords.WITH_SECOND_FACTOR)
    passwords.require_strong("otter-lamp-fable-summer", [made])
    passwords.require_strong("q8#kLw2y", [made], shortest=passwords.WITH_SECOND_FACTOR)


@pytest.mark.asvs("6.2.8")
def test_every_writing_of_a_password_is_the_same_one(tmp_path: Path) -> None:
    made = build(tmp_path, "schöne Grüße an alle".encode())
    assert passwords.is_breached("scho\u0308ne Gru\u0308ße an alle", [made])
