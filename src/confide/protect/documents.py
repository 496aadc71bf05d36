"""A FHIR resource in, a protected resource out, and the way back.

The protected resource is valid FHIR R4 and carries ``meta.security`` PSEUDED; what was taken out
lies in one padded seal beside it. The seal's associated data names the practice, the subject whose
key it is, type, id, version, key version and the SHA-256 of the stored body: a blob that was moved,
or a body that was edited, does not open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from confide.cipher.derive import frame
from confide.cipher.seal import pad, unpad
from confide.errors import Damaged, SealBroken
from confide.fhir import json
from confide.protect import uses
from confide.protect.elements import Element
from confide.protect.identifiers import Reading, StandIns, read
from confide.protect.keyring import Keyring, SubjectKey
from confide.protect.keystore import KeyUse
from confide.protect.masks import mask
from confide.protect.plan import Plan
from confide.protect.pseudonym import pseudonym
from confide.protect.rules import Edit, Work, protect_object

PSEUDED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "PSEUDED",
    "display": "pseudonymized",
}
ALL: frozenset[Element] = frozenset(Element)
_BY_CODE = {element.value: element for element in Element}
_MARKED, _PLAIN = b"\x01", b"\x00"
_VERSION_BYTES = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where a protected resource belongs; part of its seal.

    Attributes:
        subject: Whose data key seals it: a patient's random id, or the resource's own.
    """

    practice: str
    subject: str
    type: str
    id: str
    version: int

    def aad(self, key_version: int, body_sha256: bytes) -> bytes:
        return frame(
            "resource",
            self.practice,
            self.subject,
            self.type,
            self.id,
            self.version,
            key_version,
            body_sha256,
        )


@dataclass(frozen=True, slots=True)
class Protected:
    """What may be stored.

    Attributes:
        body: A valid FHIR resource as JSON, exact bytes.
        seal: What was taken out, sealed; empty where nothing was and the type is a kept one.
        sha256: Of the body, 32 bytes.
        elements: The data elements that were taken out.
        resource: The body as JSON values.
    """

    body: bytes
    seal: bytes
    sha256: bytes
    elements: frozenset[Element]
    resource: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Revealed:
    """A resource with some elements clear.

    Attributes:
        resource: FHIR JSON.
        shown: Elements that are clear or masked in it and were hidden at rest.
        hidden: Elements that are still hidden.
    """

    resource: dict[str, Any]
    shown: frozenset[Element]
    hidden: frozenset[Element]


@dataclass(frozen=True, slots=True)
class _Due:
    """A stand-in that is still to be made, and where it goes."""

    out: dict[str, Any]
    key: str
    value: Reading
    tweak: bytes


@dataclass(frozen=True, slots=True)
class _Undone:
    """A stand-in whose original is still to be put in its place."""

    parent: Any
    last: str | int
    alphabet: str
    tweak: bytes


@dataclass(slots=True)
class _Work(Work):
    """One document of several: its stand-ins are made with those of the others."""

    due: list[_Due] = field(default_factory=list)

    def put(self, out: dict[str, Any], key: str, value: str, element: Element) -> str | None:
        reading = None if self.key is None else read(value)
        if self.key is None or reading is None:
            return None
        out[key] = None  # never the clear value
        self.due.append(_Due(out, key, reading, self.key.tweak(element)))
        return reading.alphabet


