"""Search: what is asked for is found, by those who may ask, and they pay for asking."""

import pytest

from confide.access.models import Exposure
from confide.errors import AccessDenied, BudgetSpent, InvalidResource, Unknown
from confide.protect.elements import Element
from confide.records.models import Cursor
from confide.records.query import matches, span
from tests.practice import PATIENT, exposures, journal, observation

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
SSN = "http://hl7.org/fhir/sid/us-ssn"
MRN = "http://elm.example/mrn"


@pytest.fixture
def zoe(elm):
    return elm.patient()


@pytest.fixture
def una(elm):
    return elm.add(
        {
            "resourceType": "Patient",
            "name": [{"family": "O'Brien", "given": ["Una"]}],
            "gender": "female",
            "birthDate": "1980-12-31",
            "identifier": [{"system": SSN, "value": "219-09-9999"}],
            "telecom": [{"system": "phone", "value": "555-010-9999"}],
        }
    )


# People


PEOPLE = [
    ([("name", "mull")], {"zoe"}),
    ([("name", "MÜLLER")], {"zoe"}),
    ([("name", "ortiz")], {"zoe"}),
    ([("name", "müller-ortiz")], {"zoe"}),
    ([("family", "obrien")], {"una"}),
    ([("family", "o'brien")], {"una"}),
    ([("given", "Zoe,Una")], {"zoe", "una"}),
    ([("given", "zoe"), ("family", "obrien")], set()),
    ([("name:exact", "mull")], set()),
    ([("name:exact", "Zoë")], {"zoe"}),
    ([("birthdate", "1963-05-04")], {"zoe"}),
    ([("birthdate", "1963")], {"zoe"}),
    ([("birthdate", "1963-05")], {"zoe"}),
    ([("birthdate", "ge1963-05-04")], {"zoe", "una"}),
    ([("birthdate", "gt1963-05-04")], {"una"}),
    ([("birthdate", "lt1963-05-04")], set()),
    ([("birthdate", "le1963-05-04")], {"zoe"}),
    ([("birthdate", "ne1963-05-04")], {"una"}),
    ([("birthdate", "ge1970"), ("birthdate", "lt1981")], {"una"}),
    ([("identifier", "078-05-1120")], {"zoe"}),
    ([("identifier", "078051120")], {"zoe"}),
    ([("identifier", f"{SSN}|078051120")], {"zoe"}),
    ([("identifier", f"{SSN}|078051121")], set()),
    ([("identifier", f"{MRN}|E-0004711")], {"zoe"}),
    ([("identifier", f"{MRN}|078051120")], set()),
    ([("identifier", "http://oak.example/mrn|E-0004711")], set()),
    ([("identifier", "|E-0004711")], set()),
    ([("identifier", "E-0004711,219-09-9999")], {"zoe", "una"}),
    ([("identifier", "W-8800-1122")], {"zoe"}),
    ([("identifier", "http://plan.example/members|W88001122")], {"zoe"}),
    ([("identifier", "http://other.example|W88001122")], set()),
    ([("identifier", f"{SSN}|")], set()),
    ([("phone", "5550104477")], {"zoe"}),
    ([("phone", "+1 (555) 010-4477")], {"zoe"}),
    ([("email", "ZOE@example.org")], {"zoe"}),
    ([("telecom", "zoe@example.org")], {"zoe"}),
    ([("telecom", "phone|555-010-9999")], {"una"}),
    ([("address", "elm")], {"zoe"}),
    ([("address-city", "spring")], {"zoe"}),
    ([("address-postalcode", "01103")], {"zoe"}),
    ([("address-state", "MA")], {"zoe"}),
    ([("gender", "female")], {"zoe", "una"}),
    ([("gender", "male")], set()),
    ([("gender:not", "male")], {"zoe", "una"}),
    ([("gender", "female"), ("name", "una")], {"una"}),
    ([("_id", "nonsense")], set()),
    ([("name", "--")], set()),
    ([], {"zoe", "una"}),
]


