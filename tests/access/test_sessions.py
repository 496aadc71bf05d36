"""Known devices and sessions, with a clock that is moved."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from confide.access import sessions
from confide.access.entrances import Device, Session
from confide.access.factors import Factor
from confide.access.roles import Role
from confide.access.sessions import End
from tests.access.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def account(membership):
    return membership.account


def begin(account, token="", when=NOW, address="192.0.2.7"):
    with transaction.atomic():
        return sessions.begin(account, token, FIREFOX, address, when, factor=Factor.TOTP)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/139.0 Edg/139", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Version/18 Safari/605.1.15", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1", "Safari on an iPhone"),
        ("<script>alert(1)</script>", "A browser"),
    ],
)  # fmt: skip
def test_a_device_has_a_name_of_ours(agent, name):
    assert sessions.name_device(agent) == name


def test_the_first_device_is_no_news_and_the_second_is(account):
    first = begin(account)
    assert not first.session.began_on_new_device
    again = begin(account, first.token)
    assert again.token == first.token
    assert again.session.device_id == first.session.device_id
    second = begin(account, when=NOW + timedelta(minutes=1))
    assert second.session.began_on_new_device
    assert second.token != first.token
    assert [each.pk for each in sessions.unconfirmed(account, first.session.device_id)] == [
        second.session.device_id
    ]
    assert sessions.unconfirmed(account, second.session.device_id) == [], "it asks about itself"


def test_only_an_older_device_gives_its_word(account):
    first, second = begin(account), begin(account, when=NOW + timedelta(minutes=1))
    new, old = second.session.device_id, first.session.device_id
    assert not sessions.confirm(account, new, new, NOW)
    assert not sessions.confirm(account, new, old, NOW)
    assert sessions.confirm(account, old, new, NOW)
    assert sessions.unconfirmed(account, old) == []


def test_two_people_at_one_browser_have_one_cookie_and_a_device_each(account):
    from confide.access.models import Account

    other = Account.objects.create_user("other@elm.example")
    token = begin(account).token
    assert sessions.know(other, token) is None
    assert begin(other, token).token == token
    assert sessions.know(other, token) is not None
    assert sessions.know(None, token) is None
    assert Device.objects.count() == 2


def test_a_cookie_that_we_did_not_make_is_not_taken_over(account):
    planted = "x" * 43
    assert begin(account, planted).token != planted
    assert sessions.know(account, planted) is None


def test_the_database_does_not_hold_the_cookie(account):
    token = begin(account).token
    assert token not in str(Device.objects.values_list()) + str(Session.objects.values_list())


def test_a_session_idles_only_so_long(account):
    session = begin(account).session
    for _ in range(4):
        session.refresh_from_db()
        now = session.seen_at + timedelta(minutes=14)
        assert isinstance(sessions.resume(session.pk, account.pk, now), Session)
    session.refresh_from_db()
    late = session.seen_at + timedelta(minutes=15)
    assert sessions.resume(session.pk, account.pk, late) is End.IDLE
    assert sessions.resume(session.pk, account.pk, NOW) is End.ENDED, "it is gone"


def test_a_session_lasts_twelve_hours_however_busy(account):
    session = begin(account).session
    now = NOW
    while now < NOW + sessions.LONGEST - timedelta(minutes=10):
        now += timedelta(minutes=10)
        met = sessions.resume(session.pk, account.pk, now)
        assert isinstance(met, Session) == (now < NOW + sessions.LONGEST)
    assert sessions.resume(session.pk, account.pk, NOW + sessions.LONGEST) is End.LONG


def test_a_session_of_somebody_else_is_none(account):
    assert sessions.resume(begin(account).session.pk, "another", NOW) is End.ENDED
    assert sessions.resume("", account.pk, NOW) is End.ENDED


@pytest.mark.asvs("7.1.1")
@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.SYSTEM, Role.INTEGRATOR}])
def test_who_opens_clear_values_idles_a_quarter_of_an_hour(membership, role, settings):
    membership.role = role
    membership.save()
    opens = role not in {Role.AUDITOR, Role.OPERATOR}
    assert sessions.idle_minutes(membership.account) == (15 if opens else 60)
    settings.CONFIDE_IDLE_MINUTES = 5
    assert sessions.idle_minutes(membership.account) == (5 if opens else 60)


def test_signing_out_everywhere_forgets_the_other_devices(account):
    first, second = begin(account), begin(account, when=NOW + timedelta(minutes=1))
    assert [row.pk for row in sessions.live(account, NOW + timedelta(minutes=2))] == [
        second.session.pk,
        first.session.pk,
    ]
    assert sessions.end_all(account, first.session.device_id) == 2
    assert sessions.know(account, first.token)
    assert sessions.know(account, second.token) is None
    assert sessions.live(account, NOW) == []


def test_ending_one_session_ends_no_other_persons(account):
    from confide.access.models import Account

    session = begin(account).session
    assert sessions.end(Account.objects.create_user("other"), session.pk) is None
    assert sessions.end(account, session.pk) is not None
    assert sessions.resume(session.pk, account.pk, NOW) is End.ENDED


def test_what_came_in_amid_a_spray_is_taken_back(account):
    from confide.access.attempts import tag_network

    old = begin(account, address="203.0.113.4", when=NOW - timedelta(days=3))
    begin(account, old.token, address="203.0.113.4")
    stolen = begin(account, address="203.0.113.4")
    elsewhere = begin(account, address="198.51.100.2")
    taken = sessions.take_back(tag_network("203.0.113.4"), NOW - timedelta(hours=1))
    assert [row.pk for row in taken] == [stolen.session.pk]
    assert isinstance(sessions.resume(elsewhere.session.pk, account.pk, NOW), Session)
    assert sessions.know(account, stolen.token) is None
    assert sessions.know(account, old.token)


def test_who_was_signing_in_while_the_login_was_frozen_is_not_let_in_with_it(account):
    """The password was right before; the second factor came when the login was frozen already."""
    from confide.access import standing
    from confide.access.models import Account
    from confide.access.standing import Reason

    stale = Account.objects.get(pk=account.pk)
    with transaction.atomic():
        standing.freeze(account, Reason.MISUSE, NOW)
    session = begin(stale).session
    assert sessions.resume(session.pk, account.pk, NOW) is End.FROZEN
    with transaction.atomic():
        standing.lift(account, account, "", NOW)
    assert sessions.resume(session.pk, account.pk, NOW) is End.FROZEN
    assert isinstance(sessions.resume(begin(account).session.pk, account.pk, NOW), Session)