class Protector:
    """Protects and reveals the documents of one practice."""

    def __init__(self, plan: Plan, keyring: Keyring) -> None:
        self._plan = plan
        self._keyring = keyring
        self._stand_ins = StandIns(keyring.use(KeyUse.FF1))
        self._pseudonyms = keyring.use(KeyUse.PSEUDONYM)

    def sealed_type(self, resource_type: str) -> bool:
        """Whether a resource of this type always has a seal."""
        return resource_type not in self._plan.policy.kept_types

    def identifies(self, resource: dict[str, Any], today: date) -> bool:
        """Whether anything in the resource may not be stored clear."""
        return bool(self._hide(resource, None, "", today)[1])

    def _hide(
        self, resource: dict[str, Any], key: SubjectKey | None, subject: str, today: date
    ) -> tuple[dict[str, Any], list[Edit]]:
        work = self._work(key, subject, today, resource, [])
        return protect_object(resource, self._plan.root(resource["resourceType"]), (), work), work.edits

    def _work(
        self, key: SubjectKey | None, subject: str, today: date, resource: dict[str, Any], due: list[_Due]
    ) -> _Work:
        policy = self._plan.policy
        names = pseudonym(self._pseudonyms, subject) if resource["resourceType"] == "Patient" else ("", "")
        oldest = today.year - policy.oldest_age
        return _Work(key, self._stand_ins, oldest, policy.oldest_class, names, due=due)

    def protect(self, resource: dict[str, Any], place: Place, key: SubjectKey, today: date) -> Protected:
        """Take out of *resource* what identifies, and seal it.

        Args:
            resource: A valid FHIR resource whose id is ours; not changed.
            place: Where it will be stored.
            key: The subject's data key.
            today: For the class of 90 and over.

        Raises:
            KeyUnavailable: The practice's keys cannot be had; nothing was protected.
        """
        return self.protect_all([(resource, place, key)], today)[0]

    def protect_all(
        self, documents: Iterable[tuple[dict[str, Any], Place, SubjectKey]], today: date
    ) -> list[Protected]:
        """Do for many documents what :meth:`protect` does for one; stand-ins are made in columns."""
        hidden: list[tuple[dict[str, Any], list[Edit], Place, SubjectKey]] = []
        due: list[_Due] = []
        for resource, place, key in documents:
            work = self._work(key, place.subject, today, resource, due)
            root = self._plan.root(resource["resourceType"])
            hidden.append((protect_object(resource, root, (), work), work.edits, place, key))
        made = self._stand_ins.protect_all([each.value for each in due], [each.tweak for each in due])
        for each, stand_in in zip(due, made, strict=True):
            each.out[each.key] = stand_in
        return [self._seal(*each) for each in hidden]

    def _seal(self, hidden: dict[str, Any], edits: list[Edit], place: Place, key: SubjectKey) -> Protected:
        marked = False
        if edits:
            marked = _mark(hidden)
        body = json.format(hidden)
        sha256 = hashlib.sha256(body).digest()
        secret = (_MARKED if marked else _PLAIN) + (json.format(edits) if edits else b"[]")
        seal = make_seal(secret, sha256, place, key, self._keyring.version)
        return Protected(body, seal, sha256, frozenset(e[1] for e in edits), hidden)

    def reveal(
        self,
        body: bytes,
        seal: bytes,
        place: Place,
        key: SubjectKey,
        clear: Collection[Element] = ALL,
        masked: Collection[Element] = frozenset(),
        use: uses.Kind = uses.Kind.UNNAMED,
    ) -> Revealed:
        """Put back what *clear* names, and masks of what *masked* names.

        Args:
            body: The stored body, exact bytes.
            seal: What was taken out of it.
            place: Where it lies.
            key: Of its subject.
            clear: What is put back.
            masked: What is put back as a mask.
            use: Why it is opened; counted, whatever comes of it.

        Raises:
            SealBroken: The body or the seal is not what was stored, or lies in another place.
        """
        [revealed] = self.reveal_all([(body, seal, place, key)], clear, masked, use)
        return revealed

    def reveal_all(
        self,
        documents: Iterable[tuple[bytes, bytes, Place, SubjectKey]],
        clear: Collection[Element] = ALL,
        masked: Collection[Element] = frozenset(),
        use: uses.Kind = uses.Kind.UNNAMED,
    ) -> list[Revealed]:
        """Do for many documents what :meth:`reveal` does for one; stand-ins are undone in columns.

        Raises:
            SealBroken: One of them is not what was stored, or lies in another place.
        """
        clear, masked = frozenset(clear), frozenset(masked)
        due: list[_Undone] = []
        revealed = [self._reveal(*each, clear, masked, use, due) for each in documents]
        with fitting():
            made = self._stand_ins.reveal_all(
                [(each.parent[each.last], each.alphabet) for each in due], [each.tweak for each in due]
            )
        for each, original in zip(due, made, strict=True):
            each.parent[each.last] = original
        return revealed

    def _reveal(
        self,
        body: bytes,
        seal: bytes,
        place: Place,
        key: SubjectKey,
        clear: frozenset[Element],
        masked: frozenset[Element],
        use: uses.Kind,
        due: list[_Undone],
    ) -> Revealed:
        secret, key = open_seal(body, seal, place, key, use)
        resource: dict[str, Any] = json.parse(body)
        with fitting():
            edits = json.parse(secret[1:])
            shown, hidden = self._apply(resource, edits, key, clear, masked, due)
        if not hidden and secret[:1] == _MARKED:
            _unmark(resource)
        return Revealed(resource, shown, hidden)

    def _apply(
        self,
        resource: dict[str, Any],
        edits: list[Edit],
        key: SubjectKey,
        clear: frozenset[Element],
        masked: frozenset[Element],
        due: list[_Undone],
    ) -> tuple[frozenset[Element], frozenset[Element]]:
        shown: set[Element] = set()
        hidden: set[Element] = set()
        # What protection put there goes first: an original of the same name may follow.
        for path, name, *value in edits:
            if not value and name in clear:
                parent_of(resource, path).pop(path[-1], None)
        for path, name, *value in edits:
            if not value:
                continue
            element = _BY_CODE[name]
            if element in clear:
                parent, last = parent_of(resource, path), path[-1]
                if len(value) == 1:
                    parent[last] = value[0]
                else:
                    due.append(_Undone(parent, last, value[1], key.tweak(element)))
                shown.add(element)
                continue
            hidden.add(element)
            if element in masked and path[-1] != "system":
                parent = parent_of(resource, path)
                mask_of = mask(element, self._original(parent, path[-1], element, value, key))
                if mask_of is not None:
                    parent[path[-1]] = mask_of
                    shown.add(element)
        return frozenset(shown), frozenset(hidden)

    def _original(
        self, parent: Any, last: str | int, element: Element, value: list[Any], key: SubjectKey
    ) -> Any:
        if len(value) == 1:
            return value[0]
        return self._stand_ins.reveal(parent[last], value[1], key.tweak(element))


