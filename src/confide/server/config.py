"""The configuration: ``confide.toml`` in the data folder, and the environment, which wins. No Django here."""

from __future__ import annotations

import os
import secrets
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from confide.errors import Misconfigured
from confide.server import alerting, issuers
from confide.server.issuers import Issuer
from confide.server.journal import options
from confide.server.naming import Names
from confide.watch.policy import Policy

FILE: Final = "confide.toml"
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Ends(StrEnum):
    """Where the TLS of programs that sign in with a certificate ends."""

    NOWHERE = "nowhere"
    PROXY = "proxy"
    HERE = "here"


@dataclass(frozen=True, slots=True)
class Config:
    """How this installation is set up.

    Attributes:
        data: The data folder.
        database_url: Where the records are.
        keys_database_url: Where the wrapped keys are; a store of its own.
        keyring: The KMS key file; outside the data folder, so that a copy of the data is without it.
        host: The address to listen on.
        port: The port to listen on.
        allowed_hosts: Names by which the server may be addressed.
        log_level: One of ``LEVELS``.
        plain_http: Cookies travel without TLS; only on loopback.
        demo: A practice of synthetic people, on one machine; rules for real keys are relaxed.
        body_limit: Bytes of a request's body that are read at most.
        code_systems: URLs of the practice's own code systems, whose codes are accepted.
        client_ceiling_patients: Patients a day that an operator may give an OAuth client at most.
        practice_day_patients: Patients a day that all of a practice see together; None follows its staff.
        host_day_patients: The same for all practices.
        password_filter: A filter of breached passwords, made by ``confide passwords build``.
        password_range_url: A range API of breached passwords that is asked, too.
        password_hashes: Passwords that one server process hashes at once; each takes 100 MiB.
        index_megabytes: Memory that one server process may fill with identity indexes, in MiB.
        idle_minutes: After how long without a request a session ends whose role opens clear values.
        proxies: Networks of the proxies in front, whose ``X-Forwarded-For`` is believed.
        issuers: Identity providers of practices, at which their people may sign in.
        client_certificates: Who sees programs' certificates: a named proxy, this server, or nobody.
        tls_certificate: The server's certificate and chain, where its own TLS ends here.
        tls_key: Its private key.
        tls_authorities: Authorities, and certificates of single programs, that are let through the handshake.
        journal_origin: The name of the journal's tree, and of the key that signs its checkpoints.
        journal_folder: Where the tree is published; None is ``journal`` in the data folder.
        journal_readers: Networks that may fetch it.
        journal_witnesses: Public keys (vkeys) whose cosignatures are taken.
        journal_outlets: Where checkpoints go as well, each as ``audit.outlets`` reads it.
        staff_names: How reports for patients name the staff: by name and role, or by role alone.
        watch: How far the watch goes by itself, and whom it tells.
        passphrase: Opens a key file that has one; from the environment only.
    """

    data: Path
    database_url: str = field(repr=False)
    keys_database_url: str = field(repr=False)
    keyring: Path
    host: str = "127.0.0.1"
    port: int = 8100
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    log_level: str = "INFO"
    plain_http: bool = False
    demo: bool = False
    body_limit: int = 64 * 1024 * 1024
    code_systems: tuple[str, ...] = ()
    client_ceiling_patients: int = 150
    practice_day_patients: int | None = None
    host_day_patients: int | None = None
    password_filter: Path | None = None
    password_range_url: str | None = None
    password_hashes: int = 2
    index_megabytes: int = 1024
    idle_minutes: int = 15
    proxies: tuple[str, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    client_certificates: Ends = Ends.NOWHERE
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_authorities: Path | None = None
    journal_origin: str = "confide.local/journal"
    journal_folder: Path | None = None
    journal_readers: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    journal_witnesses: tuple[str, ...] = ()
    journal_outlets: tuple[str, ...] = ()
    staff_names: Names = Names.PERSON
    watch: Policy = field(default_factory=Policy)
    passphrase: str | None = field(default=None, repr=False)

    @property
    def secret(self) -> Path:
        """The file with the key that signs sessions: beside the keyring, never in a database."""
        return self.keyring.parent / "session.key"

    @property
    def journal(self) -> Path:
        """The folder in which the journal's tree is published."""
        return self.journal_folder or self.data / "journal"

    def check(self) -> None:
        """Refuse to serve an installation that gives itself away.

        Raises:
            Misconfigured: The first thing that is wrong, and what to do.
        """
        if self.plain_http and self.host not in LOOPBACK:
            raise Misconfigured("plain_http is for loopback only (remove it, or set host to 127.0.0.1)")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise Misconfigured("tls.certificate and tls.key belong together")
        if self.tls_certificate is not None and self.plain_http:
            raise Misconfigured("plain_http and tls.certificate exclude each other")
        if self.client_certificates is Ends.HERE and None in {self.tls_certificate, self.tls_authorities}:
            raise Misconfigured(
                "client_certificates is here, but TLS is not (set tls.certificate, key and authorities)"
            )
        if self.client_certificates is Ends.PROXY and not self.proxies:
            raise Misconfigured("client_certificates is proxy, but no proxy is named (set server.proxies)")
        if not self.demo and self.keyring.resolve().is_relative_to(self.data.resolve()):
            raise Misconfigured(
                "the keyring lies in the data folder (move it, and set keyring in confide.toml)"
            )
        read_secret(self.secret)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text is wanted")
    return value


def _switch(value: Any) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("true or false is wanted")


def _number(lowest: int, highest: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("a whole number is wanted")  # noqa: TRY004 - one family for read()
        try:
            number = int(value)
        except ValueError:
            raise ValueError("a whole number is wanted") from None
        if not lowest <= number <= highest:
            raise ValueError(f"a number from {lowest} to {highest} is wanted")
        return number

    return read


def _names(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise ValueError("a list of texts is wanted")
    return tuple(name.strip() for name in names)


def _hosts(value: Any) -> tuple[str, ...]:
    names = _names(value)
    if "*" in names:
        raise ValueError("name the hosts, for * lets anyone forge links")
    return names


def _networks(value: Any) -> tuple[str, ...]:
    names = _names(value)
    for name in names:
        try:
            ip_network(name, strict=False)
        except ValueError:
            raise ValueError("addresses or networks are wanted, such as 10.0.0.0/8") from None
    return names


def _level(value: Any) -> str:
    level = str(value).upper()
    if level not in LEVELS:
        raise ValueError(f"one of {', '.join(LEVELS)} is wanted")
    return level


def _one_of(kind: type[StrEnum]) -> Callable[[Any], StrEnum]:
    def read(value: Any) -> StrEnum:
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"one of {', '.join(kind)} is wanted") from None

    return read


# Where each setting stands in the file, its variable in the environment, and how it is read.
SETTINGS: Final[dict[str, tuple[str, str, Callable[[Any], Any]]]] = {
    "database_url": ("database.url", "DATABASE_URL", _text),
    "keys_database_url": ("database.keys_url", "KEYS_DATABASE_URL", _text),
    "keyring": ("keys.keyring", "CONFIDE_KEYRING", _text),
    "host": ("server.host", "CONFIDE_HOST", _text),
    "port": ("server.port", "CONFIDE_PORT", _number(1, 65535)),
    "allowed_hosts": ("server.allowed_hosts", "CONFIDE_ALLOWED_HOSTS", _hosts),
    "log_level": ("server.log_level", "CONFIDE_LOG_LEVEL", _level),
    "plain_http": ("server.plain_http", "CONFIDE_PLAIN_HTTP", _switch),
    "demo": ("server.demo", "CONFIDE_DEMO", _switch),
    "body_limit": ("server.body_limit", "CONFIDE_BODY_LIMIT", _number(1024, 2**31)),
    "code_systems": ("fhir.code_systems", "CONFIDE_CODE_SYSTEMS", _names),
    "client_ceiling_patients": (
        "budget.client_ceiling_patients",
        "CONFIDE_CLIENT_CEILING_PATIENTS",
        _number(0, 10**9),
    ),
    "practice_day_patients": (
        "budget.practice_day_patients",
        "CONFIDE_PRACTICE_DAY_PATIENTS",
        _number(0, 10**9),
    ),
    "host_day_patients": ("budget.host_day_patients", "CONFIDE_HOST_DAY_PATIENTS", _number(0, 10**9)),
    "password_filter": ("passwords.filter", "CONFIDE_PASSWORD_FILTER", _text),
    "password_range_url": ("passwords.range_url", "CONFIDE_PASSWORD_RANGE_URL", _text),
    "password_hashes": ("passwords.hashes", "CONFIDE_PASSWORD_HASHES", _number(1, 64)),
    "index_megabytes": ("search.index_megabytes", "CONFIDE_INDEX_MEGABYTES", _number(16, 10**6)),
    "idle_minutes": ("sessions.idle_minutes", "CONFIDE_IDLE_MINUTES", _number(1, 60)),
    "proxies": ("server.proxies", "CONFIDE_PROXIES", _networks),
    "client_certificates": ("server.client_certificates", "CONFIDE_CLIENT_CERTIFICATES", _one_of(Ends)),
    "staff_names": ("reports.staff_names", "CONFIDE_STAFF_NAMES", _one_of(Names)),
    "tls_certificate": ("tls.certificate", "CONFIDE_TLS_CERTIFICATE", _text),
    "tls_key": ("tls.key", "CONFIDE_TLS_KEY", _text),
    "journal_origin": (
        "journal.origin",
        "CONFIDE_JOURNAL_ORIGIN",
        lambda value: options.check_origin(_text(value)),
    ),
    "journal_folder": ("journal.folder", "CONFIDE_JOURNAL_FOLDER", _text),
    "journal_readers": ("journal.readers", "CONFIDE_JOURNAL_READERS", _networks),
    "journal_witnesses": (
        "journal.witnesses",
        "CONFIDE_JOURNAL_WITNESSES",
        lambda value: options.check_witnesses(_names(value)),
    ),
    "journal_outlets": (
        "journal.outlets",
        "CONFIDE_JOURNAL_OUTLETS",
        lambda value: options.check_outlets(_names(value)),
    ),
    "tls_authorities": ("tls.authorities", "CONFIDE_TLS_AUTHORITIES", _text),
}

_PATHS: Final = (
    "keyring", "password_filter", "journal_folder", "tls_certificate", "tls_key", "tls_authorities",
)  # fmt: skip


def read(environ: Mapping[str, str] = os.environ) -> Config:
    """Read the configuration of the installation in ``CONFIDE_DATA``, by default ``~/.confide``.

    A missing file is an installation with the defaults: ``confide init`` reads it before it writes one.

    Raises:
        Misconfigured: The file or a variable is wrong. The message names the setting, never its value.
    """
    data = Path(environ.get("CONFIDE_DATA") or Path.home() / ".confide").expanduser().absolute()
    loaded = _load(data / FILE)
    providers = issuers.parse(loaded.pop(issuers.TABLE, {}), data)
    policy = alerting.parse(loaded.pop(alerting.TABLE, {}))
    written = _flatten(loaded)
    values: dict[str, Any] = {
        "database_url": _sqlite(data / "confide.sqlite3"),
        "keys_database_url": _sqlite(data / "keys.sqlite3"),
        "keyring": str(data.with_name(f"{data.name}-keys") / "keyring.json"),
    }
    for name, (place, variable, parse) in SETTINGS.items():
        source, value = (
            (variable, environ[variable]) if environ.get(variable) else (place, written.pop(place, None))
        )
        written.pop(place, None)
        if value is not None:
            try:
                values[name] = parse(value)
            except ValueError as error:
                raise Misconfigured(f"{source}: {error}") from None
    if written:
        raise Misconfigured(f"{FILE}: {min(written)} is not a setting (see docs/operations.md)")
    for name in _PATHS:
        if name in values:
            values[name] = data / Path(values[name]).expanduser()
    passphrase = environ.get("CONFIDE_PASSPHRASE") or None
    return Config(data=data, passphrase=passphrase, issuers=providers, watch=policy, **values)


def format(config: Config) -> str:
    """Write *config* as ``confide.toml``: what differs from the defaults. ``read`` is the inverse.

    Database addresses may hold passwords, so the file is for its owner's eyes.
    """
    defaults = {item.name: item.default for item in fields(Config)}
    tables: dict[str, list[str]] = {}
    for name, (place, _, _) in SETTINGS.items():
        value = getattr(config, name)
        if value != defaults[name]:
            table, key = place.split(".")
            tables.setdefault(table, []).append(f"{key} = {_toml(value)}")
    written = [f"[{table}]\n" + "".join(f"{line}\n" for line in lines) for table, lines in tables.items()]
    return "\n".join(
        [*written, *filter(None, [issuers.format(config.issuers), alerting.format(config.watch)])]
    )


def create_secret(path: Path) -> None:
    """Make the key that signs sessions, in a file that only its owner reads; an existing one stays.

    Losing it signs everybody out, and nothing else.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(64))


def read_secret(path: Path) -> str:
    """Return the key that signs sessions.

    Raises:
        Misconfigured: There is none, it is too short, or others can read it.
    """
    try:
        with path.open() as file:
            mode, secret = os.fstat(file.fileno()).st_mode, file.read().strip()
    except OSError:
        raise Misconfigured(f"the session key {path} cannot be read (run confide init)") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Misconfigured(f"the session key {path} can be read by others (chmod 600 it)")
    if len(secret) < 50:
        raise Misconfigured(f"the session key {path} is too short (remove it, and run confide init)")
    return secret


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read ({type(error).__name__})") from None
    except ValueError:
        raise Misconfigured(f"{path} is not TOML in UTF-8 (check quotes and brackets)") from None


def _flatten(tables: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for table, value in tables.items():
        if isinstance(value, dict):
            flat |= {f"{table}.{key}": item for key, item in value.items()}
        else:
            flat[table] = value
    return flat


def _sqlite(path: Path) -> str:
    return f"sqlite:///{quote(str(path))}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
