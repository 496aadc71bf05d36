"""The form of a token: that of its value, and never that of a number somebody may have."""

import re
import unicodedata
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from confide.errors import DomainTooSmall, Invalid
from confide.protect import formats
from confide.protect.formats import format_of, is_plain

LATIN = st.text("abcxyzABCXYZ0123456789 -./()@'", min_size=1, max_size=60)
ANYTHING = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
MIXED = st.lists(st.one_of(LATIN, ANYTHING), max_size=4).map("".join)
DIVIDED = [
    "{}{}{}",
    "{}-{}-{}",
    "{} {} {}",
    "{}.{}.{}",
    "{}-{}{}",
    "A{}{}{}",
    "{}{}-{}",
    "({}) {}/{}",
    "{}{}{}B",
]
ITIN_GROUPS = {*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)}


def draw(value):
    try:
        return format_of(value).draw()
    except DomainTooSmall:
        assume(False)


def could_be_issued(digits):
    """The rules of the Social Security Administration and the IRS, written a second time."""
    area, group, serial = int(digits[:3]), int(digits[3:5]), int(digits[5:])
    if area >= 900:
        return group in ITIN_GROUPS or group == 93
    return area not in {0, 666} and group != 0 and serial != 0


def passes_luhn(digits):
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += sum(divmod(int(digit) * (1 + place % 2), 10))
    return total % 10 == 0


@given(LATIN)
def test_a_token_has_the_form_of_its_value(value):
    token = draw(value)
    assert len(token) == len(value)
    for before, after in zip(value, token, strict=True):
        if before.isalnum():
            assert after.isascii()
            assert (after.isdigit(), after.isupper(), after.islower()) == (
                before.isdigit(), before.isupper(), before.islower()
            )  # fmt: skip
        else:
            assert after == before


@given(MIXED)
def test_whatever_the_script_no_letter_or_digit_is_left_where_it_was(value):
    """What stays is punctuation, symbols and spaces; a drawn character may be the same by chance."""
    form = format_of_or_none(value)
    assume(form is not None)
    tokens = [form.draw() for _ in range(30)]
    for place, before in enumerate(value):
        drawn = {token[place] for token in tokens}
        kind = unicodedata.category(before)
        if kind[0] in "PSZ" or kind == "Cf":
            assert drawn == {before}
        else:
            # The first of nine digits is mostly a 9, so digits may be the same thirty times.
            assert len(drawn) > 1 or kind[0] == "N"
            kinds = {unicodedata.category(after)[0] for after in drawn}
            assert kinds == ({"N"} if kind[0] == "N" else {"L"})
            if kind in {"Lu", "Ll"}:
                assert {unicodedata.category(after) for after in drawn} == {kind}


def format_of_or_none(value):
    try:
        return format_of(value)
    except DomainTooSmall:
        return None


@pytest.mark.parametrize(
    ("value", "alike"),
    [
        ("Иванов", r"[Ѐ-Я][а-џ]{5}"),
        ("Ωμέγα", r"[Α-Ω][α-ω][a-z][α-ω]{2}"),
        ("王伟", r"[一-鿿]{2}"),
        ("٠٧٨-٠٥-١١٢٠", r"[٠-٩]{3}-[٠-٩]{2}-[٠-٩]{4}"),
        ("Müller-Ortiz", r"[A-Z][a-z]{5}-[A-Z][a-z]{4}"),
        ("Zoe\u0301 Ana", r"[A-Z][a-z]{3} [A-Z][a-z]{2}"),
        ("x²y½zwvuq", r"[a-z][0-9][a-z][0-9][a-z]{5}"),
        ("zoe@example.org", r"[a-z]{3}@[a-z]{7}\.[a-z]{3}"),
        ("MRN 00471-B", r"[A-Z]{3} [0-9]{5}-[A-Z]"),
    ],
)
def test_scripts_keep_their_own_alphabets_where_there_is_one(value, alike):
    assert all(re.fullmatch(alike, format_of(value).draw()) for _ in range(200))


