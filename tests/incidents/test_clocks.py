"""Clocks, each with its dates and where they come from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from confide.incidents import reading
from confide.incidents.duties import Standing
from confide.incidents.facts import Entity, Harm, Statement
from tests.incidents.breach import duties, incident, moment

LAW = reading.held()
OUTSIDE = {"hipaa": False}


def asked(made: str, until: str | None = None, cleared: str | None = None) -> dict[str, object]:
    days = [None if each is None else date.fromisoformat(each) for each in (made, until, cleared)]
    return {"statements": (Statement(*days),)}


ORAL = asked("2026-09-15")
TOLD = {"vendor": True, "informed": "2024-01-05"}
SURE = {"determined": "2026-11-10"}

# what is known, whose duty, its last day or moment; counted by hand from the section that is named
HIPAA = [
    ("2023-03-30", {"ME": 1}, {}, "hipaa-individual", "2023-05-29", "45 CFR 164.404(b)"),
    ("2024-01-01", {"ME": 1}, {}, "hipaa-individual", "2024-03-01", "164.404(b), a leap year"),
    ("2023-01-01", {"ME": 1}, {}, "hipaa-individual", "2023-03-02", "164.404(b), no leap year"),
    ("2026-11-02", {"ME": 1}, {}, "hipaa-individual", "2027-01-01", "164.404(b), over the year's end"),
    ("2023-03-30", {"ME": 501}, {}, "hipaa-media:ME", "2023-05-29", "45 CFR 164.406(b)"),
    ("2023-03-30", {"ME": 500}, {}, "hipaa-secretary-large", "2023-05-29", "45 CFR 164.408(b)"),
    ("2019-03-05", {"ME": 499}, {}, "hipaa-secretary-small", "2020-02-29", "45 CFR 164.408(c), clocks.json"),
    ("2021-12-31", {"ME": 499}, {}, "hipaa-secretary-small", "2022-03-01", "45 CFR 164.408(c), clocks.json"),
    ("2026-01-01", {"ME": 1}, {}, "hipaa-secretary-small", "2027-03-01", "45 CFR 164.408(c), clocks.json"),
    ("2023-03-30", {"ME": 1}, {"vendor": True}, "hipaa-business-associate", "2023-05-29", "164.410(b)"),
    ("2023-03-30", {"ME": 1}, {"vendor": True, "informed": "2023-04-26"}, "hipaa-individual", "2023-06-25",
     "164.404(a)(2): discovery by the covered entity"),
    ("2023-12-20", {"ME": 1}, TOLD, "hipaa-secretary-small", "2025-03-01",
     "164.408(c): the year of the covered entity's discovery"),
    ("2026-08-01", {"ME": 1}, ORAL, "hipaa-individual", "2026-10-15", "164.412(b): 30 days from the word"),
    ("2026-08-01", {"ME": 1}, asked("2026-08-10"), "hipaa-individual", "2026-09-30",
     "164.412(b): a delay that ends before the clock does not move it"),
    ("2026-08-01", {"ME": 1}, asked("2026-09-20", "2026-11-15"),
     "hipaa-individual", "2026-11-15", "164.412(a): as long as the writing says"),
    ("2026-08-01", {"ME": 1}, asked("2026-09-15", cleared="2026-10-01"),
     "hipaa-individual", "2026-10-01", "164.412: no longer than needed"),
    ("2026-08-01", {"ME": 501}, ORAL, "hipaa-media:ME", "2026-10-15", "164.406, 164.412"),
    ("2026-08-01", {"ME": 501}, ORAL, "hipaa-secretary-large", "2026-10-15", "164.408(b), 164.412"),
    ("2026-08-01", {"ME": 1}, {"part2": True}, "part2", "2026-09-30", "42 CFR 2.16(b)"),
    ("2026-11-03T03:30+00:00", {"TX": 1}, {}, "hipaa-individual", "2027-01-01", "still 2 November in Texas"),
    ("2026-11-03T03:30+00:00", {"TX": 1}, {"zone": ZoneInfo("UTC")}, "hipaa-individual", "2027-01-02",
     "the entity's own time zone"),
]  # fmt: skip
STATES = [
    ("2023-03-30", {"ME": 1}, {}, "ME:individual", "2023-04-29", "10 M.R.S. 1348(1), read most strictly"),
    ("2023-03-30", {"ME": 1}, {"scoped": "2023-04-24"}, "ME:individual", "2023-05-24", "10 M.R.S. 1348(1)"),
    ("2023-03-30", {"ME": 1}, {}, "ME:regulator", "2023-04-29", "10 M.R.S. 1348(5): with the letters"),
    ("2023-03-30", {"ME": 1001}, {}, "ME:agencies", "2023-04-29", "10 M.R.S. 1348(4)"),
    ("2026-03-01", {"ME": 1}, asked("2026-03-10", cleared="2026-04-15"),
     "ME:individual", "2026-04-27", "10 M.R.S. 1348(3): 7 business days; 20 April 2026 is Patriots' Day"),
    ("2023-03-30", {"TX": 250}, {"determined": "2023-04-24"}, "TX:regulator", "2023-05-24", "521.053(i)"),
    ("2026-11-03T06:30+00:00", {"TX": 250}, {}, "TX:regulator", "2026-12-02", "2 November in El Paso"),
    ("2026-11-02", {"CA": 1}, {}, "CA:individual", "2026-12-02", "Cal. Civ. Code 1798.82"),
    ("2023-03-30", {"CA": 501}, {"notified": "2023-04-28"}, "CA:regulator", "2023-05-13", "1798.82(f)"),
    ("2026-03-23", {"CA": 1}, {"facility": True}, "ca-1280-15", "2026-04-14",
     "Health & Saf. Code 1280.15: 15 business days; 31 March is Cesar Chavez Day"),
    ("2026-03-02", {"VT": 1}, OUTSIDE, "VT:regulator", "2026-03-23",
     "9 V.S.A. 2435(b)(3): 14 business days; 3 March 2026 is Town Meeting Day"),
    ("2026-11-02", {"VT": 1}, OUTSIDE, "VT:regulator", "2026-11-23", "the same; Veterans Day"),
    ("2026-11-02", {"VT": 1}, OUTSIDE, "VT:individual", "2026-12-17", "2435(b)(1)"),
    ("2026-11-02", {"NY": 1}, {"secretary": "2026-11-25"}, "ny-ag-hhs", "2026-12-03",
     "N.Y. GBL 899-aa(9): 5 business days; Thanksgiving"),
    ("2026-01-20", {"IL": 1}, {"secretary": "2026-02-11"}, "il-ag-hhs", "2026-02-20",
     "815 ILCS 530/50: 5 business days; Lincoln's and Washington's birthdays"),
    ("2026-06-01", {"IA": 501}, {"notified": "2026-07-01"}, "IA:regulator", "2026-07-09",
     "Iowa Code 715C.2(8): 5 business days; 3 July 2026 is kept for the 4th"),
    ("2023-03-30", {"LA": 1}, {"notified": "2023-04-28"}, "LA:regulator", "2023-05-08", "LAC 16:III.701"),
    ("2026-08-20", {"OK": 500}, OUTSIDE | {"notified": "2026-09-01"}, "OK:regulator", "2026-10-31",
     "Okla. Stat. tit. 24, 161-166: 60 days after the letters"),
    ("2026-11-02", {"NY": 1}, {}, "NY:regulator", "2026-12-02", "N.Y. GBL 899-aa: 30 days"),
    ("2026-11-02", {"NY": 1}, OUTSIDE, "NY:individual", "2026-12-02", "N.Y. GBL 899-aa: 30 days"),
    ("2026-11-02", {"WA": 501}, {}, "WA:regulator", "2026-12-02", "Wash. Rev. Code 19.255"),
    ("2026-11-02", {"FL": 500}, {}, "FL:individual", "2026-12-02", "Fla. Stat. 501.171"),
    ("2026-11-02", {"CO": 500}, OUTSIDE | SURE, "CO:regulator", "2026-12-10", "6-1-716"),
    ("2026-11-02", {"AL": 1001}, {}, "AL:regulator", "2026-12-17", "Ala. Code 8-38: 45 days"),
    ("2026-11-02", {"AZ": 1001}, OUTSIDE, "AZ:agencies", "2026-12-17", "18-552: within 45 days"),
    ("2026-11-02", {"NM": 1001}, OUTSIDE, "NM:agencies", "2026-12-17", "57-12C: within 45 days"),
    ("2026-11-02", {"IN": 1}, {}, "IN:regulator", "2026-12-17", "Ind. Code 24-4.9: 45 days"),
    ("2026-11-02", {"OR": 251}, {}, "OR:regulator", "2026-12-17", "646A.604: 45 days"),
    ("2026-11-02", {"CT": 1}, {}, "CT:regulator", "2027-01-01", "36a-701b: 60 days"),
    ("2026-11-02", {"RI": 1}, OUTSIDE | SURE, "RI:individual", "2026-12-25", "11-49.3"),
    ("2026-01-05", {"SD": 1}, OUTSIDE | asked("2026-02-01", cleared="2026-03-01"),
     "SD:individual", "2026-03-31", "22-40-21: 30 days after the clearance"),
    ("2026-11-02", {"OH": 1}, OUTSIDE, "OH:individual", "2026-12-17", "1349.19: 45 days"),
    ("2026-11-02", {"AL": 1}, OUTSIDE | {"vendor": True}, "AL:owner", "2026-11-12", "8-38-8: 10 days"),
    ("2026-11-02", {"MN": 1}, {}, "MN:individual", "2027-01-01", "no number: HIPAA's day"),
]  # fmt: skip
GDPR = [
    ("2026-11-01", {"ME": 1}, {"europeans": 1, "aware": "2026-11-02T09:15-05:00"}, "gdpr-33",
     "2026-11-05T14:15+00:00", "article 33(1): 72 hours"),
    ("2026-03-27", {"ME": 1}, {"europeans": 1, "aware": "2026-03-27T12:00+01:00"}, "gdpr-33",
     "2026-03-30T11:00+00:00", "hours are hours, also when clocks are put forward"),
    ("2026-11-02", {"ME": 1}, {"europeans": 1, "zone": ZoneInfo("Europe/Berlin")}, "gdpr-33",
     "2026-11-04T23:00+00:00", "no hour known: from the day's beginning"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("discovered", "residents", "known", "name", "until", "source"), HIPAA + STATES + GDPR
)
def test_a_clock_ends_when_its_law_says(discovered, residents, known, name, until, source) -> None:
    duty = duties(incident(residents, discovered, **known))[name]
    assert duty.standing is Standing.DUE, duty
    assert duty.until == moment(until), source
    assert LAW.confirmed(duty.certainty)


def test_the_year_ends_of_the_law_are_tested_as_they_stand_there() -> None:
    clock = LAW.clocks["hipaa-secretary-small"]
    assert len(clock.tests) == 3
    for year, until in clock.tests.items():
        for day in (date(int(year), 1, 1), date(int(year), 7, 14)):
            found = duties(incident({"ME": 1}, day.isoformat()))
            assert found["hipaa-secretary-small"].until == until


def test_unconfirmed_rules_are_shown_and_never_due() -> None:
    found = duties(incident({"TX": 251, "MN": 501, "WA": 700, "MD": 3}, "2026-11-02", hipaa=False))
    assert found["TX:individual"].standing is Standing.UNCONFIRMED
    assert found["TX:individual"].until == date(2027, 1, 1)
    assert found["MD:individual"].standing is Standing.UNCONFIRMED
    assert found["WA:agencies"].standing is Standing.UNCONFIRMED
    agencies = found["MN:agencies"]
    assert (agencies.standing, agencies.until) == (Standing.UNCONFIRMED, moment("2026-11-04T06:00+00:00"))
    for duty in found.values():
        assert LAW.confirmed(duty.certainty) or duty.standing in {Standing.UNCONFIRMED, Standing.NONE}


def test_an_unconfirmed_exemption_takes_nothing_away() -> None:
    """Maine's (one source) and Ohio's (sources conflict) are told beside the duty, which stands."""
    found = duties(incident({"ME": 1, "OH": 1, "KY": 1}, "2026-11-02"))
    for name in ("ME:individual", "OH:individual"):
        assert found[name].standing is Standing.DUE
        assert any("not applied, because it is unconfirmed" in note for note in found[name].notes)
    assert found["KY:individual"].standing is Standing.MET, "exempt, by a confirmed rule"


def test_an_unconfirmed_number_of_days_moves_no_other_clock() -> None:
    """What goes with the letters has HIPAA's day or none: Maryland's 45 and Texas's 60 conflict."""
    found = duties(incident({"TX": 10_001}, "2026-11-02", determined="2026-11-20"))["TX:agencies"]
    assert (found.until, found.strict) == (date(2027, 1, 1), date(2027, 1, 1))
    found = duties(incident({"MD": 1000}, "2026-11-02"))
    assert found["MD:agencies"].standing is Standing.MET
    outside = duties(incident({"MD": 1000}, "2026-11-02", hipaa=False))["MD:agencies"]
    assert (outside.standing, outside.until, outside.prompt) == (Standing.DUE, None, True)


