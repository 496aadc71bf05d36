"""A mailing from its request to its files: who must agree, what the journal says, and that each goes once."""

from __future__ import annotations

import json

import pytest

from confide.errors import AccessDenied, Damaged, Invalid
from tests.practice import journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def test_each_person_is_in_one_record_and_one_entry_and_no_budget_pays(post):
    from tests.practice import exposures

    ids = [post.expose(given=f"Given{n}") for n in range(7)]
    mailing = post.approved("records")
    before = exposures()
    folder = post.run(mailing)
    records = post.records(folder)
    assert sorted(r["greeting"] for r in records) == sorted(f"Given{n} Ortiz" for n in range(7))
    assert records[0]["elements"] == ["name", "ssn"]
    entries = journal(resource_type="Letter")
    assert sorted(e.patient for e in entries) == sorted(ids)
    assert {e.action for e in entries} == {"mail"}
    assert set(entries[0].elements) == {"name", "birth-date", "address"}
    assert exposures() == before
    manifest = json.loads(post.read(folder)["manifest.json"])
    assert (manifest["people"], manifest["letters"]) == (7, 7)
    mailing.refresh_from_db()
    assert mailing.state == "finished"
    with pytest.raises(AccessDenied):
        post.run(mailing)


def test_whoever_goes_on_with_a_mailing_is_in_its_entries(post):
    from confide.incidents.notices.hands import Here

    class One(Here):
        """Is interrupted after a batch."""

        def take(self):
            super().take()
            raise KeyboardInterrupt

    for n in range(51):
        post.expose(given=f"Given{n}")
    mailing, sender = post.approved("records"), post.system.sender
    with pytest.raises(KeyboardInterrupt):
        sender.run(post.officer.id, mailing, hands=One(sender.write))
    assert len(post.records(sender.run(post.manager.id, mailing))) == 51
    actors = [entry.actor for entry in journal(resource_type="Letter")]
    assert sorted(map(actors.count, (post.officer.id, post.manager.id))) == [1, 50]


def test_letters_are_pdfs_that_only_the_print_house_can_open(post):
    for n in range(3):
        post.expose(given=f"Given{n}")
    folder = post.run(post.approved("letters"))
    assert all(b"Ortiz" not in path.read_bytes() for path in folder.iterdir())
    found = post.read(folder)
    assert found["batch-00000.pdf"].startswith(b"%PDF")
    with pytest.raises(Invalid, match="nobody is left"):
        post.request("letters", place=post.destination("Other"))


def test_two_people_must_agree_and_what_they_agreed_to_cannot_change(post):
    from confide.incidents.notices.models import Batch, Mailing

    post.expose()
    mailing = post.request("records")
    with pytest.raises(AccessDenied, match="not approved"):
        post.run(mailing)
    with pytest.raises(AccessDenied, match="second person"):
        post.system.mailings.approve(post.grant(post.officer), mailing)
    post.system.mailings.approve(post.grant(post.manager), mailing)
    kept = mailing.facts
    Mailing.objects.update(facts=kept.replace("1-800-555-0100", "1-900-555-0100"))
    with pytest.raises(Damaged):
        post.run(mailing)
    Mailing.objects.update(facts=kept)
    other = post.practice.add({"resourceType": "Patient", "name": [{"family": "Else"}]})
    batch = Batch.objects.get()
    from confide.vault.mandates import pack, unpack

    Batch.objects.update(packed=pack([(other, unpack(bytes(batch.packed))[0][1])]))
    with pytest.raises(Damaged):
        post.run(mailing)
    assert not journal(resource_type="Letter")
    assert not list(post.folder.rglob("*.age"))
