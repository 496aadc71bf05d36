"""The recipe: what is done with each column of a file. A small TOML that a person reads, checks and keeps.

    [keyring]                  # written by `confide protect`: which keyring and version it used
    id = "3f0c4e5b6a798812"
    version = 1

    [columns]
    ssn = "ssn"                    # an element; the catalogue says how it is protected
    name = {element = "name", method = "pseudonym"}
    member = {element = "member-id", alphabet = "62", malformed = "null"}
    state = "keep"
    notes = "drop"

There are names of columns in it, no values and no keys.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from confide.errors import Invalid, Unknown
from confide.protect.columns.kinds import (
    KINDS,
    ColumnElement,
    Malformed,
    Method,
    element_of,
    malformed_of,
    method_of,
    writing,
)

LARGEST: Final = 1 << 20
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+").fullmatch
_COLUMN_KEYS: Final = ("element", "method", "alphabet", "malformed", "type")
_KEYS: Final = ("columns", "keep", "drop", "keyring")
_WITHOUT_ELEMENT: Final = (Method.KEEP, Method.DROP)


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done with one column.

    Attributes:
        element: What the column holds; None where it is kept or dropped.
        method: How it is protected.
        alphabet: Another alphabet than the element's.
        malformed: Another choice than the command's.
        type: What type it had, where the protected column is text instead.
    """

    element: ColumnElement | None
    method: Method
    alphabet: str | None = None
    malformed: Malformed | None = None
    type: str = ""

    @property
    def changes(self) -> bool:
        """Whether the column's values change."""
        return self.method not in _WITHOUT_ELEMENT

    @property
    def returns(self) -> bool:
        """Whether it can be revealed."""
        return self.method in {Method.FF1, Method.SEAL}


