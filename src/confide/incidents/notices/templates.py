"""Templates of notices: plain files that counsel edits, read strictly.

A file is UTF-8. A line that begins with ``%`` is a remark. ``# Title`` comes first, ``## Heading`` begins a
part, ``- item`` is an item of a list, and every other block, up to an empty line, is a paragraph. ``{field}``
is filled in. ``[mark] `` or ``[not mark] `` before a block keeps it only where the mark holds. Nothing else
means anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from confide.errors import Invalid
from confide.incidents.notices.readability import Language, Measure, measure

_FIELD: Final = re.compile(r"\{([a-z_]+)\}")
_MARKED: Final = re.compile(r"\[(not )?([a-z ]+)\]\s+")
_LONGEST: Final = 100_000
_ELEMENTS: Final = "elements"


class Kind(StrEnum):
    """To whom a notice speaks, and so which file it is."""

    INDIVIDUAL = "individual"
    PARENT = "parent"
    FAMILY = "family"
    FEDERAL = "federal"
    SUBSTITUTE = "substitute"
    MEDIA = "media"
    PRACTICE = "practice"
    AGENCIES = "agencies"


PERSONAL: Final = frozenset({Kind.INDIVIDUAL, Kind.PARENT, Kind.FAMILY, Kind.FEDERAL})
"""Those that go to one person and speak of that person's elements alone."""

ENGLISH_ONLY: Final = frozenset({Kind.PRACTICE, Kind.AGENCIES})

MARKS: Final = frozenset(
    {"nature", "count", "offer", "police", "credit", "medical", "insurance", "financial"}
)

_COMMON: Final = frozenset({"description", "happened", "discovered", "steps", "phone", "hours", "email"})
_COMMON_TOO: Final = frozenset({"address", "web", "practice", "date", "months", "provider", _ELEMENTS})
_OF_ONE: Final = frozenset({"name", "patient", "reference", "code", "enrol_at", "enrol_phone", "enrol_by"})
_OF_MANY: Final = frozenset({"state", "residents", "persons", "unreachable", "entity", "due", "states"})


def fields(kind: Kind) -> frozenset[str]:
    """Return the fields that a template of this kind may have."""
    return _COMMON | _COMMON_TOO | (_OF_ONE if kind in PERSONAL else _OF_MANY)


