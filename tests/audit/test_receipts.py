"""Receipts: how they are written and read."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.audit.receipts import Receipt, shows
from confide.errors import Invalid


@given(st.dictionaries(st.integers(1, 60), st.binary(min_size=32, max_size=32), min_size=1))
def test_a_receipt_is_read_as_it_is_written(entries):
    receipt = Receipt.of(list(entries.items()))
    assert receipt.ids == tuple(sorted(entries))
    assert receipt.sha256 == sha256(b"".join(entries[id_] for id_ in sorted(entries))).digest()
    assert Receipt.parse(str(receipt)) == receipt


def test_neighbours_are_one_range():
    entries = [(id_, bytes(32)) for id_ in (43, 12, 13, 14, 40, 41)]
    assert str(Receipt.of(entries)).partition(" ")[0] == "12-14,40-41,43"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "1",
        "1 AAAA",
        "1 " + "A" * 43,
        " " + "A" * 43 + "=",
        "2,1 " + "A" * 43 + "=",
        "1,1 " + "A" * 43 + "=",
        "1,2 " + "A" * 43 + "=",
        "1-1 " + "A" * 43 + "=",
        "2-1 " + "A" * 43 + "=",
        "01 " + "A" * 43 + "=",
        "1-9999999999 " + "A" * 43 + "=",
        "x " + "A" * 43 + "=",
    ],
)
def test_what_is_no_receipt_is_refused(written):
    with pytest.raises(Invalid):
        Receipt.parse(written)


@pytest.mark.parametrize(
    ("action", "forms", "shown"),
    [
        ("read", ["clear"], True),
        ("reveal", ["stand-in", "masked"], True),
        ("search", ["searched"], True),
        ("export", ["clear"], True),
        ("read", ["stand-in", "refused"], False),
        ("journal-read", [], False),
        ("write", ["clear"], False),
        ("import", ["clear"], False),
        ("index", ["searched"], False),
    ],
)
def test_only_what_somebody_was_shown_or_learned_has_a_receipt(action, forms, shown):
    assert shows(action, forms) is shown
