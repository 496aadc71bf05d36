"""The door has no back entrance: who may import, make and call what."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.architecture.source import modules

LIBRARY = {"errors", "cipher", "fhir", "protect", "columns", "spark"}
BARE_INSTALL = {"cryptography", "msgspec", "rich"}
WITH_COLUMNS = {
    "numpy": (
        "confide.cipher.alphabet",
        "confide.cipher.columns",
        "confide.cipher.ff1_columns",
        "confide.columns",
    ),
    "pyarrow": ("confide.protect.columns", "confide.protect.files", "confide.protect.exports.parquet"),
    "pyspark": ("confide.protect.spark", "confide.spark"),
}
"""What the extras ``columns`` and ``spark`` add, and where: each may use what stands above it here, too."""


def imports(tree: ast.AST) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [(node.module, node.lineno)]
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def called(call: ast.Call) -> str | None:
    return getattr(call.func, "id", None) or getattr(call.func, "attr", None)


def test_the_library_needs_nothing_but_the_bare_install() -> None:
    allowed = BARE_INSTALL | set(sys.stdlib_module_names) | {"confide"}
    strangers = [
        f"{module.place}:{line} imports {name}"
        for module in modules()
        if module.layer in LIBRARY
        for name, line in imports(module.tree)
        if name.partition(".")[0] not in allowed | extras(module.name)
    ]
    assert not strangers


def extras(name: str) -> set[str]:
    """Packages beyond the bare install that a module of the library may use."""
    listed = list(WITH_COLUMNS)
    places = [i for i, package in enumerate(listed) if name.startswith(WITH_COLUMNS[package])]
    return set(listed[: max(places) + 1]) if places else set()


FOR_DRILLS = (
    "confide.protect.elements.",
    "confide.protect.masks.",
    "confide.audit.journal.",
    "confide.audit.scope.",
    "confide.audit.verdict.",
)
"""What a drill measures by: the catalogue, what a mask looks like, entries, scopes, the journal's check."""


def test_the_drill_uses_the_public_api_only() -> None:
    strangers = [
        f"{module.place}:{line} imports {name}"
        for module in modules()
        if module.layer == "drill"
        for name, line in imports(module.tree)
        if name.startswith(("confide.vault", "confide.audit", "confide.protect", "confide.cipher"))
        and not f"{name}.".startswith(FOR_DRILLS)
    ]
    assert not strangers


@pytest.mark.asvs("8.3.1")
def test_only_decide_makes_grants() -> None:
    makers = [
        f"{module.place}:{node.lineno}"
        for module in modules()
        if module.name != "confide.access.decide"
        for node in module.nodes
        if isinstance(node, ast.Call)
        and (
            called(node) == "Grant"
            # a copy of a grant with other contents is a new grant too
            or (called(node) == "replace" and node.args and getattr(node.args[0], "id", "").endswith("grant"))
        )
    ]
    assert not makers


def test_only_the_vault_reveals() -> None:
    """What opens documents, tokens, stand-ins and seals has one caller above the library: the vault."""
    guarded = (
        "confide.protect.documents.reveal",
        "confide.protect.documents.open",
        "confide.protect.tokens.Tokens",
        "confide.protect.identifiers.StandIns",
        "confide.vault.covers.Covers",
        "confide.vault.tokens.DatabaseTokenStore.by_token",
    )
    callers = [
        f"{module.place}:{line} names {name}"
        for module in modules()
        if module.layer not in {"vault", "protect"}
        for name, line in module.uses
        if name.startswith(guarded)
    ]
    assert not callers


def test_only_the_vault_and_the_wiring_hold_the_keyring() -> None:
    """Whoever holds the keyring needs no door, so few may name it, or ask the vault for it."""
    strangers = [
        f"{module.place}:{node.lineno} calls {ast.unparse(node.func)}"
        for module in modules()
        if module.layer in {"records", "server", "drill", "cli"}
        for node in module.nodes
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "keyring"
    ]
    strangers += [
        f"{module.place}:{line} imports {name}"
        for module in modules()
        if module.layer in {"access", "records", "server", "drill"}
        for name, line in imports(module.tree)
        if name.startswith(
            ("confide.protect.keyring", "confide.protect.kms", "confide.protect.keystore.File")
        )
    ]
    assert not strangers


def test_nobody_writes_to_the_journal_but_the_journal() -> None:
    """No code names a journal row's model to change or delete it; the triggers refuse it as well."""
    strangers = [
        f"{module.place}:{line} imports {name}"
        for module in modules()
        if module.layer != "audit"
        for name, line in imports(module.tree)
        if name.startswith("confide.audit.models")
    ]
    assert not strangers


@pytest.mark.asvs("15.2.3")
def test_the_library_works_without_the_server() -> None:
    """What ``pip install confide`` without extras gives can be imported, and so can the command."""
    bare = [module.name for module in modules() if module.layer in LIBRARY and not extras(module.name)]
    names = [*bare, "confide.cli"]
    absent = ("django", "allauth", "authlib", "argon2", "psycopg", "pyrage", *WITH_COLUMNS)
    program = f"import sys; sys.modules.update(dict.fromkeys({absent}))\n" + "".join(
        f"import {name}\n" for name in names
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
