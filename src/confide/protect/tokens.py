"""Tokens: random stand-ins of the same form, for an outside party that needs a handle and not the value.

A token is drawn, not computed, so nothing can be worked out from it; what it stands for lies sealed in
the token table. One practice's tokens live in scopes, one for each recipient. In a scope a value has one
token and a token one value; in another scope neither is known.

The practice's token key only feeds HKDF. From it come the key of the digest by which a value that comes
again is found, and the key that seals. The digest is of the exact value: two writings of a number are two
values here, because their tokens differ in form. The seal is bound to everything else in the row, its expiry
and its subject included, so that rows edited or swapped do not open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from confide.cipher.derive import digest, expand, extract, frame
from confide.cipher.seal import SealingKey, pad, unpad
from confide.errors import ConfideError, Damaged, DomainTooSmall, Invalid, KeyUnavailable, Unknown
from confide.protect.elements import Element
from confide.protect.formats import LONGEST, Format, format_of, is_plain
from confide.protect.keyring import Keyring
from confide.protect.keystore import KeyUse
from confide.protect.tokenstore import FileTokenStore, TokenRow, TokenStore

__all__ = ["FileTokenStore", "Found", "TokenRow", "TokenStore", "Tokens", "Wanted"]

MOST: Final = 10_000
"""Values or tokens in one call."""

ROUNDS: Final = 50
"""How often a token that somebody has is drawn anew. With half of a form used up, one in 10^15 fails."""

LONGEST_SUBJECT: Final = 64
_DIGEST_BYTES: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_head = lru_cache(maxsize=1024)(frame)
"""For the parts that most of a batch have in common; the others are framed behind them."""

is_scope: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}").fullmatch
"""Whether a text names a recipient."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value for which a token is wanted.

    Attributes:
        element: What kind of value it is.
        value: At most 256 characters.
        subject: The patient's id, or ``""``.
    """

    element: Element
    value: str = field(repr=False)
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A token's row, not opened.

    Attributes:
        element: What kind of value it stands for.
        subject: The patient's id, or ``""``. Where a value was given for several, the first.
        handle: The row's public id: 32 hexadecimal digits, the same whenever the value is in this scope.
    """

    element: Element
    subject: str
    handle: str
    scope: str = field(repr=False)
    row: TokenRow = field(repr=False)


class _Keys:
    """What one version of the token key gives."""

    def __init__(self, key: bytes) -> None:
        pseudorandom = extract(key)
        self.digesting = expand(pseudorandom, frame("token digest"))
        self.sealing = SealingKey(expand(pseudorandom, frame("token seal")))


@dataclass(slots=True)
class _Asked:
    """One value of a batch, and where in the batch it stands."""

    wanted: Wanted
    form: Format
    places: list[int]


