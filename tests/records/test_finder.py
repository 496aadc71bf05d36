"""The finder: what people type at a desk finds their patient, and nobody can leaf through with it."""

import pytest

from confide.errors import AccessDenied
from confide.protect.elements import Element
from confide.records.finder import parse, without_unfinished
from tests.practice import PATIENT, build, exposures, journal

database = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.mark.parametrize(
    ("typed", "names", "dates", "numbers"),
    [
        ("zoe müller", ("zoe", "muller"), (), ()),
        ("Müller-Ortiz", ("muller", "ortiz", "mullerortiz"), (), ()),
        ("ortiz 1963-05-04", ("ortiz",), ("1963-05-04",), ()),
        ("5/4/1963", (), ("1963-05-04",), ()),
        ("4.5.1963 zoe", ("zoe",), ("1963-05-04",), ()),
        ("4 May 1963", (), ("1963-05-04",), ()),
        ("zoe May 4, 1963", ("zoe",), ("1963-05-04",), ()),
        ("December 31 1980", (), ("1980-12-31",), ()),
        ("(555) 010-4477", (), (), ("(555) 010-4477",)),
        ("+1 555.010.4477 zoe", ("zoe",), (), ("+1 555.010.4477",)),
        ("5550104477", (), (), ("5550104477",)),
        ("E-0004711", (), (), ("E-0004711",)),
        ("0104", (), (), ("0104",)),
        ("12", ("12",), (), ()),
        ("31/31/1963", (), (), ("31/31/1963",)),
        ("", (), (), ()),
        ("  ,-  ", (), (), ()),
    ],
)
def test_what_is_typed_is_taken_apart(typed, names, dates, numbers):
    terms = parse(typed)
    assert (terms.names, terms.dates, terms.numbers) == (names, dates, numbers)


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("0", ""),
        ("05/", ""),
        ("05/04/196", ""),
        ("05/04/1963", "05/04/1963"),
        ("05/04/1963 zo", "05/04/1963 zo"),
        ("zoe 4", "zoe"),
        ("zoe 4 May 1963", "zoe 4 May 1963"),
        ("4 Ma", "Ma"),
        ("1963-05-0", ""),
        ("1963-05-04", "1963-05-04"),
        ("(555", ""),
        ("(555) 010", ""),
        ("(555) 010-4477", "(555) 010-4477"),
        ("555010", "555010"),
        ("E-0004711", "E-0004711"),
        ("E-1", "E-1"),
        ("", ""),
    ],
)
def test_what_is_not_yet_a_date_or_number_is_not_asked(typed, asked):
    assert without_unfinished(typed) == asked


@pytest.fixture
def desk(elm):
    return elm.grant("search", elm.member("front_desk"), "TREAT")


FOUND = [
    "zoe",
    "ZOË",
    "zo",
    "mul",
    "müller",
    "ortiz",
    "Müller-Ortiz",
    "mullerortiz",
    "ana ortiz",
    "ortiz, zoe",
    "1963-05-04",
    "05/04/1963",
    "4 May 1963",
    "zoe 1963-05-04",
    "5550104477",
    "(555) 010-4477",
    "555-010",
    "+1 555 010 4477",
    "E-0004711",
    "e0004711",
    "zoe E-0004711",
]
NOT_FOUND = [
    "oe",
    "zoe doe",
    "1963-05-05",
    "zoe 1964-05-04",
    "4477",
    "E-0004712",
    "078-05-1120",
    "xyz",
    "W-8800-1122",
]


@database
def test_a_patient_is_found(elm, desk):
    zoe = elm.patient()
    elm.named("Una", "Doe", birthDate="1980-01-01")
    for text in FOUND:
        assert elm.found(text, desk) == {zoe}, text
    for text in NOT_FOUND:
        assert elm.found(text, desk) == set(), text
    for text in ("", "  ", "--"):
        assert elm.find(text, desk).empty, text


@database
def test_who_is_found_shows_name_and_birth_date_only(elm, desk):
    elm.patient()
    [view] = elm.find("zoe", desk).views
    assert view.body["name"] == PATIENT["name"]
    assert view.body["birthDate"] == "1963-05-04"
    assert "Elm" not in str(view.body)
    assert "4711" not in str(view.body)


