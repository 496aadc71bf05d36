"""What letters say: their own elements, their state's rules, the marks of plain language."""

from __future__ import annotations

from datetime import date

import pytest

from confide.errors import Invalid
from confide.incidents import reading, residences
from confide.incidents.notices import addressing, letters, templates, wording
from confide.incidents.notices.addressing import Why
from confide.incidents.notices.templates import PERSONAL, Kind
from confide.protect.elements import Element
from tests.notices.post import FACTS, OFFER, facts, person

BUILT_IN = templates.built_in()
ALL = frozenset(Element)
STATES = ["", *reading.held().states]
# By which words a letter would name an element, in either language.
NAMED = {
    Element.SSN: ("Social Security", "Seguro Social"),
    Element.BIRTH_DATE: ("date of birth", "birth", "nacimiento"),
    Element.LICENCE: ("driver", "licencia"),
    Element.PASSPORT: ("passport", "pasaporte"),
    Element.ACCOUNT: ("bank", "banco"),
    Element.CARD: ("debit", "tarjeta"),
    Element.MEMBER_ID: ("health plan", "plan de salud"),
    Element.MRN: ("number of the chart", "número de la historia"),
    Element.CLINICAL: ("about health", "Datos de salud"),
    Element.DOCUMENT: ("Notes and papers", "Notas y papeles"),
    Element.DATE: ("Dates of visits", "Fechas de visitas"),
    Element.PHOTO: ("photo", "foto"),
    Element.CONTACT: ("contact person", "persona de contacto"),
    Element.PHONE: ("A phone number", "número de teléfono"),
    Element.EMAIL: ("An e-mail address", "correo electrónico"),
    Element.ADDRESS: ("home address", "dirección de la casa"),
    Element.IDENTIFIER: ("other number", "Otro número"),
    Element.NAME: ("The name.", "El nombre."),
}


def write(kind=Kind.INDIVIDUAL, language="en", state="TX", shown=ALL, offer=OFFER, found=BUILT_IN):
    return letters.specimen(found, facts(offer=offer), kind, language, state, frozenset(shown))


def test_every_letter_in_every_state_reaches_the_marks_of_plain_language():
    sets = [ALL, {Element.NAME}, {Element.SSN}, {Element.CLINICAL, Element.MEMBER_ID}, {Element.CARD}]
    seen = 0
    for offer in (OFFER, None):
        for one in letters.variants(BUILT_IN, facts(offer=offer), STATES, [frozenset(s) for s in sets]):
            assert one.measure.reached, (one, offer)
            seen += 1
    assert seen == 2 * len(PERSONAL) * 2 * 4 * len(sets)  # four kinds of state: MA, CA, IL, and the rest


def test_hard_words_are_refused_with_the_measure():
    words = {
        **FACTS["en"],
        "description": "Notwithstanding organisational cybersecurity considerations, " * 9,
    }
    with pytest.raises(Invalid, match=r"the letter .*too hard to read: Flesch-Kincaid grade \d"):
        letters.require_plain(BUILT_IN, facts(en=words), ["TX"], [ALL])


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("kind", sorted(PERSONAL))
def test_a_letter_never_names_an_element_that_was_not_shown(kind, language):
    for state in ("TX", "MA", "CA"):
        for absent in Element:
            for shown in (ALL - {absent}, frozenset({Element.NAME}) - {absent} or frozenset({Element.SSN})):
                missing = [absent] if len(shown) > 1 else ALL - shown
                text = write(kind, language, state, shown).written()
                named = [e for e in missing if any(word.lower() in text.lower() for word in NAMED[e])]
                # Advice on an account stands where a card was shown, and the other way round: they share it.
                shared = {Element.ACCOUNT, Element.CARD, Element.CLINICAL, Element.MEMBER_ID}
                assert not set(named) - (shared if len(shown) > 1 else set()), (state, named)


def test_the_five_contents_of_hipaa_are_in_each_letter():
    for kind in (Kind.INDIVIDUAL, Kind.PARENT, Kind.FAMILY):
        text = write(kind).written()
        for said in ("stolen password", "from February 1, 2026 to February 14, 2026", "February 2, 2026"):
            assert said in text  # (A)
        assert "The Social Security number." in text  # (B)
        assert "Read each bill" in text  # (C)
        assert "We shut the login" in text  # (D)
        assert all(
            said in text for said in ("1-800-555-0100", "privacy@elm.example", "elm.example/notice")
        )  # (E)


def test_massachusetts_is_told_nothing_of_the_nature_and_the_officer_of_the_conflict():
    said = write(state="MA").written()
    assert "stolen" not in said
    assert "February 14" not in said
    assert "police report" in said
    assert "police report" not in write(state="TX").written()
    rule = wording.rule("MA")
    assert any("Conflict with 45 CFR 164.404(c)(1)(A)" in told for told in rule.told)
    assert "stolen password" in write(Kind.FEDERAL, state="MA").written()
    text = BUILT_IN[Kind.INDIVIDUAL, "en"].text.replace("[nature] {description}", "{description}")
    own = {**BUILT_IN, (Kind.INDIVIDUAL, "en"): templates.read(text, Kind.INDIVIDUAL, "en")}
    with pytest.raises(Invalid, match=r"line 11 .* forbids: description"):
        write(state="MA", found=own)


