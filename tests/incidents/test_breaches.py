"""Whole breaches: three published kinds, the one that Confide is designed against, and every state's row."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from confide.incidents import clocks, reading
from confide.incidents.duties import Standing
from confide.incidents.facts import Encryption, Entity, Way
from tests.incidents.breach import duties, incident

LAW = reading.held()
RESIDENTS = {"ME": 600, "TX": 250, "FL": 20}
ELEMENTS = frozenset({"name", "ssn", "clinical"})
NOW = datetime(2023, 4, 20, 15, tzinfo=UTC)


def standing(found, which) -> set[str]:
    return {name for name, duty in found.items() if duty.standing is which}


def test_a_stolen_login() -> None:
    """Encrypted disks do not help: the login was valid."""
    made = incident(RESIDENTS, "2026-11-02", elements=ELEMENTS, way=Way.LOGIN, encryption=Encryption.KEY_SAFE)
    found = duties(made)
    assert standing(found, Standing.DUE) == {
        "hipaa-individual", "hipaa-media:ME", "hipaa-secretary-large", "hipaa-records",
        "ME:individual", "ME:regulator", "TX:regulator", "FL:individual",
    }  # fmt: skip
    assert standing(found, Standing.UNCONFIRMED) == {"TX:individual"}
    assert any("no safe harbour" in note for note in found["hipaa-individual"].notes)


def test_a_lost_laptop_unencrypted() -> None:
    found = duties(incident({"TX": 249, "OK": 20}, "2026-11-02", elements=ELEMENTS, way=Way.MEDIUM))
    assert standing(found, Standing.DUE) == {"hipaa-individual", "hipaa-secretary-small", "hipaa-records"}
    assert standing(found, Standing.UNCONFIRMED) == {"TX:individual"}
    assert standing(found, Standing.MET) == {"OK:individual"}
    assert found["hipaa-secretary-small"].until == date(2027, 3, 1)
    assert found["hipaa-media:TX"].standing is Standing.NONE


def test_a_lost_laptop_encrypted_with_its_key_safe() -> None:
    made = incident(
        RESIDENTS, "2026-11-02", elements=ELEMENTS, way=Way.MEDIUM, encryption=Encryption.KEY_SAFE
    )
    found = duties(made)
    assert standing(found, Standing.DUE) == standing(found, Standing.DECIDE) == set()
    assert "not unsecured PHI (45 CFR 164.402)" in found["hipaa-individual"].why
    assert found["ME:individual"].standing is Standing.NONE
    unconfirmed = duties(incident({"MA": 1}, "2026-11-02", way=Way.MEDIUM, encryption=Encryption.KEY_SAFE))
    assert unconfirmed["MA:individual"].standing is Standing.DUE, "its safe harbour is general knowledge only"
    taken = duties(incident(RESIDENTS, "2026-11-02", encryption=Encryption.KEY_TAKEN))
    assert taken["hipaa-individual"].standing is Standing.DUE


def practices() -> tuple[Entity, ...]:
    """1,049,375 persons at 1,600 practices: 3,913 in Maine, 131,815 in Texas, the others over all states."""
    others = [code for code in LAW.states if code not in {"ME", "TX"}]
    rest = 1_049_375 - 3_913 - 131_815
    made: list[dict[str, int]] = [{} for _ in range(1_600)]
    for i in range(8):
        made[i]["ME"] = 489 + (i == 0)
    for i in range(200):
        made[8 + i]["TX"] = 659 + (i < 15)
    per = rest // 1_392
    for i in range(1_392):
        made[208 + i][others[i % len(others)]] = per + (i < rest - per * 1_392)
    return tuple(Entity(f"Practice {i + 1:04}", residents) for i, residents in enumerate(made))


def test_the_incident_that_confide_is_designed_against() -> None:
    entities = practices()
    assert sum(each.persons for each in entities) == 1_049_375
    made = incident(
        entities, "2023-03-30", accessed=(date(2023, 3, 29), date(2023, 4, 14)), way=Way.LOGIN, vendor=True,
        elements=frozenset({"name", "birth-date", "address", "ssn"}),
    )  # fmt: skip
    assert (made.totals["ME"], made.totals["TX"]) == (3_913, 131_815)
    told = clocks.reckon(made, LAW, NOW)
    found = {duty.id: duty for duty in told.duties}
    assert found["hipaa-individual"].until == date(2023, 5, 29)
    assert found["hipaa-individual"].persons == 1_049_375
    owed = found["hipaa-business-associate"]
    assert (owed.until, len(owed.entities)) == (date(2023, 5, 29), 1_600)
    assert owed.cite == "45 CFR 164.410"
    assert found["ME:individual"].until == found["ME:regulator"].until == date(2023, 4, 29)
    assert found["ME:individual"].persons == 3_913
    assert found["ME:agencies"].standing is Standing.DUE
    assert len(found["TX:regulator"].entities) == 200
    media = {duty.state for duty in told.duties if duty.id.startswith("hipaa-media:") and duty.runs}
    large = {code for each in entities for code, count in each.residents.items() if count > 500}
    assert media == large
    assert "TX" in media
    assert "ME" not in media, "489 or 490 at each of eight practices: the threshold is per covered entity"
    assert {duty.state for duty in told.newer if duty.state} >= {"TX", "CA", "NY", "OK"}
    assert told.first == date(2023, 3, 29)
    assert found["ME:individual"].left(NOW) == 9


def test_one_practice_with_all_of_them_tells_the_media_in_every_such_state() -> None:
    found = duties(incident({"ME": 3_913, "TX": 131_815, "VT": 500}, "2023-03-30", way=Way.LOGIN))
    assert {name for name in standing(found, Standing.DUE) if "media" in name} == {
        "hipaa-media:ME", "hipaa-media:TX",
    }  # fmt: skip
    assert {"ME:agencies", "TX:agencies"} <= standing(found, Standing.DUE)


@pytest.mark.parametrize("code", LAW.states)
def test_every_states_row(code: str) -> None:
    """Above every threshold, outside HIPAA: the row's own numbers come out, each with its certainty."""
    row = LAW.states[code]
    found = duties(
        incident(
            {code: 2_000_000}, "2026-03-02", hipaa=False, vendor=True, elements=None, notified="2026-03-20"
        )
    )
    letters, regulator = found[f"{code}:individual"], found[f"{code}:regulator"]
    if row.ind_days is None:
        assert (letters.until, letters.prompt) == (None, True)
    else:
        assert letters.until == date.fromordinal(date(2026, 3, 2).toordinal() + row.ind_days)
    confirmed = LAW.confirmed(row.ind_cert)
    assert letters.standing is (Standing.DUE if confirmed else Standing.UNCONFIRMED)
    assert letters.certainty is row.ind_cert
    if row.reg_op:
        assert regulator.standing is (Standing.DUE if LAW.confirmed(row.reg_cert) else Standing.UNCONFIRMED)
        assert regulator.to == row.reg_recipient
        assert regulator.until is not None
        assert regulator.until >= date(2026, 3, 2)
    else:
        assert regulator.standing is Standing.NONE
    agencies = found[f"{code}:agencies"].standing
    if row.cra_op in {">", ">="} and code not in {"MN", "OH"}:
        assert agencies is Standing.DUE
    else:
        open_ = row.cra_op or not LAW.confirmed(row.cra_cert)
        assert agencies in ({Standing.DECIDE, Standing.UNCONFIRMED} if open_ else {Standing.NONE})
    assert all(
        duty.law_as_of == row.law_as_of for duty in found.values() if duty.state == code and ":" in duty.id
    )
    few = duties(incident({code: 1}, "2026-03-02", hipaa=False))[f"{code}:regulator"]
    reached = row.reg_op and (row.reg_n in {0, 1} and (row.reg_op, row.reg_n) != (">", 1))
    assert (few.standing is Standing.DUE) is bool(reached)
    under = duties(incident({code: 2_000_000}, "2026-03-02"))[f"{code}:individual"]
    effect = LAW.rules.hipaa_effects[row.hipaa_effect].get("individual")
    met = effect == "met" and LAW.confirmed(row.hipaa_cert)
    assert (under.standing is Standing.MET) is met
