"""The documentation is complete: every command, setting, error and link in it is there."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, modules

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
OPERATIONS = (DOCS / "operations.md").read_text()
SETTING = re.compile(r"^(CONFIDE_(?!TEST_)[A-Z_]+|DATABASE_URL|KEYS_DATABASE_URL)$")
DECISION = ("## Context", "## Decision", "## Consequences", "## What would change our mind")


def place(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_command_is_explained() -> None:
    commands = {
        node.args[0].value
        for module in modules()
        if module.layer == "cli"
        for node in module.nodes
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") == "add_parser"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    unexplained = [name for name in commands if not re.search(rf"`confide (\w+ )*{name}\b", OPERATIONS)]
    assert not unexplained


def test_every_setting_is_explained() -> None:
    settings = {
        node.value
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SETTING.match(node.value)
    }
    assert not [name for name in sorted(settings) if f"`{name}`" not in OPERATIONS]


def test_every_error_is_explained() -> None:
    errors = next(module for module in modules() if module.name == "confide.errors")
    codes = re.findall(r'^    code(?:: [^=]+)? = "([a-z-]+)"$', errors.text, re.MULTILINE)
    assert len(codes) > 15
    assert not [code for code in codes if code != "error" and f"`{code}`" not in OPERATIONS]


def test_every_make_target_is_explained() -> None:
    targets = re.findall(r"^([a-z]+):.*## (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test", "lint", "bench", "docs"} <= {name for name, _ in targets}


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|<!--.*?-->", "", page.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    broken = [
        target
        for target in targets
        if not re.match(r"[a-z]+:|#", target) and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert not broken


@pytest.mark.parametrize("page", sorted((DOCS / "decisions").glob("*.md")), ids=place)
def test_a_decision_says_what_would_change_it(page: Path) -> None:
    text = page.read_text()
    assert re.match(r"# \d{4} ", text)
    assert not [heading for heading in DECISION if heading not in text]


@pytest.mark.asvs("15.1.2")
def test_what_the_source_stands_on_is_declared() -> None:
    """Every third-party import of the package is a dependency in pyproject.toml."""
    from importlib.metadata import packages_distributions

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"]]
    for extra in ("server", "postgres", "s3", "columns", "spark"):
        listed += extras[extra]
    declared = {canonical(re.split(r"[\[<>=!~; ]", line)[0]) for line in listed}
    owners = packages_distributions()
    undeclared = set()
    for module in modules():
        for node in module.nodes:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                distributions = {canonical(owner) for owner in owners.get(name.partition(".")[0], [])}
                if distributions - {"confide"} and not distributions & declared:
                    undeclared.add(f"{module.place} imports {name}")
    assert not undeclared


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
