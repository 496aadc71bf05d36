"""A practice whose privacy officer may read the journal.

Models are imported inside: this file may be read before Django is set up.
"""

from datetime import UTC, datetime

import pytest

NOW = datetime(2026, 3, 2, 9, 1, 0, 250, tzinfo=UTC)


@pytest.fixture
def officer(db):
    from confide.access.decide import act_as_member
    from confide.access.models import Account, Membership, Practice

    practice = Practice.objects.create(name="Elm Street")
    account = Account.objects.create_user("privacy@elm.example", display_name="P. Officer")
    membership = Membership.objects.create(
        approved_at=NOW, account=account, practice=practice, role="privacy_officer"
    )
    return act_as_member(membership, "session-1", "192.0.2.7")


@pytest.fixture
def reading(officer):
    """A grant to read the journal."""
    from confide.access.decide import decide
    from confide.access.roles import Action, Purpose

    return decide(officer, Action.JOURNAL_READ, Purpose.HOPERAT, None, [], NOW)


@pytest.fixture
def reveal(officer):
    """A grant under which something is shown."""
    from confide.access.decide import decide
    from confide.access.roles import Action, Purpose
    from confide.protect.elements import Element

    return decide(officer, Action.REVEAL, Purpose.PATRQT, None, [Element.NAME], NOW)


@pytest.fixture
def journal():
    from confide.audit.journal import Journal

    return Journal()
