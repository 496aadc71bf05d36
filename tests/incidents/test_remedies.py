"""What was taken is made worth less: by two persons, for exactly the exposed, and journalled."""

from __future__ import annotations

from datetime import timedelta

import pyrage
import pytest
from django.utils import timezone
from pyrage import x25519

from confide.access.models import AccessToken, Account, Client, Destination
from confide.errors import AccessDenied, Invalid, Unknown
from confide.incidents.facts import Way
from confide.incidents.remedies import Kind
from confide.protect.elements import Element
from confide.protect.tokens import Wanted
from tests.incidents.test_scopes import at, question, verify
from tests.practice import NOW, journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def case(elm, reading):
    """A program's key was used for one of two patients, who both have tokens with a laboratory."""
    thief = elm.client("TREAT", token_scopes=["lab"])
    reached, spared = elm.patient(**at("ME")), elm.patient(**at("ME"))
    elm.read("Patient", reached, elm.grant("read", thief, "TREAT", elements=[Element.NAME]))
    wanted = [
        Wanted(Element.MRN, f"E-000{n}{n}{n}{n}", patient) for n, patient in ((1, reached), (2, spared))
    ]
    old = elm.system.values.tokenize(elm.grant("tokenize", thief, "TREAT"), "lab", wanted)
    made = elm.system.cases.open(reading(), "A stolen key", NOW, way=Way.LOGIN)
    scope = elm.system.scopes.measure(reading(), made, question(actors=(thief.id,)))
    return thief, made, scope, old, reached


def second(elm):
    actor = elm.member("privacy_officer")
    return actor, Account.objects.get(pk=actor.id)


def test_a_login_and_a_program_lose_what_they_had(elm, case, reading, officer):
    thief, made, scope, _, _ = case
    AccessToken.objects.create(
        client_id=thief.id, digest="0" * 64, practice=elm.row, key="k", expires_at=timezone.now()
    )
    remedies = elm.system.remedies
    asked = remedies.ask(reading(), made, scope, Kind.REVOKE)
    mine = Account.objects.get(pk=officer.id)
    with pytest.raises(AccessDenied, match="another person"):
        remedies.approve(reading(), remedies.find(elm.id, asked.pk), mine)
    assert AccessToken.objects.exists()
    other, account = second(elm)
    done = remedies.approve(reading(other), remedies.find(elm.id, asked.pk), account)
    assert done.done == {"people": 0, "sessions": 0, "programs": 1, "tokens": 1}
    assert Client.objects.get(pk=thief.id).frozen_at is not None
    with pytest.raises(Unknown):
        remedies.find(elm.id, asked.pk)
    desk = elm.member("front_desk")
    login = Account.objects.get(pk=desk.id)
    login.set_password("a lamp, a ladder, a lantern")
    login.save()
    counted = elm.system.scopes.measure(reading(), made, question(actors=(desk.id,)))
    asked = remedies.ask(reading(), made, counted, Kind.REVOKE)
    remedies.approve(reading(other), remedies.find(elm.id, asked.pk), account)
    login.refresh_from_db()
    assert not login.has_usable_password()
    kinds = [row.resource_id for row in journal(action="incident-remedy")]
    assert kinds == [made.pk] * 4
    nobody = elm.system.scopes.measure(reading(), made, question(copy="database"))
    with pytest.raises(Invalid, match="names no login"):
        remedies.ask(reading(), made, nobody, Kind.REVOKE)


def test_exactly_the_exposed_get_new_tokens_and_the_list_is_delivered(elm, case, reading, tmp_path):
    thief, made, scope, (old, kept), reached = case
    remedies = elm.system.remedies
    owner = x25519.Identity.generate()
    other, account = second(elm)
    place = Destination.objects.create(
        practice=elm.row, name="Lab", recipient=str(owner.to_public()), folder=str(tmp_path),
        registered_by=account, registered_at=NOW - timedelta(days=9),
    )  # fmt: skip
    with pytest.raises(Invalid, match="frozen"):
        remedies.ask(reading(), made, scope, Kind.RETOKENISE, "Lab")
    elm.system.scopes.prove(reading(), scope, verify(elm))
    elm.system.scopes.freeze(reading(), scope)
    with pytest.raises(AccessDenied, match="second person"):
        remedies.ask(reading(), made, scope, Kind.RETOKENISE, "Lab")
    for person in (account, Account.objects.get(pk=elm.member("practice_manager").id)):
        place.approvals.create(account=person, at=NOW - timedelta(days=5))
    asked = remedies.ask(reading(), made, scope, Kind.RETOKENISE, "Lab")
    done = remedies.approve(reading(other), remedies.find(elm.id, asked.pk), account)
    assert done.done["tokens"] == 1
    (path,) = tmp_path.glob("confide-retokens-*.csv.age")
    head, line = pyrage.decrypt(path.read_bytes(), [owner]).decode().splitlines()
    assert head == "recipient,old,new"
    scope_name, was, new = line.split(",")
    assert (scope_name, was) == ("lab", old)
    assert new != old
    shown = elm.system.values.detokenize(
        elm.grant("reveal", thief, "TREAT", elements=[Element.MRN]), "lab", [old, kept, new]
    )
    assert isinstance(shown[0], Unknown)
    assert [each.value for each in shown[1:]] == ["E-0002222", "E-0001111"]
    assert [(row.patient, row.elements) for row in journal(action="retokenize")] == [
        (reached, {"mrn": "stand-in"})
    ]


def test_new_tokens_are_given_once_also_if_the_last_step_was_cut_off(
    elm, case, reading, tmp_path, monkeypatch
):
    from confide.incidents.remedies import Remedies

    _, made, scope, (old, _), _ = case
    remedies, owner = elm.system.remedies, x25519.Identity.generate()
    other, account = second(elm)
    place = Destination.objects.create(
        practice=elm.row, name="Lab", recipient=str(owner.to_public()), folder=str(tmp_path),
        registered_by=account, registered_at=NOW - timedelta(days=9),
    )  # fmt: skip
    for person in (account, Account.objects.get(pk=elm.member("practice_manager").id)):
        place.approvals.create(account=person, at=NOW - timedelta(days=5))
    elm.system.scopes.prove(reading(), scope, verify(elm))
    elm.system.scopes.freeze(reading(), scope)
    asked = remedies.ask(reading(), made, scope, Kind.RETOKENISE, "Lab")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Remedies, "_finish", killed)
        with pytest.raises(KeyboardInterrupt):
            remedies.approve(reading(other), remedies.find(elm.id, asked.pk), account)
    (path,) = tmp_path.glob("confide-retokens-*.csv.age")
    listed = pyrage.decrypt(path.read_bytes(), [owner]).decode().splitlines()
    done = remedies.approve(reading(other), remedies.find(elm.id, asked.pk), account)
    assert pyrage.decrypt(path.read_bytes(), [owner]).decode().splitlines() == listed, "the partner's list"
    assert listed[1].split(",")[1] == old
    assert done.done["tokens"] == 1
    assert len(journal(action="retokenize")) == 1
