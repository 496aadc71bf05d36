"""Which program a command means, and the files that its maker has written."""

from __future__ import annotations

import argparse
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confide.cli import installation
from confide.errors import Invalid, Misconfigured

if TYPE_CHECKING:
    from confide.access.models import Client


def named(args: argparse.Namespace) -> Client:
    """Return the program that a command means by ``name``."""
    installation.ready(args)
    from confide.access.models import Client

    field = "pk" if is_id(args.name) else "name"
    found = list(Client.objects.filter(**{field: args.name})[:2])
    if len(found) != 1:
        raise Misconfigured("there is no such program, or several of that name (see confide client list)")
    return found[0]


def is_id(text: str) -> bool:
    """Tell whether *text* is an id of ours and not a name."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def read(path: Path) -> bytes:
    """Read a file that a program's maker has written."""
    try:
        return path.read_bytes()
    except OSError as problem:
        raise Misconfigured(f"{path} cannot be read ({type(problem).__name__})") from None


def read_json(path: Path) -> Any:
    """Read a file that a program's maker has written, in JSON."""
    try:
        return json.loads(read(path))
    except ValueError:
        raise Invalid(f"{path} is not JSON") from None
