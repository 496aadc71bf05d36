"""Which element is protected how: reads a policy file, and checks it when it is loaded."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from confide.errors import Misconfigured
from confide.protect.elements import Element

ACTIONS = frozenset({"keep", "open", "seal", "away", "pseudonym", "work", "collection"})
ACTIONS_WITH_ELEMENT = frozenset({"as", "ff1"})


@dataclass(frozen=True, slots=True)
class Action:
    """What a policy says of one path: a verb of the file's grammar, and its data element."""

    verb: str
    element: Element | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy file, checked. Field names are those of the file."""

    name: str
    oldest_age: int
    oldest_class: str
    kept_types: frozenset[str]
    paths: Mapping[str, Action]
    owners: Mapping[str, tuple[str, ...]]
    identifier_types: Mapping[str, Element]
    identifier_systems: Mapping[str, Element | None]
    extensions: Mapping[str, frozenset[str]]


def _action(path: str, text: str) -> Action:
    verb, _, element = text.partition(":")
    if verb in ACTIONS and not element:
        return Action(verb)
    if verb in ACTIONS_WITH_ELEMENT and element in {str(e) for e in Element}:
        return Action(verb, Element(element))
    msg = f"the policy's action for {path} is not one that it may have"
    raise Misconfigured(msg)


@cache
def load(name: str = "at-rest") -> Policy:
    """Read the policy *name* that ships with the package.

    Raises:
        Misconfigured: The file has an action or an element that does not exist.
    """
    text = resources.files("confide.protect").joinpath(f"policies/{name}.toml").read_text("utf-8")
    raw = tomllib.loads(text)
    try:
        return Policy(
            name=raw["name"],
            oldest_age=raw["oldest_age"],
            oldest_class=raw["oldest_class"],
            kept_types=frozenset(raw["kept_types"]),
            paths={path: _action(path, text) for path, text in raw["paths"].items()},
            owners={name: tuple(paths) for name, paths in raw["owners"].items()},
            identifier_types={code: Element(e) for code, e in raw["identifier_types"].items()},
            identifier_systems={
                system: None if e == "keep" else Element(e) for system, e in raw["identifier_systems"].items()
            },
            extensions={url: frozenset(inner) for url, inner in raw["extensions"].items()},
        )
    except (KeyError, ValueError) as problem:
        msg = f"the policy {name} lacks a table or names an element that does not exist"
        raise Misconfigured(msg) from problem