def test_both_readings_are_told_where_they_differ() -> None:
    duty = duties(incident({"ME": 1}, "2023-03-30", scoped="2023-04-24"))["ME:individual"]
    assert (duty.until, duty.strict) == (date(2023, 5, 24), date(2023, 4, 29))
    vendor = duties(incident({"ME": 1}, "2023-03-30", vendor=True, informed="2023-04-26"))["hipaa-individual"]
    assert vendor.strict == date(2023, 5, 29), "a vendor that is an agent: its discovery is the entity's"


def test_five_hundred_in_one_state_is_for_the_secretary_and_not_for_the_media() -> None:
    at, above = (duties(incident({"ME": n}, "2026-11-02")) for n in (500, 501))
    assert at["hipaa-secretary-large"].standing is above["hipaa-secretary-large"].standing is Standing.DUE
    assert at["hipaa-media:ME"].standing is Standing.NONE
    assert above["hipaa-media:ME"].standing is Standing.DUE
    below = duties(incident({"ME": 499}, "2026-11-02"))
    assert below["hipaa-secretary-large"].standing is Standing.NONE
    spread = duties(incident({"ME": 250, "NH": 250}, "2026-11-02"))
    assert spread["hipaa-secretary-large"].standing is Standing.DUE, "all states together"
    assert {spread[f"hipaa-media:{code}"].standing for code in ("ME", "NH")} == {Standing.NONE}