def test_california_keeps_its_title_and_headings():
    text = BUILT_IN[Kind.INDIVIDUAL, "en"].text.replace("## What You Can Do", "## Advice")
    own = {**BUILT_IN, (Kind.INDIVIDUAL, "en"): templates.read(text, Kind.INDIVIDUAL, "en")}
    with pytest.raises(Invalid, match=r"CA must have the title .*1798\.82"):
        write(state="CA", found=own)
    write(state="TX", found=own)


def test_what_states_ask_of_the_offer_is_told():
    told = wording.shortfalls({Element.SSN}, "CT", 12)
    assert "24 months" in told[0]
    assert not wording.shortfalls({Element.SSN}, "CT", 24)
    assert not wording.shortfalls({Element.NAME}, "CT", 0)
    assert len(wording.shortfalls({Element.SSN}, "MA", 0)) == 2


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("# T\n\n- {elements}\n\n{secret_sauce}", "line 5 .* a field that there is not"),
        ("# T\n\n- {elements}\n\n[sunny] Hello", "line 5 .* a mark that there is not"),
        ("# T\n\n- {elements}\n\nA {brace", "line 5 .* brace"),
        ("# T\n\nYours: {elements}", "line 3 .* an item of its own"),
        ("# T\n\nHello {name}", "what was shown"),
        ("Hello {name}", "title"),
        ("# T\n\n- {elements}\n\n[SSN] Hello", "line 5 .* bracket"),
        ("# T\n\n- {elements}\n\nDear {residents}", "line 5 .* a field that there is not"),
        ("# T\n\n[offer] - {elements}", "what was shown"),
        ("# T\n\n# U\n\n- {elements}", "more than one title"),
    ],
)
def test_a_template_that_is_wrong_is_refused_with_its_line_and_not_repeated(broken, said):
    with pytest.raises(Invalid, match=said) as refused:
        templates.read(broken, Kind.INDIVIDUAL, "en")
    assert "secret_sauce" not in str(refused.value)


def test_a_practice_overrides_some_templates_and_no_others(tmp_path):
    own = "# Notice of Data Breach\n\nDear {name}:\n\n- {elements}\n"
    (tmp_path / "individual.en.txt").write_text(own)
    found = templates.load(tmp_path)
    assert found[Kind.INDIVIDUAL, "en"].text == own
    assert found[Kind.PARENT, "en"] == BUILT_IN[Kind.PARENT, "en"]
    (tmp_path / "individuals.en.txt").write_text(own)
    with pytest.raises(Invalid, match="no template"):
        templates.load(tmp_path)


def test_an_empty_field_is_refused_without_a_letter():
    to = addressing.Addressee(Kind.PARENT, "en", "A", "", ("A",), "TX")
    with pytest.raises(Invalid, match="nothing to put into its field patient"):
        letters.compose(BUILT_IN, facts(), to, ALL, "K7Q2MX-0000-000-0")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"last": date(2026, 1, 1)}, "ends before it begins"),
        ({"discovered": date(2026, 1, 1)}, "discovered before"),
        ({"dated": date(2026, 2, 1)}, "dated before"),
        ({"phone": ""}, "need a practice"),
        ({"en": {"description": 5}}, r"en"),
        ({"surprise": 1}, "malformed"),
        ({"offer": {**OFFER, "months": 0}}, "1 to 120 months"),
    ],
)
def test_facts_that_cannot_be_are_refused(changes, said):
    with pytest.raises(Invalid, match=said):
        facts(**changes)


TODAY = date(2026, 3, 2)
PARENT = {"relationship": [{"coding": [{"code": "PRN"}]}], "name": {"family": "Ortiz", "given": ["Eva"]}}
KIN = {
    "relationship": [{"coding": [{"code": "N"}]}],
    "name": {"text": "Luis Ortiz"},
    "address": {"line": ["9 Elm"], "city": "Waco", "state": "TX", "postalCode": "76701"},
}


def test_children_are_written_to_at_their_parents_and_the_dead_at_their_kin():
    grown = addressing.by_post(person(), TODAY)
    assert (grown.kind, grown.lines) == (Kind.INDIVIDUAL, ("Ana Ortiz", "3 Oak Road", "Dallas, TX 75001"))
    child = addressing.by_post(person(birthDate="2008-03-03", contact=[PARENT]), TODAY)
    assert (child.kind, child.lines[0], child.patient) == (Kind.PARENT, "Eva Ortiz", "Ana Ortiz")
    assert addressing.by_post(person(birthDate="2008-03-02"), TODAY).kind is Kind.INDIVIDUAL
    assert (
        addressing.by_post(person(birthDate="2012-01"), TODAY).lines[0] == "Parent or guardian of Ana Ortiz"
    )
    dead = addressing.by_post(person(deceasedDateTime="2025", contact=[KIN]), TODAY)
    assert (dead.kind, dead.lines[:2]) == (Kind.FAMILY, ("Luis Ortiz", "9 Elm"))
    assert addressing.by_post(person(deceasedBoolean=True), TODAY) is Why.NO_KIN
    assert not Why.NO_KIN.counts


