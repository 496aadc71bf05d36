"""Signed notes, checkpoints and cosignatures, against what C2SP and Go publish (see SOURCES.md)."""

from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from confide.audit.notes import Head, Kind, Note, PublicKey, Signature, SigningKey, open_note, parse_note
from confide.errors import Invalid, ProofBroken

# golang.org/x/mod/sumdb/note
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_SIG = (
    "— PeterNeumann"
    " x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_SIG = (
    "— EnochRoot"
    " rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
# C2SP: signed-note, tlog-checkpoint, tlog-cosignature
QUASIMODO = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""  # noqa: E501 - a line under a note""
CHECKPOINT = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""
COSIGNED = f"""{CHECKPOINT}
— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501 - a line under a note""
# The key of a public witness: its vkey is of the kind for cosignatures.
REMORA = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
AT = datetime(2023, 3, 20, 12, 12, 27, 900_000, UTC)


@pytest.fixture
def peter():
    return PublicKey.parse(PETER)


@pytest.fixture
def enoch():
    return PublicKey.parse(ENOCH)


@pytest.fixture
def secret():
    return SigningKey("PeterNeumann", Kind.NOTE, b64decode(PETER_SECRET)[1:])


@pytest.fixture
def witness():
    return SigningKey("witness.example.com/w1", Kind.COSIGNATURE, bytes(range(32)))


def test_a_published_key_signs_the_published_note(peter, secret):
    assert secret.public == peter
    note = f"{TEXT}\n{PETER_SIG}"
    assert str(Note(TEXT, (secret.sign(TEXT),))) == note
    assert open_note(note, [peter]).text == TEXT
    assert open_note(note.encode(), [peter]).by(peter) == Signature.parse(PETER_SIG)
    assert "seed" not in repr(secret)


def test_a_public_key_is_read_as_it_is_written():
    for vkey in (PETER, ENOCH, REMORA):
        assert str(PublicKey.parse(vkey)) == vkey
    assert PublicKey.parse(REMORA).kind is Kind.COSIGNATURE


def test_a_mangled_public_key_is_refused():
    cut = [
        PETER[i:j]
        for i in range(len(PETER) + 1)
        for j in range(i, len(PETER) + 1)
        if (i, j) != (0, len(PETER))
    ]
    turned = [PETER[:i] + chr(ord(PETER[i]) + 1) + PETER[i + 1 :] for i in range(len(PETER))]
    published = [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",  # too long
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # unknown algorithm
        "bananas.sigstore.dev+12344556",
        "rekor.sigstore.dev+12345678+THIS_IS_NOT_BASE64!",
        "rekor.sigstore.dev+12345678+AwEB",
    ]
    for vkey in [*cut, *turned, *published, PETER.upper(), f"{PETER}\n", "\ud800+c74f20a3+AR"]:
        with pytest.raises(Invalid):
            PublicKey.parse(vkey)


def test_one_known_signature_is_enough_and_the_others_are_left_out(peter, enoch):
    note = f"{TEXT}\n{PETER_SIG}{ENOCH_SIG}"
    assert [s.name for s in open_note(note, [peter]).signatures] == ["PeterNeumann"]
    assert [s.name for s in open_note(note, [enoch, peter]).signatures] == ["PeterNeumann", "EnochRoot"]
    assert [s.name for s in parse_note(note).signatures] == ["PeterNeumann", "EnochRoot"]
    assert str(parse_note(note)) == note
    repeated = f"{TEXT}\n{PETER_SIG}{PETER_SIG}{ENOCH_SIG}"
    assert len(open_note(repeated, [peter]).signatures) == 1


def test_no_known_signature_or_a_wrong_one_is_refused(peter, enoch, secret):
    wrong = PETER_SIG[:60] + "ABCD" + PETER_SIG[60:]
    other = Signature("PeterNeumann", peter.id, secret.sign(f"{TEXT}.\n").data)
    short = Signature("PeterNeumann", peter.id, b"short")
    for note, keys in [
        (f"{TEXT}\n{PETER_SIG}{ENOCH_SIG}", []),
        (f"{TEXT}\n{PETER_SIG}", [enoch]),
        (f"{TEXT}\n{wrong}", [peter]),
        (f"{TEXT}\n{ENOCH_SIG}{wrong}", [peter, enoch]),
        (f"{TEXT}\n{PETER_SIG}{other}", [peter]),
        (f"{TEXT}\n{short}", [peter]),
        (f"{TEXT.replace('cryptography', 'cryptographY')}\n{PETER_SIG}", [peter]),
        (f"{TEXT}\n\n{PETER_SIG}", [peter]),
    ]:
        with pytest.raises(ProofBroken):
            open_note(note, keys)


def test_a_key_of_the_same_name_and_another_id_signs_nothing(peter):
    other = PublicKey("PeterNeumann", Kind.NOTE, bytes(32))
    with pytest.raises(ProofBroken, match="none of the keys"):
        open_note(f"{TEXT}\n{PETER_SIG}", [other])
    assert open_note(f"{TEXT}\n{PETER_SIG}", [other, peter, peter]).text == TEXT


@pytest.mark.parametrize(
    "note",
    [
        TEXT,
        f"{TEXT}\n",
        f"{TEXT}\n{PETER_SIG[:-1]}",
        f"\x01{TEXT}\n{PETER_SIG}",
        f"{TEXT}\r\n{PETER_SIG}",
        f"{TEXT}\n{PETER_SIG[:-1]}\r\n",
        f"{TEXT}\ud800\n\n{PETER_SIG}",
        b"\xff" + f"{TEXT}\n{PETER_SIG}".encode(),
        f"{TEXT}\n— Bad Name {PETER_SIG[15:]}",
        f"{TEXT}\n— Bad+Name {PETER_SIG[15:]}",
        f"{TEXT}\n—  {PETER_SIG[15:]}",
        f"{TEXT}\n- PeterNeumann {PETER_SIG[15:]}",
        f"{TEXT}\n— PeterNeumann\n",
        f"{TEXT}\n— PeterNeumann AAAAAA==\n",
        f"{TEXT}\n— PeterNeumann {PETER_SIG[15:-3]}N=\n",
        f"{TEXT}\n{PETER_SIG}Unexpected line.\n",
        f"{TEXT}\n{PETER_SIG * 101}",
        f"{'x' * 1_000_001}\n\n{PETER_SIG}",
        "",
    ],
)
def test_what_is_no_note_is_refused(note, peter):
    with pytest.raises(Invalid):
        open_note(note, [peter])


def test_the_text_ends_at_the_last_empty_line():
    note = parse_note(QUASIMODO)
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert note.signatures[0].name == "quasimodo.example/salvatore"
    assert str(note) == QUASIMODO


def test_only_a_text_that_ends_in_a_newline_is_signed(secret, witness):
    for text in ("abc", "", "a\tb\n", "\ud800\n"):
        with pytest.raises(Invalid):
            secret.sign(text)
    with pytest.raises(Invalid):
        witness.sign(CHECKPOINT)
    with pytest.raises(Invalid):
        secret.cosign(CHECKPOINT, AT)
    with pytest.raises(Invalid):
        witness.cosign(TEXT, AT)
    with pytest.raises(Invalid):
        SigningKey("short", Kind.NOTE, b"short")
    with pytest.raises(Invalid):
        PublicKey("short", Kind.NOTE, b"short")


def test_the_published_checkpoint():
    note = parse_note(COSIGNED)
    head = Head.parse(note.text)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert head.root == b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert str(head) == CHECKPOINT
    assert [len(s.data) for s in note.signatures] == [64, 72]
    assert note.signatures[1].seconds == 1679315147  # the time that the specification signs
    assert note.signatures[1].at == datetime(2023, 3, 20, 12, 25, 47, tzinfo=UTC)
    assert str(note) == COSIGNED


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n",
        "\n1\n" + b64encode(bytes(32)).decode() + "\n",
        "a\n01\n" + b64encode(bytes(32)).decode() + "\n",
        "a\n+1\n" + b64encode(bytes(32)).decode() + "\n",
        "a\n-1\n" + b64encode(bytes(32)).decode() + "\n",
        "a\n1 \n" + b64encode(bytes(32)).decode() + "\n",
        "a\n١\n" + b64encode(bytes(32)).decode() + "\n",
        "a\n9223372036854775808\n" + b64encode(bytes(32)).decode() + "\n",
        "a\n1\n" + b64encode(bytes(31)).decode() + "\n",
        "a\n1\n" + b64encode(bytes(33)).decode() + "\n",
        "a\n1\nnot base64\n",
        "a\n1\n" + b64encode(bytes(32)).decode().replace("A=", "B=") + "\n",
        "a\n1\n" + b64encode(bytes(32)).decode(),
        "a\n1\n" + b64encode(bytes(32)).decode() + "\n\n",
        "a\n1\n" + b64encode(bytes(32)).decode() + "\n\nmore\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(Invalid):
        Head.parse(text)


def test_further_lines_of_a_checkpoint_are_kept():
    text = f"{CHECKPOINT}more\n"
    assert Head.parse(text).extensions == ("more",)
    assert str(Head.parse(text)) == text


def test_a_witness_cosigns_the_time_and_all_of_the_text(witness):
    signature = witness.cosign(CHECKPOINT, AT)
    key = PublicKey.parse(str(witness.public))
    note = str(Note(CHECKPOINT, (signature,)))
    assert open_note(note, [key]).by(key).at == AT.replace(microsecond=0)
    # Its bytes, written out by hand from the specification.
    message = f"cosignature/v1\ntime {int(AT.timestamp())}\n{CHECKPOINT}"
    signed = witness._private().sign(message.encode())
    assert signature.data == int(AT.timestamp()).to_bytes(8, "big") + signed
    public = witness._private().public_key().public_bytes_raw()
    assert signature.id == sha256(b"witness.example.com/w1\n\x04" + public).digest()[:4]

    plain = SigningKey(witness.name, Kind.NOTE, witness.seed)
    longer = f"{CHECKPOINT}more\n"
    for wrong, trusted in [
        (Note(longer, (signature,)), key),
        (Note(CHECKPOINT.replace("163", "164"), (signature,)), key),
        (Note(CHECKPOINT, (Signature(key.name, key.id, bytes(8) + signature.data[8:]),)), key),
        (Note(CHECKPOINT, (Signature(key.name, key.id, signature.data[8:]),)), key),
        (Note(CHECKPOINT, (Signature(key.name, key.id, b"\xff" * 8 + signature.data[8:]),)), key),
        (Note(CHECKPOINT, (Signature(key.name, key.id, plain.sign(CHECKPOINT).data),)), key),
        (Note(CHECKPOINT, (signature,)), plain.public),
    ]:
        with pytest.raises(ProofBroken):
            open_note(str(wrong), [trusted])
    with pytest.raises(ProofBroken):
        _ = plain.sign(CHECKPOINT).seconds
    with pytest.raises(ProofBroken):
        _ = Signature("w", bytes(4), b"\x7f" + b"\xff" * 7 + bytes(64)).at