def test_people_are_found(elm, zoe, una):
    grant = elm.grant("search")
    for params, who in PEOPLE:
        told = len(journal())
        page = elm.search("Patient", *params, grant=grant)
        assert {v.id for v in page.views} == {{"zoe": zoe, "una": una}[name] for name in who}, params
        assert page.total == len(who), params
        asked = {row.patient for row in journal()[told:] if "searched" in row.elements.values()}
        public = not params or (params[0][0] in {"gender", "gender:not", "_id"} and len(params) == 1)
        narrowed = any(name == "gender" for name, _ in params)  # to so few that each of them is fixed
        told_of = {zoe, una} if narrowed else {v.id for v in page.views} or {""}
        assert asked == (set() if public else told_of), params


def test_by_id(elm, zoe, una):
    assert elm.ids("Patient", ("_id", zoe)) == [zoe]
    assert set(elm.ids("Patient", ("_id", f"{zoe},{una}"))) == {zoe, una}
    assert elm.ids("Patient", ("_id", zoe), ("name", "una")) == []


def test_another_practice_finds_nobody(elm, oak, zoe):
    for params in (
        [("name", "zoe")],
        [("identifier", "078-05-1120")],
        [("_id", zoe)],
        [("gender", "female")],
        [],
    ):
        assert oak.search("Patient", *params).total == 0


# Who may ask


def test_asking_needs_to_see(elm, zoe):
    nurse = elm.grant("search", elm.member("nurse"), "TREAT")
    with pytest.raises(AccessDenied):
        elm.search("Patient", ("identifier", f"{SSN}|078-05-1120"), grant=nurse)
    assert elm.ids("Patient", ("identifier", "078-05-1120"), grant=nurse) == [], "not as another kind either"
    assert elm.ids("Patient", ("identifier", f"{MRN}|E-0004711"), grant=nurse) == [zoe]
    officer = elm.grant("search", elm.member("privacy_officer"), "HOPERAT")
    for name, value in (
        ("name", "zoe"),
        ("birthdate", "1963"),
        ("phone", "555"),
        ("address", "elm"),
        ("identifier", "E-0004711"),
    ):
        with pytest.raises(AccessDenied):
            elm.search("Patient", (name, value), grant=officer)
    assert elm.ids("Patient", ("gender", "female"), grant=officer) == [zoe], "that is no secret"


def test_asking_is_charged_whatever_is_shown(elm, zoe, una):
    counting = elm.search("Patient", ("family", "o'brien"), ("_summary", "count"))
    assert (counting.total, counting.views) == (1, [])
    assert exposures() == {(una, "name")}
    [row] = [r for r in journal() if r.action == "search"]
    assert (row.patient, row.elements) == (una, {"name": "searched"})
    elm.search("Patient", ("birthdate", "1900"), ("_summary", "count"))
    assert exposures() == {(una, "name")}


def test_a_spent_budget_tells_no_more(elm):
    made = [elm.named(f"N{i}", "Smith") for i in range(4)]
    grant = elm.grant("search", elm.client(day_patients=2))
    page = elm.search("Patient", ("name", "smith"), grant=grant)
    assert page.total == len(page.views) == 2
    assert page.withheld, "and says so"
    assert {v.id for v in page.views} < set(made)
    stand_ins = elm.search("Patient", grant=grant)
    assert stand_ins.total == 4
    assert stand_ins.withheld == 2
    assert Exposure.objects.values("patient").distinct().count() == 2


def test_a_spent_budget_does_not_say_that_there_is_nothing(elm, zoe):
    """A clinician who is told of no results would order them again."""
    elm.add(observation(zoe))
    grant = elm.grant("search", elm.client(day_patients=0))
    for params in (("date", "2024"), ("_sort", "date")):
        with pytest.raises(BudgetSpent):
            elm.search("Observation", ("patient", zoe), params, grant=grant)
    assert elm.search("Observation", ("patient", zoe), grant=grant).total == 1


# Charts


@pytest.fixture
def results(elm, zoe, una):
    return {
        "may": elm.add(observation(zoe, "2024-05-04")),
        "time": elm.add(observation(zoe, "2024-05-04T23:30:00-05:00", "8462-4")),
        "june": elm.add(observation(zoe, "2024-06", "8462-4", status="amended")),
        "span": elm.add(
            {k: v for k, v in observation(zoe, code="29463-7").items() if k != "effectiveDateTime"}
            | {"effectivePeriod": {"start": "2023-12-30", "end": "2024-01-02"}}
        ),
        "hers": elm.add(observation(una, "2024-05-04")),
    }


