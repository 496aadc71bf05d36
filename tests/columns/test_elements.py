"""Each element: the shape stays, what is malformed is told by row, and reveal inverts protect."""

import hmac
import string

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confide.cipher.ff1 import FF1
from confide.columns import (
    ColumnElement,
    ColumnKeyring,
    Malformed,
    MalformedColumn,
    find_malformed,
    protect,
    reveal,
)
from confide.errors import Invalid
from confide.protect.identifiers import ALPHABETS
from tests.columns import values
from tests.columns.values import SEPARATORS, luhn

KEYRING = ColumnKeyring.random()
OTHER = ColumnKeyring.random()
PLAIN = [e for e in values.FF1 if e not in {ColumnElement.CARD, ColumnElement.NPI}]


def layout(value):
    return None if value is None else [c if c in SEPARATORS else "" for c in value]


@pytest.mark.parametrize("element", values.ELEMENTS)
def test_reveal_inverts_protect(element):
    @given(st.lists(st.none() | values.ELEMENTS[element], max_size=12))
    @settings(max_examples=40)
    def holds(column):
        protected = protect(column, element, KEYRING)
        assert [v is None for v in protected] == [v is None for v in column]
        assert reveal(protected, element, KEYRING) == column
        if element in values.FF1:
            assert list(map(layout, protected)) == list(map(layout, column))
        else:
            assert all(v is None or v.startswith("sealed:") for v in protected)

    holds()


@pytest.mark.parametrize("element", PLAIN)
def test_every_row_is_the_scalar_ff1(element):
    alphabet = ALPHABETS["10" if element in {"ssn", "phone"} else "36U"]
    oracle, tweak = FF1(KEYRING.ff1(), len(alphabet)), KEYRING.tweak(element)

    def scalar(value):
        numerals = iter(oracle.encrypt([alphabet.index(c) for c in value if c not in SEPARATORS], tweak))
        return "".join(c if c in SEPARATORS else alphabet[next(numerals)] for c in value)

    @given(st.lists(values.FF1[element], max_size=8))
    @settings(max_examples=25)
    def same(column):
        assert protect(column, element, KEYRING) == [scalar(value) for value in column]

    same()


def scalar_digits(digits, element):
    """FF1 over some digits, as it stands in the standard."""
    made = FF1(KEYRING.ff1(), 10).encrypt(list(map(int, digits)), KEYRING.tweak(element))
    return "".join(map(str, made))


@given(st.lists(values.CARDS, max_size=6), st.lists(values.NPIS, max_size=6))
@settings(max_examples=25)
def test_what_lies_between_the_check_digits_is_the_scalar_ff1(cards, npis):
    for column, element, before, prefix in ((cards, "card", 0, 0), (npis, "npi", 1, 24)):
        bodies = [v[:before] + scalar_digits(v[before:-1], element) for v in column]
        assert protect(column, element, KEYRING) == [body + luhn(body, prefix) for body in bodies]
    numbers = protect(np.array([int(v) for v in npis], np.uint64), "npi", KEYRING)
    assert [str(n) for n in numbers] == protect(npis, "npi", KEYRING)


@given(st.lists(st.tuples(values.FF1[ColumnElement.SSN], st.binary(max_size=4)), max_size=6))
@settings(max_examples=25)
def test_a_tweak_per_row_is_the_scalar_ff1_under_an_hmac(rows):
    key, ff1 = KEYRING.row_tweaks("ssn"), FF1(KEYRING.ff1(), 10)
    protected = protect([v for v, _ in rows], "ssn", KEYRING, tweaks=[t for _, t in rows])
    for (value, beside), made in zip(rows, protected, strict=True):
        tweak = hmac.digest(key, beside, "sha256")[:16]
        oracle = ff1.encrypt([int(c) for c in value if c.isdigit()], tweak)
        assert [int(c) for c in made if c.isdigit()] == oracle


