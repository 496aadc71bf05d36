"""How the settings of the journal's tree are read. No Django here: the configuration is read first."""

from __future__ import annotations

from confide.audit.notes import Kind, PublicKey
from confide.audit.outlets import Outlet
from confide.errors import Invalid


def check_origin(name: str) -> str:
    """Return the name of a log.

    Raises:
        ValueError: It is none.
    """
    try:
        PublicKey(name, Kind.NOTE, bytes(32))
    except Invalid:
        raise ValueError("a name without spaces and plus is wanted, such as elm.example/journal") from None
    return name


def check_witnesses(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return public keys of witnesses.

    Raises:
        ValueError: One is none.
    """
    try:
        kinds = {PublicKey.parse(name).kind for name in names}
    except Invalid:
        kinds = {Kind.NOTE}
    if kinds - {Kind.COSIGNATURE}:
        raise ValueError("public keys of witnesses are wanted, as `confide witness key` shows them")
    return names


def check_outlets(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return places to which checkpoints go.

    Raises:
        ValueError: One is none.
    """
    try:
        return tuple(str(Outlet.parse(name)) for name in names)
    except Invalid as problem:
        raise ValueError(str(problem)) from None