def open_seal(
    body: bytes, seal: bytes, place: Place, key: SubjectKey, use: uses.Kind
) -> tuple[bytes, SubjectKey]:
    """Return what a seal holds, and which of the subject's keys has opened it; counted, whatever comes of it.

    Raises:
        SealBroken: Body or seal is not what was stored, or lies in another place.
    """
    uses.count(use)
    version = int.from_bytes(seal[:_VERSION_BYTES], "big")
    sealed, bound = seal[_VERSION_BYTES:], place.aad(version, hashlib.sha256(body).digest())
    padded, opener = key.find(sealed, bound)
    return unpad(padded), opener


def make_seal(secret: bytes, sha256: bytes, place: Place, key: SubjectKey, version: int) -> bytes:
    """Seal what was taken out of a body of this hash, with a practice's keys of this version."""
    sealed = key.sealing.seal(pad(secret), place.aad(version, sha256))
    return version.to_bytes(_VERSION_BYTES, "big") + sealed


@contextmanager
def fitting() -> Iterator[None]:
    """Take a seal whose edits do not fit its body for broken."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError) as problem:
        if isinstance(problem, Damaged):
            raise
        msg = "the edits in a seal do not fit its body"
        raise SealBroken(msg) from None


def parent_of(resource: dict[str, Any], path: list[Any]) -> Any:
    """Return what holds the last step of a path."""
    node: Any = resource
    for step in path[:-1]:
        node = node[step]
    return node


def _mark(resource: dict[str, Any]) -> bool:
    """Label the resource PSEUDED; False where it carried the label when it came."""
    meta = resource["meta"] = {**resource.get("meta", {})}  # what stands there may be shared
    labels = meta.get("security", [])
    if any(label.get("code") == "PSEUDED" for label in labels):
        return False
    meta["security"] = [*labels, PSEUDED]
    return True


def _unmark(resource: dict[str, Any]) -> None:
    meta = resource.get("meta", {})
    meta["security"] = [label for label in meta.get("security", []) if label != PSEUDED]
    if not meta["security"]:
        del meta["security"]
    if not meta:
        resource.pop("meta", None)
