"""Invitations: kept as digests, one at a time, for one account, 72 hours, once; and who gives them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from confide.access import invitations, memberships
from confide.access.entrances import Invitation
from confide.access.invitations import Opens
from confide.access.models import Account, Membership, Practice
from confide.access.roles import Role
from confide.errors import AccessDenied
from tests.access.conftest import NOW


@pytest.fixture
def nurse(db):
    return Account.objects.create_user("nurse")


@pytest.mark.asvs("6.5.2")
def test_only_a_digest_of_the_words_is_kept(nurse):
    words = invitations.invite(nurse, Opens.FACTOR, None, NOW)
    assert len(words.split("-")) == 4
    [row] = Invitation.objects.values()
    assert words not in str(row)
    assert len(row["digest"]) == 64
    for typed in (words, words.upper(), words.replace("-", " "), f" {words}  ", words.replace("-", " - ")):
        assert invitations.find(nurse, typed, NOW) is not None, typed
    for typed in ("", words[:-1], words.replace("-", ""), words + "a", "x" * 10_000):
        assert invitations.find(nurse, typed, NOW) is None, typed


@pytest.mark.asvs("6.4.1")
def test_it_is_for_one_account_for_72_hours_and_once(nurse):
    words = invitations.invite(nurse, Opens.BOTH, None, NOW)
    other = Account.objects.create_user("other")
    assert invitations.find(other, words, NOW) is None
    assert invitations.find(None, words, NOW) is None
    last = NOW + invitations.GOOD_FOR - timedelta(seconds=1)
    row = invitations.find(nurse, words, last)
    assert row is not None
    assert invitations.find(nurse, words, NOW + invitations.GOOD_FOR) is None
    assert timedelta(hours=72) == invitations.GOOD_FOR
    with pytest.raises(AccessDenied):
        invitations.use(row, NOW + invitations.GOOD_FOR)
    invitations.use(row, last)
    for attempt in (lambda: invitations.use(row, last),):
        with pytest.raises(AccessDenied):
            attempt()
    assert invitations.find(nurse, words, last) is None
    assert invitations.still(nurse, row.pk, last) is None


def test_a_new_one_makes_the_last_void(nurse):
    first = invitations.invite(nurse, Opens.FACTOR, None, NOW)
    held = invitations.find(nurse, first, NOW)
    second = invitations.invite(nurse, Opens.FACTOR, None, NOW)
    assert first != second
    assert invitations.find(nurse, first, NOW) is None
    with pytest.raises(AccessDenied):
        invitations.use(held, NOW)


def test_who_may_give_one(practice, nurse):
    def person(name, role, **more):
        account = Account.objects.create_user(name)
        Account.objects.filter(pk=account.pk).update(created_at=NOW - timedelta(days=8), **more)
        memberships.found(account, practice, role, NOW)
        return Account.objects.get(pk=account.pk)

    memberships.found(nurse, practice, Role.NURSE, NOW)
    officer, manager = person("officer", Role.PRIVACY_OFFICER), person("manager", Role.PRACTICE_MANAGER)
    for who in (officer, manager):
        assert invitations.require_inviter(who, nurse, practice.pk, NOW) in invitations.INVITERS
    new = person("new", Role.PRACTICE_MANAGER, reset_at=NOW - timedelta(days=6))
    waiting = person("waiting", Role.PRACTICE_MANAGER)
    Membership.objects.filter(account=waiting).update(approved_at=None)
    doctor = person("doctor", Role.CLINICIAN)
    for who, whom in ((new, nurse), (waiting, nurse), (doctor, nurse), (officer, officer), (nurse, nurse)):
        with pytest.raises(AccessDenied):
            invitations.require_inviter(who, whom, practice.pk, NOW)
    # Who works elsewhere, too, is not taken over from here.
    memberships.found(nurse, Practice.objects.create(name="Oak Avenue"), Role.NURSE, NOW)
    with pytest.raises(AccessDenied):
        invitations.require_inviter(officer, nurse, practice.pk, NOW)
