"""What is told to nobody in person, with the figures of a frozen scope: media, home page, agencies.

Which of them are owed the clocks say; whom they count is the scope's own shares, practice by practice and
state by state, so that one run writes them for all covered entities of a host.

Source:
    45 CFR 164.406, more than 500 residents of a state; 164.404(d)(2), 10 or more without a good address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from confide.access.models import Practice
from confide.errors import Invalid
from confide.incidents import reading, scopes
from confide.incidents.clocks import Clocks
from confide.incidents.duties import Duty, Standing
from confide.incidents.models import Scope
from confide.incidents.notices import public, reached
from confide.incidents.notices.facts import Facts
from confide.incidents.notices.letters import Templates
from confide.incidents.notices.readability import Language
from confide.incidents.notices.templates import Kind, Notice
from confide.protect.elements import Element

_MEDIA: Final = "hipaa-media"
_SUBSTITUTE: Final = "hipaa-substitute-10plus"
_AGENCIES: Final = ":agencies"
_OWED: Final = (Standing.DUE, Standing.MET)


@dataclass(frozen=True, slots=True)
class Owed:
    """A notice that is owed to nobody in person.

    Attributes:
        name: ``media-TX-`` and the practice's id, ``substitute-`` and the id, or ``agencies``.
        kind: Which.
        practice: Whose it is; empty where it is for all of them.
        state: For the media of which; two letters, or empty.
        elements: What was shown.
        counts: Its figures.
        duty: What it fulfils, with its end and its law.
    """

    name: str
    kind: Kind
    practice: str
    state: str
    elements: frozenset[Element]
    counts: Mapping[str, int | str]
    duty: Duty | None


def owed(scope: Scope, found: Clocks) -> Iterator[Owed]:
    """Return which notices are owed to nobody in person; `tell` writes one.

    Args:
        scope: Frozen.
        found: The clocks that were counted from it.

    Raises:
        Invalid: The scope is not frozen.
    """
    if scope.frozen_at is None:
        raise Invalid("notices go by a frozen scope (confide incident freeze)")
    due = {duty.id: duty for duty in found.duties if duty.standing in _OWED}
    most = reading.held().rules.clocks[_MEDIA].n or 0
    shown: dict[str, set[Element]] = {}
    for share in scope.shares.order_by("state", "practice"):
        elements = frozenset(Element(each) for each in share.elements)
        shown.setdefault(share.practice, set()).update(elements)
        duty = due.get(f"{_MEDIA}:{share.state}")
        if duty is not None and share.records > most:
            name, counts = f"media-{share.state}-{share.practice}", {"residents": share.records}
            yield Owed(name, Kind.MEDIA, share.practice, share.state, elements, counts, duty)
    for practice, those in sorted(shown.items()):
        missed = reached.unreachable(scope.incident_id, practice)
        if missed >= reached.MANY:
            name, substitute = f"substitute-{practice}", due.get(_SUBSTITUTE)
            counts = {"unreachable": missed}
            yield Owed(name, Kind.SUBSTITUTE, practice, "", frozenset(those), counts, substitute)
    told = sorted(id_.removesuffix(_AGENCIES) for id_ in due if id_.endswith(_AGENCIES))
    if told:
        everything = frozenset[Element]().union(*shown.values())
        figures: dict[str, int | str] = {
            "persons": sum(scope.states.get(code, 0) for code in told),
            "states": ", ".join(reading.held().states[code].state for code in told),
        }
        first = min((due[code + _AGENCIES] for code in told), key=_end)
        yield Owed("agencies", Kind.AGENCIES, "", "", everything, figures, first)


def names(scope: Scope) -> dict[str, str]:
    """Return the names that stand in notices where several practices are concerned, by id; else none."""
    practices = scopes.practices(scope)
    if len(practices) < 2:
        return {}
    return dict(Practice.objects.filter(pk__in=practices).values_list("pk", "name"))


def tell(
    each: Owed, named: Mapping[str, str], templates: Templates, facts: Facts, language: Language = "en"
) -> Notice:
    """Write one notice.

    Args:
        each: Which.
        named: What `names` returns of its scope.
        templates: Their texts.
        facts: What they say.
        language: English where a template has no other.

    Raises:
        Invalid: A state forbids what a template says.
    """
    if each.practice and named:
        facts = msgspec.structs.replace(facts, practice=named[each.practice])
    return public.write(templates, facts, each.kind, each.elements, language, each.state, **each.counts)


def write(
    scope: Scope, found: Clocks, templates: Templates, facts: Facts, language: Language = "en"
) -> Iterator[tuple[str, Notice]]:
    """Write each notice that is owed to nobody in person.

    Args:
        scope: Frozen.
        found: The clocks that were counted from it.
        templates: Which say it.
        facts: What all notices of the breach say; where several practices are concerned, each stands in its
            own place there.
        language: English where a template has no other.

    Yields:
        The name of each (``Owed.name``), and the notice.

    Raises:
        Invalid: The scope is not frozen, or a state forbids what a template says.
    """
    named = names(scope)
    for each in owed(scope, found):
        yield each.name, tell(each, named, templates, facts, language)


def _end(duty: Duty) -> tuple[bool, datetime, str]:
    return duty.ends is None, duty.ends or datetime.max.replace(tzinfo=UTC), duty.id