def test_two_cores_give_the_same():
    column = pa.array([f"{n:03}-{n % 89:02}-{n % 9973:04}" for n in range(1000)] * 300)
    for way in (protect, reveal):
        assert way(column, "ssn", KEYRING, threads=2).equals(way(column, "ssn", KEYRING))
    numbers = np.arange(300_000)
    assert (protect(numbers, "ssn", KEYRING, threads=2) == protect(numbers, "ssn", KEYRING)).all()


def test_a_column_longer_than_a_batch():
    column = [f"{n:09}" if n % 7 else None for n in range(600_001)]
    protected = protect(pa.array(column), "ssn", KEYRING)
    assert len(set(protected.drop_null().to_pylist())) == len([v for v in column if v])
    assert protected[-1].as_py() == protect([column[-1]], "ssn", KEYRING)[0]
    assert reveal(protected, "ssn", KEYRING).to_pylist() == column


def test_separators_leading_zeros_and_nulls_stay():
    column = ["078-05-1120", "000 00 0001", None, "078051120", "(07)8.05/11_20"]
    protected = protect(column, "ssn", KEYRING)
    assert [layout(v) for v in protected] == [layout(v) for v in column]
    assert protected != column
    bare = ["".join(c for c in v if c.isdigit()) for v in protected if v]
    assert bare[0] == bare[2] == bare[3]  # the same digits, so the same stand-in
    assert reveal(protected, "ssn", KEYRING) == column


def test_equal_values_join_within_a_keyring_and_nowhere_else():
    left, right = ["078-05-1120", "219-09-9999"], np.array(["219099999", "078051120"])
    ours, theirs = protect(left, "ssn", KEYRING), protect(right, "ssn", KEYRING).tolist()
    assert [v.replace("-", "") for v in ours] == theirs[::-1]
    assert not set(theirs) & set(protect(right, "ssn", OTHER).tolist())
    assert not set(theirs) & set(protect(right, "account", KEYRING, alphabet="10").tolist())
    assert reveal(ours, "ssn", OTHER) != left  # FF1 has no integrity


@pytest.mark.parametrize(
    "characters",
    [
        "0123456789АБВГДЕЖЗИК",
        "αβγδεζηθικλμνξοπρσςτυφχψω",
        "😀😁😂🤣😃😄😅",
        "01",
        "aé字😀",
        "٠١٢٣٤٥٦٧٨٩",
        "".join(map(chr, range(0x4E00, 0x4E00 + 20_000))),
        "-0123456789",
    ],
    ids=["cyrillic", "greek", "emoji", "binary", "mixed widths", "arabic digits", "han", "with a separator"],
)
def test_alphabets(characters):
    least = next(n for n in range(1, 40) if len(characters) ** n >= 1_000_000)
    separators = [c for c in SEPARATORS if c not in characters]

    @given(
        st.lists(st.none() | st.text(characters, min_size=least, max_size=least + 20), max_size=6), st.data()
    )
    @settings(max_examples=20)
    def holds(column, data):
        gap = data.draw(st.sampled_from(separators))
        column = [v if v is None else v[:2] + gap + v[2:] for v in column]
        protected = protect(column, "identifier", KEYRING, alphabet=characters)
        for ours, theirs in zip(protected, column, strict=True):
            assert (ours is None) == (theirs is None)
            assert ours is None or len(ours) == len(theirs)
            assert ours is None or (ours[2] == gap and set(ours) <= {*characters, gap})
        for made in (pa.array, list, lambda v: np.array(v, object)):
            again = reveal(made(protected), "identifier", KEYRING, alphabet=characters)
            assert (again.to_pylist() if isinstance(again, pa.Array) else list(again)) == column
        short = characters[0] * (least - 1)
        assert find_malformed([short, characters[0] * least, "\n" * 30], "mrn", alphabet=characters) == [0, 2]

    holds()


