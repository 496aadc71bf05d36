"""What `confide doctor` looks at. Nothing here changes anything, or stops at the first fault."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from confide.cli import installation, sealing, show
from confide.cli.finding import Finding, note, ok, wrong
from confide.errors import ConfideError

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from confide.server.config import Config

YEARS: Final = range(2025, 2100)
LEAST_SPACE: Final = 200 * 2**20
LITTLE_SPACE: Final = 2 * 2**30
SKEW: Final = timedelta(seconds=5)
OLDEST_POSTGRES: Final = 15
GUARDED: Final = ("journal", "leaf", "checkpoint", "cosignature", "opened")
TRIGGERS: Final = {
    "sqlite": {f"{each}_refuses_{what}" for each in GUARDED for what in ("update", "delete", "replace")},
    "postgresql": {f"{each}_refuses_{what}" for each in GUARDED for what in ("change", "truncate")},
}
NAMES: Final = {"default": "records", "keys": "key store"}


def examine(config: Config) -> Iterator[Finding]:
    """Look at everything, in the order in which it stands on each other."""
    from confide.server.config import FILE

    if not config.data.is_dir():
        yield wrong("data folder", f"there is none in {config.data}", "run confide init")
        return
    yield from folder(config.data)
    if not (config.data / FILE).exists():
        yield note("configuration", f"no {FILE}: defaults and environment apply", "run confide init")
    elif (config.data / FILE).stat().st_mode & 0o077:
        yield wrong("configuration", f"others can read {FILE}", f"chmod 600 {config.data / FILE}")
    else:
        yield ok("configuration", str(config.data / FILE))
    yield from keyring(config)
    yield from space(config.data)
    yield from clock(config.data)
    yield from databases(config)


def folder(data: Path) -> Iterator[Finding]:
    """Is the data folder private, and everything in it?"""
    if stat.S_IMODE(data.stat().st_mode) & 0o077:
        yield wrong("data folder", f"others can look into {data}", f"chmod 700 {data}")
    else:
        yield ok("data folder", f"{data}, private")
    if data.stat().st_uid not in {os.geteuid(), 0}:
        yield wrong("data folder", "it belongs to another user", "run as its owner")


def keyring(config: Config) -> Iterator[Finding]:
    """Is it there, private, apart from the data, and does it open?"""
    from confide.protect.kms.file import FileKms, check
    from confide.server.config import read_secret

    try:
        check(config.keyring)
        if config.passphrase is None and _asks_passphrase(config.keyring):
            yield note(
                "keyring", f"{config.keyring}, locked by a passphrase", "set CONFIDE_PASSPHRASE to try it"
            )
        else:
            FileKms.open(config.keyring, config.passphrase)
            yield ok("keyring", f"{config.keyring}, private, opens")
    except ConfideError as problem:
        yield wrong(
            "keyring", str(problem), "put it back, or run confide init" if not config.keyring.exists() else ""
        )
    if config.keyring.resolve().is_relative_to(config.data.resolve()):
        text = "it lies in the data folder: one copy has both"
        yield (
            note("keyring", f"{text}; allowed in the demo")
            if config.demo
            else wrong("keyring", text, "move it, and set keys.keyring")
        )
    try:
        read_secret(config.secret)
        yield ok("session key", str(config.secret))
    except ConfideError as problem:
        yield wrong("session key", str(problem))


def _asks_passphrase(path: Path) -> bool:
    return b'"argon2id"' in path.read_bytes()


def space(data: Path) -> Iterator[Finding]:
    """Is there room to write?"""
    free = shutil.disk_usage(data).free
    text = f"{free / 2**30:,.1f} GiB free"
    if free < LEAST_SPACE:
        yield wrong("disk", text, "without room nothing is written, and so nothing revealed")
    elif free < LITTLE_SPACE:
        yield note("disk", text, "make room soon")
    else:
        yield ok("disk", text)


def clock(data: Path) -> Iterator[Finding]:
    """Is it a year that can be, and was nothing written in the future?"""
    now = datetime.now(UTC)
    if now.year not in YEARS:
        yield wrong("clock", f"it says {now:%Y-%m-%d}", "set it: grants, tokens and the journal stand on it")
        return
    ahead = [p.name for p in data.iterdir() if datetime.fromtimestamp(p.stat().st_mtime, UTC) > now + SKEW]
    if ahead:
        text = f"{min(ahead)} was written in the future: the clock was ahead then, or is behind now"
        yield wrong("clock", text, "set it, and see what the journal says of that time")
    else:
        yield ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")


# Databases


def databases(config: Config) -> Iterator[Finding]:
    """Do they answer, are they prepared, do they keep what they are given?"""
    if config.database_url == config.keys_database_url:
        yield wrong("key store", "records and keys are in one database", "give the keys one of their own")
        return
    try:
        installation.start(config)
    except ConfideError as problem:
        yield wrong("server", str(problem))
        return
    from django.db import DatabaseError, connections

    answering = 0
    for alias, name in NAMES.items():
        try:
            found = list(_database(name, connections[alias]))
        except DatabaseError as problem:
            found = [
                wrong(
                    name,
                    f"it does not answer ({type(problem).__name__})",
                    "is it running, is the address right?",
                )
            ]
        answering += all(each.mark != "wrong" for each in found)
        yield from found
    if answering < len(NAMES):
        return
    wanted = installation.pending()
    for alias, count in wanted.items():
        if count:
            yield wrong(NAMES[alias], f"{count} migrations to go", "run confide init; it keeps what is there")
    if not any(wanted.values()):
        yield from _triggers(connections["default"])
        yield from _last_entry(connections["default"])
        yield from sealing.sealed(config)
        yield from sealing.witnessed(config)
        yield from _practices(config)
        yield from _programs()


def _database(name: str, connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    if connection.vendor != "sqlite":
        yield from _postgres(name, connection)
        return
    path = Path(connection.settings_dict["NAME"])
    if not path.is_file():  # connecting would make an empty one
        yield wrong(name, f"there is no {path}", "run confide init, or restore it from its backup")
        return
    files = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
    public = [each for each in files if each.exists() and each.stat().st_mode & 0o077]
    if public:
        yield wrong(name, f"others can read {public[0]}", f"chmod 600 {public[0]}")
    mode, durable = _one(connection, "PRAGMA journal_mode"), _one(connection, "PRAGMA synchronous")
    version = _one(connection, "SELECT sqlite_version()")
    if mode != "wal" or durable != 2:
        yield wrong(
            name, f"SQLite {version} with journal {mode}, synchronous {durable}: a power cut may lose writes"
        )
    else:
        size = path.stat().st_size / 2**20
        yield ok(name, f"SQLite {version}, WAL, synchronous FULL, {size:,.1f} MiB")


def _postgres(name: str, connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    number, version = (
        int(_one(connection, "SHOW server_version_num")),
        _one(connection, "SHOW server_version"),
    )
    if number // 10_000 < OLDEST_POSTGRES:
        yield wrong(name, f"PostgreSQL {version}", f"{OLDEST_POSTGRES} or newer is wanted")
    lax = [
        each
        for each in ("fsync", "synchronous_commit", "full_page_writes")
        if _one(connection, f"SHOW {each}") == "off"
    ]
    if lax:
        yield wrong(
            name, f"{', '.join(lax)} is off: a power cut may lose writes", "switch it on in postgresql.conf"
        )
    skew = abs(_one(connection, "SELECT clock_timestamp()") - datetime.now(UTC))
    if skew > SKEW:
        yield wrong(name, f"its clock and this machine's differ by {skew.total_seconds():,.0f} s", "set them")
    if number // 10_000 >= OLDEST_POSTGRES and not lax:
        yield ok(name, f"PostgreSQL {version}, durable")


def _one(connection: BaseDatabaseWrapper, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
        return row[0] if row else None


def _triggers(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """Does the database itself refuse changes to the journal?"""
    from confide.audit import partitions

    sqlite = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    postgres = "SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A') AND NOT tgisinternal"
    with connection.cursor() as cursor:
        cursor.execute(sqlite if connection.vendor == "sqlite" else postgres)
        there = {row[0] for row in cursor.fetchall()}
    if TRIGGERS[connection.vendor] <= there and not partitions.unguarded():
        yield ok("journal", "append-only: the database refuses changes")
    else:
        yield wrong(
            "journal",
            "a trigger that protects it is missing or off",
            "somebody removed it: treat this as an incident",
        )


def _last_entry(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    last = _one(connection, "SELECT at FROM audit_journalentry ORDER BY id DESC LIMIT 1")
    if last is None:
        return
    at = datetime.fromisoformat(last) if isinstance(last, str) else last
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    if at > datetime.now(UTC) + SKEW:
        yield wrong("journal", "its last entry is in the future: a clock was or is wrong", "set the clock")
    else:
        yield ok("journal", f"last entry {at:%Y-%m-%d %H:%M} UTC")


def _practices(config: Config) -> Iterator[Finding]:
    """Do the keyring's keys open the practices', and is there somebody to look after it all?"""
    from confide.access.models import Membership, Practice
    from confide.access.roles import Role

    listed = list(Practice.objects.order_by("created_at"))
    if not listed:
        yield wrong("practices", "there is none", "run confide init")
    if listed and not _locked(config):
        yield from _keys(config, [each.pk for each in listed])
    people = Membership.objects.filter(active=True, account__is_active=True, account__frozen_at=None)
    if not people.filter(role=Role.OPERATOR).exists() and not config.demo:
        yield note("staff", "nobody is an operator", "confide staff add USERNAME --role operator")
    if not people.filter(role=Role.PRIVACY_OFFICER).exists():
        yield note(
            "staff", "nobody is the privacy officer", "confide staff add USERNAME --role privacy_officer"
        )


def _programs() -> Iterator[Finding]:
    """Does a program's key end soon, and may it come from anywhere?"""
    from confide.access import keys
    from confide.access.models import Client

    now = datetime.now(UTC)
    listed = list(Client.objects.filter(active=True, frozen_at=None).order_by("name"))
    for client in listed:
        ends = max((key.until for key in keys.live(client, now)), default=now)
        advice = f"confide client key add {client.name} ..., then retire the old one"
        if ends <= now:
            yield note("programs", f"{client.name}: none of its keys holds any more", advice)
        elif ends <= now + keys.NOTICE:
            yield note("programs", f"{client.name}: its last key ends on {ends:%Y-%m-%d}", advice)
    anywhere = [client.name for client in listed if not client.networks]
    if anywhere:
        text = f"{show.many(len(anywhere), 'program')} may come from anywhere, such as {anywhere[0]}"
        yield note("programs", text, "confide client change NAME --networks ...")
    elif listed:
        yield ok("programs", f"{show.many(len(listed), 'program')}, each from networks of its own")


def _keys(config: Config, practices: list[str]) -> Iterator[Finding]:
    try:
        system = installation.build(config)
    except ConfideError:
        return  # said of the keyring already
    broken = 0
    for each in practices:
        try:
            system.vault.unlock(each)
        except ConfideError as problem:
            broken += 1
            yield wrong("keys", f"practice {each}: {problem}", "put the right keyring and key database back")
    if not broken:
        yield ok("keys", f"the keyring opens those of {show.many(len(practices), 'practice')}")


def _locked(config: Config) -> bool:
    try:
        return config.passphrase is None and _asks_passphrase(config.keyring)
    except OSError:
        return True