class Part(StrEnum):
    """What a block is."""

    TITLE = "title"
    HEADING = "heading"
    ITEM = "item"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a template.

    Attributes:
        line: Where it begins in the file.
        marks: What must hold, and what must not: pairs of a mark and whether it holds.
    """

    line: int
    part: Part
    text: str
    marks: tuple[tuple[str, bool], ...] = ()

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(_FIELD.findall(self.text))

    def stands(self, marks: frozenset[str]) -> bool:
        """Whether it is part of a notice for which these marks hold."""
        return all((mark in marks) is holds for mark, holds in self.marks)


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read: every field and mark in it is known."""

    kind: Kind
    language: Language
    text: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that is filled in: pairs of what a block is and its words, the title first."""

    language: Language
    blocks: tuple[tuple[Part, str], ...]

    @property
    def title(self) -> str:
        return self.blocks[0][1]

    @property
    def headings(self) -> tuple[str, ...]:
        return tuple(text for part, text in self.blocks if part is Part.HEADING)

    def measured(self) -> Measure:
        """How hard it is to read, without its title and headings."""
        return measure((text for part, text in self.blocks if part in {Part.TEXT, Part.ITEM}), self.language)

    def written(self) -> str:
        """Return it as plain text."""
        signs = {Part.TITLE: "", Part.HEADING: "\n", Part.ITEM: "  - ", Part.TEXT: "\n"}
        return "\n".join(signs[part] + text for part, text in self.blocks) + "\n"


def read(text: str, kind: Kind, language: Language) -> Template:
    """Read a template.

    Raises:
        Invalid: A field or mark that there is not, a brace or bracket without its fellow, no title, or a
            notice of one person that has no place for what was shown. The message says in which line.
    """
    if len(text) > _LONGEST:
        raise Invalid(f"the template {kind}.{language} is longer than {_LONGEST:,} characters")
    blocks = tuple(_blocks(text, f"{kind}.{language}"))
    where = f"the template {kind}.{language}"
    if not blocks or blocks[0].part is not Part.TITLE or blocks[0].marks:
        raise Invalid(f"{where} does not begin with its title (a line that begins with #)")
    if sum(block.part is Part.TITLE for block in blocks) > 1:
        raise Invalid(f"{where} has more than one title")
    allowed = fields(kind)
    for block in blocks:
        if not block.fields <= allowed:
            raise Invalid(
                f"line {block.line} of {where} has a field that there is not (there are: "
                + ", ".join(sorted(allowed)) + ")"
            )  # fmt: skip
        if set("{}") & set(_FIELD.sub("", block.text)):
            raise Invalid(f"line {block.line} of {where} has a brace that belongs to no field")
        if _ELEMENTS in block.fields and (block.part is not Part.ITEM or block.text != "{elements}"):
            raise Invalid(f"line {block.line} of {where}: what was shown is an item of its own")
    if kind in PERSONAL and not any(_ELEMENTS in block.fields and not block.marks for block in blocks):
        raise Invalid(f"{where} does not say what was shown of the person ({{elements}})")
    return Template(kind, language, text, blocks)


def _blocks(text: str, name: str) -> Iterable[Block]:
    held: list[str] = []
    began = 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        bare = line.strip()
        alone = bare.startswith(("#", "- ")) or (bare.startswith("[") and "] - " in bare)
        if held and (not bare or alone or bare.startswith("%")):
            yield _block(began, " ".join(held), name)
            held = []
        if not bare or bare.startswith("%"):
            continue
        if alone:
            yield _block(number, bare, name)
            continue
        if not held:
            began = number
        held.append(bare)


def _block(line: int, text: str, name: str) -> Block:
    marks: list[tuple[str, bool]] = []
    while match := _MARKED.match(text):
        if match[2] not in MARKS:
            raise Invalid(
                f"line {line} of the template {name} has a mark that there is not (there are: "
                + ", ".join(sorted(MARKS)) + ")"
            )  # fmt: skip
        marks.append((match[2], not match[1]))
        text = text[match.end() :]
    if text.startswith("["):
        raise Invalid(f"line {line} of the template {name} begins with a bracket that is no mark")
    for sign, part in (("## ", Part.HEADING), ("# ", Part.TITLE), ("- ", Part.ITEM)):
        if text.startswith(sign):
            return Block(line, part, text.removeprefix(sign).strip(), tuple(marks))
    return Block(line, Part.TEXT, text, tuple(marks))


def fill(
    template: Template,
    values: Mapping[str, str],
    elements: Sequence[str],
    marks: frozenset[str],
    closed: frozenset[str] = frozenset(),
) -> Notice:
    """Fill a template in.

    Args:
        template: Read before.
        values: The fields, all but ``elements``.
        elements: What was shown, each as an item.
        marks: Which hold.
        closed: Fields that a law forbids here.

    Raises:
        Invalid: A field has no value, or is closed. The message names the field, never what stands in it.
    """
    made: list[tuple[Part, str]] = []
    where = f"the template {template.kind}.{template.language}"
    for block in template.blocks:
        if not block.stands(marks):
            continue
        if shut := sorted(block.fields & closed):
            raise Invalid(f"line {block.line} of {where} tells what the law of the state forbids: {shut[0]}")
        if _ELEMENTS in block.fields:
            made += [(Part.ITEM, each) for each in elements]
            continue
        missing = sorted(field for field in block.fields if not values.get(field))
        if missing:
            raise Invalid(f"line {block.line} of {where} has nothing to put into its field {missing[0]}")
        made.append((block.part, _FIELD.sub(lambda match: values[match[1]], block.text)))
    return Notice(template.language, tuple(made))


@cache
def built_in() -> Mapping[tuple[Kind, Language], Template]:
    """The templates that come with Confide."""
    return _load(None)


def load(folder: Path | None) -> Mapping[tuple[Kind, Language], Template]:
    """Read the templates: a practice's own, and Confide's where it has none.

    Args:
        folder: With files such as ``individual.en.txt``; None is Confide's alone.

    Raises:
        Invalid: A file that is no template's, or cannot be read; see also :func:`read`.
    """
    return built_in() if folder is None else _load(folder)


def _load(folder: Path | None) -> Mapping[tuple[Kind, Language], Template]:
    own = resources.files("confide.incidents.notices") / "letters"
    names = {f"{kind}.{language}.txt": (kind, language) for kind, language in _all()}
    theirs: set[str] = set()
    if folder is not None:
        try:
            theirs = {path.name for path in folder.iterdir() if path.suffix == ".txt"}
        except OSError as problem:
            raise Invalid(f"the folder of templates cannot be read ({problem.strerror})") from None
        if not theirs <= set(names):
            raise Invalid("the folder has a file that is no template (they are: " + ", ".join(names) + ")")
    found: dict[tuple[Kind, Language], Template] = {}
    for name, (kind, language) in names.items():
        source = folder / name if folder is not None and name in theirs else own / name
        try:
            text = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise Invalid(f"the template {name} cannot be read as UTF-8") from None
        found[kind, language] = read(text, kind, language)
    return found


def _all() -> Iterable[tuple[Kind, Language]]:
    languages: tuple[Language, ...] = ("en", "es")
    for kind in Kind:
        for language in languages:
            if language == "en" or kind not in ENGLISH_ONLY:
                yield kind, language