RESULTS = [
    ([], {"may", "time", "june", "span"}),
    ([("code", "8462-4")], {"time", "june"}),
    ([("code", "http://loinc.org|8462-4")], {"time", "june"}),
    ([("code", "http://snomed.info/sct|8462-4")], set()),
    ([("code", "8480-6,29463-7")], {"may", "span"}),
    ([("code:not", "8462-4")], {"may", "span"}),
    ([("status", "amended")], {"june"}),
    ([("status", "amended"), ("code", "8480-6")], set()),
    ([("date", "2024-05-04")], {"may", "time"}),
    ([("date", "eq2024-05-04")], {"may", "time"}),
    ([("date", "2024-05-05")], set()),
    ([("date", "2024-05")], {"may", "time"}),
    ([("date", "2024")], {"may", "time", "june"}),
    ([("date", "ge2024-05-04")], {"may", "time", "june"}),
    ([("date", "gt2024-05-04")], {"june"}),
    ([("date", "lt2024-05-04")], {"span"}),
    ([("date", "le2024-05-04")], {"may", "time", "span"}),
    ([("date", "lt2024-01-01")], {"span"}),
    ([("date", "sa2024-01-01")], {"may", "time", "june"}),
    ([("date", "eb2024-01-01")], set()),
    ([("date", "ap2024-01-01")], {"span"}),
    ([("date", "ge2024-05-05T04:00:00Z")], {"time", "june"}),
    ([("date", "2024-05-05T04:30:00Z")], {"time"}),
    ([("date", "2024-05-05T06:30:00+02:00")], {"time"}),
    ([("date", "gt2024-05-05T04:30:00Z")], {"june"}),
    ([("date", "ge2024-05"), ("date", "lt2024-06")], {"may", "time"}),
    ([("date", "2024-05-04"), ("code", "8480-6")], {"may"}),
]


def test_results_of_one_patient(elm, zoe, results):
    grant = elm.grant("search")
    for params, which in RESULTS:
        found = set(elm.ids("Observation", ("patient", zoe), *params, grant=grant))
        assert found == {results[name] for name in which}, params


def test_references_in_each_writing(elm, zoe, results):
    for name, value in (
        ("patient", zoe),
        ("patient", f"Patient/{zoe}"),
        ("subject", f"Patient/{zoe}"),
        ("subject", zoe),
        ("subject:Patient", zoe),
    ):
        assert len(elm.ids("Observation", (name, value))) == 4, (name, value)
    assert elm.ids("Observation", ("subject", f"Group/{zoe}")) == []
    assert elm.ids("Observation", ("patient", "nobody")) == []


def test_dates_are_asked_within_one_patient(elm, zoe, una, results):
    for params in (
        [("date", "2024")],
        [("date", "2024"), ("code", "8480-6")],
        [("patient", f"{zoe},{una}"), ("date", "2024")],
    ):
        with pytest.raises(InvalidResource):
            elm.search("Observation", *params)
    biller = elm.client("HPAYMT", elements=["name"])
    with pytest.raises(AccessDenied):
        elm.search(
            "Observation", ("patient", zoe), ("date", "2024"), grant=elm.grant("search", biller, "HPAYMT")
        )


def test_sorting(elm, zoe, results):
    by_date = elm.ids("Observation", ("patient", zoe), ("_sort", "date"))
    assert by_date == [results[n] for n in ("span", "may", "time", "june")]
    assert elm.ids("Observation", ("patient", zoe), ("_sort", "-date")) == by_date[::-1]
    with pytest.raises(InvalidResource):
        elm.search("Observation", ("_sort", "date"))
    with pytest.raises(InvalidResource):
        elm.search("Observation", ("_sort", "code"))
    by_id = elm.ids("Observation", ("_sort", "_id"))
    assert by_id == sorted(by_id) == elm.ids("Observation", ("_sort", "-_id"))[::-1]


def test_last_updated(elm, zoe):
    elm.clock.advance(hours=2)
    later = elm.patient()
    assert elm.ids("Patient", ("_lastUpdated", "gt2026-03-02T10:00:00Z")) == [later]
    assert elm.ids("Patient", ("_lastUpdated", "gt2026-03-02T12:00:00+02:00")) == [later]
    assert elm.ids("Patient", ("_lastUpdated", "lt2026-03-02T10:00:00Z")) == [zoe]
    assert elm.ids("Patient", ("_sort", "-_lastUpdated")) == [later, zoe]


