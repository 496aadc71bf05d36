"""A practice with one front-desk person and one client."""

from datetime import UTC, datetime

import pytest

from confide.access.decide import act_as_client, act_as_member, decide
from confide.access.models import Account, Client, Membership, Practice
from confide.access.roles import Action, Purpose, Role
from confide.protect.elements import Element

NOW = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)


@pytest.fixture
def practice(db):
    return Practice.objects.create(name="Elm Street")


@pytest.fixture
def membership(practice):
    account = Account.objects.create_user("desk@elm.example", display_name="D. Esk")
    return Membership.objects.create(account=account, practice=practice, role=Role.FRONT_DESK)


@pytest.fixture
def client_row(practice):
    elements = [Element.NAME, Element.SSN, Element.CARD]
    return Client.objects.create(practice=practice, name="Feeder", elements=elements)


@pytest.fixture
def desk(membership):
    return act_as_member(membership, "session-1", "192.0.2.7")


@pytest.fixture
def program(client_row):
    return act_as_client(client_row, "token-1")


@pytest.fixture
def grant(desk):
    """What a front desk needs to look at any patient."""
    return decide(desk, Action.READ, Purpose.TREAT, None, Element, NOW)