@given(st.sampled_from(DIVIDED), st.integers(0, 999), st.integers(0, 99), st.integers(0, 9999))
def test_nine_digits_are_never_a_number_that_was_issued(form, area, group, serial):
    token = format_of(form.format(f"{area:03d}", f"{group:02d}", f"{serial:04d}"))
    for _ in range(20):
        digits = re.sub(r"\D", "", token.draw())
        assert len(digits) == 9
        assert not could_be_issued(digits)


@pytest.mark.parametrize(
    "value",
    [
        "078-05-1120 / 219-09-9999",
        "SSN 078051120 of 2 persons",
        "078 05 1120 01",
        "1 078-05-1120",
        "12.078051120",
    ],
)
def test_nor_is_what_looks_like_one_inside_something_longer(value):
    for _ in range(300):
        token = format_of(value).draw()
        found = re.findall(r"(?<!\d)(\d{3})\D?(\d{2})\D?(\d{4})(?!\d)", token)
        assert found
        assert not any(could_be_issued("".join(parts)) for parts in found)


def test_the_numbers_never_issued_are_written_once_each():
    assert 100 * (100 - len(ITIN_GROUPS) - 1) * 10_000 + 2 * 10**6 == formats._NEVER_ISSUED
    some = [formats._never_issued(way) for way in range(0, formats._NEVER_ISSUED, 997)]

    assert len(set(some)) == len(some)
    assert not any(map(could_be_issued, some))
    ends = [formats._never_issued(way) for way in (0, formats._IN_900S - 1, formats._IN_900S)]
    assert ends == ["900000000", "999899999", "000000000"]
    assert formats._never_issued(formats._NEVER_ISSUED - 1) == "666999999"


@given(st.from_regex(r"\A[0-9]([ -]?[0-9]){11,18}\Z"))
def test_a_token_as_long_as_a_card_number_is_none(value):
    for _ in range(20):
        assert not passes_luhn(re.sub(r"\D", "", format_of(value).draw()))


@given(st.text("0123456789", min_size=2, max_size=19))
def test_the_check_of_card_numbers(digits):
    assert formats._passes_luhn(list(map(int, digits))) is passes_luhn(digits)
    assert passes_luhn("4111111111111111")


def test_every_digit_and_letter_is_as_likely_as_any_other():
    """Six standard deviations: it fails once in 500 million runs, or when the choice is biased."""
    form, rounds = format_of("00000-aaaaa-AAAAA"), 20_000
    drawn = [form.draw() for _ in range(rounds)]
    for place, ways in [(0, 10), (4, 10), (6, 26), (10, 26), (12, 26), (16, 26)]:
        counts = Counter(token[place] for token in drawn)
        expected = rounds / ways
        assert len(counts) == ways
        assert max(abs(count - expected) for count in counts.values()) < 6 * expected**0.5


@pytest.mark.parametrize("value", ["", "Li", "01103", "-- --", "🙂🙂", "abcd", "1-2-3-4-5"])
def test_a_form_with_fewer_than_a_million_tokens_is_refused(value):
    with pytest.raises(DomainTooSmall):
        format_of(value)


@pytest.mark.parametrize("value", ["011030", "abcde", "ABc12", "王伟"])
def test_a_million_are_enough(value):
    assert format_of(value).size >= 10**6
    assert len({format_of(value).draw() for _ in range(100)}) > 90


@pytest.mark.parametrize("value", ["0" * 257, "078051120\0", "078\n051120", "078051120\ud800"])
def test_what_is_no_value_is_refused(value):
    with pytest.raises(Invalid) as refused:
        format_of(value)
    assert "078" not in str(refused.value)


def test_the_longest_value():
    assert len(format_of("9" * 256).draw()) == 256
    assert len(format_of("Aé王" * 85).draw()) == 255


@pytest.mark.parametrize(
    ("text", "plain"), [("078-05-1120", True), ("", True), ("a\0", False), ("\udfff", False)]
)
def test_plain_text(text, plain):
    assert is_plain(text) is plain
