"""The door for bare values: no grant, no payment or no durable entry, no value; each item has its answer."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from confide.access.models import Exposure
from confide.access.roles import Form
from confide.errors import (
    AccessDenied,
    BudgetSpent,
    ConfideError,
    DomainTooSmall,
    GrantExpired,
    GrantMismatch,
    Invalid,
    JournalUnavailable,
    KeyUnavailable,
    SealBroken,
    Unavailable,
    Unknown,
)
from confide.protect.elements import Element
from confide.protect.tokens import Wanted
from confide.records.models import Resource
from confide.vault.covers import IN_FORMAT, Bare, Kept
from confide.vault.models import DataKey, Token
from confide.vault.values import Shown
from tests.practice import build, exposures, journal, read_only, without_journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
LAB = "lab-partner"
SSN = "078-05-1120"


class Program:
    """A client of a practice, and short ways to ask."""

    def __init__(self, practice, purpose="PATRQT", **registered):
        self.practice = practice
        self.purpose = purpose
        self.values = practice.system.values
        self.actor = practice.client(purpose, **({"token_scopes": [LAB]} | registered))

    def grant(self, action, **more):
        return self.practice.grant(action, self.actor, self.purpose, **more)

    def tokenize(self, *items, scope=LAB, **more):
        wanted = [Wanted(Element(element), value, *whose) for element, value, *whose in items]
        return self.values.tokenize(self.grant("tokenize"), scope, wanted, **more)

    def detokenize(self, *tokens, scope=LAB):
        return self.values.detokenize(self.grant("reveal"), scope, tokens)

    def protect(self, *items):
        asked = [Bare(patient, Element(element), value) for patient, element, value in items]
        return self.values.protect(self.grant("tokenize"), self.grant("search"), asked)

    def reveal(self, *items):
        return self.values.reveal(self.grant("reveal"), items)


@pytest.fixture
def program(elm):
    return Program(elm)


@pytest.fixture
def patient(elm):
    return elm.patient()


def kinds(answers):
    return [type(answer) for answer in answers]


def texts(answers):
    return [answer.value if isinstance(answer, Shown) else type(answer).__name__ for answer in answers]


def written(**chosen):
    """What the journal says was told: (action, patient, token's handle, elements)."""
    return [
        (row.action, row.patient, row.resource_id, row.elements)
        for row in journal(**chosen)
        if row.outcome == "0"
    ]


# Tokens


def test_a_token_is_turned_back(program, patient):
    asked = [("ssn", SSN, patient), ("name", "Zoë Müller-Ortiz"), ("phone", "(555) 010-4477", patient)]
    tokens = program.tokenize(*asked)
    assert all(isinstance(token, str) for token in tokens)
    assert not set(tokens) & {value for _, value, *_ in asked}
    assert program.tokenize(*asked) == tokens, "equal values of one recipient have one token"
    assert not set(program.tokenize(*asked, scope="another")) & set(tokens)
    shown = program.detokenize(*reversed(tokens))
    assert shown == [Shown(Element(element), value, Form.CLEAR) for element, value, *_ in reversed(asked)]


def test_each_item_has_its_own_answer(program, patient):
    answers = program.tokenize(
        ("ssn", SSN),
        ("ssn", "12"),
        ("photo", "no bare value"),
        ("ssn", SSN, "00000000-0000-4000-8000-000000000000"),
        ("ssn", SSN, "nobody\0"),
        ("phone", "(555) 010-4477", patient),
    )
    assert kinds(answers) == [str, DomainTooSmall, AccessDenied, Unknown, Unknown, str]
    assert kinds(program.detokenize(answers[0], "078-05-1121", "\0", "", answers[5])) == [
        Shown, Unknown, Unknown, Unknown, Shown,
    ]  # fmt: skip


def test_tokens_end(program, elm):
    until = elm.clock() + timedelta(hours=1)
    [token] = program.tokenize(("ssn", SSN), expires=until)
    assert texts(program.detokenize(token)) == [SSN]
    elm.clock.advance(hours=1)
    assert kinds(program.detokenize(token)) == [Unknown]
    with pytest.raises(Invalid, match="past"):
        program.tokenize(("ssn", SSN), expires=until)


def test_what_has_ended_is_taken_out_of_the_table(program, elm):
    [ended, lasting] = [
        program.tokenize(("ssn", f"078-05-112{i}"), expires=elm.clock() + timedelta(hours=1 + i))[0]
        for i in range(2)
    ]
    elm.clock.advance(hours=1)
    program.tokenize(("ssn", "078-05-1129"))
    spent, kept = Token.objects.get(token=ended), Token.objects.get(token=lasting)
    assert (bytes(spent.sealed), spent.digest, spent.subject) == (b"", None, "")
    assert kept.sealed
    assert texts(program.detokenize(lasting)) == ["078-05-1121"]


def test_a_recipients_tokens_are_for_those_who_are_registered(elm, program):
    [token] = program.tokenize(("ssn", SSN))
    for registered in ([], ["another"], [LAB.upper()], [f"{LAB} another"]):
        other = Program(elm, token_scopes=registered)
        with pytest.raises(AccessDenied):
            other.detokenize(token)
    assert kinds(Program(elm, token_scopes=["another"]).detokenize(token, scope="another")) == [Unknown]
    assert written(action="reveal") == []


def test_another_practices_token_and_patient_are_not_there(elm, oak, program, patient):
    [token] = program.tokenize(("ssn", SSN, patient))
    made = program.protect((patient, "ssn", SSN), (patient, "name", "Zoë"))
    theirs = Program(oak)
    assert kinds(theirs.detokenize(token)) == [Unknown]
    assert kinds(theirs.tokenize(("ssn", SSN, patient))) == [Unknown]
    assert kinds(theirs.protect((patient, "ssn", SSN))) == [Unknown]
    assert kinds(theirs.reveal(*made)) == [Unknown, Unknown]
    assert {row.patient for row in journal(practice=oak.id)} <= {""}
    assert theirs.tokenize(("ssn", SSN)) != [token], "equal values of two practices have unrelated tokens"


def test_a_patient_who_is_none(program, patient, elm):
    """Another resource has a key as well, and a deleted patient had one."""
    other = elm.add({"resourceType": "Practitioner", "birthDate": "1971-02-03"})
    gone = elm.named("Una", "Doe")
    elm.system.charts.delete(elm.grant("write"), "Patient", gone)
    for whose in (other, gone, patient.upper(), f"{patient} ", "*", ""):
        assert kinds(program.protect((whose, "ssn", SSN))) == [Unknown]
        assert kinds(program.reveal(Kept(whose, Element.SSN, SSN, "10"))) == [Unknown]
        if whose:
            assert kinds(program.tokenize(("ssn", SSN, whose))) == [Unknown]


# Stand-ins and seals


def test_a_stand_in_is_the_one_at_rest(program, patient, elm):
    stored = json.loads(bytes(Resource.objects.get(pk=patient).body))
    at_rest = {identifier["value"] for identifier in stored["identifier"]} | {stored["telecom"][0]["value"]}
    answers = program.protect(
        (patient, "ssn", SSN),
        (patient, "mrn", "E-0004711"),
        (patient, "identifier", "W-8800-1122"),
        (patient, "phone", "(555) 010-4477"),
        (patient, "ssn", "078-05-1121"),
    )
    assert {answer.stand_in for answer in answers[:4]} == at_rest
    assert answers[4].stand_in not in at_rest
    assert texts(program.reveal(*answers)) == [
        SSN, "E-0004711", "W-8800-1122", "(555) 010-4477", "078-05-1121",
    ]  # fmt: skip


def test_what_has_no_stand_in_is_sealed(program, patient):
    asked = [
        (patient, "name", "Zoë Müller-Ortiz"),
        (patient, "email", "zoe@example.org"),
        (patient, "ssn", "12345"),
        (patient, "ssn", "078-05-112O?"),
        (patient, "identifier", "9" * 129),
        (patient, "birth-date", "1963-05-04"),
    ]
    answers = program.protect(*asked)
    assert all(answer.sealed and not answer.stand_in for answer in answers)
    sealed = b"".join(answer.sealed for answer in answers)
    assert not [value for _, _, value in asked if value.encode() in sealed]
    assert program.protect(*asked) != answers, "equal seals would tell that values are equal"
    assert texts(program.reveal(*answers)) == [value for _, _, value in asked]


def test_a_seal_opens_where_it_was_made(program, patient, elm):
    other = elm.patient()
    [name] = program.protect((patient, "name", "Zoë"))
    stored = bytes(Resource.objects.get(pk=patient).seal)
    wrong = [
        Kept(other, Element.NAME, sealed=name.sealed),
        Kept(patient, Element.EMAIL, sealed=name.sealed),
        Kept(patient, Element.NAME, sealed=name.sealed[:-1]),
        Kept(patient, Element.NAME, sealed=b"\0\2" + name.sealed[2:]),
        Kept(patient, Element.NAME, sealed=name.sealed + b"\0"),
        Kept(patient, Element.NAME, sealed=b""),
        Kept(patient, Element.NAME, sealed=stored),
    ]
    assert kinds(program.reveal(*wrong, name)) == [SealBroken] * len(wrong) + [Shown]


def test_a_stand_in_opens_to_the_value_only_where_it_belongs(program, patient, elm):
    other = elm.patient()
    [made] = program.protect((patient, "ssn", SSN))
    [mine, theirs, as_mrn] = program.reveal(
        made,
        Kept(other, Element.SSN, made.stand_in, made.alphabet),
        Kept(patient, Element.MRN, made.stand_in, made.alphabet),
    )
    assert mine.value == SSN
    assert SSN not in {theirs.value, as_mrn.value}


def test_what_is_no_stand_in(program, patient):
    wrong = [("1", "10"), ("", "10"), ("12345A789", "10"), ("123-45-6789", "11"), ("123-45-6789", "")]
    wrong += [("9" * 129, "10"), ("١٢٣٤٥٦٧٨٩", "10")]
    items = [Kept(patient, Element.SSN, *pair) for pair in wrong]
    items.append(Kept(patient, Element.NAME, "123-45-6789", "10"))
    assert kinds(program.reveal(*items)) == [Invalid] * len(items)
    assert journal() == []
    assert exposures() == set()


@given(value=st.text(min_size=1, max_size=40), element=st.sampled_from(sorted(IN_FORMAT | {Element.NAME})))
def test_reveal_inverts_protect(value, element):
    """Whatever the text: it comes back, or there is an error of ours."""
    program, patient = _installed()
    [made] = program.protect((patient, element.value, value))
    [shown] = program.reveal(made)
    assert shown == Shown(element, value, Form.CLEAR)
    assert value not in repr(made) or len(value) < 5


@given(value=st.text(max_size=40), element=st.sampled_from(Element))
def test_detokenize_inverts_tokenize(value, element):
    program, patient = _installed()
    [token] = program.tokenize((element.value, value, patient))
    if isinstance(token, ConfideError):
        assert isinstance(token, Invalid | AccessDenied)
    else:
        assert program.detokenize(token) == [Shown(element, value, Form.CLEAR)]


def _installed():
    """A practice for many examples; made anew where the tables were emptied."""
    from tests.practice import Practice

    held = getattr(_installed, "held", None)
    if held is None or not Resource.objects.filter(pk=held[1]).exists():
        elm = Practice(*build(), "Elm Street")
        held = _installed.held = Program(elm), elm.patient()
    return held


# Grants


def test_a_grant_is_for_its_action(program, elm, patient):
    grant = program.grant
    [token] = program.tokenize(("ssn", SSN))
    values, wanted = program.values, [Wanted(Element.SSN, SSN)]
    bare, kept = [Bare(patient, Element.SSN, SSN)], [Kept(patient, Element.SSN, SSN, "10")]
    for action in ("read", "search", "reveal"):
        with pytest.raises(GrantMismatch):
            values.tokenize(grant(action), LAB, wanted)
    for action in ("read", "search", "tokenize"):
        with pytest.raises(GrantMismatch):
            values.detokenize(grant(action), LAB, [token])
        with pytest.raises(GrantMismatch):
            values.reveal(grant(action), kept)
    for making, asking in (("reveal", "search"), ("tokenize", "reveal"), ("search", "tokenize")):
        with pytest.raises(GrantMismatch):
            values.protect(grant(making), grant(asking), bare)
    with pytest.raises(GrantMismatch):
        values.protect(grant("tokenize"), Program(elm).grant("search"), bare)
    with pytest.raises(GrantMismatch):
        values.tokenize(elm.system_grant("index"), LAB, wanted)
    assert written(action="reveal") == []


def test_a_grant_expires(program, elm, patient):
    grants = {action: program.grant(action) for action in ("tokenize", "reveal", "search")}
    elm.clock.advance(minutes=5)
    values = program.values
    for late in (
        lambda: values.tokenize(grants["tokenize"], LAB, [Wanted(Element.SSN, SSN)]),
        lambda: values.detokenize(grants["reveal"], LAB, ["1"]),
        lambda: values.protect(grants["tokenize"], grants["search"], [Bare(patient, Element.SSN, SSN)]),
        lambda: values.reveal(grants["reveal"], [Kept(patient, Element.SSN, SSN, "10")]),
    ):
        with pytest.raises(GrantExpired):
            late()
    assert Token.objects.count() == 0


def test_a_grant_for_some_patients_reaches_no_others(program, elm, patient):
    other = elm.patient()
    mine, theirs, nobodys = program.tokenize(
        ("ssn", SSN, patient), ("ssn", "078-05-1121", other), ("ssn", "078-05-1122")
    )
    narrow = program.grant("reveal", patients=[patient])
    assert texts(program.values.detokenize(narrow, LAB, [mine, theirs, nobodys])) == [
        SSN,
        "Unknown",
        "Unknown",
    ]


def test_no_person_comes_here(elm, patient):
    for role in ("front_desk", "nurse", "clinician", "biller", "practice_manager", "privacy_officer"):
        purpose = {"biller": "HPAYMT", "practice_manager": "HOPERAT", "privacy_officer": "PATRQT"}
        member = elm.member(role)
        with pytest.raises(AccessDenied):
            elm.grant("tokenize", member, purpose.get(role, "TREAT"))


def test_forms_are_those_of_the_purpose(elm, patient):
    everything = Program(elm)
    tokens = everything.tokenize(
        ("ssn", SSN, patient), ("card", "4111111111111111"), ("passport", "C01X00T47")
    )
    treating = Program(elm, "TREAT")
    shown = treating.detokenize(*tokens)
    assert shown[0] == Shown(Element.SSN, "***-**-1120", Form.MASKED)
    assert kinds(shown[1:]) == [AccessDenied, AccessDenied]
    [paying] = Program(elm, "HPAYMT").detokenize(tokens[1])
    assert paying == Shown(Element.CARD, "************1111", Form.MASKED)
    made = everything.protect((patient, "ssn", SSN), (patient, "ssn", "1234567"), (patient, "ssn", "12345"))
    seen = treating.reveal(*made)
    assert seen[0] == Shown(Element.SSN, "***-**-1120", Form.MASKED)
    assert kinds(seen[1:]) == [AccessDenied, AccessDenied], "of a short number no part is shown"


def test_who_may_not_search_by_it_may_not_ask_by_it(elm, patient):
    """A stand-in that is compared with the stored one tells whether the value was right."""
    treating = Program(elm, "TREAT")
    answers = treating.protect((patient, "ssn", SSN), (patient, "mrn", "E-0004711"))
    assert kinds(answers) == [AccessDenied, Kept]
    assert exposures() == {(patient, "mrn")}


def test_only_registered_elements(elm, patient):
    narrow = Program(elm, elements=["mrn"])
    [token] = Program(elm).tokenize(("ssn", SSN))
    assert kinds(narrow.tokenize(("ssn", SSN), ("mrn", "E-0004711"))) == [AccessDenied, str]
    assert kinds(narrow.detokenize(token)) == [AccessDenied]
    assert kinds(narrow.protect((patient, "ssn", SSN), (patient, "mrn", "E-0004711"))) == [AccessDenied, Kept]
    assert kinds(narrow.reveal(Kept(patient, Element.SSN, SSN, "10"))) == [AccessDenied]


# Payment and the journal


def test_what_is_told_is_written_and_paid(program, patient):
    tokens = program.tokenize(("ssn", SSN, patient), ("name", "Zoë Müller"), ("ssn", "1"))[:2]
    made = written()
    assert [(a, p, e) for a, p, _, e in made] == [
        ("tokenize", patient, {"ssn": "searched"}),
        ("tokenize", "", {"name": "searched"}),
    ]
    paid = {(patient, "ssn"), (f"token:{made[1][2]}", "name")}
    assert exposures() == paid, "whoever holds a token can try values for it"
    program.detokenize(*tokens, "078-05-1121")
    told = written(action="reveal")
    assert [(p, e) for _, p, _, e in told] == [(patient, {"ssn": "clear"}), ("", {"name": "clear"})]
    assert [handle for _, _, handle, _ in told] == [handle for _, _, handle, _ in made]
    assert exposures() == paid
    [failed] = [row for row in journal() if row.outcome != "0"]
    assert (failed.action, failed.patient, failed.elements) == ("reveal", "", {})
    program.protect((patient, "phone", "(555) 010-4477"), (patient, "email", "a@b.example"))
    assert written(action="search") == [("search", patient, "", {"phone": "searched", "email": "searched"})]
    assert {(patient, "phone"), (patient, "email")} <= exposures()


def test_trying_values_for_a_token_is_paid_like_the_value(elm):
    """Whoever holds a token and may tokenize for its recipient could try all values there are."""
    everything = Program(elm)
    [token] = everything.tokenize(("ssn", "078-05-1129"))
    thief = Program(elm, day_patients=5)
    guesses = [("ssn", f"078-05-11{i}") for i in range(20, 40)]
    answers = thief.tokenize(*guesses)
    assert kinds(answers) == [str] * 5 + [BudgetSpent] * 15
    assert thief.tokenize(*guesses[:5]) == answers[:5], "what was paid for costs nothing again"
    assert token not in answers
    assert kinds(thief.detokenize(answers[0])) == [Shown], "the same value, paid for once"
    assert kinds(thief.detokenize(token)) == [BudgetSpent]
    [row] = [r for r in journal(action="tokenize", outcome="4") if r.actor == thief.actor.id]
    assert row.elements == {"ssn": "refused"}


def test_the_journal_names_no_token(program):
    tokens = program.tokenize(("ssn", SSN), ("identifier", "00123456789"))
    program.detokenize(*tokens)
    rows = json.dumps([[str(value) for value in vars(row).values()] for row in journal()])
    assert not [
        text for text in (*tokens, SSN, "00123456789") if text in rows or text.replace("-", "") in rows
    ]
    assert not set(Token.objects.values_list("digest", flat=True)) & set(rows.split('"'))


def test_a_batch_is_paid_in_order(elm):
    everybody = [elm.named(f"N{i}", "Smith") for i in range(4)]
    everything = Program(elm)
    tokens = everything.tokenize(*[("ssn", f"078-05-112{i}", p) for i, p in enumerate(everybody)])
    tokens += everything.tokenize(("ssn", "078-05-1129"))
    poor = Program(elm, day_patients=2)
    order = [tokens[0], "unknown", tokens[0], tokens[4], tokens[1], tokens[2], tokens[0]]
    answers = poor.detokenize(*order)
    assert texts(answers) == [
        "078-05-1120", "Unknown", "078-05-1120", "078-05-1129", "BudgetSpent", "BudgetSpent", "BudgetSpent",
    ]  # fmt: skip
    told = [row for row in journal(actor=poor.actor.id, action="reveal") if row.outcome == "0"]
    assert [row.patient for row in told] == [everybody[0], ""]
    assert texts(poor.detokenize(tokens[0], tokens[4])) == ["078-05-1120", "078-05-1129"], "paid already"
    assert kinds(poor.detokenize(tokens[1])) == [BudgetSpent]


def test_asking_is_paid_in_order_too(elm):
    everybody = [elm.named(f"N{i}", "Smith") for i in range(3)]
    poor = Program(elm, day_patients=2)
    made = poor.protect(*[(p, "ssn", SSN) for p in everybody])
    assert kinds(made) == [Kept, Kept, BudgetSpent]
    assert exposures() == {(p, "ssn") for p in everybody[:2]}
    stand_ins = [Kept(p, Element.SSN, SSN, "10") for p in everybody]
    assert kinds(poor.reveal(*stand_ins)) == [Shown, Shown, BudgetSpent]


def test_units_are_counted_too(elm, patient):
    [token] = Program(elm).tokenize(("ssn", SSN, patient))
    poor = Program(elm, day_units=9)
    assert kinds(poor.detokenize(token)) == [BudgetSpent]
    assert kinds(Program(elm, "TREAT", day_units=9).detokenize(token)) == [Shown], "a mask weighs less"


def ways(program, patient):
    """Every way in which something is stored or told here."""
    [token] = program.tokenize(("ssn", SSN, patient))
    [made] = program.protect((patient, "name", "Zoë"))
    Exposure.objects.all().delete()
    return {
        "tokenize": lambda: program.tokenize(("ssn", "078-05-1121")),
        "tokenize again": lambda: program.tokenize(("ssn", SSN)),
        "detokenize": lambda: program.detokenize(token),
        "protect": lambda: program.protect((patient, "ssn", SSN)),
        "reveal a seal": lambda: program.reveal(made),
        "reveal a stand-in": lambda: program.reveal(Kept(patient, Element.SSN, SSN, "10")),
        "miss": lambda: program.detokenize("078-05-1129"),
    }


def test_without_a_journal_nothing_is_stored_or_told(program, patient):
    all_ways = ways(program, patient)
    rows = Token.objects.count()
    with without_journal():
        for way in all_ways.values():
            with pytest.raises(JournalUnavailable):
                way()
    assert exposures() == set()
    assert Token.objects.count() == rows


def test_on_a_read_only_database_nothing_is_stored_or_told(program, patient):
    all_ways = ways(program, patient)
    rows = Token.objects.count()
    with read_only("default"):
        for way in all_ways.values():
            with pytest.raises(Unavailable):
                way()
    assert exposures() == set()
    assert Token.objects.count() == rows


def test_inside_a_transaction_nothing_is_stored_or_told(program, patient):
    """The entry could be rolled back after the value has left."""
    for way in ways(program, patient).values():
        with transaction.atomic(), pytest.raises(JournalUnavailable):
            way()
    assert exposures() == set()


def test_a_journal_that_refuses_the_last_entry_tells_nothing(program, patient):
    """The batch is one transaction: what could be written of it is not in force."""
    tokens = program.tokenize(*[("ssn", f"078-05-11{i}") for i in range(20, 30)])
    refuse = {
        "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON audit_journalentry"
        f" WHEN NEW.action = 'reveal' AND NEW.patient = '{patient}' BEGIN SELECT RAISE(ABORT, 'no'); END",
        "postgresql": "ALTER TABLE audit_journalentry"
        f" ADD CONSTRAINT refuse CHECK (action <> 'reveal' OR patient <> '{patient}') NOT VALID",
    }
    undo = {
        "sqlite": "DROP TRIGGER refuse",
        "postgresql": "ALTER TABLE audit_journalentry DROP CONSTRAINT refuse",
    }
    tokens += program.tokenize(("ssn", "078-05-1130", patient))
    Exposure.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(refuse[connection.vendor])
    try:
        with pytest.raises(JournalUnavailable):
            program.detokenize(*tokens)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(undo[connection.vendor])
    assert exposures() == set()
    assert journal(action="reveal") == []


# Damage, and somebody who writes to the table


def test_rows_that_were_swapped_do_not_open(program, patient):
    one, other = program.tokenize(("ssn", SSN, patient), ("ssn", "078-05-1121"))
    a, b = Token.objects.get(token=one), Token.objects.get(token=other)
    Token.objects.filter(pk=a.pk).update(sealed=b.sealed)
    assert texts(program.detokenize(one, other)) == ["SealBroken", "078-05-1121"]
    Token.objects.filter(pk=a.pk).update(sealed=a.sealed)
    assert texts(program.detokenize(one)) == [SSN]


@pytest.mark.parametrize("column", ["scope", "expires", "subject", "element", "token"])
def test_an_edited_row_does_not_open(program, elm, patient, column):
    [token] = program.tokenize(("ssn", SSN, patient), expires=elm.clock() + timedelta(hours=1))
    changed = {
        "scope": "another",
        "expires": None,
        "subject": "",
        "element": "mrn",
        "token": "900-00-0001",
    }
    Token.objects.update(**{column: changed[column]})
    thief = Program(elm, token_scopes=[LAB, "another"])
    scope = "another" if column == "scope" else LAB
    wanted = "900-00-0001" if column == "token" else token
    assert kinds(thief.detokenize(wanted, scope=scope)) == [SealBroken]


def test_a_shredded_patient_is_not_revealed(program, patient, elm):
    made = program.protect((patient, "ssn", SSN), (patient, "name", "Zoë"))
    DataKey.objects.filter(subject=patient).delete()
    fresh, clock = build()
    clock.now = elm.clock.now
    program.values = fresh.values
    assert kinds(program.reveal(*made)) == [KeyUnavailable, KeyUnavailable]
    assert kinds(program.protect((patient, "ssn", SSN))) == [KeyUnavailable]
