"""The forms of Maine and HHS, and the sheets, against a breach that was filed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from confide.errors import Invalid
from confide.incidents import clocks, reading
from confide.incidents.facts import Entity, Incident, Way
from confide.incidents.notices import filings, questionnaires
from confide.incidents.notices.filings import Sent, fill
from tests.notices.post import OFFER, facts

NOW = datetime(2023, 5, 5, 12, tzinfo=UTC)
SHOWN = frozenset({"name", "ssn", "birth-date", "address"})


def anchor(**changes):
    """The breach of 2023: 1,049,375 persons, 3,913 of Maine, 131,815 of Texas."""
    residents = {"ME": 3_913, "TX": 131_815, "IL": 1_049_375 - 3_913 - 131_815}
    known = {
        "accessed": (date(2023, 3, 29), date(2023, 4, 14)),
        "elements": SHOWN,
        "way": Way.LOGIN,
        "vendor": True,
    }
    return Incident((Entity("Elm", residents),), date(2023, 3, 30), **{**known, **changes})


def reckoned(incident):
    return clocks.reckon(incident, reading.held(), NOW)


def test_the_forms_are_the_published_ones(shared):
    path = shared / "law" / "forms.json"
    found = questionnaires.held()
    published = json.loads(path.read_text())
    assert [f.id for f in found["maine_ag"].fields] == [row[0] for row in published["maine_ag"]["fields"]]
    labels = [row[0] for _, rows in published["hhs_ocr"]["screens"] for row in rows]
    assert [f.label for f in found["hhs_ocr"].fields] == labels


def test_maines_form_says_what_was_filed(shared):
    filed = json.loads((shared / "law" / "forms.json").read_text())["maine_ag"]["nextgen_2023"]
    sent = Sent((date(2023, 4, 28),), ("records",), 0, agencies=True)
    made = fill("maine_ag", anchor(), reckoned(anchor()), True, facts(offer=OFFER), sent)
    told = {answer.field.id: answer.known for answer in made.answers}
    for id in ("02_01_01", "02_01_02", "02_01_04", "03_02_01", "03_02_02"):
        assert told[id] == filed[id], id
    for id in ("02_02", "02_03", "03_01", "03_01_05"):
        assert list(told[id]) == filed[id], id
    assert told["01_04"] == filed["Type of Organization"]
    assert told["02_01_05"] == filed["alerted_per_letter"]  # not the later day that was filed
    assert told["01_05_01"] is None
    assert not made.warning
    assert made.open > 0


def test_hhs_is_told_of_media_substitute_notice_and_size():
    incident = anchor()
    sent = Sent((date(2023, 4, 28), date(2023, 5, 2)), ("letters",), 10)
    made = fill("hhs_ocr", incident, reckoned(incident), True, facts(offer=OFFER), sent)
    told = {answer.field.id: answer.told for answer in made.answers}
    assert told["Breach affecting"] == "500 or More Individuals"
    assert told["Type of breach"] == "Hacking/IT Incident"
    assert told["Was substitute notice required?"] == "Yes: 10 or more"
    assert told["Was media notice required?"] == "Yes: IL, ME, TX"
    assert told["Type of PHI involved"] == "Address/ZIP; Date of Birth; Name; SSN"
    assert (
        told["Individual notice provided: start date / projected or expected end date"]
        == "2023-04-28 - 2023-05-02"
    )
    few = Incident((Entity("Elm", {"ME": 500}),), date(2023, 3, 30), elements=SHOWN)
    told = {
        a.field.id: a.told for a in fill("hhs_ocr", few, reckoned(few), True, None, Sent((), (), 9)).answers
    }
    assert told["Breach affecting"] == "500 or More Individuals"
    assert told["Was media notice required?"] == "No"  # exactly 500 of one state
    assert told["Was substitute notice required?"] == "Yes: fewer than 10"


def test_a_scope_over_a_journal_that_does_not_verify_says_so_on_every_form():
    incident = anchor()
    found = reckoned(incident)
    made = [fill(name, incident, found, False) for name in filings.NAMES]
    made += filings.sheets(incident, found, False)
    assert len(made) > 3
    assert all("does not verify" in each.warning for each in made)


def test_a_sheet_says_what_may_not_be_filed_yet():
    everywhere = (Entity("Elm", dict.fromkeys(reading.held().states, 2_000)),)
    incident = Incident(everywhere, date(2023, 3, 30), elements=frozenset({"ssn"}))
    sheets = filings.sheets(incident, reckoned(incident), True)
    told = {sheet.title: {a.field.id: a.told for a in sheet.answers} for sheet in sheets}
    assert told["Filing sheet: Texas"]["May be filed"] == "yes"
    assert told["Filing sheet: Texas"]["Residents of the state"] == "2000"
    assert any(row["May be filed"].startswith("not before") for row in told.values())
    assert "Filing sheet: Maine" not in told


def test_what_an_officer_types_must_be_an_answer_of_the_form():
    incident = anchor()
    found = reckoned(incident)
    made = fill("maine_ag", incident, found, True, own={"01_05_01": "P. Lindgren", "01_04": "Not-for-Profit"})
    told = {answer.field.id: answer.told for answer in made.answers}
    assert (told["01_05_01"], told["01_04"]) == ("P. Lindgren", "Not-for-Profit")
    with pytest.raises(Invalid, match="none of the choices"):
        fill("maine_ag", incident, found, True, own={"01_04": "Hospital"})
    with pytest.raises(Invalid, match="no field"):
        fill("maine_ag", incident, found, True, own={"99": "x"})