def test_thresholds_are_per_covered_entity() -> None:
    entities = (Entity("Elm", {"ME": 400}), Entity("Oak", {"ME": 400}), Entity("Yew", {"ME": 900, "NH": 20}))
    found = duties(incident(entities, "2026-11-02", vendor=True))
    assert found["hipaa-media:ME"].entities == ("Yew",)
    assert found["hipaa-secretary-large"].entities == ("Yew",)
    assert found["hipaa-secretary-small"].entities == ("Elm", "Oak")
    assert found["hipaa-business-associate"].entities == ("Elm", "Oak", "Yew")
    assert found["ME:agencies"].standing is Standing.DUE, "a vendor's letters: all persons at a single time"
    apart = duties(incident(entities, "2026-11-02"))["ME:agencies"]
    assert apart.standing is Standing.DECIDE
    assert "is it one notice?" in apart.questions[0]


def test_unknown_residence_is_a_row_of_its_own_and_leaves_thresholds_open() -> None:
    found = duties(incident({"ME": 400, "unknown": 101}, "2026-11-02"))
    assert found["unknown:residence"].persons == 101
    assert found["hipaa-media:ME"].standing is Standing.DECIDE
    assert found["hipaa-secretary-large"].persons == 501, "they are individuals all the same"
    assert "hipaa-media" not in found
    many = duties(incident({"ME": 1, "unknown": 501}, "2026-11-02"))
    assert many["hipaa-media"].standing is Standing.DECIDE
    assert duties(incident({"unknown": 3}, "2026-11-02"))["hipaa-individual"].persons == 3


