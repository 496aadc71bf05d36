"""Nobody twice and nobody missed: what lapsed, was taken back, came back or was cut off before its name."""

from __future__ import annotations

import pytest

from confide.errors import AccessDenied, Invalid, Unavailable
from tests.notices.mailbox import Mailbox
from tests.notices.test_mail import people, send  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def greeted(post, mailing):
    return {record["greeting"].partition(" ")[0] for record in post.records(post.run(mailing))}


def test_who_was_in_a_mailing_that_lapsed_is_written_to(post):
    post.expose(given="Ana")
    place = post.destination()
    asked = post.request("records", place)
    post.practice.clock.advance(days=29)
    with pytest.raises(Invalid, match="nobody is left"):
        post.request("records", place)
    post.practice.clock.advance(days=1)
    post.expose(given="Bea")
    again = post.request("records", place)
    assert again.people == 2
    post.system.mailings.approve(post.grant(post.manager), again)
    post.practice.clock.advance(days=30)
    with pytest.raises(AccessDenied, match="lapsed"):
        post.run(again)
    approved = post.approved("records", place)
    assert greeted(post, approved) == {"Ana", "Bea"}
    assert asked.pk != approved.pk


def test_who_got_an_email_before_its_mailing_was_taken_back_gets_no_letter(post, people, tmp_path):  # noqa: F811
    mailing = post.approved("email")
    with Mailbox(drop_after=2) as box:
        with pytest.raises(Unavailable, match="not known"):
            send(post, mailing, box, tmp_path)
        first, doubtful = (m["To"].partition("@")[0] for m in box.messages)
    post.system.mailings.withdraw(post.grant(), mailing)
    names = greeted(post, post.approved("records"))
    assert first not in names, "this one was taken by the server"
    assert doubtful not in names, "of this one nobody knows"
    assert names == {"Ana", "Bea", "Cleo", "Dora", "Paper"} - {first, doubtful}


def test_who_was_reached_by_the_second_letter_is_not_missed_for_ever(post):
    post.expose(given="Ana")
    place = post.destination()
    (record,) = post.records(post.run(post.approved("records", place)))
    assert post.system.clerk.note_returned(post.grant(), [record["reference"]]) == (1, [])
    (record,) = post.records(post.run(post.approved("records", place)))
    with pytest.raises(Invalid, match="nobody is left"):
        post.request("records", place)
    assert post.system.clerk.note_returned(post.grant(), [record["reference"]]) == (1, [])
    assert greeted(post, post.approved("records", place)) == {"Ana"}


def test_files_get_their_name_if_the_last_step_was_cut_off(post, monkeypatch):
    post.expose(given="Ana")
    mailing = post.approved("records")
    from confide.incidents.notices.sending import Sender

    ended = Sender.end

    def end(self, run, manifest):
        ended(self, run, manifest)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Sender, "end", end)
        with pytest.raises(KeyboardInterrupt):
            post.run(mailing)
    mailing.refresh_from_db()
    assert mailing.state == "finished"
    assert greeted(post, mailing) == {"Ana"}
    with pytest.raises(AccessDenied, match="finished"):
        post.run(mailing)


def test_what_was_being_written_when_it_was_taken_back_is_not_out(post):
    from confide.incidents.notices.hands import Here
    from confide.incidents.notices.models import Batch

    for n in range(51):
        post.expose(given=f"Given{n}")
    mailing, sender = post.approved("records"), post.system.sender

    class Two(Here):
        """Writes a batch, and has the mailing taken back."""

        def take(self):
            super().take()
            post.system.mailings.withdraw(post.grant(), mailing)
            return []

    with pytest.raises(AccessDenied, match="withdrawn"):
        sender.run(post.officer.id, mailing, hands=Two(sender.write))
    (hidden,) = post.folder.glob(".*.part")
    assert [path.suffix for path in hidden.iterdir()] == [".age"]
    assert Batch.objects.filter(done_at__isnull=False).count() == 1
    names = greeted(post, post.approved("records", mailing.destination))
    assert len(names) == 51, "nothing of it was handed over, so nobody has a letter"
    assert not list(post.folder.glob(".*"))


def test_a_batch_that_is_ready_after_its_mailing_was_taken_back_is_removed(post, monkeypatch):
    from confide.incidents.notices import sending
    from confide.incidents.notices.models import Batch

    post.expose(given="Ana")
    mailing, made = post.approved("records"), sending._seal

    def seal(run, pieces):
        post.system.mailings.withdraw(post.grant(), mailing)
        return made(run, pieces)

    monkeypatch.setattr(sending, "_seal", seal)
    with pytest.raises(AccessDenied, match="withdrawn"):
        post.run(mailing)
    assert not list(post.folder.rglob("*.age"))
    assert not Batch.objects.filter(done_at__isnull=False).exists()


def test_whose_letter_said_less_than_is_known_by_now_gets_one_that_says_it(post):
    from confide.incidents.notices import reached

    ana, bea = post.expose("name", given="Ana"), post.expose("name ssn", given="Bea")
    place = post.destination()
    assert greeted(post, post.approved("records", place)) == {"Ana", "Bea"}
    with pytest.raises(Invalid, match="nobody is left"):
        post.request("records", place, more=True)
    shown = dict(post.shown)
    post.shown[ana], post.shown[bea] = shown[bea], shown[ana]  # of Bea less: that is no news
    post.expose("name ssn", given="Cleo")
    post.practice.clock.advance(hours=1)
    more = post.approved("records", place, more=True)
    with pytest.raises(Invalid, match="nobody is left"):
        post.request("records", place, more=True)
    (record,) = post.records(post.run(more))
    assert (record["greeting"].partition(" ")[0], record["elements"]) == ("Ana", ["name", "ssn"])
    assert greeted(post, post.approved("records", place)) == {"Cleo"}
    assert reached.unreachable("incident-1", post.practice.id) == 0
    assert post.system.clerk.note_returned(post.grant(), [record["reference"]]) == (1, [])
    assert reached.unreachable("incident-1", post.practice.id) == 1, "the first letter said less"
    with pytest.raises(Invalid, match="nobody is left"):
        post.request("records", place)
    assert greeted(post, post.approved("records", place, more=True)) == {"Ana"}
