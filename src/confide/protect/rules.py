"""How one JSON member is protected: one small rule per way.

A rule takes a member of the clear object and writes what may be stored into the protected one. What
it hides it records as an *edit*, so that the clear object can be had back:

    [path, element]                    take this member away: protection put it there
    [path, element, value]             put this value there
    [path, element, "", alphabet]      a stand-in: decrypt it where it stands

Edits live only inside the resource's seal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confide.protect.elements import Element
from confide.protect.identifiers import StandIns
from confide.protect.keyring import SubjectKey

Path = tuple[str | int, ...]
Edit = list[Any]

DATA_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
MASKED: dict[str, Any] = {"extension": [{"url": DATA_ABSENT_REASON, "valueCode": "masked"}]}
# Three-digit ZIP areas of 20,000 people or fewer (2000 census list).
SPARSE_ZIP3 = frozenset(
    "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893".split()  # noqa: SIM905 reads as the list in the law's guidance
)


@dataclass(slots=True)
class Work:
    """One document being protected."""

    key: SubjectKey | None
    stand_ins: StandIns
    oldest_year: int
    oldest_class: str
    pseudonym: tuple[str, str]
    edits: list[Edit] = field(default_factory=list)

    def stand_in(self, value: str, element: Element) -> tuple[str, str] | None:
        if self.key is None:
            return None
        return self.stand_ins.protect(value, self.key.tweak(element))

    def put(self, out: dict[str, Any], key: str, value: str, element: Element) -> str | None:
        """Put the stand-in of *value* into *out*; returns its alphabet's name, None where there is none."""
        made = self.stand_in(value, element)
        if made is None:
            return None
        out[key] = made[0]
        return made[1]


Rule = Callable[[dict[str, Any], str, Any, Path, Work], None]


def keep(out: dict[str, Any], key: str, value: Any, _path: Path, _work: Work) -> None:
    """The value says nothing of who it is."""
    out[key] = value


def primitive(element: Element) -> Rule:
    """Seal a primitive; data-absent-reason ``masked`` stands in its place."""

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        work.edits.append([(*path, key), element, value])
        if isinstance(value, list):
            out[key] = [None]
            out["_" + key] = [MASKED]
        else:
            out["_" + key] = MASKED
        work.edits.append([(*path, "_" + key), element])

    return rule


def whole(element: Element) -> Rule:
    """Seal an object or a list of them; an empty one with the data-absent-reason stands there."""

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        work.edits.append([(*path, key), element, value])
        out[key] = [MASKED] if isinstance(value, list) else MASKED

    return rule


def away(element: Element) -> Rule:
    """Seal a member that nothing requires, and leave nothing in its place."""

    def rule(_out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        work.edits.append([(*path, key), element, value])

    return rule


def constant(text: str, element: Element) -> Rule:
    """The same text stands in the place of every value."""

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        out[key] = text
        if value != text:
            work.edits.append([(*path, key), element, value])

    return rule


def unless(known: Callable[[Any], bool], otherwise: Rule) -> Rule:
    """Keep what *known* vouches for; else *otherwise*."""

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        values = value if isinstance(value, list) else (value,)
        if all(isinstance(v, str) and known(v) for v in values):
            out[key] = value
        else:
            otherwise(out, key, value, path, work)

    return rule


def _year(value: Any, work: Work) -> str:
    year = str(value)[:4]
    return work.oldest_class if year <= str(work.oldest_year).zfill(4) else year


def year(element: Element) -> Rule:
    """Generalise a date or dateTime to its year; very old ones to one class."""

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        if isinstance(value, list):  # a null stands where only `_x` says something
            general: Any = [None if v is None else _year(v, work) for v in value]
        else:
            general = _year(value, work)
        out[key] = general
        if general != value:
            work.edits.append([(*path, key), element, value])

    return rule


def instant(element: Element, *, required: bool) -> Rule:
    """Seal an instant; a required one becomes 1 January of its year, as FHIR knows no shorter form."""
    sealed = primitive(element)

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        if required and isinstance(value, str):
            work.edits.append([(*path, key), element, value])
            out[key] = f"{_year(value, work)}-01-01T00:00:00Z"
        else:
            sealed(out, key, value, path, work)

    return rule


def stand_in(element: Element) -> Rule:
    """A stand-in in the same format, or a seal where the domain is too small for one."""
    sealed = primitive(element)

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        alphabet = work.put(out, key, value, element) if isinstance(value, str) else None
        if alphabet is None:
            sealed(out, key, value, path, work)
        else:
            work.edits.append([(*path, key), element, "", alphabet])

    return rule


def pseudonym(element: Element) -> Rule:
    """The person's names become one pseudonym."""

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        given, family = work.pseudonym
        work.edits.append([(*path, key), element, value])
        out[key] = [{"use": "anonymous", "family": family, "given": [given]}]

    return rule


@dataclass(frozen=True, slots=True)
class Node:
    """What is done to the members of one type of object.

    Attributes:
        rules: By member name.
        element: What a member without a rule counts as; it is sealed and leaves nothing.
    """

    rules: Mapping[str, Rule]
    element: Element


def protect_object(value: Mapping[str, Any], node: Node, path: Path, work: Work) -> dict[str, Any]:
    """Protect each member of an object by its rule.

    ``_x`` beside a primitive ``x`` and the ``id`` of an element are free text in disguise.
    """
    out: dict[str, Any] = {}
    rules = node.rules
    for key, member in value.items():
        rule = rules.get(key)
        if rule is keep:
            out[key] = member
        elif rule is not None:
            rule(out, key, member, path, work)
        else:
            work.edits.append([(*path, key), node.element, member])
            if key[0] == "_":
                _stand_beside(out, key, member, value)
    return out if out.keys() - {"id"} else out | never_empty(value, path, work, node.element)


def _stand_beside(out: dict[str, Any], key: str, companion: Any, value: Mapping[str, Any]) -> None:
    """Put something in the place of a sealed ``_x``, where FHIR misses it: no ``x`` there, or nulls in it."""
    main = value.get(key[1:])
    if main is None:
        out[key] = [MASKED] if isinstance(companion, list) else MASKED
    elif key not in out and isinstance(main, list) and None in main:
        out[key] = [MASKED if v is None else None for v in main]


def never_empty(value: Mapping[str, Any], path: Path, work: Work, element: Element) -> dict[str, Any]:
    """FHIR has no empty objects: what nothing is left of gets the data-absent-reason, until revealed.

    It goes away with the last member that was taken out, so that a partial reveal leaves nothing empty.
    """
    if "extension" not in value:
        work.edits.append([(*path, "extension"), work.edits[-1][1] if work.edits else element])
    return MASKED


def descend(node: Callable[[], Node]) -> Rule:
    """Protect an object, or each of a list of objects, member by member."""
    compiled: Node | None = None

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        nonlocal compiled
        if compiled is None:
            compiled = node()
        at = (*path, key)
        if isinstance(value, list):
            out[key] = [protect_object(v, compiled, (*at, i), work) for i, v in enumerate(value)]
        else:
            out[key] = protect_object(value, compiled, at, work)

    return rule