def test_what_was_shown_decides_which_states_laws_are_touched() -> None:
    birth = duties(
        incident({"ND": 1, "WA": 1, "ME": 1}, "2026-11-02", elements=frozenset({"name", "birth-date"}))
    )
    assert birth["ND:regulator"].standing is Standing.NONE, "251 are needed"
    assert birth["ME:individual"].standing is Standing.NONE
    outside = incident(
        {"ND": 1, "ME": 1}, "2026-11-02", hipaa=False, elements=frozenset({"name", "birth-date"})
    )
    assert duties(outside)["ND:individual"].standing is Standing.DUE
    nameless = incident({"OH": 1, "ME": 1}, "2026-11-02", hipaa=False, elements=frozenset({"ssn"}))
    assert duties(nameless)["OH:individual"].standing is Standing.DECIDE, "with a name, the law says"
    assert duties(nameless)["ME:individual"].standing is Standing.DUE, "the number alone, the law says"
    medical = incident({"PA": 1}, "2026-11-02", hipaa=False, elements=frozenset({"name", "clinical"}))
    assert duties(medical)["PA:individual"].standing is Standing.DECIDE, "med(state agencies)"
    unknown = duties(incident({"OH": 1}, "2026-11-02", elements=None, hipaa=False))["OH:individual"]
    assert unknown.standing is Standing.DUE, "not known, so read most strictly"


