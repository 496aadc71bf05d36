"""Are the stored resources those that the journal says were written? Finds rows edited, rolled back, removed.

It stands here and not in ``audit``, which knows nothing of what is stored.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from django.db import DatabaseError

from confide.audit import writes
from confide.audit.walk import Wrong
from confide.errors import Unavailable
from confide.records.models import Resource, Superseded

_AT_ONCE: Final = 500
_BODIES: Final = 50
_RECENT: Final = 20_000

Key = tuple[uuid.UUID, int]
"""A resource's id and version."""


def check(tell: Callable[[int, int], object] = lambda *_: None) -> Iterator[Wrong]:
    """Compare every version that the journal says was written with the row that holds it.

    Args:
        tell: Called with how many entries are done, and of how many.

    Yields:
        What does not fit, in the order in which it was written; then rows that nobody wrote.

    Raises:
        Unavailable: The database does not answer.
    """
    try:
        yield from _check(tell)
    except (TypeError, ValueError, AttributeError, OverflowError):  # on SQLite a column takes anything
        yield Wrong(
            "the resources", "a row of theirs, or an entry about one, holds what Confide never writes"
        )
    except DatabaseError as problem:
        raise Unavailable(f"the records cannot be read ({type(problem).__name__})") from None


def _check(tell: Callable[[int, int], object]) -> Iterator[Wrong]:
    total, done, versions = writes.count(), 0, 0
    recent: OrderedDict[Key, None] = OrderedDict()
    resealed: dict[tuple[str, int], bytes] | None = None
    rows = writes.read(_AT_ONCE)
    while some := list(islice(rows, _AT_ONCE)):
        stored = _stored([(each.resource, each.version) for each in some])
        for each in some:
            key = _key(each.resource, each.version)
            found = None if key is None else stored.get(key)
            # Several patients of one resource have an entry each, and what others write may lie between them.
            if key is not None and found is not None and key not in recent:
                versions += 1
                recent[key] = None
                if len(recent) > _RECENT:
                    recent.popitem(last=False)
            if found != (each.type, each.sha256) and resealed is None:
                resealed = writes.resealed()  # most installations have none
            written = (resealed or {}).get((each.resource, each.version), each.sha256)
            if found != (each.type, written):
                what = "it is not there" if found is None else "its body is not what was written"
                yield Wrong(
                    f"{each.type}/{each.resource} version {each.version} (entry with id {each.id})", what
                )
        done += len(some)
        tell(done, total)
    if Resource.objects.count() + Superseded.objects.count() > versions:
        yield from _unwritten()


def _key(resource: str, version: int) -> Key | None:
    try:
        return uuid.UUID(resource), version
    except ValueError:
        return None


def _stored(wanted: list[tuple[str, int]]) -> dict[Key, tuple[str, bytes]]:
    """Return type and hash of the body of each version that there is; of a deletion the hash is empty.

    The current rows are read first: what is replaced meanwhile is found among the superseded ones.
    """
    keys = {key for each in wanted if (key := _key(*each)) is not None}
    ids, versions = {key[0] for key in keys}, {key[1] for key in keys}
    found: dict[Key, tuple[str, bytes]] = {}
    for model in (Resource, Superseded):
        chosen: Any = model.objects.filter(id__in=ids, version__in=versions)
        for id_, version, kind, body, deleted in chosen.values_list(
            "id", "version", "type", "body", "deleted"
        ).iterator(_BODIES):
            found[id_, version] = (kind, b"" if deleted and not body else hashlib.sha256(body).digest())
    return found


def _unwritten() -> Iterator[Wrong]:
    """There are more rows than the journal knows: which?"""
    known = {_key(each.resource, each.version) for each in writes.read(_AT_ONCE)}
    for model in (Resource, Superseded):
        chosen: Any = model.objects.values_list("type", "id", "version")
        for kind, id_, version in chosen.iterator():
            if (id_, version) not in known and not writes.tells_of(str(id_), version):
                yield Wrong(f"{kind}/{id_} version {version}", "no entry says that it was written")
