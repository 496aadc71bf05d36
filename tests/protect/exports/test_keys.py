"""The keys of one export: handles, shifts and stand-ins that only it can make, and only it can undo."""

import uuid
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from confide.errors import Invalid
from confide.fhir.primitives import check_id
from confide.protect.elements import Element
from confide.protect.exports.keys import MOST_DAYS, ExportKeys

ROOTS = st.binary(min_size=32, max_size=32)
IDS = st.uuids(version=4).map(str)
ONE, OTHER = ExportKeys(bytes(32)), ExportKeys(bytes(31) + b"\1")
STEP = 0x9E3779B97F4A7C15F39CC0605CEDC834
PATIENTS = [str(uuid.UUID(int=n * STEP % 2**128, version=4)) for n in range(4000)]
SSNS = st.from_regex(r"[0-9]{3}-[0-9]{2}-[0-9]{4}", fullmatch=True)


@given(root=ROOTS, id=IDS)
def test_a_handle_leads_back_with_the_key_only(root: bytes, id: str) -> None:
    keys, others = ExportKeys(root), ExportKeys(bytes(b ^ 1 for b in root))
    handle = keys.person(id)
    assert handle != id
    assert check_id(handle) is None
    assert keys.unperson(handle) == id
    assert keys.handle(id) == handle, "a reference finds its target"
    assert others.handle(id) != handle
    assert others.unhandle(handle) != id


@given(root=ROOTS, text=st.text(max_size=40))
def test_what_is_no_handle_leads_nowhere(root: bytes, text: str) -> None:
    assume(len(text) != 36)
    assert ExportKeys(root).unhandle(text) is None


def test_a_foreign_handle_hardly_ever_passes() -> None:
    passed = sum(ONE.unhandle(OTHER.handle(id)) is not None for id in PATIENTS)
    assert passed < len(PATIENTS) // 32, "one in 64, of 2^122 that nobody has"
    assert not {ONE.unhandle(OTHER.handle(id)) for id in PATIENTS} & set(PATIENTS)


def test_no_two_people_have_one_handle() -> None:
    handles = {ONE.handle(id) for id in PATIENTS}
    assert len(handles) == len(PATIENTS)
    assert not handles & {OTHER.handle(id) for id in PATIENTS}


@pytest.mark.parametrize("id", ["", "example", "00000000-0000-1000-8000-000000000000", PATIENTS[1].upper()])
def test_an_id_that_is_not_ours_gets_no_handle(id: str) -> None:
    with pytest.raises(Invalid):
        ONE.handle(id)


# Shifts


@given(root=ROOTS, id=IDS)
def test_a_shift_is_stable_and_never_nothing(root: bytes, id: str) -> None:
    shift = ExportKeys(root).shift(id)
    assert -MOST_DAYS <= shift <= -1
    assert ExportKeys(root).shift(id) == shift


def test_shifts_are_spread_evenly_and_are_fresh_in_each_export() -> None:
    drawn = Counter(ONE.shift(id) for id in PATIENTS)
    assert len(drawn) == MOST_DAYS
    assert max(drawn.values()) < 35, "eleven are expected of each"
    weekdays = Counter(shift % 7 for shift in drawn.elements())
    assert min(weekdays.values()) > len(PATIENTS) / 7 * 0.8, "no day of the week is kept"
    same = sum(ONE.shift(id) == OTHER.shift(id) for id in PATIENTS)
    assert same < 35


# Stand-ins


@given(root=ROOTS, element=st.sampled_from(Element), value=SSNS)
def test_equal_numbers_join_and_lead_back(root: bytes, element: Element, value: str) -> None:
    keys = ExportKeys(root)
    stand_in = keys.stand_in(element, value)
    assert stand_in is not None
    assert [c for c in stand_in if not c.isdigit()] == ["-", "-"]
    bare = keys.stand_in(element, value.replace("-", ""))
    assert bare == stand_in.replace("-", ""), "however it is written"
    assert keys.clear(element, stand_in) == value


@given(
    root=ROOTS,
    element=st.sampled_from(Element),
    value=st.text("AZaz09 -./", max_size=40) | st.text(max_size=140),
)
def test_every_reading_of_a_stand_in_is_found(root: bytes, element: Element, value: str) -> None:
    keys = ExportKeys(root)
    stand_in = keys.stand_in(element, value)
    if stand_in is not None:
        assert value in keys.clears(element, stand_in)
    assert all(keys.stand_in(element, clear) == value for clear in keys.clears(element, value))


def test_elements_and_exports_do_not_join() -> None:
    stand_ins = [keys.stand_in(element, "078-05-1120") for keys in (ONE, OTHER) for element in Element]
    assert len(set(stand_ins)) == len(stand_ins)


@pytest.mark.parametrize("value", ["", "X7", "12345", "Ж1234567", "1" * 200])
def test_short_and_odd_values_have_no_stand_in(value: str) -> None:
    assert ONE.stand_in(Element.MRN, value) is None


def test_names_are_of_this_export_alone() -> None:
    names = {ONE.pseudonym(id) for id in PATIENTS}
    assert len(names) == len(PATIENTS)
    assert not names & {OTHER.pseudonym(id) for id in PATIENTS}


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_root_has_32_bytes(size: int) -> None:
    with pytest.raises(Invalid):
        ExportKeys(bytes(size))


def test_the_root_is_not_told() -> None:
    keys = ExportKeys(b"\xabcanary of thirty-two byte root\xcd")
    assert "canary" not in repr(keys)
    assert "canary" not in repr(vars(keys))
