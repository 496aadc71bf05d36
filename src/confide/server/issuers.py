"""Identity providers of practices, as ``confide.toml`` names them, a table ``[oidc.NAME]`` each. No Django.

Source:
    OpenID Connect Core 1.0 section 2 (``acr``, ``amr``); RFC 8176, the values of ``amr``.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from confide.errors import Misconfigured

TABLE: Final = "oidc"
PROVING: Final = ("mfa",)
"""What proves a second factor unless a table says otherwise: the provider says that there were several."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
_TEXTS: Final = ("name", "issuer", "client_id", "secret_file")
_LISTS: Final = ("practices", "acr", "amr")


@dataclass(frozen=True, slots=True)
class Issuer:
    """One identity provider, and what its word is worth here.

    Attributes:
        id: What it is called in addresses and commands.
        name: Whose login it is, as people read it: "Elm Clinic".
        url: Its issuer identifier, exactly as its tokens say it.
        client_id: What it knows this server as.
        secret_file: The file with the client secret; only its owner may read it.
        practices: Ids of the practices whose people it may sign in; empty where there is only one practice.
        acr: Authentication contexts that prove a second factor.
        amr: Authentication methods that prove a second factor, each alone.
    """

    id: str
    name: str
    url: str
    client_id: str
    secret_file: Path = field(repr=False)
    practices: tuple[str, ...] = ()
    acr: tuple[str, ...] = ()
    amr: tuple[str, ...] = PROVING

    @property
    def origin(self) -> str:
        """Scheme, host and port: nothing else is asked on its behalf."""
        return origin(self.url)

    def secret(self) -> str:
        """Return the client secret.

        Raises:
            Misconfigured: There is none, or others can read it.
        """
        try:
            with self.secret_file.open() as file:
                mode, secret = os.fstat(file.fileno()).st_mode, file.read().strip()
        except (OSError, ValueError):
            raise Misconfigured(f"{TABLE}.{self.id}: the secret file cannot be read") from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Misconfigured(f"{TABLE}.{self.id}: the secret file can be read by others (chmod 600 it)")
        if not secret:
            raise Misconfigured(f"{TABLE}.{self.id}: the secret file is empty")
        return secret


def origin(url: str) -> str:
    """Return scheme, host and port of an address; empty if it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname and port else ""


def parse(tables: Any, data: Path) -> tuple[Issuer, ...]:
    """Read the tables under ``[oidc]``.

    Args:
        tables: As TOML has them.
        data: The folder from which relative paths start.

    Raises:
        Misconfigured: The first thing that is wrong, by the name of its setting.
    """
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise Misconfigured(f"{TABLE}: a table [{TABLE}.NAME] is wanted for each provider")
    found = tuple(_issuer(id_, table, data) for id_, table in tables.items())
    if len({each.url for each in found}) < len(found):
        raise Misconfigured(f"{TABLE}: two tables name the same issuer")
    return found


def _issuer(id_: str, table: Mapping[str, Any], data: Path) -> Issuer:
    here = f"{TABLE}.{id_}"
    if not _ID.fullmatch(id_):
        raise Misconfigured(f"{TABLE}: a provider is called by 1 to 32 of a-z, 0-9 and hyphens")
    for setting in table:
        if setting not in _TEXTS + _LISTS:
            raise Misconfigured(f"{here}.{setting} is not a setting (see docs/operations.md)")
    for setting in _TEXTS:
        if not isinstance(table.get(setting), str) or not table[setting].strip():
            raise Misconfigured(f"{here}.{setting}: a text is wanted")
    lists: dict[str, tuple[str, ...]] = {}
    for setting in _LISTS:
        if setting in table:
            value = table[setting]
            if not isinstance(value, list) or not all(isinstance(e, str) and e for e in value):
                raise Misconfigured(f"{here}.{setting}: a list of texts is wanted")
            lists[setting] = tuple(value)
    parts = urlsplit(table["issuer"])
    schemes = {"https", "http"} if parts.hostname in _LOOPBACK else {"https"}
    if not origin(table["issuer"]) or parts.scheme not in schemes or parts.query or parts.fragment:
        raise Misconfigured(f"{here}.issuer: an address that begins with https:// is wanted, without ? and #")
    return Issuer(
        id_,
        table["name"].strip(),
        table["issuer"],
        table["client_id"],
        data / Path(table["secret_file"]).expanduser(),
        **lists,
    )


def format(listed: Sequence[Issuer]) -> str:
    """Write the tables; ``parse`` is the inverse."""
    return "".join(f"[{TABLE}.{each.id}]\n{_lines(each)}" for each in listed)


def _lines(each: Issuer) -> str:
    texts = {
        "name": each.name,
        "issuer": each.url,
        "client_id": each.client_id,
        "secret_file": str(each.secret_file),
    }
    written = [f"{key} = {_toml(text)}" for key, text in texts.items()]
    for key, texts_ in (("practices", each.practices), ("acr", each.acr), ("amr", each.amr)):
        if texts_ != Issuer.__dataclass_fields__[key].default:
            written.append(f"{key} = [{', '.join(map(_toml, texts_))}]")
    return "".join(f"{line}\n" for line in written)


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