KEPT: Final = Treatment(None, Method.KEEP)
DROPPED: Final = Treatment(None, Method.DROP)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done with the columns of a file.

    Attributes:
        columns: By name.
        keyring: The id of the keyring that it is for; "" where it does not say.
        version: The version of the keyring; None where it does not say.
    """

    columns: Mapping[str, Treatment] = field(default_factory=dict)
    keyring: str = ""
    version: int | None = None

    def also(self, more: Mapping[str, Treatment]) -> Recipe:
        """With other columns besides, which win."""
        return replace(self, columns={**self.columns, **more})

    def bound(self, keyring: str, version: int) -> Recipe:
        """For a keyring and a version of it."""
        return replace(self, keyring=keyring, version=version)


def treat(element: str, method: str | None = None, **more: Any) -> Treatment:
    """What is done with a column of *element*, which may be ``keep`` or ``drop`` too.

    Raises:
        Invalid: There is no such element or method, or one does not fit the other.
    """
    if element in _WITHOUT_ELEMENT and method is None and not any(more.values()):
        return KEPT if element == Method.KEEP else DROPPED
    if method in _WITHOUT_ELEMENT:
        return KEPT if method == Method.KEEP else DROPPED
    known = element_of(element)
    chosen = method_of(known, method)
    alphabet, malformed = more.get("alphabet"), more.get("malformed")
    if alphabet is not None:
        writing(known, alphabet)
        if chosen is not Method.FF1:
            raise Invalid(f"{KINDS[known].label}: only FF1 has an alphabet")
    return Treatment(
        known,
        chosen,
        alphabet,
        None if malformed is None else malformed_of(malformed),
        more.get("type") or "",
    )


def read(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        Unknown: There is no such file.
        Invalid: It is not a recipe.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise Unknown(f"there is no {path} (is the path right?)") from None
    except OSError as problem:
        raise Invalid(f"{path} cannot be read ({problem.strerror})") from None
    if len(content) > LARGEST:
        raise Invalid(f"{path} is too large for a recipe")
    return parse(content, str(path))


def parse(content: bytes, path: str) -> Recipe:
    """Read the text of a recipe; *path* says for people where it comes from.

    Raises:
        Invalid: It is not a recipe.
    """
    try:
        found = tomllib.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, RecursionError):
        raise Invalid(f"{path} is not TOML in UTF-8") from None
    except tomllib.TOMLDecodeError as problem:
        place = re.search(r"\(at (line \d+)", str(problem))
        raise Invalid(f"{path} is not TOML ({place[1] if place else 'it ends too early'})") from None
    _only(found, _KEYS, path)
    columns = {}
    for name, said in _table(found, "columns", path).items():
        columns[name] = _column(name, said, path)
    for word, treatment in (("keep", KEPT), ("drop", DROPPED)):
        listed = found.get(word, [])
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise Invalid(f"{path}: {word} is a list of names of columns")
        for name in listed:
            if columns.setdefault(name, treatment) != treatment:
                raise Invalid(f"{path}: column {name} is in {word} and in [columns]")
    keyring = _table(found, "keyring", path)
    _only(keyring, ("id", "version"), path)
    id, version = keyring.get("id", ""), keyring.get("version")
    if not isinstance(id, str) or not (version is None or (type(version) is int and version > 0)):
        raise Invalid(f"{path}: [keyring] has an id, which is a text, and a version, which is a number")
    return Recipe(columns, id, version)


def _table(found: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    table = found.get(name, {})
    if not isinstance(table, dict):
        raise Invalid(f"{path}: [{name}] is a table")
    return table


def _only(found: Mapping[str, Any], known: Sequence[str], path: str) -> None:
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise Invalid(f"{path}: {unknown[0]} is not known here (there are: {', '.join(known)})")


def _column(name: str, said: Any, path: str) -> Treatment:
    """One line of [columns]."""
    parts = {"element": said} if isinstance(said, str) else said
    if not isinstance(parts, dict) or not all(isinstance(part, str) for part in parts.values()):
        raise Invalid(f"{path}: column {name} has an element, or {{element = ..., method = ...}}")
    _only(parts, _COLUMN_KEYS, f"{path}: column {name}")
    if "element" not in parts and parts.get("method") not in _WITHOUT_ELEMENT:
        raise Invalid(f"{path}: column {name} has no element")
    try:
        return treat(parts.pop("element", "") or Method.KEEP, **parts)
    except Invalid as problem:
        raise Invalid(f"{path}: column {name}: {problem}") from None


def write(recipe: Recipe, heading: Iterable[str], remarks: Mapping[str, str] | None = None) -> str:
    """The recipe as TOML.

    Args:
        recipe: What to write.
        heading: Lines of comment above.
        remarks: A comment behind the line of a column.
    """
    lines = [f"# {line}".rstrip() for line in heading]
    if recipe.keyring:
        lines += ["", "[keyring]", f"id = {_text(recipe.keyring)}", f"version = {recipe.version}"]
    lines += ["", "[columns]"]
    remarks = remarks or {}
    written = {name: f"{_key(name)} = {_said(how)}" for name, how in recipe.columns.items()}
    wide = min(max((len(line) for name, line in written.items() if name in remarks), default=0), 48)
    for name, line in written.items():
        lines.append(f"{line:<{wide}}  # {remarks[name]}" if name in remarks else line)
    return "\n".join(lines) + "\n"


def _said(how: Treatment) -> str:
    if how.element is None:
        return _text(how.method)
    parts = {"element": how.element.value}
    if how.method is not KINDS[how.element].method:
        parts["method"] = how.method.value
    parts |= {"alphabet": how.alphabet} if how.alphabet else {}
    parts |= {"malformed": how.malformed.value} if how.malformed else {}
    parts |= {"type": how.type} if how.type else {}
    if len(parts) == 1:
        return _text(how.element)
    return "{" + ", ".join(f"{key} = {_text(said)}" for key, said in parts.items()) + "}"


def _key(name: str) -> str:
    return name if _BARE(name) else _text(name)


def _text(text: str) -> str:
    """A basic string of TOML, which is one of JSON but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
