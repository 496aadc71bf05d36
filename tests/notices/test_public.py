"""Notices that name nobody: home page, media, covered entities, agencies."""

from __future__ import annotations

import pytest

from confide.errors import Invalid
from confide.incidents import reading
from confide.incidents.notices import public, templates
from confide.incidents.notices.templates import PERSONAL, Kind
from confide.protect.elements import Element
from tests.notices.post import OFFER, facts

BUILT_IN = templates.built_in()
COUNTS = {
    "residents": 131_815, "persons": 1_049_375, "unreachable": 12, "entity": "Oak Avenue",
    "due": "May 29, 2023", "states": "Maine, Texas",
}  # fmt: skip


def test_they_reach_the_marks_of_plain_language_and_name_what_was_shown():
    for kind in set(Kind) - PERSONAL:
        for language in ("en", "es"):
            for state in ("TX", "MA", "IL"):
                made = public.write(
                    BUILT_IN, facts(offer=OFFER), kind, {Element.NAME, Element.SSN}, language, state, **COUNTS
                )
                assert made.measured().reached, (kind, language)
                text = made.written()
                assert ("131,815" in text) is (kind is Kind.MEDIA and state == "TX")
                assert "driver" not in text


def test_a_vendor_tells_each_practice_its_own_numbers():
    text = public.write(BUILT_IN, facts(), Kind.PRACTICE, set(Element), **COUNTS).written()
    assert all(said in text for said in ("Oak Avenue", "1,049,375", "12 have no address", "May 29, 2023"))
    with pytest.raises(Invalid, match="field due"):
        public.write(BUILT_IN, facts(), Kind.PRACTICE, set(Element), persons=1, unreachable=0, entity="Oak")
    with pytest.raises(Invalid, match="a letter"):
        public.write(BUILT_IN, facts(), Kind.INDIVIDUAL, set(Element))


def test_every_element_has_words_in_both_languages():
    from confide.incidents.notices import wording

    for language in ("en", "es"):
        said = wording.spoken(set(Element), language)
        assert len(set(said)) == len(Element)
    assert set(reading.held().states) >= {"MA", "IL", "CA"}


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_what_is_owed_at_large_has_the_figures_of_the_frozen_scope(post):
    """Three practices: one over 500 in Texas, one with exactly 500, one with ten whom no letter reached."""
    from datetime import timedelta

    from confide.incidents.models import Incident, Scope, Share
    from confide.incidents.notices import announcements
    from confide.incidents.notices.models import Unreached
    from tests.practice import Practice

    for n in range(10):
        post.expose(given=f"Given{n}", address=[{"city": "Dallas"}])
    post.run(post.approved("records"))
    assert Unreached.objects.count() == 10
    clock = post.practice.clock
    oak, ash = (Practice(post.system, clock, name) for name in ("Oak Avenue", "Ash Lane"))
    Incident.objects.filter(pk="incident-1").update(breadth="host")
    incident = Incident.objects.get(pk="incident-1")
    elements = {each: {"clear": 1} for each in ("name", "ssn")}
    count = {
        (oak.id, "TX"): 131_815, (oak.id, "ME"): 300, (ash.id, "TX"): 500, (post.practice.id, "TX"): 10,
    }  # fmt: skip
    made = Scope.objects.create(
        incident=incident, version=1, question={}, made_by="x", made_at=clock(), checkpoint=1, sound=True,
        records=sum(count.values()), practices=3, states={"TX": 132_325, "ME": 300}, elements=elements,
        first=clock() - timedelta(days=3), last=clock() - timedelta(days=1),
    )  # fmt: skip
    Share.objects.bulk_create(
        Share(scope=made, practice=practice, state=state, records=n, elements={"ssn": {"clear": n}})
        for (practice, state), n in count.items()
    )
    found = post.system.deadlines.reckon(incident, made)
    with pytest.raises(Invalid, match="frozen"):
        list(announcements.write(made, found, BUILT_IN, facts()))
    made.frozen_at, made.frozen_by = clock(), "x"
    made.save(update_fields=["frozen_at", "frozen_by"])
    written = {name: each.written() for name, each in announcements.write(made, found, BUILT_IN, facts())}
    assert sorted(written) == sorted([f"media-TX-{oak.id}", f"substitute-{post.practice.id}", "agencies"])
    media = written[f"media-TX-{oak.id}"]
    assert "Oak Avenue is telling people in Texas" in media
    assert "It concerns 131,815 people in Texas" in media
    assert "Social Security" in media
    assert "birth" not in media.lower(), "what was not shown of anybody there"
    assert "Elm Street" in written[f"substitute-{post.practice.id}"]
    assert "Maine, Texas" in written["agencies"]
    assert "132,625 people" in written["agencies"], "those of Maine, too: its law counts all"