def test_a_sealed_code_is_not_found_and_says_nothing(elm, zoe):
    local = {"coding": [{"system": "http://elm.example/codes", "code": "hiv-clinic"}]}
    id_ = elm.add(observation(zoe) | {"code": local})
    assert elm.ids("Observation", ("code", "hiv-clinic")) == []
    assert elm.ids("Observation", ("patient", zoe)) == [id_]


def test_what_is_kept_is_searched_by_anything(elm):
    a = elm.add({"resourceType": "Organization", "name": "Elm Street Practice"})
    elm.add({"resourceType": "Organization", "name": "Oak"})
    assert elm.ids("Organization", ("name", "elm")) == [a]
    assert elm.ids("Organization", ("name:contains", "STREET")) == [a]
    assert elm.ids("Organization", ("name:exact", "elm street practice")) == []
    assert journal() == [], "it is nobody's"


def test_what_changes_is_found_by_what_it_is_now(elm, zoe):
    seen = elm.add(observation(zoe))
    elm.put("Observation", seen, code={"coding": [{"system": "http://loinc.org", "code": "8462-4"}]})
    assert elm.ids("Observation", ("code", "8480-6")) == []
    assert elm.ids("Observation", ("code", "8462-4")) == [seen]
    elm.put("Patient", zoe, identifier=[{"system": SSN, "value": "219-09-9999"}])
    assert elm.ids("Patient", ("identifier", "078-05-1120")) == []
    assert elm.ids("Patient", ("identifier", "219-09-9999")) == [zoe]


# Refused


NOT_UNDERSTOOD = [
    ("Patient", [("Qvzx7WmTr4KpLd92Hs", "1")]),
    ("Patient", [("name:Qvzx7WmTr4KpLd92Hs", "1")]),
    ("Patient", [("name:contains", "Qvzx7WmTr4KpLd92Hs")]),
    ("Patient", [("identifier:not", "Qvzx7WmTr4KpLd92Hs")]),
    ("Patient", [("birthdate", "Qvzx7WmTr4KpLd92Hs")]),
    ("Patient", [("birthdate", "1963-5-4")]),
    ("Patient", [("name", "")]),
    ("Patient", [("name", ",")]),
    ("Patient", [("_count", "Qvzx7WmTr4KpLd92Hs")]),
    ("Patient", [("_count", "-1")]),
    ("Patient", [("_sort", "Qvzx7WmTr4KpLd92Hs")]),
    ("Patient", [("_include", "Patient:general-practitioner")]),
    ("Patient", [("_has:Observation:patient:code", "1")]),
    ("Patient", [("_summary", "text")]),
    ("Observation", [("subject:Patient.name", "x")]),
    ("Observation", [("subject.name", "x")]),
    ("Patient", [("_cursor", "x"), ("name", "zoe")]),
    ("Nonsense", [("code", "1")]),
]


def test_what_is_not_understood_is_refused(elm):
    grant = elm.grant("search")
    for kind, params in NOT_UNDERSTOOD:
        with pytest.raises(InvalidResource) as problem:
            elm.search(kind, *params, grant=grant)
        assert "Qvzx7W" not in str(problem.value), params


# Pages


def test_pages(elm):
    made = {elm.named(f"N{i}", "Smith", gender="other") for i in range(7)}
    actor = elm.client()
    grant = elm.grant("search", actor)
    page = elm.search("Patient", ("name", "smith"), ("_count", "3"), grant=grant)
    seen = [v.id for v in page.views]
    sizes = [len(seen)]
    while page.next_cursor:
        assert "smith" not in page.next_cursor.lower()
        page = elm.search("Patient", ("_cursor", page.next_cursor), ("_count", "3"), grant=grant)
        assert page.total == 7
        sizes.append(len(page.views))
        seen += [v.id for v in page.views]
    assert sizes == [3, 3, 1]
    assert len(seen) == 7
    assert set(seen) == made
    row = Cursor.objects.get()
    assert set(row.ids) == made
    assert "mith" not in str({f.name: getattr(row, f.name) for f in Cursor._meta.fields if f.name != "ids"})