def test_an_alphabet_of_ten_for_digits():
    arabic = "٠١٢٣٤٥٦٧٨٩"
    protected = protect(["٠٧٨-٠٥-١١٢٠"], "ssn", KEYRING, alphabet=arabic)
    ascii_digits = protect(["078-05-1120"], "ssn", KEYRING)
    assert protected[0].translate({ord(c): str(i) for i, c in enumerate(arabic)}) == ascii_digits[0]
    for wrong in ("36U", "01", "abc"):
        with pytest.raises(Invalid):
            protect(["078-05-1120"], "ssn", KEYRING, alphabet=wrong)
    for element in ("card", "npi"):
        with pytest.raises(Invalid):
            protect([], element, KEYRING, alphabet=arabic)
    for wrong in ("", "a", "aa", 7, b"ab"):
        with pytest.raises(Invalid):
            protect(["A1B2"], "mrn", KEYRING, alphabet=wrong)


# Check digits


@given(st.lists(values.CARDS, min_size=1, max_size=8))
def test_cards_end_with_a_right_luhn_digit(column):
    protected = protect(column, "card", KEYRING)
    assert [luhn(v[:-1]) for v in protected] == [v[-1] for v in protected]
    assert [len(v) for v in protected] == [len(v) for v in column]


@given(st.lists(values.NPIS, min_size=1, max_size=8))
def test_npis_stay_npis(column):
    protected = protect(column, "npi", KEYRING)
    assert [luhn(v[:-1], 24) for v in protected] == [v[-1] for v in protected]
    assert [v[0] for v in protected] == [v[0] for v in column]


@given(values.CARDS, values.NPIS, st.integers(1, 9))
def test_a_wrong_check_digit_is_malformed_on_both_ways(card, npi, off):
    for element, value in (("card", card), ("npi", npi)):
        wrong = value[:-1] + str((int(value[-1]) + off) % 10)
        for way in (protect, reveal):
            with pytest.raises(MalformedColumn) as refused:
                way([value, wrong, None, wrong], element, KEYRING)
            assert refused.value.rows == (1, 3)
    assert find_malformed(["3" + npi[1:-1] + luhn("3" + npi[1:-1], 24)], "npi") == [0]


def test_known_numbers():
    cards = ["4111 1111 1111 1111", "3782-822463-10005", "6011000990139424", "30569309025904"]
    assert find_malformed([*cards, "4111 1111 1111 1112"], "card") == [4]
    assert find_malformed(["1234567893", "1234567890", "0234567891"], "npi") == [1, 2]


# Malformed values

MALFORMED = {
    "ssn": [
        "07805112",
        "0780511200",
        "",
        "---",
        "07805112O",
        "０７８０５１１２０",
        "078\n051120",
        "078 05 112é",
    ],
    "phone": ["010447", "0" * 16, "555-0104 x12", "+"],
    "card": ["4" * 11, "1" * 20, "4111 1111 1111 1111x"],
    "npi": ["123456789", "12345678933", "3234567893"],
    "mrn": ["AB1", "a1b2c3", "A1B2_c", "Ä1B2", "1" * 129, "1-" * 65, "1234\0", "😀😀😀😀"],
}


@pytest.mark.parametrize(
    ("element", "wrong"),
    [(e, w) for e, ws in MALFORMED.items() for w in ws],
    ids=[f"{e}-{i}" for e, ws in MALFORMED.items() for i in range(len(ws))],
)
def test_malformed_values_are_told_by_row(element, wrong):
    right = {"ssn": "078-05-1120", "phone": "555-0104", "card": "4111111111111111", "npi": "1234567893"}.get(
        element, "A1B2"
    )
    column = [right, wrong, None, right, wrong]
    with pytest.raises(MalformedColumn) as refused:
        protect(column, element, KEYRING)
    assert refused.value.rows == (1, 4)
    assert find_malformed(column, element) == [1, 4]

    nulled = protect(column, element, KEYRING, malformed=Malformed.NULL)
    assert [v is None for v in nulled] == [False, True, True, False, True]
    assert nulled[0] == nulled[3] == protect([right], element, KEYRING)[0]

    sealed = protect(column, element, KEYRING, malformed="seal")
    assert sealed[1].startswith("sealed:")
    assert sealed[1] != sealed[4]
    assert sealed[0] == nulled[0]
    assert reveal(sealed, element, KEYRING) == column


