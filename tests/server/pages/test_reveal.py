"""Uncovering: for a purpose, paid and recorded first, and only what the role may."""

from __future__ import annotations

import pytest

from confide.access import budget
from confide.access.roles import Role
from confide.audit.models import JournalEntry
from tests.server.pages import surgery as place

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
HTMX = {"HX-Request": "true"}


def ask(http, surgery, element, purpose, kind="Patient", id_=None, **headers):
    id_ = (
        surgery.patient if id_ is None and kind == "Patient" else surgery.id_of(kind) if id_ is None else id_
    )
    form = {"element": element, "purpose": purpose, "type": kind, "id": id_}
    return http.post(f"/patients/{surgery.patient}/reveal", form, headers=headers or HTMX)


@pytest.mark.parametrize(
    ("element", "kind", "text"),
    [
        ("phone", "Patient", place.PHONE),
        ("email", "Patient", place.EMAIL),
        ("address", "Patient", f"{place.STREET}, Northampton, MA 01060"),
        ("contact", "Patient", place.FRIEND),
        ("mrn", "Patient", place.MRN),
        ("ssn", "Patient", place.SSN),
        ("member-id", "Coverage", place.MEMBER),
        ("date", "Encounter", "3 Feb 2025 09:00"),
    ],
)
def test_the_front_desk_uncovers_one_element(surgery, desk, element, kind, text):
    answer = ask(desk, surgery, element, "HOPERAT", kind, "" if element == "date" else None)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert text in page
    assert "Running the practice" in page
    assert "data-shown" in page
    assert 'id="ring"' in page
    for other in set(place.SECRETS) - {text, place.STREET}:
        assert other not in page
    entry = JournalEntry.objects.filter(action="reveal", actor=surgery.account("desk").pk).latest("id")
    assert (entry.patient, entry.purpose, entry.elements) == (surgery.patient, "HOPERAT", {element: "clear"})


def test_a_mask_says_that_it_is_one(surgery, doctor):
    page = ask(doctor, surgery, "ssn", "TREAT").content.decode()
    assert "***-**-4329" in page
    assert "Masked" in page
    assert place.SSN not in page


@pytest.mark.asvs("1.1.2", "1.2.1", "3.2.2")
def test_a_note_is_shown_as_text(surgery, doctor):
    page = ask(doctor, surgery, "document", "TREAT", "DocumentReference").content.decode()
    assert "slept badly &amp; asks for &lt;b&gt;nothing&lt;/b&gt; more." in page


@pytest.mark.asvs("8.2.3")
@pytest.mark.parametrize(
    ("element", "purpose", "kind"),
    [
        ("document", "HOPERAT", "DocumentReference"),
        ("ssn", "BTG", "Patient"),
        ("licence", "TREAT", "Patient"),
    ],
)
def test_what_the_role_may_not_see_stays_covered(surgery, desk, element, purpose, kind):
    before = JournalEntry.objects.count()
    answer = ask(desk, surgery, element, purpose, kind)
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "Your role may not do this" in page
    assert not any(secret in page for secret in place.SECRETS)
    assert JournalEntry.objects.count() == before


def test_only_what_lies_in_this_chart(surgery, desk):
    for kind, id_ in (
        ("Patient", surgery.stranger),
        ("Practitioner", None),
        ("Patient", "x"),
        ("Nothing", "x"),
    ):
        assert ask(desk, surgery, "name", "HOPERAT", kind, id_).status_code == 404
    form = {"element": "phone", "purpose": "HOPERAT", "type": "Patient", "id": surgery.stranger}
    assert desk.post(f"/patients/{surgery.stranger}/reveal", form, headers=HTMX).status_code == 404


@pytest.mark.asvs("2.2.2")
def test_what_cannot_be_read_is_refused(surgery, desk):
    for element, purpose, id_ in (("shoes", "TREAT", None), ("ssn", "curiosity", None), ("ssn", "TREAT", "")):
        answer = ask(desk, surgery, element, purpose, id_=id_)
        assert answer.status_code == 422
        assert "curiosity" not in answer.content.decode()
    assert desk.get(f"/patients/{surgery.patient}/reveal").status_code == 405


def test_a_spent_budget_shows_nothing(surgery, desk, monkeypatch):
    monkeypatch.setitem(budget.LIMITS, Role.FRONT_DESK, budget.Limits(5, 5, 9, 9))
    answer = ask(desk, surgery, "ssn", "HOPERAT")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "exposure budget does not cover this, so nothing was uncovered" in page
    assert place.SSN not in page
    assert ask(desk, surgery, "phone", "HOPERAT").status_code == 200


def test_a_journal_that_fails_uncovers_nothing(surgery, desk, monkeypatch):
    from confide.audit.journal import Journal
    from confide.errors import JournalUnavailable

    def fail(*_):
        raise JournalUnavailable("the journal cannot be written")

    monkeypatch.setattr(Journal, "append", fail)
    answer = ask(desk, surgery, "ssn", "HOPERAT")
    assert answer.status_code == 503
    assert place.SSN not in answer.content.decode()
    assert "nothing was uncovered" in answer.content.decode()


def test_without_scripts_it_is_a_page_that_goes_back(surgery, desk):
    page = ask(desk, surgery, "phone", "HOPERAT", Accept="text/html").content.decode()
    assert place.PHONE in page
    assert f'content="60;url=/patients/{surgery.patient}"' in page


def test_the_purposes_offered_are_those_of_the_role(surgery, desk, doctor):
    page = desk.get(f"/patients/{surgery.patient}").content.decode()
    assert '<option value="HOPERAT" selected>' in page
    assert '<option value="BTG"' not in page
    page = doctor.get(f"/patients/{surgery.patient}").content.decode()
    assert '<option value="TREAT" selected>' in page
    assert "(last digits only)" in page