def test_an_address_must_be_whole_and_of_now():
    old = {"use": "old", "line": ["1 A"], "city": "B", "state": "TX", "postalCode": "1"}
    ended = {**old, "use": "home", "period": {"end": "2026-03-01"}}
    half = {"line": ["1 A"], "city": "B"}
    assert addressing.by_post(person(address=[old, ended, half]), TODAY) is Why.NO_ADDRESS
    abroad = {"line": ["1 Rue A"], "city": "Lyon", "postalCode": "69001", "country": "France"}
    assert addressing.by_post(person(address=[abroad]), TODAY).lines[-1] == "France"
    named = {"line": ["1 A"], "city": "Boston", "state": "Massachusetts", "postalCode": "02101"}
    assert addressing.by_post(person(address=[named]), TODAY).state == "MA"
    assert addressing.by_post(person(name=[]), TODAY) is Why.NO_ADDRESS
    spanish = [{"language": {"coding": [{"code": "es-MX"}]}}]
    assert addressing.by_post(person(communication=spanish), TODAY).language == "es"


def test_a_letters_number_tells_a_slip_of_the_pen():
    reference = letters.Reference(letters.name_mailing("some-id"), 12, 34)
    text = str(reference)
    assert letters.read_reference(text.lower()) == reference
    for place, character in enumerate(text):
        if character.isalnum():
            with pytest.raises(Invalid):
                letters.read_reference(text[:place] + ("2" if character != "2" else "3") + text[place + 1 :])


def test_a_guardian_who_was_one_before_is_not_written_to():
    before = {**PARENT, "name": {"text": "Max Before"}, "period": {"end": "2026-03-01"}}
    child = addressing.by_post(person(birthDate="2012-01-01", contact=[before, PARENT]), TODAY)
    assert child.lines[0] == "Eva Ortiz"
    alone = addressing.by_post(person(birthDate="2012-01-01", contact=[before]), TODAY)
    assert alone.lines[0] == "Parent or guardian of Ana Ortiz"
    now = {**before, "period": {"start": "2020-01-01", "end": "2026-03-02"}}
    assert addressing.by_post(person(birthDate="2012-01-01", contact=[now]), TODAY).lines[0] == "Max Before"
    kin = {**KIN, "period": {"end": "2020"}}
    assert addressing.by_post(person(deceasedBoolean=True, contact=[kin]), TODAY) is Why.NO_KIN


@pytest.mark.parametrize(
    ("state", "country", "found"),
    [
        ("PA", "IT", ""),
        ("MA", "Morocco", ""),
        ("PA", "United States of America", "PA"),
        ("Texas", "U.S.A.", "TX"),
        ("ma", "us", "MA"),
        ("MA", "", "MA"),
        ("MA", "no country", "MA"),
        ("", "PR", "PR"),
        ("PR", "US", "PR"),
        ("CA", "CA", ""),
    ],
)
def test_a_province_abroad_is_no_state(state, country, found):
    home = {"line": ["1 Via"], "city": "X", "state": state, "postalCode": "90100", "country": country}
    assert residences.state_of({"address": [home]}) == found
    assert addressing.by_post(person(address=[home]), TODAY).state == found


def test_where_somebody_lived_before_gives_no_letter_its_rules():
    old, home = {"use": "old", "state": "TX"}, {"use": "work", "state": "MA"}
    assert residences.state_of({"address": [old, home]}) == "MA"
    assert residences.state_of({"address": [old]}) == "TX", "nothing else is known"
    assert residences.state_of({"address": [{"state": "TX"}, {"use": "home", "state": "MA"}]}) == "MA"
    assert residences.state_of({"address": "nowhere"}) == ""
    text = {"text": "12 Elm St\nBoston, MA 02118-1234"}
    assert addressing.by_post(person(address=[text]), TODAY).state == "MA"


def test_what_the_laws_ask_for_and_a_template_has_no_place_for_is_told():
    assert not letters.lacking(BUILT_IN, facts(es=FACTS["es"]), STATES)
    own = templates.read("# T\n\nDear {name}:\n\n- {elements}\n", Kind.INDIVIDUAL, "en")
    told = wording.lacks(own, "MA")
    for said in (
        "{description} (45 CFR 164.404(c)(1)(A))",
        "{steps}",
        "{phone}",
        "web site",
        "police report",
    ):
        assert any(said in each for each in told), said
    assert not any("police" in each for each in wording.lacks(own, "TX"))
    assert not wording.lacks(BUILT_IN[Kind.MEDIA, "en"], "MA")