def test_all_rows_are_told_across_chunks():
    chunks = [["078051120", "x"], [], ["y", None, "219099999"], ["z"]]
    column = pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks])
    with pytest.raises(MalformedColumn) as refused:
        protect(column, "ssn", KEYRING)
    assert refused.value.rows == (1, 2, 5)
    assert str(refused.value).startswith(
        "3 rows without a well-formed value (Social Security number: 9 digits)"
    )


@given(st.lists(st.text(max_size=30), max_size=10), st.sampled_from(sorted(values.FF1)))
def test_any_text_is_protected_or_told(column, element):
    wrong = find_malformed(column, element)
    sealed = protect(column, element, KEYRING, malformed="seal")
    assert [row for row, value in enumerate(sealed) if value.startswith("sealed:")] == wrong
    assert reveal(sealed, element, KEYRING) == column
    for way in (protect, reveal):
        nulled = way(column, element, KEYRING, malformed="null")
        assert [row for row, value in enumerate(nulled) if value is None] == wrong


def test_reveal_does_not_seal():
    with pytest.raises(Invalid):
        reveal(["078051120"], "ssn", KEYRING, malformed="seal")


# Tweaks of their own


def test_a_tweak_per_row():
    column, people = ["078-05-1120"] * 4 + [None], ["ann", "ben", "ann", "zoë", None]
    protected = protect(column, "ssn", KEYRING, tweaks=people)
    assert protected[0] == protected[2] != protected[1]
    assert len(set(protected)) == 4
    assert reveal(protected, "ssn", KEYRING, tweaks=pa.array(people)) == column
    assert reveal(protected, "ssn", KEYRING) != column
    numbered = protect(column, "ssn", KEYRING, tweaks=np.arange(5))
    assert numbered == protect(column, "ssn", KEYRING, tweaks=list("01234"))
    assert numbered == protect(column, "ssn", KEYRING, tweaks=[b"0", b"1", b"2", b"3", None])


def test_tweaks_that_do_not_fit():
    with pytest.raises(Invalid):
        protect(["078051120"], "ssn", KEYRING, tweaks=["a", "b"])
    with pytest.raises(Invalid):
        protect(["Ann"], "name", KEYRING, tweaks=["a"])
    with pytest.raises(MalformedColumn) as refused:
        protect(["078051120", None, "078051120"], "ssn", KEYRING, tweaks=["a", None, None])
    assert refused.value.rows == (2,)


@given(
    st.lists(
        st.tuples(st.none() | values.FF1[ColumnElement.MRN], st.text(string.printable, max_size=3)),
        max_size=8,
    )
)
def test_there_and_back_with_tweaks(rows):
    column, tweaks = [v for v, _ in rows], [t for _, t in rows]
    protected = protect(column, "mrn", KEYRING, tweaks=tweaks)
    assert reveal(protected, "mrn", KEYRING, tweaks=tweaks) == column
    singly = [protect([v], "mrn", KEYRING, tweaks=[t])[0] for v, t in rows]
    assert protected == singly


# What does not go together


@pytest.mark.parametrize(
    "wrong",
    [
        {"element": "nonsense"},
        {"method": "nonsense"},
        {"malformed": "nonsense"},
        {"method": "pseudonym"},
        {"method": "generalise"},
        {"method": "drop"},
        {"method": "seal", "alphabet": "10"},
        {"keyring": b"x" * 32},
        {"keyring": None},
        {"threads": 0},
        {"threads": "nonsense"},
        {"version": "nonsense"},
    ],
    ids=str,
)
def test_asked_for_what_there_is_not(wrong):
    asked = {"column": ["078051120"], "element": "ssn", "keyring": KEYRING} | wrong
    for way in (protect, reveal):
        with pytest.raises(Invalid) as refused:
            way(**asked)
        assert "nonsense" not in str(refused.value)
