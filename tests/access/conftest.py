"""A practice with one front-desk person and one client.

Models are imported inside: this file may be read before Django is set up.
"""

from datetime import UTC, datetime

import pytest

NOW = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)


@pytest.fixture
def practice(db):
    from confide.access.models import Practice

    return Practice.objects.create(name="Elm Street")


@pytest.fixture
def membership(practice):
    from confide.access.models import Account, Membership

    account = Account.objects.create_user("desk@elm.example", display_name="D. Esk")
    return Membership.objects.create(approved_at=NOW, account=account, practice=practice, role="front_desk")


@pytest.fixture
def client_row(practice):
    from confide.access.models import Client

    return Client.objects.create(practice=practice, name="Feeder", elements=["name", "ssn", "card"])


@pytest.fixture
def desk(membership):
    from confide.access.decide import act_as_member

    return act_as_member(membership, "session-1", "192.0.2.7")


@pytest.fixture
def program(client_row):
    from confide.access.decide import act_as_client

    return act_as_client(client_row, "token-1")


@pytest.fixture
def grant(desk):
    """What a front desk needs to look at any patient."""
    from confide.access.decide import decide
    from confide.access.roles import Action, Purpose
    from confide.protect.elements import Element

    return decide(desk, Action.READ, Purpose.TREAT, None, Element, NOW)