class Tokens:
    """One practice's tokens. Threads may share one."""

    def __init__(self, keyring: Keyring, store: TokenStore) -> None:
        """Take the keys and the table.

        Args:
            keyring: Of the practice.
            store: Where the rows are.

        Raises:
            KeyUnavailable: The practice has no token key.
        """
        self._practice = keyring.practice
        self._store = store
        self._keys = {v: _Keys(keyring.use(KeyUse.TOKEN, v)) for v in keyring.versions(KeyUse.TOKEN)}
        if not self._keys:
            raise KeyUnavailable("the practice has no token key")
        self._version = max(self._keys)

    def __repr__(self) -> str:
        return f"Tokens({self._practice!r})"

    def tokenize(
        self, scope: str, wanted: Sequence[Wanted], now: datetime, expires: datetime | None = None
    ) -> list[str | ConfideError]:
        """Return the token of each value: the one it has in *scope*, or a new one.

        All or nothing in the table. A value that cannot have a token does not hinder the others.

        Args:
            scope: The recipient: a-z, 0-9 and hyphens, at most 63 characters.
            wanted: At most 10,000.
            now: Aware.
            expires: When the tokens end, aware. A token that is there and ends earlier is prolonged; none is
                ever shortened. Absent, a new token never ends, and one that is there keeps its end.

        Returns:
            For each of *wanted*, in order, its token, or what is the matter with it: ``DomainTooSmall`` (its
            form has fewer than one million tokens, or the scope has hardly one left), another ``Invalid``.

        Raises:
            Invalid: The scope is no name, there are too many, or *expires* is not after *now*.
            Unavailable: The store does not answer; nothing was done.
        """
        _check(scope, wanted)
        until, at = None if expires is None else _micros(expires), _micros(now)
        if until is not None and until <= at:
            raise Invalid("tokens cannot expire before they are made")
        answers: list[str | ConfideError | None] = [None] * len(wanted)
        asked: dict[str, _Asked] = {}
        for place, item in enumerate(wanted):
            try:
                form = _form(item)
            except Invalid as problem:
                # Without the traceback, whose frames hold the value.
                answers[place] = problem.with_traceback(None)
                continue
            name = self._digest(self._version, scope, item)
            asked.setdefault(name, _Asked(item, form, [])).places.append(place)
        if asked:
            with self._store.transaction():
                settled = self._settle(scope, asked, at, until)
        else:
            settled = {}
        for name, token in settled.items():
            for place in asked[name].places:
                answers[place] = token
        full = "the recipient has hardly a token of this form left"
        return [DomainTooSmall(full) if answer is None else answer for answer in answers]

    def find(self, scope: str, tokens: Sequence[str], now: datetime) -> list[Found | ConfideError]:
        """Find tokens without opening them, so that the door can charge and journal first.

        Args:
            scope: The recipient for whom they were made.
            tokens: At most 10,000.
            now: Aware.

        Returns:
            For each of *tokens*, in order, what was found, or ``Unknown``: never made, made for another
            recipient, or expired, which cannot be told apart.

        Raises:
            Invalid: The scope is no name, or there are too many.
            Unavailable: The store does not answer.
        """
        _check(scope, tokens)
        at = _micros(now)
        possible = {token for token in tokens if len(token) <= LONGEST and is_plain(token)}
        rows = self._store.by_token(self._practice, scope, possible) if possible else {}
        answers: list[Found | ConfideError] = []
        for token in tokens:
            row = rows.get(token)
            if row is None or _is_over(row, at):
                answers.append(Unknown("there is no such token"))
            else:
                answers.append(Found(_element(row), row.subject, row.digest, scope, row))
        return answers

    def open(self, found: Iterable[Found]) -> list[str]:
        """Open what was found. Only the door calls it, when the budget has paid and the journal is written.

        Raises:
            SealBroken: A row was edited, or swapped with another one.
            KeyUnavailable: Its version of the token key is destroyed.
        """
        return [self._open(one) for one in found]

    def prune(self, now: datetime) -> int:
        """Take everything but the bare token out of the expired rows.

        The token stays, so that it never comes to stand for another value: a recipient may still have it.

        Returns:
            How many rows had expired.
        """
        return self._store.spend_expired(self._practice, _micros(now))

    def forget(self, subject: str) -> int:
        """Take everything but the bare token out of the rows of a patient, as part of shredding.

        Returns:
            How many there were.
        """
        return self._store.spend_subject(self._practice, subject) if subject else 0

    def _settle(self, scope: str, asked: dict[str, _Asked], at: int, until: int | None) -> dict[str, str]:
        """Find or make the tokens of values; those missing from the answer could not be made."""
        waiting = dict(asked)
        names = self._names(scope, asked)
        settled: dict[str, str] = {}
        prolonged: list[TokenRow] = []
        for _ in range(ROUNDS):
            sought = [name for name, current in names.items() if current in waiting]
            for row in self._living(scope, sought, at):
                settled[names[row.digest]] = row.token
                waiting.pop(names[row.digest], None)
                if until is not None and row.expires is not None and row.expires < until:
                    longer = row._replace(expires=until)
                    prolonged.append(self._sealed(scope, longer, asked[names[row.digest]].wanted.value))
            if not waiting:
                break
            # In one order in every process, so that none waits for another one that waits for it.
            drawn = [self._draw(scope, name, waiting[name], until) for name in sorted(waiting)]
            kept = self._store.add(self._practice, scope, drawn)
            for row in drawn:
                if row.digest in kept:
                    settled[row.digest] = row.token
                    del waiting[row.digest]
            # What is waiting still drew a token that somebody has, or another process was faster.
            if not waiting:
                break
        if prolonged:
            self._store.extend(self._practice, scope, prolonged)
        return settled

    def _living(self, scope: str, sought: list[str], at: int) -> list[TokenRow]:
        """The rows of digests that have not expired; those that have are spent, to make room for new ones."""
        rows = self._store.by_digest(self._practice, scope, sought).values()
        over = [row.digest for row in rows if _is_over(row, at)]
        if over:
            self._store.spend(self._practice, scope, over, at)
        return [row for row in rows if not _is_over(row, at)]

    def _names(self, scope: str, asked: dict[str, _Asked]) -> dict[str, str]:
        """Every digest under which a value may be found, under older keys too, to the present one."""
        names = {name: name for name in asked}
        for version in self._keys.keys() - {self._version}:
            for name, one in asked.items():
                names[self._digest(version, scope, one.wanted)] = name
        return names

    def _draw(self, scope: str, name: str, asked: _Asked, until: int | None) -> TokenRow:
        wanted = asked.wanted
        token = asked.form.draw()
        while token == wanted.value:
            token = asked.form.draw()
        row = TokenRow(token, name, wanted.element.value, wanted.subject, until, self._version)
        return self._sealed(scope, row, wanted.value)

    def _sealed(self, scope: str, row: TokenRow, value: str) -> TokenRow:
        sealing = self._sealing(row.version)
        return row._replace(sealed=sealing.seal(pad(value.encode()), self._context(scope, row)))

    def _open(self, found: Found) -> str:
        sealing = self._sealing(found.row.version)
        return unpad(sealing.open(found.row.sealed, self._context(found.scope, found.row))).decode()

    def _sealing(self, version: int) -> SealingKey:
        keys = self._keys.get(version)
        if keys is None:
            raise KeyUnavailable("the practice has no token key of that version")
        return keys.sealing

    def _context(self, scope: str, row: TokenRow) -> bytes:
        """What a seal is bound to: everything else that the row says."""
        expires = "never" if row.expires is None else str(row.expires)
        head = _head("token seal", self._practice, scope, row.element, expires, row.version)
        return head + frame(row.subject, row.token, row.digest)

    def _digest(self, version: int, scope: str, wanted: Wanted) -> str:
        head = _head("token digest", self._practice, scope, wanted.element.value)
        return digest(self._keys[version].digesting, head + frame(wanted.value))[:_DIGEST_BYTES].hex()


def _check(scope: str, items: Sequence[object]) -> None:
    if is_scope(scope) is None:
        raise Invalid("a scope is named in a-z, 0-9 and hyphens, at most 63 characters, no hyphen first")
    if len(items) > MOST:
        raise Invalid(f"at most {MOST:,} at once")


def _form(wanted: Wanted) -> Format:
    subject = wanted.subject
    if len(subject) > LONGEST_SUBJECT or not (subject.isascii() and subject.isprintable()):
        raise Invalid(f"a subject is an id of at most {LONGEST_SUBJECT} characters of ASCII")
    return format_of(wanted.value)


def _element(row: TokenRow) -> Element:
    try:
        return Element(row.element)
    except ValueError:
        raise Damaged("a token's row names an element that there is none of") from None


def _is_over(row: TokenRow, at: int) -> bool:
    return row.expires is not None and row.expires <= at


def _micros(moment: datetime) -> int:
    """Microseconds since 1970, UTC.

    Raises:
        Invalid: The moment has no time zone.
    """
    if moment.utcoffset() is None:
        raise Invalid("a moment needs its time zone")
    return (moment - _EPOCH) // timedelta(microseconds=1)
