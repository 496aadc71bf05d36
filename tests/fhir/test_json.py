"""JSON that keeps the digits of decimals."""

from __future__ import annotations

import contextlib
import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.errors import BrokenJson
from confide.fhir.json import DEPTH_LIMIT, Number, format, parse


@pytest.mark.parametrize(
    "text", ["1.10", "1.0E+2", "-0.0", "1e5", "0.1000", "1E400", "123456789.123456789123"]
)
def test_decimals_come_back_to_the_letter(text):
    assert format(parse(f"[{text}]")) == f"[{text}]".encode()
    assert parse(text) == Number(text)


def test_a_number_is_compared_by_text_and_can_be_calculated_with():
    assert Number("1.0") != Number("1.00")
    assert Number("1.0") != 1.0
    assert {Number("1.5"): 1}[Number("1.5")] == 1
    assert float(Number("1.5")) == 1.5
    assert str(Number("1.50").decimal()) == "1.50"
    assert copy.deepcopy(Number("1.50")) == Number("1.50") == pickle.loads(pickle.dumps(Number("1.50")))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b"[1,]",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"01",
        b"1.",
        b"1 2",
        b"'a'",
        b'"\x00"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\ud800 and more"',
        b'["\\udc00\\ud800"]',
        "\ud800",
        '"\ud800"',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 101 + b"]" * 101,
        b"1" * 5000,
        b"\xff\xfe[\x00]\x00",
    ],
)
def test_anything_else_is_broken_json(data):
    with pytest.raises(BrokenJson) as refusal:
        parse(data)
    assert "more" not in str(refusal.value)


def test_the_limits_are_inside():
    assert parse(b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT)
    assert parse(b'"' + b"[" * 100_000 + b'"') == "[" * 100_000
    assert parse(b"\xef\xbb\xbf{}") == {}
    assert parse(b"1" * 30) == int("1" * 30)
    assert parse(format(10**30)) == 10**30


@pytest.mark.parametrize("value", ["\ud800", {"a": object()}, [b"x"], {1, 2}])
def test_what_json_cannot_express_is_refused_or_written(value):
    with contextlib.suppress(BrokenJson):
        parse(format(value))


def test_a_value_that_contains_itself_is_refused():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(BrokenJson):
        format(loop)


_decimals = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20}([eE][+-]?[0-9]{1,3})?)", fullmatch=True)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | _decimals.map(Number) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_values)
def test_format_and_parse_are_inverse(value):
    assert parse(format(value)) == value


@given(st.binary() | st.text(alphabet='{}[]",:\\ud8e.+-01 \ud800\udc00nulltrue'))
def test_any_input_is_a_value_or_broken_json(data):
    try:
        value = parse(data)
    except BrokenJson:
        return
    assert parse(format(value)) == value


def test_the_synthea_bundles_come_back_equal(bundles):
    values = [parse(data) for data in bundles]
    assert [parse(format(value)) for value in values] == values


def test_decimals_of_the_examples_come_back_digit_for_digit(official):
    import json

    for line in official:
        once = json.loads(line, parse_float=str)
        assert json.loads(format(parse(line)), parse_float=str) == once
