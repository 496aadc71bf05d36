"""The anchor incident once more: a stolen OAuth client that reaches every practice, over real HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from confide.drill import outcome, scoping
from confide.drill.intruder import SCOPES, Intruder, Spree
from confide.drill.notebook import CLEAR, MASKED, Notebook, Roll
from confide.drill.outcome import Check, Outcome
from confide.protect.elements import CATALOGUE, Element

if TYPE_CHECKING:
    from confide.access.models import Client
    from confide.drill.venue import Venue

CODE: Final = "nextgen"
TITLE: Final = "A stolen OAuth client that reaches every practice"
THREADS: Final = 8
QUESTIONS: Final = 30
"""About identity, one by one, in each practice; with 26 more in a bundle."""
SOONEST: Final = 5.0  # seconds until it must be noticed
LABELS: Final = {element.value: kind.label for element, kind in CATALOGUE.items()}


@dataclass(frozen=True, slots=True)
class Stop:
    """When and how something was noticed, or stopped."""

    at: datetime
    how: str


def run(venue: Venue) -> Outcome:
    """Attack, and compare what the attacker has with what the journal says.

    The attacker knows the API and the practices' ids, has the program's private key, and goes through all
    practices on eight connections with every trick that ``intruder`` knows.
    """
    from joserfc.jwk import ECKey

    from confide.access.limits import LIMITS
    from confide.access.roles import Role

    started = time.monotonic()
    key = ECKey.generate_key("P-384", {"kid": "drill", "alg": "ES384"}, private=True)
    vendor = let_in(venue, key.as_dict(private=False))
    notebook = Notebook(Roll(venue.people, venue.practices, venue.system))
    with venue.served() as address:
        venue.tell(f"attacking {len(venue.practices):,} practices")
        intruder = Intruder(address, vendor.pk, key.as_dict(private=True), notebook, venue.seed)
        since = venue.system.clock()
        spree = intruder.rob(venue.practices, THREADS, questions=QUESTIONS)
        until = venue.system.clock() + timedelta(seconds=1)
    venue.tell("comparing the journal with what was taken")
    begun = time.monotonic()
    journal = scoping.scope(venue, vendor.pk, since, until)
    exact = scoping.compare(journal, notebook, time.monotonic() - begun)
    noticed, stopped = stops(vendor, since)
    first = notebook.first or since
    budget = LIMITS[Role.INTEGRATOR].day_patients
    exposed = outcome.count(LABELS, notebook.shown, notebook.learned())
    return Outcome(
        CODE,
        TITLE,
        "over HTTP, against confide serve with two processes",
        time.monotonic() - started,
        len(notebook),
        exposed,
        _figures(venue, spree, notebook, exact, since, first, stopped, vendor),
        (
            outcome.most("persons of whom anything is known", len(notebook), budget),
            _ssns(notebook),
            _soon(first, noticed),
            outcome.least("scope by the journal is what was taken", exact.percent, 100, "%"),
            Check("the attack was carried out", f"{spree.tokens:,} tokens", "at least 1", spree.tokens > 0),
        ),
        notes(exact, noticed, stopped),
    )


def let_in(venue: Venue, public: Any) -> Client:
    """Register a vendor's program with the default budget, and let it into every practice."""
    from confide.access.models import Client
    from confide.access.reach import Reach

    officer, now = venue.officer(), venue.system.clock()
    first, *others = venue.practices
    vendor: Client = Client.objects.create(
        practice_id=first,
        name=f"Drill vendor {now:%H%M%S%f}",
        purpose="TREAT",
        scopes=SCOPES,
        elements=[each.value for each in Element],
        jwks={"keys": [public]},
    )
    Reach.objects.bulk_create(
        Reach(client=vendor, practice_id=each, approved_by=officer, approved_at=now) for each in others
    )
    return vendor


def stops(vendor: Client, since: datetime) -> tuple[Stop | None, Stop | None]:
    """When the program was first noticed, and when it was stopped."""
    from confide.access.containment import Standing
    from confide.access.standing import Reason, State

    rows = Standing.objects.filter(owner=f"client:{vendor.pk}", since__gte=since).order_by("since")
    told = [(row.since, State(row.state), Reason(row.reason).label) for row in rows]
    noticed = Stop(told[0][0], f"{told[0][1].value}: {told[0][2]}") if told else None
    held = [Stop(at, f"{state.value}: {why}") for at, state, why in told if state is not State.WITHHELD]
    return noticed, held[0] if held else None


def _ssns(notebook: Notebook) -> Check:
    code = Element.SSN.value
    seen = {p for p, forms in notebook.shown.items() if forms.get(code) == CLEAR}
    seen |= {p for p, codes in notebook.learned().items() if code in codes}
    return outcome.most("whole Social Security numbers", max(len(seen), notebook.numbers), 0)


def _soon(since: datetime, noticed: Stop | None) -> Check:
    if noticed is None:
        return Check("noticed after", "never", f"less than {SOONEST:.0f} s", holds=False)
    took = (noticed.at - since).total_seconds()
    return Check("noticed after", f"{took:.1f} s", f"less than {SOONEST:.0f} s", took < SOONEST)


def _figures(
    venue: Venue,
    spree: Spree,
    notebook: Notebook,
    exact: scoping.Exactness,
    since: datetime,
    first: datetime,
    stopped: Stop | None,
    vendor: Client,
) -> tuple[tuple[str, str], ...]:
    from confide.audit.scope import rows

    before = "-"
    if stopped is not None:
        seen: set[str] = set()
        for practice in venue.practices:
            seen.update(patient for patient, _ in rows(practice, since, stopped.at, actor=vendor.pk))
        before = f"{len(seen):,}"
    took = "never" if stopped is None else f"{(stopped.at - first).total_seconds():.1f} s"
    shown = sum(1 for each in notebook.shown.values() if each)
    last_four = sum(1 for each in notebook.shown.values() if each.get(Element.SSN.value) == MASKED)
    return (
        ("persons in the practices", f"{len(venue.people):,}"),
        ("practices", f"{len(venue.practices):,}"),
        ("requests", f"{spree.requests:,}"),
        ("tokens", f"{spree.tokens:,}"),
        ("persons shown clear or masked", f"{shown:,}"),
        ("persons learned by asking only", f"{len(notebook) - shown:,}"),
        ("last four digits of a Social Security number", f"{last_four:,}"),
        ("stopped after", took),
        ("patients until it was stopped", before),
        ("persons in the journal's scope", f"{exact.persons:,}"),
        ("scope found in", f"{exact.took:.1f} s"),
    )


def notes(exact: scoping.Exactness, noticed: Stop | None, stopped: Stop | None) -> tuple[str, ...]:
    """Say how it was noticed and stopped, and what the scope is made of."""
    said = [f"Noticed as {noticed.how}." if noticed else "Nothing noticed it."]
    if stopped is not None:
        said.append(f"Stopped as {stopped.how}.")
    said.append(
        f"The journal names {exact.pairs:,} pairs of person and element; the attacker has {exact.missing:,} "
        f"more, {exact.beyond:,} of the journal's were in no answer, {exact.milder:,} were seen more clearly "
        "than it says."
    )
    return tuple(said)
