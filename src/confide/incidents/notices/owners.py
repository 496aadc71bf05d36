"""What a vendor tells each covered entity of an incident: its own numbers and elements (45 CFR 164.410)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from confide.access.models import Practice
from confide.errors import Invalid
from confide.incidents import scopes
from confide.incidents.clocks import Clocks
from confide.incidents.models import Scope
from confide.incidents.notices import public, reached
from confide.incidents.notices.facts import Facts, spell
from confide.incidents.notices.letters import Templates
from confide.incidents.notices.templates import Kind, Notice
from confide.protect.elements import Element


def write(
    scope: Scope, found: Clocks, templates: Templates, facts: Facts
) -> Iterator[tuple[str, str, Notice]]:
    """Write the notice to each covered entity of a frozen scope, in the order of their ids.

    Args:
        scope: Frozen.
        found: The clocks that were counted from it.
        templates: Which say it.
        facts: What all notices of the breach say; the vendor is ``practice`` there.

    Yields:
        The practice's id and name, and the notice.

    Raises:
        Invalid: The scope is not frozen.
    """
    if scope.frozen_at is None:
        raise Invalid("notices go by a frozen scope (confide incident freeze)")
    ends = [duty.until for duty in found.duties if duty.id == "hipaa-individual" and duty.until is not None]
    last = min((end.date() if isinstance(end, datetime) else end for end in ends), default=None)
    due = spell(last, "en") if last is not None else "not set by federal law"
    persons: dict[str, int] = {}
    shown: dict[str, set[Element]] = {}
    for share in scope.shares.all():
        persons[share.practice] = persons.get(share.practice, 0) + share.records
        shown.setdefault(share.practice, set()).update(Element(each) for each in share.elements)
    names = dict(Practice.objects.filter(pk__in=persons).values_list("pk", "name"))
    for practice in scopes.practices(scope):
        made = public.write(
            templates, facts, Kind.PRACTICE, shown[practice],
            entity=names.get(practice, practice), persons=persons[practice],
            unreachable=reached.unreachable(scope.incident_id, practice), due=due,
        )  # fmt: skip
        yield practice, names.get(practice, practice), made
