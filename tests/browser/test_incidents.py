"""An incident as a story: no wider than a telephone, and on paper without its buttons."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from django.utils import timezone

from confide.access.decide import act_as_member, decide
from confide.access.models import Membership
from confide.access.roles import Action, Purpose
from confide.incidents.exhibits import Kind
from confide.incidents.facts import Way
from confide.incidents.models import Remedy, Scope, Share
from confide.incidents.questions import Question
from tests.browser.test_pages import enter, surgery  # noqa: F401 - fixtures
from tests.server.pages.test_notices import told as notice

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
STATES = {"MA": 1412, "NH": 318, "ME": 77, "TX": 9, "": 21}
ELEMENTS = {"name": {"clear": 1837}, "birth-date": {"clear": 1837}, "ssn": {"masked": 402}}


@pytest.fixture
def told(surgery):  # noqa: F811 - the fixture
    """An incident with a scope of some size."""
    now = timezone.now()
    member = Membership.objects.get(account__username="privacy")
    grant = decide(act_as_member(member, "session"), Action.JOURNAL_READ, Purpose.HOPERAT, None, (), now)
    cases = surgery.system.cases
    made = cases.open(grant, "Night login", now - timedelta(hours=30), way=Way.LOGIN)
    cases.note(grant, made, "Jonas was at home.", now - timedelta(hours=29))
    cases.add_task(grant, made, "Call the insurer", now.date())
    cases.add_task(grant, made, "Ask the police for a letter about delay", now.date() - timedelta(days=1))
    cases.move(grant, made, "contained", "The login is frozen")
    asked = Question(since=now - timedelta(days=3), until=now, addresses=("203.0.113.9",))
    scope = Scope.objects.create(
        incident=made, version=1, question=asked.write(), made_by=member.account_id, made_at=now,
        checkpoint=9, sound=False, proof={"wrong": [["entry 4 (id 9)", "its hash does not fit"]]},
        records=1837, practices=1,
        states=STATES, elements=ELEMENTS, first=now - timedelta(days=3), last=now - timedelta(days=1),
    )  # fmt: skip
    Share.objects.bulk_create(
        Share(scope=scope, practice=made.practice, state=state, records=n) for state, n in STATES.items()
    )
    Remedy.objects.create(
        incident=made, scope=scope, kind="revoke", asked_by=member.account_id, asked_at=now, done={}
    )
    Remedy.objects.create(
        incident=made, scope=scope, kind="rekey", asked_by=member.account_id, asked_at=now, done={},
        approved_by=member.account_id, approved_at=now,
    )  # fmt: skip
    surgery.system.evidence.add(grant, made, "proof-of-the-night.ndjson", Kind.PROOF, b"{}")
    return f"/incidents/{made.pk}"


def test_the_story_fits_and_prints(enter, told, anywhere):  # noqa: F811 - the fixture
    for path in (told, "/incidents"):
        enter(anywhere, "privacy", path)
        assert anywhere.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    fits = "[...document.querySelectorAll('.acts td')].every(each => each.scrollWidth <= each.clientWidth)"
    assert anywhere.evaluate(fits), "no cell runs into the next one"
    enter(anywhere, "privacy", told)
    assert anywhere.get_by_text("Not proved.").is_visible()
    assert anywhere.get_by_text("Ask the police").first.is_visible()
    anywhere.get_by_text("Assess and sign").click()
    assert anywhere.locator("input[name=who][value=high]").is_checked()
    anywhere.locator("summary", has_text="Make what was taken worth less").press("Enter")  # by keyboard
    anywhere.locator("select[name=kind]").select_option("revoke")
    assert anywhere.evaluate("document.documentElement.scrollWidth") <= anywhere.viewport_size["width"]
    anywhere.emulate_media(media="print")
    assert not anywhere.get_by_text("Assess and sign").is_visible()
    assert anywhere.get_by_text("Massachusetts").first.is_visible()
    assert anywhere.get_by_text("Not proved.").is_visible()


def test_public_notices_fit_are_copied_and_print_alone(enter, told, anywhere, tmp_path):  # noqa: F811 - a fixture
    Scope.objects.update(frozen_at=timezone.now(), frozen_by="x")
    width = anywhere.viewport_size["width"]

    def picture(name):
        assert anywhere.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        if folder := os.environ.get("CONFIDE_PICTURES"):
            anywhere.screenshot(path=f"{folder}/{name}-{width}.png", full_page=True)

    enter(anywhere, "privacy", told)
    anywhere.locator("summary", has_text="Make what was taken worth less").press("Enter")
    assert anywhere.get_by_text("0 of 1,837 persons are done").is_visible()
    picture("incident")
    anywhere.get_by_role("link", name="Public notices").click()
    facts = tmp_path / "notice.toml"
    facts.write_bytes(notice().read())
    anywhere.locator("input[type=file]").set_input_files(facts)
    anywhere.get_by_role("button", name="Keep it").press("Enter")
    anywhere.get_by_role("heading", name="still to go").wait_for()
    picture("public")
    anywhere.get_by_role("link", name="To the media of Massachusetts").click()
    anywhere.get_by_role("heading", level=1).filter(has_text="To the media").wait_for()
    anywhere.locator("summary", has_text="mark it as sent").press("Enter")
    picture("announced")
    anywhere.context.grant_permissions(["clipboard-read", "clipboard-write"])
    anywhere.get_by_role("button", name="Copy the text").click()
    anywhere.get_by_role("button", name="Copied").wait_for()
    copied = anywhere.evaluate("navigator.clipboard.readText()")
    assert "telling people in Massachusetts" in copied
    assert "stolen password" in copied
    anywhere.emulate_media(media="print")
    assert not anywhere.get_by_role("button", name="Mark as sent").is_visible()
    assert anywhere.locator(".letter").is_visible()
    if folder := os.environ.get("CONFIDE_PICTURES"):
        anywhere.screenshot(path=f"{folder}/announced-print-{width}.png", full_page=True)