@pytest.mark.parametrize("element", ["document", "identifier"])
@pytest.mark.parametrize("code", ["ME", "MA", "OH", "PA"])
def test_what_nobody_has_read_may_hold_what_a_law_protects(element, code) -> None:
    shown = frozenset({"name", "birth-date", element})
    made = incident({code: 1200}, "2026-11-02", hipaa=False, vendor=True, elements=shown)
    found = duties(made)
    assert found[f"{code}:individual"].standing is Standing.DECIDE
    assert any(
        "may hold what this law protects; look into it (Social Security number" in each
        for each in found[f"{code}:individual"].questions
    )
    assert not [each for each in found.values() if "among this law's" in each.why]
    # Where something that the law protects was shown for certain there is nothing to look for.
    sure = duties(replace(made, elements=shown | {"ssn"}))[f"{code}:individual"]
    assert sure.standing is Standing.DUE
    assert "look into it" not in str(sure.questions)


def test_harm_is_presumed_until_a_person_decides() -> None:
    presumed, decided = (
        duties(incident({"AK": 1, "GA": 1, "SD": 251}, "2026-11-02", hipaa=False, harm=harm)) for harm in Harm
    )
    assert presumed["AK:individual"].standing is Standing.DUE
    assert presumed["AK:regulator"].standing is Standing.NONE, "only whoever claims that there is no harm"
    assert decided["AK:individual"].standing is Standing.NONE
    assert decided["AK:regulator"].standing is Standing.DUE
    assert decided["GA:individual"].standing is Standing.DUE, "its law has no such test"
    assert decided["SD:individual"].standing is Standing.NONE
    assert decided["SD:regulator"].standing is Standing.DUE, "exempts, with notice to the Attorney General"


def test_what_the_law_forbids_in_a_letter_is_told() -> None:
    found = duties(incident({"MA": 1, "IL": 1}, "2026-11-02"))
    assert any("must not say: nature of the breach" in note for note in found["MA:individual"].notes)
    assert any("must not say: number of Illinois" in note for note in found["IL:individual"].notes)


def test_too_many_without_an_address_need_a_substitute_notice() -> None:
    ten, nine = (duties(incident((Entity("Elm", {"ME": 30}, unreachable=n),), "2026-11-02")) for n in (10, 9))
    assert ten["hipaa-substitute-10plus"].standing is Standing.DUE
    assert "hipaa-substitute-10plus" not in nine


