"""Notices that go to nobody in person: for a home page, the media, a covered entity, the agencies."""

from __future__ import annotations

from collections.abc import Collection

from confide.errors import Invalid
from confide.incidents import reading
from confide.incidents.notices import letters, wording
from confide.incidents.notices.facts import Facts
from confide.incidents.notices.letters import Templates
from confide.incidents.notices.readability import Language
from confide.incidents.notices.templates import ENGLISH_ONLY, PERSONAL, Kind, Notice, fill
from confide.protect.elements import Element


def write(
    templates: Templates,
    facts: Facts,
    kind: Kind,
    shown: Collection[Element],
    language: Language = "en",
    state: str = "",
    **counts: int | str,
) -> Notice:
    """Write a notice that names nobody.

    Args:
        templates: Which say it.
        facts: What all notices of the breach say.
        kind: ``SUBSTITUTE`` (45 CFR 164.404(d)(2)), ``MEDIA`` (164.406), ``PRACTICE`` (164.410) or
            ``AGENCIES``.
        shown: What was shown of somebody.
        language: English where there is no other.
        state: For the media: of which state.
        counts: What the template's other fields say: ``residents``, ``persons``, ``unreachable``, ``entity``,
            ``due``, ``states``.

    Raises:
        Invalid: It is a notice to one person, a field has no value, or a state forbids to say it.
    """
    if kind in PERSONAL:
        raise Invalid("a notice to one person is a letter")
    template = letters.choose(templates, kind, "en" if kind in ENGLISH_ONLY else language, facts)
    row = reading.held().states.get(state)
    told = {name: f"{value:,}" if isinstance(value, int) else value for name, value in counts.items()}
    values = facts.values(template.language) | told | {"state": row.state if row is not None else ""}
    return fill(
        template,
        values,
        wording.spoken(frozenset(shown), template.language),
        wording.marks(frozenset(shown), state, offer=facts.offer is not None),
        wording.closed(kind, state),
    )