@database
def test_one_term_shows_at_most_five_and_two_at_most_twenty(elm, desk):
    for i in range(5):
        elm.named(f"Given{i}", "Smith")
    assert len(elm.found("smi", desk)) == 5
    elm.named("Given5", "Smith")
    finding = elm.find("smi", desk)
    assert (finding.views, finding.too_many) == ([], True)
    assert elm.find("given", desk).too_many
    assert len(elm.found("given smith", desk)) == 6
    for i in range(14):
        elm.named("Given", f"Smith{i}")
    assert len(elm.found("given smi", desk)) == 20
    elm.named("Given", "Smithson")
    finding = elm.find("given smi", desk)
    assert (finding.views, finding.too_many) == ([], True)
    assert len(elm.found("given smithson", desk)) == 1
    assert len(exposures()) == 21, "nothing that was not shown was charged, and nobody twice"


@database
def test_finding_is_charged_and_written(elm, desk):
    zoe = elm.patient()
    assert elm.found("zoe", desk) == {zoe}
    assert exposures() == {(zoe, "name"), (zoe, "birth-date")}
    asked, shown = journal()
    assert (asked.patient, asked.elements) == (zoe, {"name": "searched"})
    assert (shown.patient, shown.elements) == (zoe, {"name": "clear", "birth-date": "clear"})
    elm.found("E-0004711", desk)
    assert exposures() == {(zoe, "name"), (zoe, "birth-date"), (zoe, "mrn")}, "a phone number has no letter"
    elm.found("5550104477", desk)
    assert exposures() == {(zoe, "name"), (zoe, "birth-date"), (zoe, "mrn"), (zoe, "phone")}


@database
def test_asking_by_a_number_is_asking_by_all_that_it_may_be(elm):
    """Whoever may see SSNs pays for having learned whose one it is."""
    zoe = elm.patient()
    assert elm.found("078-05-1120") == {zoe}
    assert (zoe, "ssn") in exposures()


@database
def test_a_spent_budget_finds_nobody_new(elm):
    grant = elm.grant("search", elm.client(day_patients=1))
    zoe, una = elm.named("Zoe", "Smith"), elm.named("Una", "Smith")
    assert elm.found("zoe", grant) == {zoe}
    assert elm.found("una", grant) == set()
    assert elm.found("zoe", grant) == {zoe}
    assert una not in {patient for patient, _ in exposures()}


@database
def test_finding_is_for_those_who_may_see_names(elm, oak):
    elm.patient()
    officer = elm.grant("search", elm.member("privacy_officer"), "HOPERAT")
    for text in ("zoe", "1963-05-04", "E-0004711"):
        with pytest.raises(AccessDenied):
            elm.find(text, officer)
    names_only = elm.grant("search", elm.client(elements=["name"]))
    with pytest.raises(AccessDenied):
        elm.find("1963-05-04", names_only)
    assert elm.found("E-0004711", names_only) == set()
    assert len(elm.found("zoe", names_only)) == 1
    assert oak.found("zoe") == set()


@database
def test_it_keeps_up(elm, desk):
    zoe = elm.patient()
    assert elm.found("zoe", desk) == {zoe}
    theirs, clock = build()
    clock.now = elm.clock.now
    una = theirs.charts.create(
        elm.grant("write"), {"resourceType": "Patient", "name": [{"text": "Una Doe"}]}
    ).id
    assert elm.found("una", desk) == {una}, "from another process"
    elm.put("Patient", zoe, name=[{"family": "Other"}])
    assert elm.found("zoe", desk) == set()
    assert elm.found("other", desk) == {zoe}
    elm.system.charts.delete(elm.grant("write"), "Patient", una)
    assert elm.found("una", desk) == set()


@database
def test_people_come_in_the_order_of_their_names(elm, desk):
    for given, family in (("Una", "Smith"), ("Zoë", "Smythe"), ("Åsa", "Smith"), ("Bo", "Smit")):
        elm.named(given, family)
    views = elm.find("sm", desk).views
    assert [v.body["name"][0]["given"][0] for v in views] == ["Bo", "Åsa", "Una", "Zoë"]


@database
def test_a_very_long_text(elm, desk):
    elm.patient()
    assert elm.found("zoe " + "x" * 10_000, desk) == set()
    assert elm.found(" " * 300 + "zoe", desk) == set()


@database
def test_masked_or_hidden_elements_do_not_come_along(elm):
    elm.patient()
    grant = elm.grant("search", elements=[Element.NAME, Element.SSN])
    [view] = elm.find("zoe", grant).views
    assert "078-05" not in str(view.body)
    assert view.body["birthDate"] == "1963"
