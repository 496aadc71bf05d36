"""The table ``[watch]`` of the configuration: how far the watch goes by itself, whom it tells. No Django."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from confide.errors import Invalid, Misconfigured
from confide.watch.policy import Policy, Ways
from confide.watch.rungs import Rung

TABLE: Final = "watch"
_TEXTS: Final = {"webhook": "webhook", "mail_relay": "relay", "mail_from": "sender", "syslog": "syslog"}
_AUTOMATIC: Final = "automatic"
_MAIL: Final = "mail_to"
RUNGS: Final = ("watch", "step-up", "masked", "frozen")


def parse(written: Any) -> Policy:
    """Read the table.

    Raises:
        Misconfigured: Something in it is wrong; the message never repeats a value.
    """
    if not isinstance(written, Mapping):
        raise Misconfigured(f"{TABLE}: a table is wanted")
    unknown = sorted(set(written) - {*_TEXTS, _AUTOMATIC, _MAIL})
    if unknown:
        raise Misconfigured(f"{TABLE}.{unknown[0]} is not a setting (see docs/operations.md)")
    automatic = written.get(_AUTOMATIC, Rung.MASKED.value)
    if automatic not in RUNGS:
        raise Misconfigured(f"{TABLE}.{_AUTOMATIC}: one of {', '.join(RUNGS)} is wanted")
    told: dict[str, Any] = {}
    for name, field in _TEXTS.items():
        value = written.get(name, "")
        if not isinstance(value, str):
            raise Misconfigured(f"{TABLE}.{name}: a text is wanted")
        told[field] = value
    mail = written.get(_MAIL, [])
    if not isinstance(mail, list) or not all(isinstance(each, str) and "@" in each for each in mail):
        raise Misconfigured(f"{TABLE}.{_MAIL}: a list of mail addresses is wanted")
    try:
        return Policy(Rung(automatic), Ways(**told, mail=tuple(mail)))
    except Invalid as problem:
        raise Misconfigured(f"{TABLE}: {problem}") from None


def format(policy: Policy) -> str:
    """Write the table, where it differs from the defaults; `parse` is the inverse."""
    lines = []
    if policy.automatic is not Rung.MASKED:
        lines.append(f'{_AUTOMATIC} = "{policy.automatic}"')
    for name, field in _TEXTS.items():
        if value := getattr(policy.ways, field):
            lines.append(f"{name} = {_quote(value)}")
    if policy.ways.mail:
        lines.append(f"{_MAIL} = [{', '.join(map(_quote, policy.ways.mail))}]")
    return f"[{TABLE}]\n" + "".join(f"{line}\n" for line in lines) if lines else ""


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
