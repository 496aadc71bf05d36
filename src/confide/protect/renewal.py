"""A stored resource under a newer key of its subject: the seal anew, and the stand-ins that hang on the key.

What is hidden, and how, stays as it was stored: nothing is protected by today's policy. A body changes only
where it has stand-ins of FF1, whose tweaks come from the data key; any other stays byte for byte.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from confide.errors import SealBroken
from confide.fhir import json
from confide.protect import uses
from confide.protect.documents import Place, fitting, make_seal, open_seal, parent_of
from confide.protect.identifiers import StandIns
from confide.protect.keyring import Keyring, SubjectKey
from confide.protect.keystore import KeyUse


@dataclass(frozen=True, slots=True)
class Changed:
    """A stand-in and what has taken its place."""

    element: str
    old: str = field(repr=False)
    new: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Renewed:
    """A resource as it is to be stored now.

    Attributes:
        body: Exact bytes; the same as before where no stand-in hangs on the key.
        seal: Under the newest key.
        sha256: Of the body, 32 bytes.
        changed: Its stand-ins that are others now.
    """

    body: bytes
    seal: bytes
    sha256: bytes
    changed: tuple[Changed, ...]


class Renewal:
    """Seals stored resources of one practice anew.

    Args:
        keyring: Of the practice.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._version = keyring.version
        self._stand_ins = StandIns(keyring.use(KeyUse.FF1))

    def renew(self, body: bytes, seal: bytes, place: Place, key: SubjectKey) -> Renewed | None:
        """Seal one anew under the newest key of its subject.

        Args:
            body: As it is stored.
            seal: As it is stored.
            place: Where it lies, and stays.
            key: The newest one, with the older ones behind it.

        Returns:
            None where the newest key seals it already.

        Raises:
            SealBroken: Body or seal is not what was stored; nothing is changed.
        """
        secret, old = open_seal(body, seal, place, key, uses.Kind.REKEY)
        if old.version >= key.version:
            return None
        resource: dict[str, Any] = json.parse(body)
        with fitting():
            changed = tuple(self._replace(resource, json.parse(secret[1:]), old, key))
        if changed:
            body = json.format(resource)
        sha256 = hashlib.sha256(body).digest()
        return Renewed(body, make_seal(secret, sha256, place, key, self._version), sha256, changed)

    def _replace(
        self, resource: dict[str, Any], edits: list[list[Any]], old: SubjectKey, new: SubjectKey
    ) -> list[Changed]:
        """Put the new key's stand-ins where the old one's are: each is told in its seal by its alphabet."""
        changed = []
        for path, element, *value in edits:
            if len(value) < 2:
                continue
            parent = parent_of(resource, path)
            before = parent[path[-1]]
            clear = self._stand_ins.reveal(before, value[1], old.tweak(element))
            made = self._stand_ins.protect(clear, new.tweak(element))
            if made is None or made[1] != value[1]:
                raise SealBroken("a stand-in does not open to what it stands for")
            parent[path[-1]] = made[0]
            changed.append(Changed(element, before, made[0]))
        return changed