def test_without_hipaas_notice_it_is_asked_whether_deeming_still_holds() -> None:
    """A low probability of compromise ends HIPAA's duties; a state that deems them enough may ask again."""
    made = incident({"OK": 20, "TX": 300}, "2026-11-02", assessment=Harm.UNLIKELY)
    found = duties(made)
    assert found["hipaa-individual"].standing is Standing.NONE
    assert "164.402(2)" in found["hipaa-individual"].why
    assert found["OK:individual"].standing is Standing.DECIDE
    assert "does it still stand" in found["OK:individual"].questions[0]
    assert found["TX:regulator"].standing is Standing.DUE
    assert duties(incident({"OK": 20}, "2026-11-02"))["OK:individual"].standing is Standing.MET


def test_those_who_may_reach_a_threshold_are_told_beside_those_who_do() -> None:
    entities = (Entity("Elm", {"ME": 600}), Entity("Oak", {"ME": 450, "unknown": 60}))
    duty = duties(incident(entities, "2026-11-02"))["hipaa-media:ME"]
    assert (duty.standing, duty.entities) == (Standing.DUE, ("Elm",))
    assert any(note.endswith("1 more") for note in duty.notes)


def test_california_facilities_and_what_is_not_in_the_data() -> None:
    without = duties(incident({"CA": 1}, "2026-03-23"))["ca-1280-15"]
    assert without.standing is Standing.NONE
    assert "ca-1280-15" not in duties(incident({"ME": 1}, "2026-03-23"))
    abroad = duties(incident({"ME": 1}, "2026-03-23", facility=True))["ca-1280-15"]
    assert abroad.until == date(2026, 4, 14), "where the facility is, not where its patients live"


def test_what_a_regulator_is_told_with_the_letters_if_they_go_sooner() -> None:
    went = {"notified": "2026-03-05"}
    found = duties(incident({"VT": 10}, "2026-03-02", **OUTSIDE, **went))["VT:regulator"]
    assert (found.until, found.strict) == (date(2026, 3, 5), date(2026, 3, 5)), "9 V.S.A. 2435(b)(3): sooner"
    late = {"notified": "2026-04-01"}
    assert duties(incident({"VT": 10}, "2026-03-02", **OUTSIDE, **late))["VT:regulator"].until == date(
        2026, 3, 23
    )
    known = {"determined": "2026-03-03", "notified": "2026-03-10"}
    found = duties(incident({"AR": 1001}, "2026-03-02", **OUTSIDE, **known))["AR:regulator"]
    assert found.until == date(2026, 3, 10), "states.csv, AR: with the letters or 45 days, whichever first"
    found = duties(incident({"AR": 1001}, "2026-03-02", **OUTSIDE))["AR:regulator"]
    assert found.until == date(2026, 4, 16)


@pytest.mark.parametrize("code", ["", "SD"])
def test_law_enforcement_that_asks_when_the_time_is_over_gives_no_more_of_it(code) -> None:
    """45 CFR 164.412 delays a notice that is still owed in time; a day that was missed stays missed."""
    known = OUTSIDE if code else {}
    name = "SD:individual" if code else "hipaa-individual"
    last = duties(incident({"SD": 1}, "2026-08-01", **known))[name].until
    assert last == date(2026, 9, 30)

    def until(*said):
        made = tuple(Statement(*(each and date.fromisoformat(each) for each in one)) for one in said)
        return duties(incident({"SD": 1}, "2026-08-01", **known, statements=made))[name].until

    assert until(("2026-10-01", "2026-12-01")) == last
    assert until(("2026-10-01", None, "2026-10-20")) == last
    assert until(("2026-09-30", "2026-12-01")) == date(2026, 12, 1)
    assert until(("2026-11-30", "2027-01-10"), ("2026-09-30", "2026-12-01")) == date(2027, 1, 10)
    assert until(("2026-12-15", "2027-01-10"), ("2026-09-30", "2026-12-01")) == date(2026, 12, 1)
