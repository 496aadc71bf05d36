"""E-mail to those who agreed, through a real server: once each, and where it is not known it is said."""

from __future__ import annotations

import pytest

from confide.errors import AccessDenied, Invalid, Unavailable
from tests.notices.mailbox import Mailbox
from tests.practice import journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def email(name):
    return [{"system": "email", "value": f"{name}@mail.example"}]


@pytest.fixture
def people(post):
    from confide.incidents.notices.models import Agreed

    ids = [post.expose(given=name, telecom=email(name)) for name in ("Ana", "Bea", "Cleo", "Dora")]
    ids.append(post.expose(given="Paper", telecom=email("paper")))
    Agreed.objects.bulk_create(
        Agreed(practice=post.practice.id, patient=id_, at=post.practice.clock(), noted_by=post.officer.id)
        for id_ in ids[:-1]
    )
    return ids


def send(post, mailing, box, tmp_path):
    from confide.incidents.notices.mail import Mailer, Server

    server = Server("127.0.0.1", box.port, "Elm <privacy@elm.example>", tls="none")
    return Mailer(post.system.sender, post.practice.clock).run(post.officer.id, mailing, server, tmp_path)


def test_who_agreed_gets_one_email_and_the_others_and_the_refused_a_letter(post, people, tmp_path):
    mailing = post.approved("email")
    with Mailbox(refuse=["Bea"]) as box:
        assert send(post, mailing, box, tmp_path) == 3
    assert sorted(m["To"] for m in box.messages) == [f"{n}@mail.example" for n in ("Ana", "Cleo", "Dora")]
    body = box.messages[0].get_content()
    assert "The Social Security number." in body
    assert "1-800-555-0100" in body
    assert len({m["Message-ID"] for m in box.messages}) == 3
    paper = post.approved("records")
    names = {record["greeting"] for record in post.records(post.run(paper))}
    assert names == {"Bea Ortiz", "Paper Ortiz"}


def test_an_email_that_may_have_gone_is_not_sent_again_before_somebody_looked(post, people, tmp_path):
    from confide.incidents.notices import mail

    mailing = post.approved("email")
    with Mailbox(drop_after=2) as box:
        with pytest.raises(Unavailable, match="not known"):
            send(post, mailing, box, tmp_path)
        (doubtful,) = mail.doubts(mailing)
        with pytest.raises(AccessDenied, match=doubtful):
            send(post, mailing, box, tmp_path)
        went = any(doubtful in m["Message-ID"] for m in box.messages)
        assert went
        assert post.system.clerk.settle(post.grant(), mailing, went=went) == 1
        assert post.system.clerk.settle(post.grant(), mailing, went=went) == 0
        (entry,) = journal(resource_type="Mailing")
        assert (entry.action, entry.resource_id) == ("notice-doubt", f"{mailing.pk}:went")
        assert send(post, mailing, box, tmp_path) == 4
        with Mailbox() as other, pytest.raises(AccessDenied, match="finished"):
            send(post, mailing, other, tmp_path)
    assert sorted(m["To"].partition("@")[0] for m in box.messages) == ["Ana", "Bea", "Cleo", "Dora"]
    assert [line.partition(":")[0].partition(" (")[0] for line in post.lines()] == [
        "email asked for", "email approved", "1 e-mails in doubt went", "email finished",
    ]  # fmt: skip


def test_an_email_to_massachusetts_does_not_tell_the_nature_either(post, tmp_path):
    from confide.incidents.notices.models import Agreed

    for name, state in (("Texan", "TX"), ("Bostonian", "MA")):
        id_ = post.expose(given=name, state=state, telecom=email(name))
        Agreed.objects.create(
            practice=post.practice.id, patient=id_, at=post.practice.clock(), noted_by=post.officer.id
        )
    with Mailbox() as box:
        assert send(post, post.approved("email"), box, tmp_path) == 2
    told = {m["To"].partition("@")[0]: "stolen password" in m.get_content() for m in box.messages}
    assert told == {"Texan": True, "Bostonian": False}


def test_no_email_leaves_this_machine_without_tls():
    from confide.incidents.notices.mail import Server

    with pytest.raises(Invalid, match="TLS only"):
        Server("mail.example", 25, "a@b.example", tls="none")
    with pytest.raises(Invalid):
        Server("mail.example", 25, "nobody")