def test_a_page_of_nothing_is_not_everything(elm, zoe):
    page = elm.search("Patient", ("_count", "0"))
    assert (page.views, page.total, page.next_cursor) == ([], 1, "")


def test_a_page_has_a_limit(elm):
    from confide.records.query import MOST_PER_PAGE, parse

    assert parse("Patient", [("_count", "99999999999999999999")]).count == MOST_PER_PAGE


def test_a_cursor_is_its_owners(elm, oak):
    for i in range(3):
        elm.named(f"N{i}", "Smith")
    grant = elm.grant("search", elm.client())
    cursor = elm.search("Patient", ("_count", "1"), grant=grant).next_cursor
    for stranger in (
        elm.grant("search"),
        oak.grant("search"),
        elm.grant("search", elm.member("nurse"), "TREAT"),
    ):
        with pytest.raises(Unknown):
            elm.search("Patient", ("_cursor", cursor), grant=stranger)
    with pytest.raises(Unknown):
        elm.search("Observation", ("_cursor", cursor), grant=grant)
    for broken in ("x", cursor[1:], cursor.upper(), "." + cursor):
        with pytest.raises(Unknown):
            elm.search("Patient", ("_cursor", broken), grant=grant)
    assert len(elm.search("Patient", ("_cursor", cursor), grant=grant).views) == 2
    elm.clock.advance(minutes=31)
    fresh = elm.grant("search", grant.actor)
    with pytest.raises(Unknown):
        elm.search("Patient", ("_cursor", cursor), grant=fresh)


def test_a_page_shows_nothing_that_is_gone(elm):
    made = sorted(elm.named(f"N{i}", "Smith") for i in range(3))
    grant = elm.grant("search", elm.client())
    cursor = elm.search("Patient", ("_count", "1"), grant=grant).next_cursor
    elm.system.charts.delete(elm.grant("write"), "Patient", made[1])
    assert [v.id for v in elm.search("Patient", ("_cursor", cursor), grant=grant).views] == [made[2]]


def test_hits_show_what_the_grant_shows(elm, zoe):
    grant = elm.grant("search", elements={Element.NAME})
    [view] = elm.search("Patient", ("name", "zoe"), grant=grant).views
    assert view.body["name"] == PATIENT["name"]
    assert view.body["birthDate"] == "1963"
    assert {"name"} == {e for row in journal() for e in row.elements}


# Dates as text


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", "2024", "2025"),
        ("9999", "9999", "~"),
        ("2024-12", "2024-12", "2025"),
        ("2024-11", "2024-11", "2024-12"),
        ("9999-12", "9999-12", "~"),
        ("2024-05-04", "2024-05-04", "2024-05-04U"),
        ("2024-05-04T10:30:00Z", "2024-05-04T10:30:00", "2024-05-04T10:30:00~"),
        ("2024-05-04T23:30:00-05:00", "2024-05-05T04:30:00", "2024-05-05T04:30:00~"),
        ("2024-05-04T10:30+02:00", "2024-05-04T08:30", "2024-05-04T08:30~"),
        ("2024-05-04T10:30:00.5Z", "2024-05-04T10:30:00.500000", "2024-05-04T10:30:00.500000~"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60", "2016-12-31T23:59:60~"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00", "0001-01-01T00:00:00~"),
    ],
)
def test_spans(text, low, high):
    found = span(text, zoned=True)
    assert (found.low, found.high) == (low, high)


@pytest.mark.parametrize(
    ("prefix", "value", "holds"),
    [
        ("eq", "2024-05-04T10:00:00Z", True),
        ("eq", "2024-05", False),
        ("ne", "2024-05", True),
        ("gt", "2024-05", True),
        ("gt", "2024-05-04", False),
        ("lt", "2024-05", True),
        ("lt", "2024-05-05", False),
        ("sa", "2024-05", False),
        ("sa", "2024-05-05", True),
        ("eb", "2024-05-03T23:59:59Z", True),
        ("ap", "2024", True),
        ("ap", "2023", False),
    ],
)
def test_prefixes(prefix, value, holds):
    s = span(value)
    assert matches(prefix, span("2024-05-04"), s.low, s.high) is holds


def test_the_last_month_is_in_its_year():
    december = span("2024-12")
    assert matches("eq", span("2024"), december.low, december.high)
