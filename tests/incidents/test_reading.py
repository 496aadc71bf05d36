"""The law is data: the same as where it came from, and refused where it is malformed."""

from __future__ import annotations

import csv
import json
import re
import shutil
from importlib import resources
from pathlib import Path

import pytest

from confide.errors import Invalid
from confide.incidents import reading
from confide.protect.elements import Element

LAW = reading.held()
TEXAS, ALABAMA = "tx-ag", "45,determination,V2"
FOLDER = Path(str(resources.files("confide.incidents"))) / "law"


def test_it_is_the_law_that_was_compiled(shared: Path) -> None:
    for name in ("clocks.json", "states.csv"):
        assert (FOLDER / name).read_bytes() == (shared / "law" / name).read_bytes()


def test_each_cell_has_the_certainty_that_it_has_alone(shared: Path) -> None:
    """states_long.csv says the same, one cell a row."""
    groups = {"ind": "ind_cert", "reg": "reg_cert", "cra": "cra_cert", "trigger": "trigger_cert",
              "harm": "harm_cert", "elements": "elements_cert", "nameless": "elements_cert",
              "enc": "enc_cert", "hipaa": "hipaa_cert", "vendor": "vendor_cert", "le": "le_cert"}  # fmt: skip
    with (shared / "law" / "states_long.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["field"].split("_")[0] in groups]
    assert len(rows) > 900
    for row in rows:
        state = LAW.states[row["code"]]
        assert getattr(state, groups[row["field"].split("_")[0]]) == row["certainty"], row
        held = getattr(state, row["field"])
        assert ("" if held is None else str(held)) == row["value"], row
        assert state.law_as_of.isoformat() == row["law_as_of"]
        assert state.statute == row["statute"]


def test_every_number_of_the_rules_stands_in_the_law() -> None:
    """rules.json explains words; the numbers in it are those of clocks.json and states.csv."""
    for name, counting in LAW.rules.clocks.items():
        clock = LAW.clocks[name]
        if counting.n is not None and counting.state == "":
            assert re.search(rf"\b{counting.n}\b", clock.cond), name
        if counting.refines and counting.op:
            state = LAW.states[counting.state]
            row = {"regulator": (state.reg_op, state.reg_n), "agencies": (state.cra_op, state.cra_n)}
            assert (counting.op, counting.n) == row[counting.refines]
    for code, term in LAW.rules.agencies.items():
        assert f"within {term.days} days" in LAW.states[code].cra_note
        assert term.anchor == LAW.states[code].ind_anchor
    for code, term in LAW.rules.delay_ends.items():
        said = LAW.states[code].notes
        days = term.days or LAW.clocks[term.clock].amount
        assert re.search(rf"delay ends {days} (business )?days after clearance", said)


def test_every_clock_is_cited_and_dated() -> None:
    assert len(LAW.clocks) == 24
    assert len(LAW.states) == 52
    for clock in LAW.clocks.values():
        assert clock.cite
        counting = LAW.rules.clocks[clock.id]
        assert counting.since or LAW.states[counting.state].law_as_of
    assert {name.split("-")[0] for name, each in LAW.rules.clocks.items() if each.since} == set(
        LAW.rules.since_sources
    )


def test_every_word_of_the_states_is_explained() -> None:
    for state in LAW.states.values():
        for word in state.elements.split(";"):
            assert word.partition("(")[0] in LAW.rules.words, (state.code, word)
    assert {*LAW.rules.elements, *LAW.rules.unread, *LAW.rules.only_with_a_name} <= set(Element)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "law"))


def edit(path: Path, old: str, new: str) -> None:
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))


def change(path: Path, which: str, **cells: object) -> None:
    clocks = json.loads(path.read_text())
    [found] = [clock for clock in clocks if clock["id"] == which]
    found |= cells
    path.write_text(json.dumps(clocks))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: (d / "clocks.json").unlink(), "clocks.json is missing"),
        (lambda d: (d / "clocks.json").write_bytes(b"\xff"), "clocks.json is missing or cannot be read"),
        (lambda d: (d / "clocks.json").write_text("[{"), "clocks.json is malformed"),
        (lambda d: change(d / "clocks.json", TEXAS, cert="V9"), "clocks.json is malformed at $[20].cert"),
        (lambda d: change(d / "clocks.json", TEXAS, amount="30"), "clocks.json is malformed at $[20].amount"),
        (lambda d: change(d / "clocks.json", TEXAS, days=30), "clocks.json is malformed at $[20]"),
        (lambda d: change(d / "clocks.json", TEXAS, amount=31), "TX: clock tx-ag has another number of days"),
        (lambda d: change(d / "clocks.json", TEXAS, from_="dawn"), "tx-ag starts at a moment"),
        (lambda d: change(d / "clocks.json", TEXAS, id="ty-ag"), "different clocks"),
        (lambda d: change(d / "clocks.json", TEXAS, id="la-ag"), "twice"),
        (lambda d: edit(d / "states.csv", "AL,Alabama,", "AK,Alabama,"), "twice"),
        (lambda d: edit(d / "states.csv", ALABAMA, "soon,determination,V2"), "in line 3"),
        (lambda d: edit(d / "states.csv", ALABAMA, "-45,determination,V2"), "not above 0"),
        (lambda d: edit(d / "states.csv", ALABAMA, "45,expedient,V2"), "without a starting moment"),
        (lambda d: edit(d / "states.csv", ALABAMA, "45,someday,V2"), "AL: a starting moment"),
        (lambda d: edit(d / "states.csv", "deemed_with_ag_copy", "forgiven"), "AL: an effect"),
        (lambda d: edit(d / "states.csv", "2018-06-01", "2018-06-31"), "in line 3 at $.law_as_of"),
        (lambda d: edit(d / "states.csv", "AL,Alabama,", "AL,Alabama,x,"), "in line 3"),
        (lambda d: edit(d / "states.csv", "ind_days", "days"), "other columns"),
        (lambda d: edit(d / "states.csv", ",1000,with", ",1001,with") or edit(
            d / "rules.json", '"state": "VT", "refines": "regulator"',
            '"state": "AL", "refines": "regulator", "op": ">", "n": 1000'), "AL: clock vt-ag"),
        (lambda d: (d / "states.csv").write_text((d / "states.csv").read_text().splitlines()[0]), "no rows"),
        (lambda d: edit(d / "zones.json", "America/Denver", "America/Denwer"), "unknown time zone"),
        (lambda d: edit(d / "zones.json", '"WY"', '"XX"'), "different states"),
        (lambda d: edit(d / "rules.json", '"since": "2018-05-25"', '"state": ""'), "no date since when"),
        (lambda d: edit(d / "rules.json", '"state": "VT"', '"state": "VX"'), "not in states.csv"),
    ],
)  # fmt: skip
def test_malformed_law_is_refused_readably(copy: Path, damage, said: str) -> None:
    damage(copy)
    with pytest.raises(Invalid) as refusal:
        reading.read(copy)
    assert said in str(refusal.value)


def test_the_copy_itself_is_read(copy: Path) -> None:
    assert reading.read(copy).states == LAW.states
