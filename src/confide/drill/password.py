"""A re-used password: the right one, bought elsewhere, without the second factor."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

from confide.drill import browser, outcome
from confide.drill.outcome import Check, Outcome
from confide.drill.thief import Person

if TYPE_CHECKING:
    from confide.drill.venue import Venue

CODE: Final = "password"
TITLE: Final = "A re-used password, without the second factor"
SIGN_IN: Final = "/sign-in"
_CHARTS: Final = 20


def run(venue: Venue) -> Outcome:
    """Sign in with name and password, and go everywhere from there."""
    from django.test import Client

    from confide.access.roles import Role

    started = time.monotonic()
    practice = browser.largest(venue)
    password = secrets.token_urlsafe(24)
    account = browser.hire(venue, Role.CLINICIAN, practice, CODE, password)
    people = browser.truth(venue, practice)[:_CHARTS]
    http = Client(headers={"user-agent": browser.AGENT}, REMOTE_ADDR="127.0.0.1", SERVER_NAME="localhost")
    http.get(SIGN_IN)
    first = http.post(SIGN_IN, {"login": account.username, "password": password})
    answers = [http.get("/"), http.get("/people"), http.get("/sessions")]
    answers += [http.post("/found", {"q": each.family}) for each in people]
    answers += [http.get(f"/patients/{each.id}") for each in people]
    opened = sum(answer.status_code == 200 and _names(answer.content, people) for answer in answers)
    return Outcome(
        CODE,
        TITLE,
        "in process (the server's own pages)",
        time.monotonic() - started,
        opened,
        figures=(("requests after the password", f"{len(answers):,}"),),
        checks=(
            outcome.most("answers that name a patient", opened, 0),
            Check(
                "the password was right, and was not enough",
                f"status {first.status_code}",
                "status 302",
                first.status_code == 302,
            ),
        ),
        notes=("Whoever has no second factor yet is asked for one; a password opens nothing by itself.",),
    )


def _names(page: bytes, people: list[Person]) -> bool:
    text = page.decode("utf-8", "replace")
    return any(each.family in text and each.given.split(" ")[0] in text for each in people)
